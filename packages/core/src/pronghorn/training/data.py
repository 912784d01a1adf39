"""What fit, evaluate and predict read: arrays in memory or in files; data sets in Python come from utils.

Every source yields `(data, indices)`, the arguments of a compiled step. For arrays in memory `data` holds the
whole arrays (as `Rows`) and `indices` the batch's rows: gathering and casting them is the first thing the
step does. Otherwise `data` holds the arrays of the batch and `indices` is None.
"""

from __future__ import annotations

import math
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from typing import Any, Literal

import numpy as np

from pronghorn import config, dtypes, plugins, tree
from pronghorn.arguments import as_integer
from pronghorn.program import Program, Rows, batch_rows
from pronghorn.random import global_state, set_global_state
from pronghorn.tensor import MODEL, Tensor, convert_to_tensor
from pronghorn.training.arrays import Array, Triple, as_arrays, count_rows, is_arrays, refuse_nan_labels, weighted

Shuffle = bool | Literal["batch"]
Batches = Generator[tuple[Any, Any], None, None]

READ_AHEAD = 2
"""Batches that are read from a file while a step runs."""


# ------------------------------------------------------------------------------------------------ a batch


def unpack_x_y_sample_weight(data: Any) -> Triple:
    """A batch as (x, y, sample_weight): a tuple or list of up to three, or x alone."""
    if isinstance(data, list):
        data = tuple(data)
    if not isinstance(data, tuple):
        return data, None, None
    if not 1 <= len(data) <= 3:
        raise ValueError(
            f"a batch must be (x,), (x, y) or (x, y, sample_weight), got a tuple of {len(data)} items; "
            f"put several inputs in a list: ([x1, x2], y)"
        )
    return (*data, None, None)[:3]


def pack_x_y_sample_weight(x: Any, y: Any = None, sample_weight: Any = None) -> Any:
    """The shortest batch that holds these: x, (x, y) or (x, y, sample_weight)."""
    if y is None and sample_weight is None:
        return (x,) if isinstance(x, (list, tuple)) else x
    return (x, y) if sample_weight is None else (x, y, sample_weight)


def gather(data: Any, indices: Any) -> Any:
    """The batch as tensors, floats in floatx. Runs at the head of a compiled step, or eagerly."""

    def tensor(leaf: Any) -> Tensor:
        if isinstance(leaf, Rows):
            leaf = leaf.array[indices]
        dtype = step_dtype(dtypes.standardize(leaf.dtype))
        if isinstance(leaf, Tensor) and indices is not None:
            return batch_rows(leaf, indices, dtype=dtype)
        return convert_to_tensor(leaf, dtype)

    return tree.map_structure(tensor, data, none_is_leaf=False)


def step_dtype(dtype: str) -> str:
    """The dtype that an array of `dtype` has within a step: floats become floatx."""
    return config.floatx() if dtype in dtypes.FLOATS else dtype


def symbols(data: Triple, rows: int | None = None) -> Triple:
    """Tensors without values for the arrays of a batch, or of a batch of `rows` taken from whole arrays."""

    def symbol(leaf: Any) -> Tensor:
        shape = (leaf.shape[0] if rows is None else rows, *leaf.shape[1:])
        return Tensor(shape, step_dtype(dtypes.standardize(leaf.dtype)), scope=MODEL)

    x, y, sample_weight = tree.map_structure(symbol, data, none_is_leaf=False)
    return x, y, sample_weight


# ------------------------------------------------------------------------------------------------ sources


class Source:
    """Yields the batches of one pass over the data.

    Attributes:
        batches: their number in a pass; None where it is not known.
        rows: the number of rows in a pass; None where it is not known.
        restarts: whether a second pass begins again.
        endless: whether a pass is known to have no end.
        numbered: whether batches are made by number, so that a pass can begin with any.
        in_memory: whether each batch comes as the whole arrays and its rows.
    """

    batches: int | None = None
    rows: int | None = None
    restarts = True
    endless = False
    numbered = False
    in_memory = False
    subject: Any = None
    """The user's object whose `get_state` and `set_state`, where it has them, say where it stands."""

    def __iter__(self) -> Batches:
        return self.batches_from(0)

    def batches_from(self, first: int) -> Batches:
        """A pass over the data without the batches before `first`. What it draws for its order it draws at once."""
        raise NotImplementedError

    def example(self) -> Triple:
        """The first batch as symbols: (x, y, sample_weight)."""
        raise NotImplementedError

    def forget_example(self) -> None:
        """Leaves out of the pass what was read for the example."""

    def check_labels(self) -> None:
        """Refuses targets that hold NaN, now or as they come."""

    def on_epoch_begin(self) -> None:
        """Called before each epoch."""

    def on_epoch_end(self) -> None:
        """Called after each epoch."""


