"""Making, repeating, ordering and searching tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from pronghorn import dtypes, ops
from pronghorn.graph import Spec
from pronghorn.op import Composed, composed, fitted, primitive, promote
from pronghorn.ops.axes import canonical_axis, many
from pronghorn.ops.shape import as_sizes, known_value, of_one_dtype, reshape_to, slice_axis
from pronghorn.tensor import Tensor, constant, convert_to_tensor

Array = np.ndarray[Any, Any]


# ------------------------------------------------------------------------------ made from nothing


def array(x: Any, dtype: Any = None) -> Tensor:
    """`x` as a tensor."""
    return convert_to_tensor(x, dtype)


def arange(start: Any, stop: Any = None, step: Any = None, dtype: Any = None) -> Tensor:
    """start, start + step, … before `stop`. The bounds must be known: the size depends on them."""
    first, last = (0, start) if stop is None else (start, stop)
    step = 1 if step is None else step
    if dtype is None:
        kinds = [dtypes.weak(v) or convert_to_tensor(v).dtype for v in (first, last, step)]
        dtype = dtypes.result_type(*kinds)
    bounds = [np.asarray(v).item() for v in (first, last, step)]
    return constant(np.arange(*bounds), dtypes.standardize(dtype))


@composed
def full_like(x: Any, fill_value: Any, dtype: Any = None) -> Tensor:
    """A tensor of the shape (and dtype, unless one is given) of `x` filled with `fill_value`."""
    x = convert_to_tensor(x)
    return ops.full(x.shape, fill_value, dtype or x.dtype)


empty = ops.zeros
empty_like = ops.zeros_like


@composed
def copy(x: Any) -> Any:
    """A tensor of the same value."""
    return reshape_to(x, shape=convert_to_tensor(x).shape)


def ndim(x: Any) -> int:
    """The number of dimensions."""
    return len(convert_to_tensor(x).shape)


def size(x: Any) -> int | None:
    """The number of elements, None where a dimension is unknown."""
    return convert_to_tensor(x).size


def dtype(x: Any) -> str:
    """The name of the dtype."""
    return convert_to_tensor(x).dtype


def convert_to_numpy(x: Any) -> Array:
    """The value as a NumPy array."""
    return convert_to_tensor(x).numpy()


def eye(N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> Any:
    """Ones on the diagonal `k` of an (N, M) matrix, zeros elsewhere."""
    rows, columns = _row_and_column(N, N if M is None else M)
    return ops.cast(ops.equal(ops.add(rows, k), columns), dtypes.standardize(dtype))


def identity(n: int, dtype: Any = None) -> Any:
    """The (n, n) identity matrix."""
    return eye(n, dtype=dtype)


def tri(N: int, M: int | None = None, k: int = 0, dtype: Any = None) -> Any:
    """Ones on and below the diagonal `k` of an (N, M) matrix, zeros elsewhere."""
    rows, columns = _row_and_column(N, N if M is None else M)
    return ops.cast(ops.greater_equal(ops.add(rows, k), columns), dtypes.standardize(dtype))


def _row_and_column(rows: int, columns: int) -> tuple[Tensor, Tensor]:
    return constant(np.arange(rows)[:, None], "int32"), constant(np.arange(columns)[None, :], "int32")


@composed
def tril(x: Any, k: int = 0) -> Any:
    """`x` with zeros above the diagonal `k` of its last two axes."""
    x = convert_to_tensor(x)
    return ops.where(tri(x.shape[-2], x.shape[-1], k, "bool"), x, ops.zeros((), x.dtype))


@composed
def triu(x: Any, k: int = 0) -> Any:
    """`x` with zeros below the diagonal `k` of its last two axes."""
    x = convert_to_tensor(x)
    return ops.where(tri(x.shape[-2], x.shape[-1], k - 1, "bool"), ops.zeros((), x.dtype), x)


@composed
def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """`num` evenly spaced values from `start` to `stop` (left out unless `endpoint`), along a new axis."""
    kinds = [dtypes.weak(v) or convert_to_tensor(v).dtype for v in (start, stop)]
    kind = dtypes.floating(dtypes.result_type(*kinds, "float")) if dtype is None else dtypes.standardize(dtype)
    work = kind if dtypes.is_float(kind) else "float32"
    first, last = ops.cast(start, work), ops.cast(stop, work)
    step = ops.subtract(last, first) / float(max(num - 1 if endpoint else num, 1))
    ramp = ops.reshape(ops.arange(num, dtype=work), (num,) + (1,) * len(step.shape))
    values = first + ramp * step
    if endpoint and num > 1:
        values = ops.where(ops.equal(ramp, float(num - 1)), last, values)
    values = ops.cast(ops.moveaxis(values, 0, axis), kind)
    return (values, step) if retstep else values


@composed
def logspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    base: Any = 10,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """`num` values from base ** start to base ** stop whose logarithms are evenly spaced."""
    powers = ops.power(float(base), linspace(start, stop, num, endpoint, axis=axis))
    return powers if dtype is None else ops.cast(powers, dtype)


@composed
def meshgrid(*x: Any, indexing: str = "xy") -> Any:
    """Coordinates of a grid of vectors; "xy" puts the first along the second axis, "ij" along the first."""
    if indexing not in ("xy", "ij"):
        raise ValueError(f"meshgrid: argument `indexing` must be 'xy' or 'ij', got {indexing!r}")
    vectors = [ops.ravel(v) for v in x]
    swap = indexing == "xy" and len(vectors) > 1
    places = [1, 0, *range(2, len(vectors))] if swap else list(range(len(vectors)))
    sizes = {place: v.shape[0] for place, v in zip(places, vectors, strict=True)}
    shape = [sizes[i] for i in range(len(vectors))]
    return [
        ops.broadcast_to(ops.reshape(v, [-1 if i == place else 1 for i in range(len(shape))]), shape)
        for v, place in zip(vectors, places, strict=True)
    ]


# ------------------------------------------------------------------------------ repeated and moved


@composed
def tile(x: Any, repeats: Any) -> Any:
    """`x` laid side by side `repeats` times along each axis."""
    x = convert_to_tensor(x)
    times = as_sizes(repeats, "tile")
    rank = max(len(x.shape), len(times))
    times = (1,) * (rank - len(times)) + times
    sizes = (1,) * (rank - len(x.shape)) + x.shape
    apart = ops.reshape(x, [n for size in sizes for n in (1, size)])
    wide = ops.broadcast_to(apart, [n for pair in zip(times, sizes, strict=True) for n in pair])
    return ops.reshape(wide, [count * n for count, n in zip(times, sizes, strict=True)])


@composed
def repeat(x: Any, repeats: Any, axis: int | None = None) -> Any:
    """Each element `repeats` times along `axis` (flattened first, for None); the counts must be known."""
    x = convert_to_tensor(x)
    if axis is None:
        x, axis = ops.ravel(x), 0
    axis = canonical_axis(axis, len(x.shape), "repeat")
    counts = as_sizes(repeats, "repeat")
    n, before, after = x.shape[axis], x.shape[:axis], x.shape[axis + 1 :]
    if len(counts) == 1:
        wide = ops.broadcast_to(ops.expand_dims(x, axis + 1), (*before, n, counts[0], *after))
        return ops.reshape(wide, (*before, n * counts[0], *after))
    if len(counts) != n:
        raise ValueError(f"repeat: {len(counts)} counts for axis {axis} of size {n}")
    return ops.take(x, np.repeat(np.arange(n), counts).astype(np.int32), axis)


@composed
def roll(x: Any, shift: Any, axis: Any = None) -> Any:
    """Elements moved along `axis` by `shift` places; what leaves at the end enters at the beginning."""
    x = convert_to_tensor(x)
    if axis is None:
        return ops.reshape(roll(ops.ravel(x), shift, 0), x.shape)
    axes = [canonical_axis(a, len(x.shape), "roll") for a in many(axis)]
    shifts = many(shift) if isinstance(shift, (list, tuple)) else [shift] * len(axes)
    for a, s in zip(axes, shifts, strict=True):
        n = x.shape[a]
        cut = -int(s) % n if n else 0
        if cut:
            x = ops.concatenate([slice_axis(x, a, cut, n), slice_axis(x, a, 0, cut)], a)
    return x


@composed
def rot90(array: Any, k: int = 1, axes: Any = (0, 1)) -> Any:
    """`array` turned `k` times by 90 degrees in the plane of two axes, from the first to the second."""
    x = convert_to_tensor(array)
    if len(many(axes)) != 2:
        raise ValueError(f"rot90: argument `axes` must name two axes, got {axes!r}")
    first, second = (canonical_axis(a, len(x.shape), "rot90") for a in axes)
    if first == second:
        raise ValueError(f"rot90: argument `axes` must name two different axes, got {axes}")
    if k % 4 == 2:
        return ops.flip(x, [first, second])
    turned = ops.swapaxes(x, first, second)
    return {0: x, 1: ops.flip(turned, first), 3: ops.flip(turned, second)}[k % 4]


@composed
def fliplr(x: Any) -> Any:
    """The second axis reversed."""
    return ops.flip(x, 1)


@composed
def flipud(x: Any) -> Any:
    """The first axis reversed."""
    return ops.flip(x, 0)


@composed
def append(x1: Any, x2: Any, axis: int | None = None) -> Any:
    """`x2` after `x1` along `axis` (both flattened, for None)."""
    return ops.concatenate(promote([x1, x2]), axis)


@composed
def hstack(xs: Any) -> Any:
    """Tensors side by side: along the second axis, or along the only one."""
    tensors = [_at_least(x, 1) for x in xs]
    return ops.concatenate(tensors, 0 if len(tensors[0].shape) == 1 else 1)


@composed
def vstack(xs: Any) -> Any:
    """Tensors above each other: vectors are rows."""
    return ops.concatenate([_at_least(x, 2) for x in xs], 0)


@composed
def dstack(xs: Any) -> Any:
    """Tensors one behind the other, along the third axis."""
    tensors = [_at_least(x, 2) for x in xs]
    return ops.concatenate([ops.expand_dims(t, 2) if len(t.shape) == 2 else t for t in tensors], 2)


@composed
def stack(x: Any, axis: int = 0) -> Tensor:
    """Tensors of one shape along a new axis."""
    tensors = of_one_dtype(x, "stack")
    shapes = {t.shape for t in tensors}
    if len({*fitted([*shapes])}) > 1:
        raise ValueError(f"stack: the tensors must have one shape, got {sorted(shapes, key=str)}")
    return ops.concatenate([ops.expand_dims(t, axis) for t in tensors], axis)


def _at_least(x: Any, rank: int) -> Any:
    x = convert_to_tensor(x)
    return ops.reshape(x, (1,) * (rank - len(x.shape)) + x.shape) if len(x.shape) < rank else x


@composed
def array_split(x: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    """`x` cut along `axis` into sections that need not be equal: the first ones are longer by one."""
    x = convert_to_tensor(x)
    if not isinstance(indices_or_sections, int):
        return ops.split(x, indices_or_sections, axis)
    size, longer = divmod(x.shape[canonical_axis(axis, len(x.shape), "array_split")], indices_or_sections)
    widths = [size + 1] * longer + [size] * (indices_or_sections - longer)
    return ops.split(x, np.cumsum(widths)[:-1].tolist(), axis)


# ------------------------------------------------------------------------------ diagonals and differences


class _Diagonal(Composed):
    """The smaller of two sizes is unknown where one of them is, whatever two large sizes would tell."""

    def compute_output_spec(self, x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
        found = super().compute_output_spec(x, offset, axis1, axis2)
        return Spec((*found.shape[:-1], None), found.dtype) if None in (x.shape[axis1], x.shape[axis2]) else found


class _Diag(Composed):
    """As for `diagonal`, where it takes one from a matrix."""

    def compute_output_spec(self, x: Any, k: int = 0) -> Any:
        found = super().compute_output_spec(x, k)
        return Spec((None,), found.dtype) if len(x.shape) == 2 and None in x.shape else found


@_Diagonal
def diagonal(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The elements (i, i + offset) of two axes, along a new last axis."""
    x = convert_to_tensor(x)
    x = ops.moveaxis(x, [axis1, axis2], [-2, -1])
    rows, columns = x.shape[-2:]
    first = max(-offset, 0)
    count = max(min(rows - first, columns - max(offset, 0)), 0)
    flat = ops.reshape(x, (*x.shape[:-2], rows * columns))
    places = (np.arange(count) + first) * columns + np.arange(count) + first + offset
    return ops.take(flat, places.astype(np.int32), -1)


