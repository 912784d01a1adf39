"""Data made in Python, as fit, evaluate and predict read them: PyDatasets, generators, iterators, iterables."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from pronghorn.arguments import as_integer
from pronghorn.training.arrays import Triple, as_arrays, refuse_nan_labels, weighted
from pronghorn.training.data import Batches, Shuffle, Source, symbols, unpack_x_y_sample_weight
from pronghorn_utils.workers import ahead, read

_END = object()
"""What comes after the last item."""


class BatchSource(Source):
    """Batches made in Python: a generator, an iterator, or an iterable that starts again with each pass."""

    def __init__(self, stream: Iterable[Any], class_weight: Mapping[Any, float] | None = None) -> None:
        self.stream = self.subject = stream
        self.class_weight = class_weight
        self.restarts = not hasattr(stream, "__next__")
        self.endless = isinstance(stream, (itertools.cycle, itertools.repeat, itertools.count))
        self.batches = _length(stream)
        self._waiting: list[Any] = []
        self._taken = 0
        self._labels_checked = False

    def batches_from(self, first: int) -> Batches:
        while first and self._waiting:
            self._waiting.pop()
            first -= 1
        return self._batches(self._items(first))

    def _batches(self, items: Iterator[Any]) -> Batches:
        seen = len(self._waiting)
        while self._waiting:
            yield self._waiting.pop(), None
        for number, item in enumerate(items, seen):
            try:
                batch = self._batch(item)
            except ValueError as error:
                error.add_note(f"in batch {number} of this pass over the data set")
                raise
            yield batch, None

    def _items(self, first: int) -> Iterator[Any]:
        items = iter(self.stream)
        deque(itertools.islice(items, first), maxlen=0)
        return self._numbered(items, first if self.restarts else self._taken + first)

    def _numbered(self, items: Iterator[Any], start: int) -> Iterator[Any]:
        """The items; an error on the way to one says which it is."""
        for number in itertools.count(start):
            item = read(lambda _: next(items, _END), number)
            if item is _END:
                return
            self._taken = number + 1
            yield item

    def _batch(self, item: Any) -> Triple:
        batch = weighted(as_arrays(*unpack_x_y_sample_weight(item), batch=True), self.class_weight)
        if self._labels_checked:
            refuse_nan_labels(batch[1])
        return batch

    def _first(self) -> Any:
        item = read(lambda _: next(iter(self.stream), None), 0)
        if item is None:
            raise ValueError("x: the generator gave no batch; it is empty or used up")
        self._taken += 1
        return item

    def example(self) -> Triple:
        batch = self._waiting[0] if self._waiting else self._batch(self._first())
        if not self.restarts:
            self._waiting = [batch]
        return symbols(batch)

    def forget_example(self) -> None:
        self._waiting.clear()

    def check_labels(self) -> None:
        self._labels_checked = True
        for batch in self._waiting:
            refuse_nan_labels(batch[1])


def _length(stream: Any) -> int | None:
    try:
        return len(stream)
    except TypeError:
        return None


class PyDataset:
    """Base class of data sets in Python: `__getitem__(i)` returns batch i, `__len__` how many there are.

    One that changes from epoch to epoch has `get_state()`, which gives plain values, and `set_state(state)`, so that
    an interrupted training can be resumed.

    Args:
        workers: how many make batches ahead of their use; 0 and 1 stand for the training thread itself.
        use_multiprocessing: whether the workers are processes, to which the data set is sent by pickle, and not
            threads. A script that uses them must train below `if __name__ == "__main__":`.
        max_queue_size: batches that are made ahead, at most, where workers > 1.
    """

    workers = 1
    use_multiprocessing = False
    max_queue_size = 10

    def __init__(self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10) -> None:
        self.workers = as_integer(workers, "PyDataset: workers", least=0)
        self.use_multiprocessing = bool(use_multiprocessing)
        self.max_queue_size = as_integer(max_queue_size, "PyDataset: max_queue_size")

    @property
    def num_batches(self) -> int | None:
        """The number of batches in a pass; None for an endless data set."""
        return _length(self)

    def __iter__(self) -> Iterator[Any]:
        """The batches of a pass in their order."""
        return map(self.__getitem__, itertools.count() if self.num_batches is None else range(self.num_batches))

    def __getitem__(self, index: int) -> Any:
        """Batch `index`: x, (x, y) or (x, y, sample_weight)."""
        raise NotImplementedError(f"{type(self).__name__} has no __getitem__")

    def on_epoch_begin(self) -> None:
        """Called before each epoch."""

    def on_epoch_end(self) -> None:
        """Called after each epoch."""


Sequence = PyDataset
"""The name that PyDataset had in Keras 2."""


class PyDatasetSource(BatchSource):
    """The batches of a PyDataset, in a new random order in each pass where `shuffle` is true."""

    numbered = True

    def __init__(self, dataset: PyDataset, shuffle: Shuffle, class_weight: Mapping[Any, float] | None) -> None:
        super().__init__((), class_weight)
        self.dataset = self.subject = dataset
        self.shuffle = shuffle
        self.restarts = True
        self.batches = dataset.num_batches
        self.endless = self.batches is None
        if self.batches == 0:
            raise ValueError(f"x: the data set {type(dataset).__name__} has no batches (its len() is 0)")

    def _items(self, first: int) -> Iterator[Any]:
        order = itertools.islice(itertools.count() if self.batches is None else self._order(self.batches), first, None)
        dataset = self.dataset
        if dataset.workers > 1 or dataset.use_multiprocessing:
            workers, processes = max(dataset.workers, 1), dataset.use_multiprocessing
            return ahead(dataset.__getitem__, order, workers, dataset.max_queue_size, processes)
        return (read(dataset.__getitem__, index) for index in order)

    def _order(self, batches: int) -> Iterable[int]:
        return map(int, np.random.permutation(batches)) if self.shuffle else range(batches)

    def _first(self) -> Any:
        return self.dataset[0]

    def on_epoch_begin(self) -> None:
        self.dataset.on_epoch_begin()

    def on_epoch_end(self) -> None:
        self.dataset.on_epoch_end()
        self.batches = self.dataset.num_batches


def stream_source(x: Any, shuffle: Shuffle, class_weight: Mapping[Any, float] | None) -> Source:
    """The source for a PyDataset, or for anything that yields batches."""
    if isinstance(x, PyDataset):
        return PyDatasetSource(x, shuffle, class_weight)
    return BatchSource(x if hasattr(x, "__iter__") else map(next, itertools.repeat(x)), class_weight)
