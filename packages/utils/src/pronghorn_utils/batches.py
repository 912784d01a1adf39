"""Batches that are read from files or cut from arrays as they are wanted."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pronghorn import tree
from pronghorn.arguments import as_integer
from pronghorn_utils.workers import ahead

Indices = NDArray[np.intp]

_WORKERS = 4
_READ_AHEAD = 4
"""Batches that are made before they are wanted."""


class Batches:
    """An iterable of batches that `fit`, `evaluate` and `predict` read; each pass begins again.

    Where it shuffles, each pass has another order, and the same seed the same orders.

    Attributes:
        class_names: the names of the classes, in the order of their numbers; None without labels.
        file_paths: the files of the samples, in the order before shuffling; None where there are none.
    """

    def __init__(
        self,
        read: Callable[[Indices], Any],
        samples: int,
        batch_size: int | None,
        shuffle: bool = False,
        seed: int | None = None,
        class_names: Sequence[str] | None = None,
        file_paths: Sequence[str] | None = None,
    ) -> None:
        self._read = read
        self._samples = samples
        self._batch_size = None if batch_size is None else as_integer(batch_size, "batch_size")
        self._shuffle = shuffle
        self._seed = np.random.randint(2**31) if seed is None else seed
        self._passes = 0
        self._limit: int | None = None
        self.class_names = None if class_names is None else list(class_names)
        self.file_paths = None if file_paths is None else list(file_paths)

    def __len__(self) -> int:
        batches = math.ceil(self._samples / (self._batch_size or 1))
        return batches if self._limit is None else min(batches, self._limit)

    def __iter__(self) -> Iterator[Any]:
        order = np.arange(self._samples)
        if self._shuffle:
            np.random.default_rng([self._seed, self._passes]).shuffle(order)
            self._passes += 1
        size = self._batch_size or 1
        parts = [order[i * size : (i + 1) * size] for i in range(len(self))]
        return ahead(self._batch, parts, _WORKERS, _READ_AHEAD)

    def _batch(self, indices: Indices) -> Any:
        batch = self._read(indices)
        return batch if self._batch_size else tree.map_structure(lambda array: array[0], batch)

    def map(self, function: Callable[..., Any]) -> Batches:
        """The same batches, each passed through `function`, which gets the parts of a tuple one by one.

        Raises:
            ValueError: the samples are single ones; make batches of them before.
        """
        if self._batch_size is None:
            raise ValueError("map: the samples are single ones; call batch(…) before map(…)")

        def read(indices: Indices) -> Any:
            batch = self._read(indices)
            return function(*batch) if isinstance(batch, tuple) else function(batch)

        return self._like(read, self._limit)

    def take(self, count: int) -> Batches:
        """The first `count` batches of each pass."""
        return self._like(self._read, min(len(self), as_integer(count, "take: count", least=0)))

    def batch(self, batch_size: int) -> Batches:
        """Single samples in batches of `batch_size`.

        Raises:
            ValueError: they are in batches already, or a `take` of single samples.
        """
        if self._batch_size is not None or self._limit is not None:
            raise ValueError("batch: only single samples that were not taken from can be put in batches")
        return self._like(self._read, None, as_integer(batch_size, "batch: batch_size"))

    def _like(self, read: Callable[[Indices], Any], limit: int | None, batch_size: int | None = None) -> Batches:
        size = batch_size or self._batch_size
        other = Batches(read, self._samples, size, self._shuffle, self._seed, self.class_names, self.file_paths)
        other._limit = limit
        return other
