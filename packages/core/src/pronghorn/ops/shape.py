"""Shapes and places: reshaping, joining, slicing, gathering, and tensors made from nothing."""

# mypy: disable-error-code="has-type,no-any-return"
# (rules name ops that are defined further down; what a primitive returns is only known at run time)

from __future__ import annotations

import math
import operator
from collections.abc import Iterable
from typing import Any

import numpy as np

from pronghorn import dtypes, op
from pronghorn.graph import Spec
from pronghorn.op import Composed, composed, fitted, primitive
from pronghorn.ops import elementwise as e
from pronghorn.ops.axes import canonical_axes, canonical_axis, inverse, many
from pronghorn.tensor import Tensor, Variable, constant, convert_to_tensor

__all__ = [
    "broadcast_to", "concatenate", "expand_dims", "flip", "full", "gather", "get_item", "moveaxis", "nonzero",
    "ones", "ones_like", "ravel", "reshape", "scatter_rows", "shape", "squeeze", "transpose", "zeros",
    "zeros_like",
]  # fmt: skip

Array = np.ndarray[Any, Any]
Ints = tuple[int, ...]


# ---------------------------------------------------------------------- primitives
# A reference owns what it returns: it never gives a view of its operand, which may be a variable's buffer.


@primitive(
    lambda x, shape: Spec(shape, x.dtype), lambda g, out, x, shape: (reshape_to(g, shape=x.shape),), name="reshape"
)
def reshape_to(x: Array, shape: Ints) -> Array:
    """The elements in row-major order in another shape."""
    return x.reshape(shape).copy()


@primitive(
    lambda x, axes: Spec(tuple(x.shape[i] for i in axes), x.dtype),
    lambda g, out, x, axes: (permute(g, axes=inverse(axes)),),
    name="transpose",
)
def permute(x: Array, axes: Ints) -> Array:
    """Axis k of the result is axis `axes[k]` of `x`."""
    return np.array(x.transpose(axes), order="C")


@primitive(
    lambda x, shape: Spec(shape, x.dtype), lambda g, out, x, shape: (op.unbroadcast(g, x.shape),), name="broadcast_to"
)
def broadcast(x: Array, shape: Ints) -> Array:
    """`x` repeated to `shape`."""
    return np.array(np.broadcast_to(x, shape), order="C")


def _joined(*xs: Spec, axis: int) -> Spec:
    others = fitted([x.shape[:axis] + x.shape[axis + 1 :] for x in xs])
    if len({*others}) > 1:
        raise ValueError(f"concatenate: shapes {[x.shape for x in xs]} must be equal but for axis {axis}")
    total = sum(x.shape[axis] for x in xs)  # type: ignore[misc]
    return Spec((*others[0][:axis], total, *others[0][axis:]), xs[0].dtype)


def _joined_gradient(g: Any, out: Any, *xs: Any, axis: int) -> list[Any]:
    ends = np.cumsum([x.shape[axis] for x in xs]).tolist()
    return [slice_axis(g, axis, end - x.shape[axis], end) for x, end in zip(xs, ends, strict=True)]


@primitive(_joined, _joined_gradient, name="concatenate")
def join(*xs: Array, axis: int) -> Array:
    """Tensors one after another along an axis."""
    return np.concatenate(xs, axis=axis)


def _slice_gradient(g: Any, out: Any, x: Any, start: Ints, size: Ints, step: Ints) -> tuple[Any]:
    backward = tuple(i for i, s in enumerate(step) if s < 0)
    if backward:
        g = flip(g, backward)
        start = tuple(a + (n - 1) * s if s < 0 else a for a, n, s in zip(start, size, step, strict=True))
    gaps = tuple(abs(s) - 1 for s in step)
    filled = [n + (n - 1) * gap if n else 0 for n, gap in zip(size, gaps, strict=True)]
    high = tuple(m - a - n for m, a, n in zip(x.shape, start, filled, strict=True))
    return (pad_with(g, low=start, high=high, interior=gaps, value=0.0),)


