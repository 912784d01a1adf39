"""What fit, evaluate and predict read: arrays in memory or in files, data sets in Python, generators.

Every source yields `(data, indices)`, the arguments of a compiled step. For arrays in memory `data` holds the whole arrays
(as `Rows`) and `indices` the batch's rows: gathering and casting them is the first thing the step does. Otherwise `data`
holds the arrays of the batch and `indices` is None.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import Any, Literal, TypeVar

import numpy as np

from pronghorn import accelerator, config, dtypes, tree
from pronghorn.program import Rows, batch_rows
from pronghorn.tensor import MODEL, Tensor, Variable, convert_to_tensor

Array = np.ndarray[Any, Any]
Item = TypeVar("Item")
Result = TypeVar("Result")
Shuffle = bool | Literal["batch"]
Batches = Generator[tuple[Any, Any], None, None]

ROLES = ("x", "y", "sample_weight")
READ_AHEAD = 2
"""Batches that are read from a file while a step runs."""


# ------------------------------------------------------------------------------------------------ a batch


def unpack_x_y_sample_weight(data: Any) -> tuple[Any, Any, Any]:
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
    """The batch as tensors, floats in floatx: runs at the head of a compiled step, or eagerly on what a source yields."""

    def tensor(leaf: Any) -> Tensor:
        if isinstance(leaf, Rows):
            leaf = leaf.array[indices]
        if isinstance(leaf, Tensor):
            target = step_dtype(leaf.dtype)
            return convert_to_tensor(leaf, target) if indices is None else batch_rows(leaf, indices, dtype=target)
        return convert_to_tensor(leaf, step_dtype(dtypes.standardize(leaf.dtype)))

    return tree.map_structure(tensor, data, none_is_leaf=False)


def step_dtype(dtype: str) -> str:
    """The dtype that an array of `dtype` has within a step: floats become floatx."""
    return config.floatx() if dtype in dtypes.FLOATS else dtype


def symbols(data: tuple[Any, Any, Any], rows: int | None = None) -> tuple[Any, Any, Any]:
    """Tensors without values for the arrays of a batch, or of a batch of `rows` taken from whole arrays."""

    def symbol(leaf: Any) -> Tensor:
        shape = (leaf.shape[0] if rows is None else rows, *leaf.shape[1:])
        return Tensor(shape, step_dtype(dtypes.standardize(leaf.dtype)), scope=MODEL)

    x, y, sample_weight = tree.map_structure(symbol, data, none_is_leaf=False)
    return x, y, sample_weight


# ------------------------------------------------------------------------------------------------ arrays


def as_array(value: Any, name: str) -> Array:
    """Tensor, list, data frame or foreign tensor as a NumPy array, without copying where that is possible.

    Raises:
        ValueError: it is no array of numbers or strings, or has no rows to take batches from.
    """
    if isinstance(value, Variable):
        value = value.value
    if isinstance(value, Tensor):
        if value.symbolic:
            raise ValueError(f"{name}: got the symbol {value}, which has no value; pass an array")
        array = accelerator.to_numpy(value.buffer)
    elif type(value) is np.ndarray:
        array = value
    elif hasattr(value, "to_numpy"):
        array = np.asarray(value.to_numpy())
        array = array[:, None] if array.ndim == 1 else array  # a pandas Series is one feature
    elif hasattr(value, "toarray"):
        raise NotImplementedError(f"{name}: sparse matrices are not supported; pass {name}.toarray()")
    else:
        try:
            array = np.asarray(value)
        except ValueError as error:
            raise ValueError(f"{name}: the rows of the list have different lengths; pad them to one ({error})") from None
    if array.dtype == object and array.size and not isinstance(array.flat[0], (str, bytes)):
        raise ValueError(f"{name}: expected numbers, got an array of {type(array.flat[0]).__name__} objects")
    if array.ndim == 0:
        raise ValueError(f"{name}: expected an array with one row per sample, got the scalar {value!r}")
    return array


def _scalars(value: Any) -> bool:
    """Whether `value` is a nested list of numbers, which stands for one array."""
    while isinstance(value, (list, tuple)) and value:
        value = value[0]
    return isinstance(value, (bool, int, float, str, np.generic))


def _by_rows(value: Any) -> bool:
    """Whether `value` lives in a file and is read by rows (memory-mapped, h5py, zarr …)."""
    if isinstance(value, np.memmap):
        return True
    sliceable = all(hasattr(value, name) for name in ("shape", "dtype", "__getitem__", "__len__"))
    in_memory = ("__array_interface__", "__dlpack__", "to_numpy", "toarray", "numpy")
    return sliceable and not any(hasattr(value, name) for name in in_memory)


def is_arrays(structure: Any) -> bool:
    """Whether `structure` holds arrays (and not a generator or data set)."""
    if structure is None or _scalars(structure):
        return True
    leaves = tree.flatten(structure)
    arrays = (np.ndarray, Tensor, Variable)
    kinds = ("__array__", "__array_interface__", "__dlpack__", "to_numpy", "toarray")
    return bool(leaves) and all(
        leaf is None or isinstance(leaf, arrays) or _by_rows(leaf) or any(hasattr(leaf, k) for k in kinds) or _scalars(leaf)
        for leaf in leaves
    )


def _named(structure: Any, name: str) -> Iterator[tuple[str, Any]]:
    """The leaves of a structure with names such as "x[1]" or "y['age']"."""
    if isinstance(structure, Mapping):
        for key in structure:
            yield from _named(structure[key], f"{name}[{key!r}]")
    elif isinstance(structure, (list, tuple)):
        for i, item in enumerate(structure):
            yield from _named(item, f"{name}[{i}]")
    elif structure is not None:
        yield name, structure


def _convert(structure: Any, name: str, lazy: bool = False) -> Any:
    """The structure with arrays as its leaves; with `lazy`, what is read by rows stays as it is."""
    if structure is None:
        return None
    if _scalars(structure):
        return as_array(structure, name)
    if isinstance(structure, Mapping):
        return {key: _convert(item, f"{name}[{key!r}]", lazy) for key, item in structure.items()}
    if isinstance(structure, (list, tuple)):
        return type(structure)([_convert(item, f"{name}[{i}]", lazy) for i, item in enumerate(structure)])
    return structure if lazy and _by_rows(structure) else as_array(structure, name)


def count_rows(data: tuple[Any, Any, Any]) -> int:
    """The number of rows of the arrays of (x, y, sample_weight).

    Raises:
        ValueError: they differ, or there are none.
    """
    sizes = [(name, leaf.shape) for part, role in zip(data, ROLES, strict=True) for name, leaf in _named(part, role)]
    if not sizes:
        raise ValueError("x: expected an array, a generator or a data set, got None")
    first, shape = sizes[0]
    for name, other in sizes[1:]:
        if other[0] != shape[0]:
            raise ValueError(
                f"{first} has {shape[0]} rows and {name} has {other[0]} (shapes {shape} and {other}); "
                f"they need one row per sample each: pass arrays of equal length"
            )
    if shape[0] == 0:
        raise ValueError(f"{first} has no rows (shape {shape}); pass at least one sample")
    return int(shape[0])


def refuse_nan_labels(y: Any) -> None:
    """Raises ValueError where targets hold NaN, which would make every weight NaN in one step."""
    for name, leaf in _named(y, "y"):
        floats = type(leaf) is np.ndarray and leaf.dtype.kind == "f"
        if floats and np.isnan(np.sum(leaf)) and np.isnan(leaf).any():
            row = int(np.argwhere(np.isnan(leaf))[0][0])
            raise ValueError(
                f"{name} holds NaN, first in row {row}: the loss would be NaN; drop these rows or fill in their targets"
            )


def as_integer(value: Any, name: str, least: int = 1) -> int:
    """A whole number, also where it came as 128.0.

    Raises:
        ValueError: it is no whole number or smaller than `least`.
    """
    if isinstance(value, (int, float, np.integer, np.floating)) and math.isfinite(value) and value == int(value) >= least:
        return int(value)
    raise ValueError(f"{name}: expected a whole number of at least {least}, got {value!r}")


def class_weights(y: Any, class_weight: Mapping[Any, float], name: str = "y") -> Array:
    """The weight of each row by the class of its target: the index of the largest entry, or the rounded number.

    Classes that are not in `class_weight` weigh 1.

    Raises:
        ValueError: there are several targets, or a key that is no class.
    """
    if not hasattr(y, "dtype"):
        raise ValueError(f"class_weight needs a model with one target, got y={type(y).__name__}; use sample_weight instead")
    labels = np.asarray(y)
    one_hot = labels.ndim > 1 and labels.shape[-1] != 1
    classes = labels.argmax(-1) if one_hot else np.rint(labels).astype(np.int64)
    weights: dict[int, float] = {}
    for key, weight in class_weight.items():
        try:
            number = int(key)
            weights[number] = float(weight)
        except (TypeError, ValueError):
            raise ValueError(f"class_weight: expected a dict of class numbers to weights, got {key!r}: {weight!r}") from None
        if number < 0 or (one_hot and number >= labels.shape[-1]):
            known = f"{name} has the classes 0 to {labels.shape[-1] - 1}" if one_hot else "classes count from 0"
            raise ValueError(f"class_weight: there is no class {key!r}; {known}")
    found, positions = np.unique(classes.reshape(len(labels), -1)[:, 0], return_inverse=True)
    return np.array([weights.get(int(c), 1.0) for c in found], config.floatx())[positions.reshape(-1)]


def _weighted(data: tuple[Any, Any, Any], class_weight: Mapping[Any, float] | None) -> tuple[Any, Any, Any]:
    if class_weight is None:
        return data
    if data[2] is not None:
        raise ValueError("class_weight and sample_weight cannot be used together; multiply them into one sample_weight")
    if data[1] is None:
        raise ValueError("class_weight needs targets, but y is None; pass y")
    return data[0], data[1], class_weights(data[1], class_weight)


# ------------------------------------------------------------------------------------------------ sources


class Source:
    """Yields the batches of one pass over the data.

    Attributes:
        batches: their number in a pass; None where it is not known.
        rows: the number of rows in a pass; None where it is not known.
        restarts: whether a second pass begins again.
        endless: whether a pass is known to have no end.
    """

    batches: int | None = None
    rows: int | None = None
    restarts = True
    endless = False

    def __iter__(self) -> Batches:
        raise NotImplementedError

    def example(self) -> tuple[Any, Any, Any]:
        """The first batch as symbols: (x, y, sample_weight)."""
        raise NotImplementedError

    def check_labels(self) -> None:
        """Refuses NaN among the targets, now or as they come."""

    def on_epoch_begin(self) -> None:
        """Called before each epoch."""

    def on_epoch_end(self) -> None:
        """Called after each epoch."""


class ArraySource(Source):
    """Arrays with one row per sample. Those in memory are gathered by the step, those in files are read ahead by a thread.

    `shuffle=True` draws a new `np.random.permutation` of the rows for each pass (so `set_random_seed` reproduces it);
    "batch" permutes within each batch's worth of rows only, which keeps reads from files contiguous.
    """

    def __init__(
        self, data: tuple[Any, Any, Any], batch_size: int, shuffle: Shuffle = False, rows: range | None = None
    ) -> None:
        total = count_rows(data)
        self.data = data
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.range = range(total) if rows is None else rows
        self.rows = len(self.range)
        self.batches = math.ceil(self.rows / batch_size)
        self.in_memory = all(isinstance(leaf, np.ndarray) and leaf.dtype.kind in "fiubc" for leaf in _leaves(data))
        if self.in_memory:
            self.sources = tree.map_structure(Rows, data, none_is_leaf=False)

    def __iter__(self) -> Batches:
        if self.in_memory:
            return ((self.sources, indices) for indices in self._indices())
        return ((batch, None) for batch in ahead(self._read, self._indices(), 1, READ_AHEAD))

    def _indices(self) -> Iterator[Array]:
        start, stop, size = self.range.start, self.range.stop, self.batch_size
        order = np.random.permutation(self.rows) + start if self.shuffle is True else np.arange(start, stop)
        for first in range(0, len(order), size):
            indices = order[first : first + size]
            yield np.random.permutation(indices) if self.shuffle == "batch" else indices

    def _read(self, indices: Array) -> Any:
        return tree.map_structure(lambda leaf: read_rows(leaf, indices), self.data, none_is_leaf=False)

    def example(self) -> tuple[Any, Any, Any]:
        return symbols(self.data, min(self.batch_size, len(self.range)))

    def check_labels(self) -> None:
        refuse_nan_labels(self.data[1])


def _leaves(structure: Any) -> list[Any]:
    return [leaf for leaf in tree.flatten(structure) if leaf is not None]


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


def ahead(function: Callable[[Item], Result], items: Iterable[Item], workers: int, depth: int) -> Iterator[Result]:
    """The results of `function` on `items`, in order, computed by threads up to `depth` ahead of their use."""
    pending: deque[tuple[Item, Future[Result]]] = deque()

    def first() -> Result:
        item, future = pending.popleft()
        try:
            return future.result()
        except Exception as error:
            error.add_note(f"while reading item {item!r} of the data set")
            raise

    with ThreadPoolExecutor(workers, thread_name_prefix="pronghorn-data") as pool:
        try:
            for item in items:
                pending.append((item, pool.submit(function, item)))
                if len(pending) > depth:
                    yield first()
            while pending:
                yield first()
        finally:
            for _, future in pending:
                future.cancel()


class BatchSource(Source):
    """Batches made in Python: a generator, an iterator, or an iterable that starts again with each pass."""

    def __init__(self, stream: Iterable[Any], class_weight: Mapping[Any, float] | None = None) -> None:
        self.stream = stream
        self.class_weight = class_weight
        self.restarts = not hasattr(stream, "__next__")
        self.endless = isinstance(stream, (itertools.cycle, itertools.repeat, itertools.count))
        self.batches = _length(stream)
        self._waiting: list[Any] = []
        self._checks_labels = False

    def __iter__(self) -> Batches:
        while self._waiting:
            yield self._waiting.pop(), None
        for item in self._items():
            yield self._batch(item), None

    def _items(self) -> Iterable[Any]:
        return self.stream

    def _batch(self, item: Any) -> tuple[Any, Any, Any]:
        batch = batch_arrays(*unpack_x_y_sample_weight(item), self.class_weight)
        if self._checks_labels:
            refuse_nan_labels(batch[1])
        return batch

    def _first(self) -> Any:
        item = next(iter(self.stream), None)
        if item is None:
            raise ValueError("x: the generator gave no batch; it is empty or used up")
        return item

    def example(self) -> tuple[Any, Any, Any]:
        batch = self._waiting[0] if self._waiting else self._batch(self._first())
        if not self.restarts:
            self._waiting = [batch]
        return symbols(batch)

    def check_labels(self) -> None:
        self._checks_labels = True


def _length(stream: Any) -> int | None:
    try:
        return len(stream)
    except TypeError:
        return None


class PyDataset:
    """Base class of data sets written in Python: `__getitem__(i)` returns batch number i, `__len__` how many there are.

    Args:
        workers: threads that make batches ahead of their use; 1 makes them in the training thread.
        use_multiprocessing: only False.
        max_queue_size: batches that are made ahead, at most, where workers > 1.
    """

    def __init__(self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10) -> None:
        if use_multiprocessing:
            raise NotImplementedError("PyDataset: use_multiprocessing=True is not supported; use workers=N, which are threads")
        self.workers = as_integer(workers, "PyDataset: workers", least=0)
        self.use_multiprocessing = False
        self.max_queue_size = as_integer(max_queue_size, "PyDataset: max_queue_size")

    @property
    def num_batches(self) -> int | None:
        """The number of batches in a pass; None for an endless data set."""
        return _length(self)

    def __getitem__(self, index: int) -> Any:
        """Batch `index`: x, (x, y) or (x, y, sample_weight)."""
        raise NotImplementedError(f"{type(self).__name__} has no __getitem__")

    def on_epoch_begin(self) -> None:
        """Called before each epoch."""

    def on_epoch_end(self) -> None:
        """Called after each epoch."""


class PyDatasetSource(BatchSource):
    """The batches of a PyDataset, in a new random order in each pass where `shuffle` is true."""

    def __init__(self, dataset: PyDataset, shuffle: Shuffle, class_weight: Mapping[Any, float] | None) -> None:
        super().__init__((), class_weight)
        self.dataset = dataset
        self.shuffle = shuffle
        self.restarts = True
        self.batches = dataset.num_batches
        self.endless = self.batches is None
        if self.batches == 0:
            raise ValueError(f"x: the data set {type(dataset).__name__} has no batches (its len() is 0)")

    def _items(self) -> Iterable[Any]:
        order = itertools.count() if self.batches is None else self._order(self.batches)
        workers = getattr(self.dataset, "workers", 1)  # a subclass may have forgotten super().__init__()
        if workers > 1:
            return ahead(self.dataset.__getitem__, order, workers, self.dataset.max_queue_size)
        return map(self.dataset.__getitem__, order)

    def _order(self, batches: int) -> Iterable[int]:
        return map(int, np.random.permutation(batches)) if self.shuffle else range(batches)

    def _first(self) -> Any:
        return self.dataset[0]

    def on_epoch_begin(self) -> None:
        self.dataset.on_epoch_begin()

    def on_epoch_end(self) -> None:
        self.dataset.on_epoch_end()
        self.batches = self.dataset.num_batches


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
    shuffle = _checked_shuffle(shuffle)
    size = None if batch_size is None else as_integer(batch_size, "batch_size")
    if isinstance(x, Source):
        return x
    if is_arrays((x, y, sample_weight)):
        data = arrays(x, y, sample_weight)
        size = size or (32 if steps is None else math.ceil(count_rows(data) / steps))
        return ArraySource(_weighted(data, class_weight), size, shuffle)
    kind = type(x).__name__
    streams = isinstance(x, PyDataset) or hasattr(x, "__iter__") or hasattr(x, "__next__")
    if not streams or isinstance(x, (list, tuple, Mapping, str)):
        raise ValueError(f"x: expected arrays, a PyDataset, a generator or an iterable of batches, got {kind}: {x!r}")
    if x is not None and is_arrays(x):
        wrong = "y" if not is_arrays(y) else "sample_weight"
        raise ValueError(f"{wrong}: expected arrays as for x, got {type(y if wrong == 'y' else sample_weight).__name__}")
    for name, value in (("y", y), ("sample_weight", sample_weight)):
        if value is not None:
            raise ValueError(f"{name}: must not be passed where x is a {kind}; let it yield (x, y, sample_weight)")
    if size is not None:
        warnings.warn(f"batch_size={size} has no effect: x is a {kind}, which makes the batches itself", stacklevel=4)
    if isinstance(x, PyDataset):
        return PyDatasetSource(x, shuffle, class_weight)
    return BatchSource(x if hasattr(x, "__iter__") else _Iterator(x), class_weight)


class _Iterator:
    """Makes an iterator of an object that has `__next__` only."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def __iter__(self) -> _Iterator:
        return self

    def __next__(self) -> Any:
        return next(self.stream)