@_Diag
def diag(x: Any, k: int = 0) -> Any:
    """The diagonal `k` of a matrix, or the matrix with a vector on its diagonal `k`."""
    x = convert_to_tensor(x)
    if len(x.shape) == 2:
        return diagonal(x, k)
    if len(x.shape) != 1:
        raise ValueError(f"diag: `x` must be a vector or a matrix, got shape {x.shape}")
    n = x.shape[0]
    padded = ops.pad(x, [[max(k, 0), max(-k, 0)]])
    return ops.where(eye(n + abs(k), k=k, dtype="bool"), padded, ops.zeros((), x.dtype))


@composed
def trace(x: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The sum of a diagonal."""
    return ops.sum(diagonal(x, offset, axis1, axis2), -1)


@composed
def diff(a: Any, n: int = 1, axis: int = -1) -> Any:
    """Differences of neighbours along `axis`, taken `n` times."""
    x = convert_to_tensor(a)
    axis = canonical_axis(axis, len(x.shape), "diff")
    for _ in range(n):
        size: int = x.shape[axis]  # type: ignore[assignment]
        later, earlier = slice_axis(x, axis, 1, size), slice_axis(x, axis, 0, max(size - 1, 0))
        x = ops.not_equal(later, earlier) if x.dtype == "bool" else ops.subtract(later, earlier)
    return x


# ------------------------------------------------------------------------------ searching


@primitive(lambda sequence, values, right: Spec(values.shape, "int32"), name="searchsorted")
def insertion_points(sequence: Array, values: Array, right: bool) -> Array:
    """Where `values` would go into a sorted vector."""
    return np.asarray(np.searchsorted(sequence, values, side="right" if right else "left"), dtype=np.int32)


@composed
def searchsorted(sorted_sequence: Any, values: Any, side: str = "left") -> Any:
    """Indices (int32) at which `values` would go into a sorted vector, before or after equal elements."""
    if side not in ("left", "right"):
        raise ValueError(f"searchsorted: argument `side` must be 'left' or 'right', got {side!r}")
    sequence, values = convert_to_tensor(sorted_sequence), convert_to_tensor(values)
    if len(sequence.shape) != 1:
        raise ValueError(f"searchsorted: `sorted_sequence` must be a vector, got shape {sequence.shape}")
    kind = dtypes.result_type(sequence.dtype, values.dtype)
    return insertion_points(ops.cast(sequence, kind), ops.cast(values, kind), right=side == "right")


@composed
def digitize(x: Any, bins: Any) -> Any:
    """The number (int32) of the half-open bin of each element; `bins` are the ascending edges."""
    return searchsorted(bins, x, "right")


@composed
def isin(x1: Any, x2: Any, assume_unique: bool = False, invert: bool = False) -> Any:
    """Whether each element of `x1` occurs in `x2`. `assume_unique` promises what no algorithm here needs."""
    found = ops.any(ops.equal(ops.expand_dims(x1, -1), ops.ravel(x2)), -1)
    return ops.logical_not(found) if invert else found


def unique(
    x: Any,
    sorted: bool = True,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    size: int | None = None,
    fill_value: Any = None,
) -> Any:
    """The distinct elements (and where they are first, which each is, how many), always sorted. Eager only.

    `size` cuts, or fills with `fill_value` (the smallest element by default), to a fixed number.
    """
    array = known_value(x, "unique", "ops.sort and a comparison of neighbours")
    if axis is None:
        array, axis = array.reshape(-1), 0
    axis = canonical_axis(axis, array.ndim, "unique")
    values, index, inverse, counts = np.unique(array, True, True, True, axis=axis)
    if size is not None:
        places = np.pad(np.arange(len(counts))[:size], (0, max(size - len(counts), 0)))
        padding = np.arange(size) >= len(counts)
        values, index, counts = (
            np.take(values, places, axis),
            index[places],
            np.where(padding, 0, counts[places]),
        )
        if fill_value is not None:
            values[(slice(None),) * (axis % array.ndim) + (padding,)] = fill_value
    extra = [(index, return_index), (inverse.reshape(-1), return_inverse), (counts, return_counts)]
    wanted = [constant(part, "int32") for part, on in extra if on]
    return (convert_to_tensor(values), *wanted) if wanted else convert_to_tensor(values)


@composed
def bincount(x: Any, weights: Any = None, minlength: int = 0, sparse: bool = False) -> Any:
    """How often (or with what total weight) 0, 1, … occur along the last axis.

    The number of bins is `minlength`, or one more than the largest value where that is known.
    """
    if sparse:
        raise NotImplementedError("bincount: sparse tensors are not supported; use sparse=False")
    x = convert_to_tensor(x, "int32")
    bins = minlength
    if not x.symbolic:
        bins = max(minlength, int(np.max(x.numpy(), initial=-1)) + 1)
    elif not minlength:
        raise ValueError("bincount: argument `minlength` is needed where the values of `x` are not known")
    hits = ops.one_hot(x, bins, dtype="int32" if weights is None else convert_to_tensor(weights).dtype)
    return ops.sum(hits if weights is None else ops.multiply(hits, ops.expand_dims(weights, -1)), axis=-2)


@composed
def count_nonzero(x: Any, axis: Any = None) -> Any:
    """The number (int32) of elements that are not zero along `axis`."""
    return ops.sum(ops.cast(ops.not_equal(x, 0), "int32"), axis)


@composed
def in_top_k(targets: Any, predictions: Any, k: int) -> Any:
    """Whether each row's target class is among the `k` largest predictions; a tie counts as in."""
    targets, predictions = convert_to_tensor(targets, "int32"), convert_to_tensor(predictions)
    own = ops.take_along_axis(predictions, ops.expand_dims(targets, -1), -1)
    larger = ops.sum(ops.cast(ops.greater(predictions, own), "int32"), -1)
    return ops.logical_and(ops.less(larger, k), ops.isfinite(ops.squeeze(own, -1)))