@primitive(lambda x, start, size, step: Spec(size, x.dtype), _slice_gradient, name="slice")
def strided_slice(x: Array, start: Ints, size: Ints, step: Ints) -> Array:
    """Elements `start + i * step`, i < `size`, of each axis; steps may be negative."""
    return np.array(x[tuple(map(_python_slice, start, size, step))], order="C")


def _python_slice(start: int, size: int, step: int) -> slice:
    stop = start + size * step
    return slice(start, None if stop < 0 else stop, step) if size else slice(0, 0)


def _padded(x: Spec, low: Ints, high: Ints, interior: Ints, value: float) -> Spec:
    sizes = zip(x.shape, low, high, interior, strict=True)
    return Spec(tuple(a + n + max(n - 1, 0) * gap + b for n, a, b, gap in sizes), x.dtype)  # type: ignore[operator]


def _pad_gradient(g: Any, out: Any, x: Any, low: Ints, interior: Ints, **attrs: Any) -> tuple[Any]:
    return (strided_slice(g, start=low, size=x.shape, step=tuple(gap + 1 for gap in interior)),)


@primitive(_padded, _pad_gradient, name="pad")
def pad_with(x: Array, low: Ints, high: Ints, interior: Ints, value: float) -> Array:
    """`value` before, after and between (`interior` times) the elements of each axis."""
    out = np.full(_padded(Spec(x.shape, ""), low, high, interior, value).shape, value, dtype=x.dtype)  # type: ignore[type-var]
    if x.size:
        out[tuple(map(_python_slice, low, x.shape, [gap + 1 for gap in interior]))] = x
    return out


def _gather_gradient(g: Any, out: Any, x: Any, indices: Any, axis: int) -> tuple[Any, None]:
    places = tuple(range(axis, axis + len(indices.shape)))
    rest = tuple(i for i in range(len(g.shape)) if i not in places)
    rows = reshape(transpose(g, places + rest), (indices.size, *(g.shape[i] for i in rest)))
    dense = scatter_rows(rows, ravel(indices), rows=x.shape[axis])
    return (moveaxis(dense, 0, axis), None)


def _gather_spec(x: Spec, indices: Spec, axis: int) -> Spec:
    if not dtypes.is_integer(indices.dtype):
        raise TypeError(f"take: `indices` must be integers, got dtype {indices.dtype}; cast them to 'int32'")
    return Spec(x.shape[:axis] + indices.shape + x.shape[axis + 1 :], x.dtype)


@primitive(_gather_spec, _gather_gradient)
def gather(x: Array, indices: Array, axis: int) -> Array:
    """x[..., indices, ...]: `indices` replace an axis; negative ones count from its end."""
    n = x.shape[axis]
    wrong = indices[(indices >= n) | (indices < -n)]
    if wrong.size:
        raise IndexError(f"take: index {wrong[0]} is out of range for axis {axis} of size {n} (shape {x.shape})")
    return np.asarray(np.take(x, indices, axis=axis)).copy()


@primitive(
    lambda values, indices, rows: Spec((rows, *values.shape[1:]), values.dtype),
    lambda g, out, values, indices, rows: (gather(g, indices, axis=0), None),
)
def scatter_rows(values: Array, indices: Array, rows: int) -> Array:
    """Zeros with values[k] added to row indices[k], in the order of k. The gradient of a gather."""
    out = np.zeros((rows, *values.shape[1:]), values.dtype)
    np.add.at(out, indices, values)
    return out


# ---------------------------------------------------------------------- sizes and constants


def as_sizes(shape: Any, op: str) -> tuple[int, ...]:
    """A shape argument (a number, a sequence, a concrete tensor) as a tuple of ints."""
    if isinstance(shape, (Tensor, Variable, np.ndarray)) and len(shape.shape) == 1:
        shape = np.asarray(shape).tolist()
    try:
        return tuple(operator.index(int(n) if isinstance(n, float) and n.is_integer() else n) for n in many(shape))
    except TypeError:
        raise TypeError(f"{op}: a shape is made of integers, got {shape!r}") from None