def _checked_shuffle(shuffle: Any) -> Shuffle:
    if shuffle == "batch":
        return "batch"
    if shuffle in (True, False):
        return bool(shuffle)
    raise ValueError(f"shuffle: expected True, False or 'batch', got {shuffle!r}")


def batch_arrays(
    x: Any, y: Any = None, sample_weight: Any = None, class_weight: Mapping[Any, float] | None = None
) -> tuple[Any, Any, Any]:
    """One batch as arrays, checked."""
    batch = (_convert(x, "x"), _convert(y, "y"), _convert(sample_weight, "sample_weight"))
    count_rows(batch)
    return _weighted(batch, class_weight)


def arrays(x: Any, y: Any, sample_weight: Any) -> tuple[Any, Any, Any]:
    """The three structures with arrays as leaves (in memory, or read by rows)."""
    return _convert(x, "x", True), _convert(y, "y", True), _convert(sample_weight, "sample_weight", True)


def split_arrays(
    source: Source, fraction: Any, batch_size: int | None = None, class_weight: Mapping[Any, float] | None = None
) -> tuple[Source, Source]:
    """Training and validation sources: the last `fraction` of the rows, before any shuffling, are for validation.

    Class weights count in training only.

    Raises:
        ValueError: `fraction` is not between 0 and 1, leaves no rows on one side, or `source` is no array.
    """
    if not isinstance(fraction, (int, float, np.floating)) or not 0 < fraction < 1:
        raise ValueError(f"validation_split: expected a fraction between 0 and 1, got {fraction!r}")
    if not isinstance(source, ArraySource):
        raise ValueError("validation_split works on arrays only; pass validation_data for a generator or data set")
    total = source.rows or 0
    cut = math.floor(total * (1.0 - float(fraction)))
    if not 0 < cut < total:
        raise ValueError(
            f"validation_split={fraction} of {total} rows leaves {cut} for training and {total - cut} for validation; "
            f"both need at least one"
        )
    training = ArraySource(_weighted(source.data, class_weight), source.batch_size, source.shuffle, range(cut))
    return training, ArraySource(source.data, batch_size or source.batch_size, False, range(cut, total))


