"""Keras 2's Tokenizer; the numbers are those of `keras._legacy.preprocessing.text` of Keras 3.15.1."""

from __future__ import annotations

import numpy as np
import pytest

from pronghorn.preprocessing.text import Tokenizer, text_to_word_sequence

TEXTS = ["The cat sat on the mat.", "The dog ate the cat!", "dogs, cats"]


def test_words_are_numbered_by_frequency():
    tokenizer = Tokenizer()
    tokenizer.fit_on_texts(TEXTS)
    assert list(tokenizer.word_index.items())[:4] == [("the", 1), ("cat", 2), ("sat", 3), ("on", 4)]
    assert tokenizer.texts_to_sequences(["the cat and the dog"]) == [[1, 2, 1, 6]]
    assert tokenizer.sequences_to_texts([[1, 6, 99]]) == ["the dog"]
    assert (tokenizer.document_count, tokenizer.word_counts["the"], tokenizer.word_docs["the"]) == (3, 4, 2)


def test_rare_and_unknown_words_become_the_oov_token():
    tokenizer = Tokenizer(num_words=4, oov_token="?")
    tokenizer.fit_on_texts(TEXTS)
    assert tokenizer.texts_to_sequences(["the cat and the dog"]) == [[2, 3, 1, 2, 1]]
    assert tokenizer.sequences_to_texts([[2, 7, 99]]) == ["the ? ?"]
    assert Tokenizer(num_words=3).sequences_to_matrix([[1, 2, 5]]).tolist() == [[0, 1, 1]]


def test_characters_lists_and_functions_give_words():
    tokenizer = Tokenizer(char_level=True)
    tokenizer.fit_on_texts(["aab", "Ab"])
    assert tokenizer.texts_to_sequences(["ba"]) == [[2, 1]]
    tokenizer = Tokenizer(analyzer=lambda text: text.split(";"))
    tokenizer.fit_on_texts(["A;b", ["b", "B"]])
    assert tokenizer.word_index == {"b": 1, "A": 2}
    assert text_to_word_sequence("A-b c", lower=False) == ["A", "b", "c"]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("binary", [0, 1, 1]),
        ("count", [0, 2, 1]),
        ("freq", [0, 2 / 3, 1 / 3]),
        ("tfidf", [0, (1 + np.log(2)) * np.log(2), np.log(2)]),
    ],
)
def test_matrices_weigh_words(mode, expected):
    tokenizer = Tokenizer(num_words=3)
    tokenizer.fit_on_texts(TEXTS)
    np.testing.assert_allclose(tokenizer.texts_to_matrix(["the cat the"], mode), [expected])


def test_wrong_uses_are_named():
    with pytest.raises(ValueError, match="fit_on_texts"):
        Tokenizer().sequences_to_matrix([[1]])
    with pytest.raises(ValueError, match="fit_on_texts"):
        Tokenizer(num_words=3).sequences_to_matrix([[1]], "tfidf")
    with pytest.raises(ValueError, match="mode is 'bag'"):
        Tokenizer(num_words=3).sequences_to_matrix([[1]], "bag")