class ArraySource(Source):
    """Arrays with one row per sample: in memory, gathered by the step, or in files, read ahead by a thread.

    `shuffle=True` draws a new `np.random.permutation` of the rows for each pass (so `set_random_seed`
    reproduces it); "batch" permutes within each batch's worth of rows only, which keeps reads from files
    contiguous.
    """

    def __init__(
        self,
        data: Triple,
        batch_size: int,
        shuffle: Shuffle = False,
        rows: range | None = None,
        class_weight: Mapping[Any, float] | None = None,
    ) -> None:
        self.given = data
        self.data = weighted(data, class_weight)
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.range = range(count_rows(data)) if rows is None else rows
        self.rows = len(self.range)
        self.batches = math.ceil(self.rows / batch_size)
        self.in_memory = all(
            leaf is None or (type(leaf) is np.ndarray and leaf.dtype.kind in "fiub") for leaf in tree.flatten(data)
        )
        # the same for all passes, so that a device copies the arrays once
        self.sources = tree.map_structure(Rows, self.data, none_is_leaf=False) if self.in_memory else None

    def batches_from(self, first: int) -> Batches:
        indices = self._indices(first)
        if self.in_memory:
            return ((self.sources, rows) for rows in indices)
        if self.batches == 1:
            return ((self._read(rows), None) for rows in indices)
        return ((batch, None) for batch in ahead(self._read, indices))

    def _indices(self, first: int) -> Iterator[Array]:
        total, size = len(self.range), self.batch_size
        order = np.random.permutation(total) if self.shuffle is True else np.arange(total)
        order += self.range.start
        if self.shuffle == "batch":
            for at in range(0, total, size):
                order[at : at + size] = np.random.permutation(order[at : at + size])
        return (order[at : at + size] for at in range(first * size, total, size))

    def _read(self, indices: Array) -> Any:
        return tree.map_structure(lambda leaf: read_rows(leaf, indices), self.data, none_is_leaf=False)

    def example(self) -> Triple:
        return symbols(self.data, min(self.batch_size, len(self.range)))

    def check_labels(self) -> None:
        refuse_nan_labels(self.data[1])


def read_rows(source: Any, indices: Array) -> Array:
    """Rows of an array in memory or in a file; h5py wants them in order and none twice."""
    if type(source) is np.ndarray:
        return source[indices]
    low, high = int(indices.min()), int(indices.max())
    if high - low + 1 == len(indices):
        rows = np.array(source[low : high + 1])
        return rows if np.all(np.diff(indices) == 1) else rows[indices - low]
    unique, positions = np.unique(indices, return_inverse=True)
    return np.asarray(source[unique])[positions.reshape(-1)]


