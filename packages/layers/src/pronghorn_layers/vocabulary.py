"""Vocabularies: tokens and their numbers, what may be one, and how one is found in data."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pronghorn_layers.strings import Array, as_strings

FILE = "vocabulary.txt"
"""The name of the file that a saved model has for a vocabulary."""


class Vocabulary:
    """Tokens, and their numbers by their keys (UTF-8 for strings)."""

    def __init__(self, tokens: list[Any], numbers: dict[Any, int]) -> None:
        self.tokens = tokens
        self.numbers = numbers


class Given:
    """A vocabulary and its weights as a constructor got them, as lists of plain values."""

    def __init__(self, vocabulary: Any, idf_weights: Any, token: Callable[[Any], Any]) -> None:
        self.vocabulary: list[Any] | None = None if vocabulary is None else [token(v) for v in listed(vocabulary)]
        self.idf_weights: list[float] | None = listed(idf_weights)


class Counts:
    """How often each token occurs in data, and, where that is asked for, in how many documents."""

    def __init__(self, by_document: bool) -> None:
        self.by_document = by_document
        self.tokens: Counter[Any] = Counter()
        self.documents: Counter[Any] = Counter()
        self.rows = 0

    def add(self, rows: Iterable[list[Any]]) -> None:
        """Counts documents, each a list of keys of tokens."""
        for row in rows:
            self.rows += 1
            self.tokens.update(row)
            if self.by_document:
                self.documents.update(set(row))

    def ranked(self, left_out: Iterable[Any], limit: int | None) -> list[Any]:
        """The most frequent keys first; of equally frequent ones the largest first."""
        for key in left_out:
            self.tokens.pop(key, None)
        keys = sorted(self.tokens, reverse=True)
        keys.sort(key=self.tokens.__getitem__, reverse=True)
        return keys if limit is None else keys[: max(limit, 0)]

    def inverse_frequencies(self, keys: Iterable[Any]) -> Array:
        """log(1 + documents / (1 + documents with the token)), float64."""
        found = np.array([self.documents[key] for key in keys], "int64")
        return np.log(1 + self.rows / (1 + found))


def tokens_of(given: list[Any], specials: list[Any], reserved: Mapping[str, Any], where: str) -> list[Any]:
    """A vocabulary without the special tokens that it may begin with.

    Raises:
        ValueError: a reserved token is among the others.
    """
    tokens = given[len(specials) :] if given[: len(specials)] == specials else given
    for name, token in reserved.items():
        if token is not None and token in tokens:
            raise ValueError(
                f"{where}: {token!r}, the {name}, is at index {tokens.index(token)} of the tokens; leave it out, or "
                f"begin the vocabulary with exactly {specials!r}"
            )
    return tokens


def refuse_repetitions(tokens: list[Any], where: str) -> None:
    """Raises ValueError where a token is there more than once."""
    if len(set(tokens)) < len(tokens):
        repeated = [token for token, count in Counter(tokens).items() if count > 1]
        raise ValueError(f"{where}: holds {repeated[:10]!r} more than once; drop the repetitions")


def read_lines(path: Any, encoding: str, where: str) -> list[str]:
    """The lines of a text file.

    Raises:
        ValueError: there is none that can be read.
    """
    try:
        text = Path(os.fsdecode(path)).read_text(encoding=encoding)
    except (OSError, UnicodeError) as error:
        raise ValueError(f"{where}: the file {os.fsdecode(path)!r} cannot be read: {error}") from None
    return text.removesuffix("\n").split("\n") if text else []


def to_file(tokens: list[Any], where: str) -> bytes:
    """The file that a saved model has for tokens.

    Raises:
        ValueError: a token has more than one line.
    """
    lines = [str(token) for token in tokens]
    if broken := [line for line in lines if "\n" in line or "\r" in line]:
        raise ValueError(
            f"{where}: {broken[0]!r} holds a line break, and the file has a line for each token; replace it in the "
            f"data, or pass the vocabulary to the constructor as a list"
        )
    return "\n".join(lines).encode()


def from_file(data: bytes, size: int | None) -> list[str]:
    """The lines of such a file; empty ones at its end count only where there are not more than `size` in all."""
    lines = data.decode().replace("\r\n", "\n").split("\n")
    while lines and not lines[-1] and len(lines) > (size or 0):
        lines.pop()
    return lines


def is_path(vocabulary: Any) -> bool:
    """Whether a vocabulary is given as the path of a file."""
    return isinstance(vocabulary, (str, bytes, os.PathLike))


def refuse_paths(name: str, config: Mapping[str, Any]) -> None:
    """A config may come out of a file: what that names is not opened."""
    if is_path(config.get("vocabulary")):
        raise ValueError(
            f"{name}: a config may hold a vocabulary but name no file ({config['vocabulary']!r}), which is never "
            f"opened; pass the path to the constructor"
        )


def listed(values: Any) -> Any:
    """A list, array or tensor of one dimension as a list of plain values; None for None."""
    if values is None:
        return None
    if isinstance(values, (list, tuple)):
        return [value.item() if isinstance(value, np.generic) else value for value in values]
    array = np.asarray(values)
    if array.ndim != 1:
        raise ValueError(f"a vocabulary and its weights must be lists or arrays of one dimension, got {values!r}")
    return as_strings(array).tolist() if array.dtype.kind in "OUST" else array.tolist()
