"""Texts as lists of word numbers: what IMDB and Reuters have in common."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Texts = list[NDArray[np.int64]]


def shuffled(texts: Any, labels: NDArray[Any], random: np.random.RandomState) -> tuple[Texts, NDArray[Any]]:
    """Texts and labels in the order that Keras gives them for a generator."""
    order = np.arange(len(texts))
    random.shuffle(order)
    return [np.asarray(texts[i], np.int64) for i in order], labels[order]


def marked(texts: Texts, start_char: int | None, index_from: int | None) -> Texts:
    """Texts with word numbers raised by `index_from`, after a `start_char` unless that is None."""
    raised = [text + (index_from or 0) for text in texts]
    return raised if start_char is None else [np.concatenate([[start_char], text]) for text in raised]


def shorter(texts: Texts, labels: NDArray[Any], maxlen: int | None, name: str) -> tuple[Texts, NDArray[Any]]:
    """The texts of fewer than `maxlen` words, and their labels."""
    if not maxlen:
        return texts, labels
    kept = np.array([len(text) < maxlen for text in texts], bool)
    if not kept.any():
        raise ValueError(f"{name}.load_data: no text has fewer than maxlen={maxlen} words; pass a larger maxlen")
    return [text for text, keep in zip(texts, kept, strict=True) if keep], labels[kept]


def limited(texts: Texts, num_words: int | None, skip_top: int, oov_char: int | None) -> NDArray[Any]:
    """Texts as lists in an array of objects; words out of `skip_top` to `num_words` - 1 become `oov_char`.

    Where `oov_char` is None they are left out. Without `num_words` the limit is the largest number in the
    texts, which, as in Keras, is not kept itself.
    """
    limit = num_words or max(int(text.max(initial=0)) for text in texts)
    limits = np.empty(len(texts), object)
    for i, text in enumerate(texts):
        known = (skip_top <= text) & (text < limit)
        limits[i] = (text[known] if oov_char is None else np.where(known, text, oov_char)).tolist()
    return limits


def read_word_index(path: Path) -> dict[str, int]:
    """The numbers of the words in a JSON file."""
    index: dict[str, int] = json.loads(path.read_text(encoding="utf-8"))
    return index