def shape(x: Any) -> tuple[int | None, ...]:
    """The shape as a tuple; None where a dimension is unknown."""
    return convert_to_tensor(x).shape


def full(shape: Any, fill_value: Any, dtype: Any = None) -> Tensor:
    """A tensor filled with `fill_value`, of dtype floatx by default."""
    return broadcast_to(convert_to_tensor(fill_value, dtypes.standardize(dtype)), as_sizes(shape, "full"))


def zeros(shape: Any, dtype: Any = None) -> Tensor:
    """A tensor of zeros."""
    return full(shape, 0, dtype)


def ones(shape: Any, dtype: Any = None) -> Tensor:
    """A tensor of ones."""
    return full(shape, 1, dtype)


@composed
def zeros_like(x: Any, dtype: Any = None) -> Tensor:
    """Zeros in the shape and dtype of `x`."""
    x = convert_to_tensor(x)
    return zeros(x.shape, dtype or x.dtype)


@composed
def ones_like(x: Any, dtype: Any = None) -> Tensor:
    """Ones in the shape and dtype of `x`."""
    x = convert_to_tensor(x)
    return ones(x.shape, dtype or x.dtype)


# ---------------------------------------------------------------------- reshaping


class _Reshape(Composed):
    """Reshape, whose unknown dimensions are worked out without sizes where they can be."""

    def compute_output_spec(self, x: Any, newshape: Any) -> Any:
        sizes = as_sizes(newshape, "reshape")
        if None in x.shape and -1 not in sizes:
            return Spec(sizes, x.dtype)
        return super().compute_output_spec(x, sizes)