# ------------------------------------------------------------------------------------------------ epochs


class Epochs:
    """Cuts a source into epochs: each a pass, or `steps` batches wherever a pass ends.

    Attributes:
        dry: whether the data ran out before the end of an epoch.
    """

    def __init__(self, source: Source, steps: int | None = None, argument: str = "steps") -> None:
        if source.endless and steps is None:
            raise ValueError(f"{argument}: the data have no end, so say how many batches to take, for example {argument}=100")
        self.source = source
        self.steps = steps
        self.dry = False
        self._stream: Batches | None = None

    @property
    def length(self) -> int | None:
        """Batches in an epoch; None where that is not known."""
        return self.steps or self.source.batches

    def __iter__(self) -> Batches:
        self.source.on_epoch_begin()
        if self.steps is None:
            self.dry = True
            with closing(iter(self.source)) as stream:
                for batch in stream:
                    self.dry = False
                    yield batch
        else:
            yield from self._steps(self.steps)
        self.source.on_epoch_end()

    def _steps(self, steps: int) -> Batches:
        for _ in range(steps):
            batch = next(self._stream, None) if self._stream is not None else None
            if batch is None and (self._stream is None or self.source.restarts):
                self._stream = iter(self.source)
                batch = next(self._stream, None)
            if batch is None:
                self.dry = True
                return
            yield batch

    def restart(self) -> None:
        """Makes the next epoch begin at the beginning of the data, where they have one."""
        if self.source.restarts:
            self.close()

    def close(self) -> None:
        """Ends the threads that read ahead."""
        if self._stream is not None:
            self._stream.close()
        self._stream = None
