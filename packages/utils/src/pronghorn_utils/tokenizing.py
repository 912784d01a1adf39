"""Keras 2's `Tokenizer`: words numbered by how often they occur. New code uses `TextVectorization`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

FILTERS = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'
MODES = ("binary", "count", "freq", "tfidf")


def text_to_word_sequence(input_text: str, filters: str = FILTERS, lower: bool = True, split: str = " ") -> list[str]:
    """The words of a text: `filters` are characters that separate words besides `split`."""
    text = input_text.lower() if lower else input_text
    separated = text.translate({ord(character): split for character in filters})
    return [word for word in separated.split(split) if word]


class Tokenizer:
    """Turns texts into lists of word numbers, from 1 by how often a word occurs; 0 is free for padding.

    Args:
        num_words: only numbers below this are used.
        filters: characters that separate words.
        lower: whether texts are made lower case.
        split: what separates words.
        char_level: whether each character is a word.
        oov_token: stands, with number 1, for words that are not known; None leaves them out.
        analyzer: a function from a text to its words, in place of the above.

    Attributes:
        word_index: word -> number.
        index_word: number -> word.
        word_counts: word -> how often it occurs.
        word_docs: word -> in how many texts it occurs.
        index_docs: the same by number.
        document_count: the number of texts.
    """

    def __init__(
        self,
        num_words: int | None = None,
        filters: str = FILTERS,
        lower: bool = True,
        split: str = " ",
        char_level: bool = False,
        oov_token: str | None = None,
        analyzer: Callable[[str], Sequence[str]] | None = None,
    ) -> None:
        self.num_words = num_words
        self.filters = filters
        self.lower = lower
        self.split = split
        self.char_level = char_level
        self.oov_token = oov_token
        self.analyzer = analyzer
        self.document_count = 0
        self.word_counts: Counter[str] = Counter()
        self.word_docs: Counter[str] = Counter()
        self.index_docs: Counter[int] = Counter()
        self.word_index: dict[str, int] = {}
        self.index_word: dict[int, str] = {}

    def fit_on_texts(self, texts: Iterable[str | Sequence[str]]) -> None:
        """Counts the words of texts, or of lists of words, and numbers all words anew."""
        for text in texts:
            words = self._words(text)
            self.document_count += 1
            self.word_counts.update(words)
            self.word_docs.update(set(words))
        known = [] if self.oov_token is None else [self.oov_token]
        known += [word for word, _ in self.word_counts.most_common()]
        self.word_index = {word: i for i, word in enumerate(known, start=1)}
        self.index_word = {i: word for word, i in self.word_index.items()}
        self.index_docs = Counter({self.word_index[word]: count for word, count in self.word_docs.items()})

    def fit_on_sequences(self, sequences: Iterable[Sequence[int]]) -> None:
        """Counts in how many lists each word number occurs, which "tfidf" needs where no texts were counted."""
        for sequence in sequences:
            self.document_count += 1
            self.index_docs.update(set(sequence))

    def texts_to_sequences(self, texts: Iterable[str | Sequence[str]]) -> list[list[int]]:
        """The word numbers of each text."""
        return list(self.texts_to_sequences_generator(texts))

    def texts_to_sequences_generator(self, texts: Iterable[str | Sequence[str]]) -> Iterator[list[int]]:
        """The word numbers of each text, one after the other."""
        for text in texts:
            numbers = (self._known(self.word_index.get(word)) for word in self._words(text))
            yield [number for number in numbers if number is not None]

    def sequences_to_texts(self, sequences: Iterable[Sequence[int]]) -> list[str]:
        """The words of each list of numbers, with blanks between them."""
        return list(self.sequences_to_texts_generator(sequences))

    def sequences_to_texts_generator(self, sequences: Iterable[Sequence[int]]) -> Iterator[str]:
        """The words of each list of numbers, one after the other."""
        for sequence in sequences:
            numbers = (self._known(number if number in self.index_word else None) for number in map(int, sequence))
            yield " ".join(self.index_word[number] for number in numbers if number is not None)

    def texts_to_matrix(self, texts: Iterable[str | Sequence[str]], mode: str = "binary") -> NDArray[np.float64]:
        """A row for each text, with a column for each word number; see `sequences_to_matrix`."""
        return self.sequences_to_matrix(self.texts_to_sequences(texts), mode)

    def sequences_to_matrix(self, sequences: Sequence[Sequence[int]], mode: str = "binary") -> NDArray[np.float64]:
        """A row for each list of word numbers, float64 (n, num_words).

        Args:
            sequences: lists of word numbers; those from `num_words` on are left out.
            mode: "binary" for 1 where a word occurs, "count" for how often, "freq" for that over the length of
                the list, "tfidf" for (1 + log count) * log(1 + texts / (1 + texts with the word)).

        Raises:
            ValueError: there is no `num_words` and no text was counted, or no such mode.
        """
        if mode not in MODES:
            raise ValueError(f"Tokenizer: mode is {mode!r}; pass one of {', '.join(MODES)}")
        if not self.num_words and not self.word_index:
            raise ValueError("Tokenizer: the number of columns is not known; pass num_words, or call fit_on_texts")
        if mode == "tfidf" and not self.document_count:
            raise ValueError("Tokenizer: mode='tfidf' needs texts to compare with; call fit_on_texts")
        size = self.num_words or len(self.word_index) + 1
        matrix = np.zeros((len(sequences), size))
        for row, sequence in zip(matrix, sequences, strict=True):
            for number, count in Counter(sequence).items():
                if number < size:
                    row[number] = self._weight(number, count, len(sequence), mode)
        return matrix

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments but `analyzer`, and what was counted."""
        names = "num_words filters lower split char_level oov_token document_count".split()
        counted = "word_counts word_docs index_docs index_word word_index".split()
        return {name: getattr(self, name) for name in names} | {name: dict(getattr(self, name)) for name in counted}

    def _words(self, text: str | Sequence[str]) -> Sequence[str]:
        if not isinstance(text, str):
            return [word.lower() for word in text] if self.lower else text
        if self.char_level:
            return text.lower() if self.lower else text
        if self.analyzer is not None:
            return self.analyzer(text)
        return text_to_word_sequence(text, self.filters, self.lower, self.split)

    def _known(self, number: int | None) -> int | None:
        """A number that is used: itself, that of `oov_token`, or none."""
        if number is not None and (not self.num_words or number < self.num_words):
            return number
        return None if self.oov_token is None else self.word_index.get(self.oov_token)

    def _weight(self, number: int, count: int, length: int, mode: str) -> float:
        if mode == "tfidf":
            documents = np.log(1 + self.document_count / (1 + self.index_docs.get(number, 0)))
            return float((1 + np.log(count)) * documents)
        return {"binary": 1.0, "count": count, "freq": count / length}[mode]