@_Reshape
def reshape(x: Any, newshape: Any) -> Tensor:
    """The elements of `x` in row-major order in another shape; one size may be -1.

    Raises:
        ValueError: the numbers of elements differ.
    """
    x = convert_to_tensor(x)
    sizes = wanted = as_sizes(newshape, "reshape")
    if sizes.count(-1) == 1:
        known = -math.prod(sizes)
        sizes = tuple(x.size // known if n == -1 and known else n for n in sizes)
        sizes = tuple(0 if n == -1 and not x.size else n for n in sizes)
    if min(sizes, default=0) < 0 or math.prod(sizes) != x.size:
        raise ValueError(f"reshape: a tensor of shape {x.shape} ({x.size} elements) cannot take the shape {wanted}")
    return x if sizes == x.shape else reshape_to(x, shape=sizes)


@composed
def ravel(x: Any) -> Tensor:
    """All elements in one axis."""
    return reshape(x, (-1,))


@composed
def transpose(x: Any, axes: Any = None) -> Tensor:
    """The axes in the order `axes`, reversed by default."""
    x = convert_to_tensor(x)
    rank = len(x.shape)
    order = range(rank)[::-1] if axes is None else [canonical_axis(a, rank, "transpose") for a in many(axes)]
    if sorted(order) != list(range(rank)):
        raise ValueError(f"transpose: `axes` {axes} must name each of the {rank} axes of shape {x.shape} once")
    return x if list(order) == sorted(order) else permute(x, axes=tuple(order))


@composed
def moveaxis(x: Any, source: Any, destination: Any) -> Tensor:
    """Axes moved to other places; the rest keep their order."""
    x = convert_to_tensor(x)
    rank = len(x.shape)
    sources, places = ([canonical_axis(a, rank, "moveaxis") for a in many(v)] for v in (source, destination))
    order = [i for i in range(rank) if i not in sources]
    for place, axis in sorted(zip(places, sources, strict=True)):
        order.insert(place, axis)
    return transpose(x, order)


@composed
def expand_dims(x: Any, axis: Any) -> Tensor:
    """New axes of size 1 at the places `axis` of the result."""
    x = convert_to_tensor(x)
    rank = len(x.shape) + len(many(axis))
    new = canonical_axes(axis, rank, "expand_dims")
    sizes = iter(x.shape)
    return reshape(x, tuple(1 if i in new else next(sizes) for i in range(rank)))


@composed
def squeeze(x: Any, axis: Any = None) -> Tensor:
    """Axes of size 1 (all of them, or those of `axis`) left out.

    Raises:
        ValueError: an axis of `axis` has another size.
    """
    x = convert_to_tensor(x)
    single = [i for i, n in enumerate(x.shape) if n == 1]
    axes = single if axis is None else canonical_axes(axis, len(x.shape), "squeeze")
    if not set(axes) <= set(single):
        raise ValueError(f"squeeze: axis {axis} of shape {x.shape} does not have size 1")
    return reshape(x, tuple(n for i, n in enumerate(x.shape) if i not in axes))


@composed
def broadcast_to(x: Any, shape: Any) -> Tensor:
    """`x` repeated to `shape`.

    Raises:
        ValueError: the shapes do not broadcast.
    """
    x = convert_to_tensor(x)
    sizes = as_sizes(shape, "broadcast_to")
    extra = len(sizes) - len(x.shape)
    if extra < 0 or any(n not in (1, m) for n, m in zip(x.shape, sizes[extra:], strict=True)):
        raise ValueError(f"broadcast_to: a tensor of shape {x.shape} does not broadcast to {sizes}")
    return x if x.shape == sizes else broadcast(x, shape=sizes)


# ---------------------------------------------------------------------- joining


def of_one_dtype(xs: Any, op: str) -> list[Tensor]:
    """Tensors to be joined, in their common dtype."""
    tensors = [convert_to_tensor(x) for x in xs]
    if not tensors:
        raise ValueError(f"{op}: needs at least one tensor")
    kind = dtypes.result_type(*(t.dtype for t in tensors))
    return [e.cast(t, kind) for t in tensors]


@composed
def concatenate(xs: Any, axis: int | None = 0) -> Tensor:
    """Tensors one after another along `axis` (flattened first, where it is None)."""
    tensors = of_one_dtype(xs, "concatenate")
    if axis is None:
        tensors, axis = [ravel(t) for t in tensors], 0
    axis = canonical_axis(axis, len(tensors[0].shape), "concatenate")
    return tensors[0] if len(tensors) == 1 else join(*tensors, axis=axis)


# ---------------------------------------------------------------------- reading places


def slice_ranges(x: Any, ranges: Iterable[range]) -> Any:
    """The elements of `x` whose indices are in `ranges`, one for each axis."""
    ranges = list(ranges)
    if ranges == [range(n) for n in x.shape]:
        return x
    start, step = tuple(r.start for r in ranges), tuple(r.step for r in ranges)
    return strided_slice(x, start=start, size=tuple(map(len, ranges)), step=step)


def slice_axis(x: Any, axis: int, start: int, stop: int, step: int = 1) -> Any:
    """x[start:stop:step] along one axis; 0 <= start, stop <= size."""
    axis %= len(x.shape)
    return slice_ranges(x, (range(start, stop, step) if i == axis else range(n) for i, n in enumerate(x.shape)))


@composed
def flip(x: Any, axis: Any = None) -> Tensor:
    """Elements in reverse order along `axis`."""
    x = convert_to_tensor(x)
    axes = canonical_axes(axis, len(x.shape), "flip")
    return slice_ranges(x, (range(n)[:: -1 if i in axes else 1] for i, n in enumerate(x.shape)))


def known_value(x: Any, name: str, instead: str) -> Array:
    """The value of a concrete tensor.

    Raises:
        TypeError: it is symbolic; the message names the form with a fixed size.
    """
    t = convert_to_tensor(x)
    if t.symbolic:
        raise TypeError(f"{name}: the size of the result depends on values, which {t} has none of yet; use {instead}")
    return t.numpy()


def nonzero(x: Any) -> tuple[Tensor, ...]:
    """Indices (int32) of the elements that are not zero, a vector for each axis. Eager only."""
    found = np.nonzero(known_value(x, "nonzero", "ops.where(condition, x1, x2), which keeps the shape"))
    return tuple(constant(i, "int32") for i in found)


@composed
def get_item(x: Any, key: Any) -> Tensor:
    """x[key]: integers, slices, None, ..., integer tensors; masks of bool only where their value is known.

    Raises:
        IndexError: too many indices, or a number out of range; one in a tensor that only a running program has becomes
            the nearest.
    """
    x = convert_to_tensor(x)
    ranges: list[range] = []
    new_shape: list[int] = []
    advanced: list[tuple[int, Tensor]] = []
    for item in _expand_key(key if isinstance(key, tuple) else (key,), len(x.shape)):
        axis = len(ranges)
        if item is None:
            new_shape.append(1)
            continue
        n: int = x.shape[axis]
        if isinstance(item, Tensor):
            advanced.append((len(new_shape), item))
            item = slice(None)
        if isinstance(item, slice):
            ranges.append(range(n)[item])
            new_shape.append(len(ranges[-1]))
        elif -n <= item < n:
            ranges.append(range(item % n, item % n + 1))
        else:
            raise IndexError(f"index {item} is out of range for axis {axis} of size {n} (shape {x.shape})")
    x = reshape(slice_ranges(x, ranges), new_shape)
    return _index_with_tensors(x, advanced) if advanced else x


def _expand_key(key: tuple[Any, ...], rank: int) -> list[Any]:
    """A key with its ellipsis spelt out, masks turned to indices, one item for each axis."""
    items: list[Any] = []
    for item in key:
        if isinstance(item, (Tensor, Variable, np.ndarray, list)):
            t = convert_to_tensor(item)
            items += nonzero(t) if t.dtype == "bool" else [t if t.shape or t.symbolic else int(t)]
        else:
            items.append(item if item is None or item is Ellipsis or isinstance(item, slice) else operator.index(item))
    dots = [i for i, item in enumerate(items) if item is Ellipsis]
    used = sum(item is not None for item in items) - len(dots)
    if used > rank:
        raise IndexError(f"{used} indices for a tensor of {rank} dimensions")
    if len(dots) > 1:
        raise IndexError("an index can have one ellipsis only")
    at = dots[0] if dots else len(items)
    return items[:at] + [slice(None)] * (rank - used) + items[at + 1 :]


def count_from_start(indices: Tensor, n: int) -> Any:
    """Indices of an axis of size `n`, where negative ones count from its end, as 0 to n - 1.

    Others raise IndexError where values are at hand, else they become the nearest.
    """
    if indices.scope is None:
        gather.reference(np.broadcast_to(np.int8(0), n), indices.numpy(), axis=0)
    return e.clip(e.choose(e.less(indices, 0), e.add(indices, n), indices), 0, n - 1)


def _index_with_tensors(x: Any, advanced: list[tuple[int, Tensor]]) -> Any:
    """NumPy's advanced indexing: the index tensors broadcast, their axes become one."""
    axes = [axis for axis, _ in advanced]
    if len(axes) == 1:
        return gather(x, advanced[0][1], axis=axes[0])
    sizes = [x.shape[a] for a in axes]
    flat: Any = 0
    for (_, index), n in zip(advanced, sizes, strict=True):
        flat = e.add(e.multiply(flat, n), count_from_start(index, n))
    together = axes == list(range(axes[0], axes[0] + len(axes)))
    place = axes[0] if together else 0
    x = moveaxis(x, axes, list(range(place, place + len(axes))))
    merged = (*x.shape[:place], math.prod(sizes), *x.shape[place + len(axes) :])
    return gather(reshape(x, merged), flat, axis=place)