def ahead(function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
    """The results of `function` on `items`; a thread computes them ahead where pronghorn-utils is installed."""
    threads = plugins.references("utils").get("fit.reading_ahead")
    return threads.load()(function, items, 1, READ_AHEAD) if threads else map(function, items)


def prepared(step: Any, batches: Batches) -> Batches:
    """The batches; a thread does ahead of a compiled step what that leaves to the host, such as looking strings up."""
    for batch in batches:
        yield batch
        if isinstance(step, Program) and step._latest is not None and step.executable.staged:
            yield from ahead(step.prepare, batches)


def make_source(
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    *,
    batch_size: Any = None,
    steps: int | None = None,
    shuffle: Any = False,
    class_weight: Mapping[Any, float] | None = None,
) -> Source:
    """The source for what was passed to fit, evaluate or predict.

    Raises:
        ValueError: the arguments do not fit together, or cannot be read.
    """
    if isinstance(x, Source):
        return x
    if shuffle not in (True, False, "batch"):
        raise ValueError(f"shuffle: expected True, False or 'batch', got {shuffle!r}")
    size = None if batch_size is None else as_integer(batch_size, "batch_size")
    kind = type(x).__name__
    if is_arrays(x):
        for name, value in (("y", y), ("sample_weight", sample_weight)):
            if not is_arrays(value):
                raise ValueError(f"{name}: expected arrays like x, got {type(value).__name__}")
        data = as_arrays(x, y, sample_weight, lazy=True)
        size = size or (32 if steps is None else math.ceil(count_rows(data) / steps))
        return ArraySource(data, size, shuffle, class_weight=class_weight)
    if not (hasattr(x, "__iter__") or hasattr(x, "__next__")) or isinstance(x, (list, tuple, Mapping)):
        raise ValueError(f"x: expected arrays, a PyDataset, or an iterable of batches, got {kind}: {x!r}")
    for name, value in (("y", y), ("sample_weight", sample_weight)):
        if value is not None:
            raise ValueError(f"{name}: must not be passed where x is a {kind}; let that yield (x, y, sample_weight)")
    if size is not None:
        message = f"batch_size={size} has no effect: x is a {kind}, which makes the batches itself"
        warnings.warn(message, stacklevel=4)
    return plugins.load("utils", "fit.generators_and_PyDatasets")(x, shuffle, class_weight)  # type: ignore[no-any-return]


def split_arrays(source: Source, fraction: Any, batch_size: int | None = None) -> tuple[Source, Source]:
    """Training and validation sources: the last `fraction` of the rows, unshuffled, are for validation.

    Class weights count in training only.

    Raises:
        ValueError: `fraction` is not between 0 and 1, leaves no rows on one side, or `source` is no array.
    """
    if not isinstance(fraction, (int, float, np.floating)) or not 0 < fraction < 1:
        raise ValueError(f"validation_split: expected a fraction between 0 and 1, got {fraction!r}")
    if not isinstance(source, ArraySource):
        raise ValueError("validation_split works on arrays only; pass validation_data for other data")
    total = len(source.range)
    cut = math.floor(total * (1.0 - float(fraction)))
    if not 0 < cut < total:
        raise ValueError(
            f"validation_split={fraction} of {total} rows leaves {cut} for training and {total - cut} for "
            f"validation; both need at least one"
        )
    training = ArraySource(source.data, source.batch_size, source.shuffle, range(cut))
    return training, ArraySource(source.given, batch_size or source.batch_size, False, range(cut, total))


# ------------------------------------------------------------------------------------------------ epochs


class Epochs:
    """Cuts a source into epochs: each a pass, or `steps` batches wherever a pass ends.

    Attributes:
        dry: whether the data ran out before the end of an epoch.
        done: batches of the present epoch that were used.
    """

    def __init__(self, source: Source, steps: int | None = None, argument: str = "steps") -> None:
        if source.endless and steps is None:
            raise ValueError(
                f"{argument}: the data have no end; say how many batches to take, for example {argument}=100"
            )
        self.source = source
        self.steps = steps
        self.dry = False
        self.done = 0
        self._taken = 0
        self._stream: Batches | None = None
        self._read = 0
        self._passes: deque[tuple[int, Any]] = deque(maxlen=READ_AHEAD + 2)
        self._state: dict[str, Any] | None = None

    @property
    def length(self) -> int | None:
        """Batches in an epoch; None where that is not known."""
        return self.steps or self.source.batches

    def __iter__(self) -> Batches:
        self.source.on_epoch_begin()
        if self._state is not None:
            self._seek(self._state)
        if self.steps is None:
            self.dry = not self.done
            for batch in self._stream or self._open():
                self.dry = False
                self._read += 1
                yield batch
        else:
            yield from self._steps(self.steps - self.done)
        self.source.on_epoch_end()

    def _steps(self, steps: int) -> Batches:
        for _ in range(steps):
            batch = next(self._stream, None) if self._stream is not None else None
            if batch is None and (self._stream is None or self.source.restarts):
                batch = next(self._open(), None)
            if batch is None:
                self.dry = True
                return
            self._read += 1
            yield batch

    def _open(self, first: int = 0) -> Batches:
        """Begins a pass, and notes with what random numbers."""
        if self.source.restarts or not self._passes:
            self._passes.append((self._read - first, global_state()))
        self._stream = self.source.batches_from(first)
        return self._stream

    def count(self, batches: int = 1) -> None:
        """Notes that batches were used; others may have been read already."""
        self._taken += batches
        self.done += batches

    def end_epoch(self) -> None:
        """Notes the end of an epoch, which may come before that of the data."""
        self.done = 0
        if self.steps is None:
            self.restart()

    def get_state(self) -> dict[str, Any]:
        """Where the reading stands, for `set_state` in another process: plain values and arrays."""
        subject = self.source.subject
        begun = [(first, start) for first, start in self._passes if first <= self._taken]
        first, start = begun[-1] if begun else (self._taken, None)
        return {
            "start": start,
            "taken": self._taken - first,
            "done": self.done,
            "own": subject.get_state() if hasattr(subject, "get_state") else None,
            "random": global_state(),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Goes on where `get_state` was called: now, or within an epoch, when that is begun again."""
        self._state = state
        if not state["done"]:
            self._seek(state)

    def _seek(self, state: dict[str, Any]) -> None:
        """Begins the pass again, with the same random numbers, and leaves out what was used of it."""
        self._state = None
        self.done = state["done"]
        first, subject = state["taken"], self.source.subject
        if state["own"] is not None:
            subject.set_state(state["own"])
            if not self.source.numbered:  # a stream has put itself there
                self.source.forget_example()
                first = 0
        if state["start"] is not None:
            set_global_state(state["start"])
            self._open(first)
        set_global_state(state["random"])

    def restart(self) -> None:
        """Makes the next epoch begin at the beginning of the data, where they have one."""
        self.close()
        if self.source.restarts:
            self._passes.clear()
            self._taken = self._read = 0

    def close(self) -> None:
        """Ends the threads that read ahead."""
        if self._stream is not None:
            self._stream.close()
        self._stream = None
