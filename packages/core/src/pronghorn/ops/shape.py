"""Shapes and places: reshaping, joining, slicing, gathering, sorting, and tensors made from nothing."""

# mypy: disable-error-code="has-type,no-any-return"
# (rules name ops that are defined further down; what a primitive returns is only known at run time)

from __future__ import annotations

import builtins
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pronghorn import dtypes
from pronghorn.graph import Spec
from pronghorn.op import Composed, composed, infer_by_tracing, primitive
from pronghorn.ops import elementwise as e
from pronghorn.ops.axes import canonical_axes, canonical_axis
from pronghorn.tensor import Tensor, Variable, constant, convert_to_tensor

__all__ = [
    "arange", "argsort", "broadcast_to", "concatenate", "convert_to_numpy", "copy", "dtype", "empty",
    "empty_like", "expand_dims", "flip", "full", "full_like", "gather", "get_item", "moveaxis", "ndim",
    "nonzero", "ones", "ones_like", "pad", "ravel", "reshape", "scatter_rows", "shape", "size", "slice",
    "slice_update", "sort", "split", "squeeze", "stack", "swapaxes", "take", "take_along_axis", "top_k",
    "transpose", "unstack", "zeros", "zeros_like",
]  # fmt: skip

Array = np.ndarray[Any, Any]
Ints = tuple[int, ...]


# ---------------------------------------------------------------------- primitives
# A reference owns what it returns: it never gives a view of its operand, which may be a variable's buffer.


@primitive(
    lambda x, shape: Spec(shape, x.dtype),
    lambda g, out, x, shape: (reshape_to(g, shape=x.shape),),
    name="reshape",
)
def reshape_to(x: Array, shape: Ints) -> Array:
    """The elements in row-major order in another shape."""
    return x.reshape(shape).copy()


@primitive(
    lambda x, axes: Spec(tuple(x.shape[i] for i in axes), x.dtype),
    lambda g, out, x, axes: (permute(g, axes=tuple(int(i) for i in np.argsort(axes))),),
    name="transpose",
)
def permute(x: Array, axes: Ints) -> Array:
    """Axis k of the result is axis `axes[k]` of `x`."""
    return np.array(x.transpose(axes), order="C")


def _broadcast_gradient(g: Any, out: Any, x: Any, shape: Ints) -> tuple[Any]:
    from pronghorn.op import unbroadcast

    return (unbroadcast(g, x.shape),)


@primitive(lambda x, shape: Spec(shape, x.dtype), _broadcast_gradient, name="broadcast_to")
def broadcast(x: Array, shape: Ints) -> Array:
    """`x` repeated to `shape`."""
    return np.array(np.broadcast_to(x, shape), order="C")


def _joined(*xs: Spec, axis: int) -> Spec:
    shape = list(xs[0].shape)
    for x in xs[1:]:
        if len(x.shape) != len(shape) or builtins.any(
            n != m for i, (n, m) in enumerate(zip(x.shape, shape, strict=True)) if i != axis
        ):
            raise ValueError(f"concatenate: shapes {[s.shape for s in xs]} must be equal but for axis {axis}")
    shape[axis] = builtins.sum(x.shape[axis] for x in xs)  # type: ignore[misc]
    return Spec(tuple(shape), xs[0].dtype)


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
    gaps = tuple(builtins.abs(s) - 1 for s in step)
    filled = [n + (n - 1) * gap if n else 0 for n, gap in zip(size, gaps, strict=True)]
    high = tuple(m - a - n for m, a, n in zip(x.shape, start, filled, strict=True))
    return (pad_with(g, low=start, high=high, interior=gaps, value=0.0),)


@primitive(lambda x, start, size, step: Spec(size, x.dtype), _slice_gradient, name="slice")
def strided_slice(x: Array, start: Ints, size: Ints, step: Ints) -> Array:
    """Elements `start + i * step`, i < `size`, of each axis; steps may be negative."""
    return np.array(
        x[tuple(_python_slice(a, n, s) for a, n, s in zip(start, size, step, strict=True))],
        order="C",
        copy=True,
    )


def _python_slice(start: int, size: int, step: int) -> builtins.slice:
    stop = start + size * step
    return builtins.slice(start, None if stop < 0 else stop, step) if size else builtins.slice(0, 0)


def _padded(x: Spec, low: Ints, high: Ints, interior: Ints, value: float) -> Spec:
    sizes = (
        a + n + builtins.max(n - 1, 0) * gap + b  # type: ignore[operator]
        for n, a, b, gap in zip(x.shape, low, high, interior, strict=True)
    )
    return Spec(tuple(sizes), x.dtype)


def _pad_gradient(
    g: Any, out: Any, x: Any, low: Ints, high: Ints, interior: Ints, value: float
) -> tuple[Any]:
    return (strided_slice(g, start=low, size=x.shape, step=tuple(gap + 1 for gap in interior)),)


@primitive(_padded, _pad_gradient, name="pad")
def pad_with(x: Array, low: Ints, high: Ints, interior: Ints, value: float) -> Array:
    """`value` before, after and between (`interior` times) the elements of each axis."""
    out = np.full(_padded(Spec(x.shape, ""), low, high, interior, value).shape, value, dtype=x.dtype)  # type: ignore[type-var]
    if x.size:
        steps = [gap + 1 for gap in interior]
        out[tuple(_python_slice(a, n, s) for a, n, s in zip(low, x.shape, steps, strict=True))] = x
    return out


def _gather_gradient(g: Any, out: Any, x: Any, indices: Any, axis: int) -> tuple[Any, None]:
    rank = len(indices.shape)
    places = tuple(range(axis, axis + rank))
    rest = tuple(i for i in range(len(g.shape)) if i not in places)
    rows = reshape(transpose(g, places + rest), (indices.size, *(g.shape[i] for i in rest)))
    dense = scatter_rows(rows, reshape(indices, (-1,)), rows=x.shape[axis])
    return (moveaxis(dense, 0, axis), None)


def _gather_spec(x: Spec, indices: Spec, axis: int) -> Spec:
    if not dtypes.is_integer(indices.dtype):
        raise TypeError(f"take: `indices` must be integers, got dtype {indices.dtype}; cast them to 'int32'")
    return Spec(x.shape[:axis] + indices.shape + x.shape[axis + 1 :], x.dtype)


@primitive(_gather_spec, _gather_gradient)
def gather(x: Array, indices: Array, axis: int) -> Array:
    """x[..., indices, ...]: `indices` replace an axis; negative ones count from its end."""
    n = x.shape[axis]
    if indices.size and (indices.max() >= n or indices.min() < -n):
        worst = indices.max() if indices.max() >= n else indices.min()
        raise IndexError(f"take: index {worst} is out of range for axis {axis} of size {n} (shape {x.shape})")
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


def _clamped(x: Array, start: Array, size: Ints) -> tuple[builtins.slice, ...]:
    starts = [
        builtins.min(builtins.max(int(a), 0), n - m) for a, n, m in zip(start, x.shape, size, strict=True)
    ]
    return tuple(builtins.slice(a, a + m) for a, m in zip(starts, size, strict=True))


@primitive(
    lambda x, start, size: Spec(size, x.dtype),
    lambda g, out, x, start, size: (dynamic_update_slice(zeros_like(x), g, start), None),
)
def dynamic_slice(x: Array, start: Array, size: Ints) -> Array:
    """The block of shape `size` at `start` (int vector), moved inside where it would stick out."""
    return np.array(x[_clamped(x, start, size)], order="C", copy=True)


def _update_gradient(g: Any, out: Any, x: Any, update: Any, start: Any) -> tuple[Any, Any, None]:
    return (
        dynamic_update_slice(g, zeros_like(update), start),
        dynamic_slice(g, start, size=update.shape),
        None,
    )


@primitive(lambda x, update, start: Spec(x.shape, x.dtype), _update_gradient)
def dynamic_update_slice(x: Array, update: Array, start: Array) -> Array:
    """`x` with the block at `start` (int vector) replaced by `update`."""
    out = x.copy()
    out[_clamped(x, start, update.shape)] = update
    return out


@primitive(lambda x, axis, descending: Spec(x.shape, "int32"), name="argsort")
def sorting_indices(x: Array, axis: int, descending: bool) -> Array:
    """Indices that sort along `axis`; equal elements keep their order, NaN counts as largest."""
    if not descending:
        return np.argsort(x, axis=axis, kind="stable").astype(np.int32)
    flipped = np.argsort(np.flip(x, axis), axis=axis, kind="stable")
    return np.ascontiguousarray(x.shape[axis] - 1 - np.flip(flipped, axis), dtype=np.int32)


# ---------------------------------------------------------------------- values and sizes


def as_sizes(shape: Any, op: str) -> tuple[int, ...]:
    """A shape argument (a number, a sequence, a concrete tensor) as a tuple of ints."""
    if isinstance(shape, (Tensor, Variable, np.ndarray)) and len(shape.shape) == 1:
        shape = np.asarray(shape).tolist()
    items = shape if isinstance(shape, (list, tuple)) else (shape,)
    try:
        return tuple(operator.index(int(n) if isinstance(n, float) and n.is_integer() else n) for n in items)
    except TypeError:
        raise TypeError(f"{op}: a shape is made of integers, got {shape!r}") from None


def shape(x: Any) -> tuple[int | None, ...]:
    """The shape as a tuple; None where a dimension is unknown."""
    return convert_to_tensor(x).shape


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


@composed
def copy(x: Any) -> Tensor:
    """A tensor of the same value."""
    return reshape_to(x, shape=convert_to_tensor(x).shape)


def full(shape: Any, fill_value: Any, dtype: Any = None) -> Tensor:
    """A tensor filled with `fill_value`, of dtype floatx by default."""
    return broadcast_to(convert_to_tensor(fill_value, dtypes.standardize(dtype)), as_sizes(shape, "full"))


def zeros(shape: Any, dtype: Any = None) -> Tensor:
    """A tensor of zeros."""
    return full(shape, 0, dtype)


def ones(shape: Any, dtype: Any = None) -> Tensor:
    """A tensor of ones."""
    return full(shape, 1, dtype)


empty = zeros


@composed
def full_like(x: Any, fill_value: Any, dtype: Any = None) -> Tensor:
    """A tensor of the shape (and dtype, unless one is given) of `x` filled with `fill_value`."""
    x = convert_to_tensor(x)
    return full(x.shape, fill_value, dtype or x.dtype)


@composed
def zeros_like(x: Any, dtype: Any = None) -> Tensor:
    """Zeros in the shape and dtype of `x`."""
    return full_like(x, 0, dtype)


@composed
def ones_like(x: Any, dtype: Any = None) -> Tensor:
    """Ones in the shape and dtype of `x`."""
    return full_like(x, 1, dtype)


empty_like = zeros_like


def arange(start: Any, stop: Any = None, step: Any = None, dtype: Any = None) -> Tensor:
    """start, start + step, … before `stop`. The bounds must be known: the size depends on them."""
    first, last = (0, start) if stop is None else (start, stop)
    step = 1 if step is None else step
    if dtype is None:
        kinds = [dtypes.weak(v) or convert_to_tensor(v).dtype for v in (first, last, step)]
        dtype = dtypes.result_type(*kinds)
    bounds = [np.asarray(v).item() for v in (first, last, step)]
    return constant(np.arange(*bounds), dtypes.standardize(dtype))


# ---------------------------------------------------------------------- reshaping


class _Reshape(Composed):
    """Reshape, whose unknown dimensions are worked out without sizes where they can be."""

    def compute_output_spec(self, x: Any, newshape: Any) -> Any:
        sizes = as_sizes(newshape, "reshape")
        if None in x.shape and -1 not in sizes:
            return Spec(sizes, x.dtype)
        return infer_by_tracing(self.call, (x, sizes), {})


def _reshape(x: Any, newshape: Any) -> Tensor:
    """The elements of `x` in row-major order in another shape; one size may be -1.

    Raises:
        ValueError: the numbers of elements differ.
    """
    x = convert_to_tensor(x)
    sizes = list(as_sizes(newshape, "reshape"))
    total: int = x.size
    known = int(np.prod([n for n in sizes if n != -1], dtype=np.int64))
    if sizes.count(-1) == 1 and known and total % known == 0:
        sizes[sizes.index(-1)] = total // known
    elif sizes.count(-1) == 1 and not known and not total:
        sizes[sizes.index(-1)] = 0
    elif sizes.count(-1) or known != total:
        raise ValueError(
            f"reshape: a tensor of shape {x.shape} ({total} elements) cannot take the shape {tuple(newshape)}"
        )
    return x if tuple(sizes) == x.shape else reshape_to(x, shape=tuple(sizes))


_reshape.__name__ = _reshape.__qualname__ = "reshape"
reshape: Callable[..., Any] = _Reshape(_reshape)


@composed
def ravel(x: Any) -> Tensor:
    """All elements in one axis."""
    return reshape(x, (-1,))


@composed
def transpose(x: Any, axes: Any = None) -> Tensor:
    """The axes in the order `axes`, reversed by default."""
    x = convert_to_tensor(x)
    rank = len(x.shape)
    order = (
        tuple(reversed(range(rank)))
        if axes is None
        else tuple(canonical_axis(a, rank, "transpose") for a in axes)
    )
    if sorted(order) != list(range(rank)):
        raise ValueError(
            f"transpose: `axes` {axes} must name each of the {rank} axes of shape {x.shape} once"
        )
    return x if order == tuple(range(rank)) else permute(x, axes=order)


@composed
def swapaxes(x: Any, axis1: int, axis2: int) -> Tensor:
    """Two axes exchanged."""
    x = convert_to_tensor(x)
    order = list(range(len(x.shape)))
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return transpose(x, order)


@composed
def moveaxis(x: Any, source: Any, destination: Any) -> Tensor:
    """Axes moved to other places; the rest keep their order."""
    x = convert_to_tensor(x)
    rank = len(x.shape)
    sources, places = ([canonical_axis(a, rank, "moveaxis") for a in _many(v)] for v in (source, destination))
    order = [i for i in range(rank) if i not in sources]
    for place, axis in sorted(zip(places, sources, strict=True)):
        order.insert(place, axis)
    return transpose(x, order)


def _many(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else (value,)


@composed
def expand_dims(x: Any, axis: Any) -> Tensor:
    """New axes of size 1 at the places `axis` of the result."""
    x = convert_to_tensor(x)
    places = _many(axis)
    rank = len(x.shape) + len(places)
    wanted = canonical_axes(tuple(places), rank, "expand_dims")
    sizes = iter(x.shape)
    return reshape(x, tuple(1 if i in wanted else next(sizes) for i in range(rank)))


class _Squeeze(Composed):
    def compute_output_spec(self, x: Any, axis: Any = None) -> Any:
        if axis is None and None in x.shape:
            return Spec(tuple(n for n in x.shape if n != 1), x.dtype)
        return infer_by_tracing(self.call, (x, axis), {})


def _squeeze(x: Any, axis: Any = None) -> Tensor:
    """Axes of size 1 (all of them, or those of `axis`) left out.

    Raises:
        ValueError: an axis of `axis` has another size.
    """
    x = convert_to_tensor(x)
    ones_at = [i for i, n in enumerate(x.shape) if n == 1]
    axes = ones_at if axis is None else canonical_axes(axis, len(x.shape), "squeeze")
    if not set(axes) <= set(ones_at):
        raise ValueError(f"squeeze: axis {axis} of shape {x.shape} does not have size 1")
    return reshape(x, tuple(n for i, n in enumerate(x.shape) if i not in axes))


_squeeze.__name__ = _squeeze.__qualname__ = "squeeze"
squeeze: Callable[..., Any] = _Squeeze(_squeeze)


@composed
def broadcast_to(x: Any, shape: Any) -> Tensor:
    """`x` repeated to `shape`.

    Raises:
        ValueError: the shapes do not broadcast.
    """
    x = convert_to_tensor(x)
    sizes = as_sizes(shape, "broadcast_to")
    if x.shape == sizes:
        return x
    extra = len(sizes) - len(x.shape)
    if extra < 0 or builtins.any(n not in (1, m) for n, m in zip(x.shape, sizes[extra:], strict=True)):
        raise ValueError(f"broadcast_to: a tensor of shape {x.shape} does not broadcast to {sizes}")
    return broadcast(x, shape=sizes)


# ---------------------------------------------------------------------- joining and repeating


def _of_one_dtype(xs: Any, op: str) -> list[Tensor]:
    tensors = [convert_to_tensor(x) for x in xs]
    if not tensors:
        raise ValueError(f"{op}: needs at least one tensor")
    kind = dtypes.result_type(*(t.dtype for t in tensors))
    return [e.cast(t, kind) for t in tensors]


@composed
def concatenate(xs: Any, axis: int | None = 0) -> Tensor:
    """Tensors one after another along `axis` (flattened first, where it is None)."""
    tensors = _of_one_dtype(xs, "concatenate")
    if axis is None:
        tensors, axis = [ravel(t) for t in tensors], 0
    axis = canonical_axis(axis, len(tensors[0].shape), "concatenate")
    return tensors[0] if len(tensors) == 1 else join(*tensors, axis=axis)


@composed
def stack(x: Any, axis: int = 0) -> Tensor:
    """Tensors of one shape along a new axis."""
    tensors = _of_one_dtype(x, "stack")
    shapes = {t.shape for t in tensors}
    if len(shapes) > 1:
        raise ValueError(f"stack: the tensors must have one shape, got {sorted(shapes, key=str)}")
    return concatenate([expand_dims(t, axis) for t in tensors], axis)


@composed
def unstack(x: Any, num: int | None = None, axis: int = 0) -> list[Tensor]:
    """The slices along `axis`, without it."""
    x = convert_to_tensor(x)
    axis = canonical_axis(axis, len(x.shape), "unstack")
    count = x.shape[axis]
    if num is not None and num != count:
        raise ValueError(
            f"unstack: argument `num` is {num}, but axis {axis} of shape {x.shape} has size {count}"
        )
    return [squeeze(slice_axis(x, axis, i, i + 1), axis) for i in range(count)]


@composed
def split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Tensor]:
    """`x` cut along `axis` into equal sections, or before each of the given indices."""
    x = convert_to_tensor(x)
    axis = canonical_axis(axis, len(x.shape), "split")
    n: int = x.shape[axis]
    if isinstance(indices_or_sections, int):
        if indices_or_sections < 1 or n % indices_or_sections:
            raise ValueError(
                f"split: axis {axis} of size {n} cannot be cut into {indices_or_sections} equal sections"
            )
        width = n // indices_or_sections
        cuts = list(range(0, n + 1, width)) if width else [0] * (indices_or_sections + 1)
    else:
        cuts = [
            0,
            *(builtins.range(n + 1)[builtins.min(i, n)] for i in as_sizes(indices_or_sections, "split")),
            n,
        ]
    return [slice_axis(x, axis, a, builtins.max(a, b)) for a, b in zip(cuts[:-1], cuts[1:], strict=True)]


@composed
def flip(x: Any, axis: Any = None) -> Tensor:
    """Elements in reverse order along `axis`."""
    x = convert_to_tensor(x)
    axes = canonical_axes(axis, len(x.shape), "flip")
    start = tuple(n - 1 if i in axes and n else 0 for i, n in enumerate(x.shape))
    return strided_slice(
        x, start=start, size=x.shape, step=tuple(-1 if i in axes else 1 for i in range(len(x.shape)))
    )


@composed
def pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: Any = None) -> Tensor:
    """`x` with `pad_width` ((before, after) for each axis, or for all) more elements around it.

    Args:
        mode: "constant", "reflect" (without the edge), "symmetric" (with it) or "edge".
        constant_values: a number, 0 by default; for "constant" only.
    """
    x = convert_to_tensor(x)
    widths = _pad_widths(pad_width, len(x.shape))
    if mode == "constant":
        low, high = (tuple(w[k] for w in widths) for k in (0, 1))
        value = 0 if constant_values is None else np.asarray(constant_values).item()
        return pad_with(x, low=low, high=high, interior=(0,) * len(widths), value=value)
    if constant_values is not None:
        raise ValueError(f"pad: `constant_values` goes with mode 'constant' only, got mode {mode!r}")
    if mode not in ("reflect", "symmetric", "edge"):
        raise ValueError(f"pad: unknown mode {mode!r}; expected 'constant', 'reflect', 'symmetric' or 'edge'")
    for axis, (before, after) in enumerate(widths):
        if before or after:
            x = take(x, np.pad(np.arange(x.shape[axis]), (before, after), mode=mode).astype(np.int32), axis)  # type: ignore[call-overload]
    return x


def _pad_widths(pad_width: Any, rank: int) -> list[tuple[int, int]]:
    pairs = np.broadcast_to(np.asarray(pad_width), (rank, 2)).tolist()
    if builtins.any(n < 0 for pair in pairs for n in pair):
        raise ValueError(f"pad: argument `pad_width` must not be negative, got {pad_width}")
    return [(int(a), int(b)) for a, b in pairs]


# ---------------------------------------------------------------------- reading and writing places


def slice_axis(x: Any, axis: int, start: int, stop: int, step: int = 1) -> Any:
    """x[start:stop:step] along one axis; 0 <= start, stop <= size."""
    n = len(x.shape)
    axis %= n
    count = len(range(start, stop, step))
    if count == x.shape[axis] and step == 1:
        return x
    return strided_slice(
        x,
        start=tuple(start if i == axis else 0 for i in range(n)),
        size=tuple(count if i == axis else m for i, m in enumerate(x.shape)),
        step=tuple(step if i == axis else 1 for i in range(n)),
    )


def _index_vector(start: Any) -> Tensor:
    return e.cast(convert_to_tensor(start), "int32")


@composed
def slice(inputs: Any, start_indices: Any, shape: Any) -> Tensor:
    """The block of `shape` at `start_indices` (which may be tensors); -1 takes the rest of the axis."""
    x = convert_to_tensor(inputs)
    sizes = as_sizes(shape, "slice")
    if -1 in sizes:
        starts = as_sizes(start_indices, "slice")
        sizes = tuple(n - a if m == -1 else m for n, a, m in zip(x.shape, starts, sizes, strict=True))  # type: ignore[operator]
    if len(sizes) != len(x.shape) or builtins.any(m > n for m, n in zip(sizes, x.shape, strict=True)):  # type: ignore[operator]
        raise ValueError(f"slice: a block of shape {sizes} does not fit in a tensor of shape {x.shape}")
    return dynamic_slice(x, _index_vector(start_indices), size=sizes)


@composed
def slice_update(inputs: Any, start_indices: Any, updates: Any) -> Tensor:
    """`inputs` with the block at `start_indices` (which may be tensors) replaced by `updates`."""
    x = convert_to_tensor(inputs)
    updates = convert_to_tensor(updates, x.dtype)
    if len(updates.shape) != len(x.shape) or builtins.any(
        m > n for m, n in zip(updates.shape, x.shape, strict=True)
    ):
        raise ValueError(
            f"slice_update: updates of shape {updates.shape} do not fit in a tensor of shape {x.shape}"
        )
    return dynamic_update_slice(x, updates, _index_vector(start_indices))


@composed
def take(x: Any, indices: Any, axis: int | None = None) -> Tensor:
    """Elements at `indices` along `axis` (of the flattened tensor, for None); negative ones from the end."""
    x, places = convert_to_tensor(x), convert_to_tensor(indices)
    if axis is None:
        x, axis = ravel(x), 0
    return gather(x, places, axis=canonical_axis(axis, len(x.shape), "take"))


@composed
def take_along_axis(x: Any, indices: Any, axis: int | None = None) -> Tensor:
    """x[..., indices[..., i, ...], ...]: one index for each place; the other axes broadcast."""
    x, places = convert_to_tensor(x), convert_to_tensor(indices)
    if axis is None:
        return take(ravel(x), ravel(places), 0)
    rank = len(x.shape)
    axis = canonical_axis(axis, rank, "take_along_axis")
    if len(places.shape) != rank:
        raise ValueError(
            f"take_along_axis: `indices` of shape {places.shape} must have the rank of `x` of shape {x.shape}"
        )
    others = np.broadcast_shapes(
        *(tuple(1 if i == axis else n for i, n in enumerate(t.shape)) for t in (x, places))
    )
    x = broadcast_to(x, [x.shape[axis] if i == axis else n for i, n in enumerate(others)])
    places = broadcast_to(places, [places.shape[axis] if i == axis else n for i, n in enumerate(others)])
    n: int = x.shape[axis]
    rows = moveaxis(x, axis, -1)
    columns = moveaxis(places, axis, -1)
    columns = e.choose(e.less(columns, 0), e.add(columns, n), columns)
    first = constant(np.arange(rows.size // n if n else 0).reshape(*columns.shape[:-1], 1) * n, columns.dtype)  # type: ignore[operator]
    return moveaxis(gather(ravel(rows), e.add(columns, first), axis=0), -1, axis)


@composed
def get_item(x: Any, key: Any) -> Tensor:
    """x[key]: integers, slices, None, ..., integer tensors; masks of bool only where their value is known.

    Raises:
        IndexError: too many indices, or a number out of range.
    """
    x = convert_to_tensor(x)
    items = _expand_key(key if isinstance(key, tuple) else (key,), len(x.shape))
    start: list[int] = []
    count: list[int] = []
    step: list[int] = []
    new_shape: list[int] = []
    advanced: list[tuple[int, Tensor]] = []
    axis = 0
    for item in items:
        if item is None:
            new_shape.append(1)
            continue
        n: int = x.shape[axis]
        if isinstance(item, builtins.slice):
            bounds = builtins.slice(
                *(None if v is None else operator.index(v) for v in (item.start, item.stop, item.step))
            )
            a, b, s = bounds.indices(n)
            picked = (a, len(range(a, b, s)), s)
            new_shape.append(picked[1])
        elif isinstance(item, Tensor):
            picked = (0, n, 1)
            advanced.append((len(new_shape), item))
            new_shape.append(n)
        else:
            if not -n <= item < n:
                raise IndexError(
                    f"index {item} is out of range for axis {axis} of size {n} (shape {x.shape})"
                )
            picked = (item % n, 1, 1)
        for target, value in zip((start, count, step), picked, strict=True):
            target.append(value)
        axis += 1
    if tuple(count) != x.shape or builtins.any(s != 1 for s in step):
        x = strided_slice(x, start=tuple(start), size=tuple(count), step=tuple(step))
    x = reshape(x, new_shape)
    return _index_with_tensors(x, advanced) if advanced else x


def _expand_key(key: tuple[Any, ...], rank: int) -> list[Any]:
    """A key with its ellipsis spelt out, masks turned to indices, one item for each axis."""
    items: list[Any] = []
    for item in key:
        if isinstance(item, (Tensor, Variable, np.ndarray, list)):
            t = convert_to_tensor(item)
            if t.dtype == "bool":
                items.extend(nonzero(t))
            elif not t.shape and not t.symbolic:
                items.append(int(t))
            else:
                items.append(t)
        elif item is None or item is Ellipsis or isinstance(item, builtins.slice):
            items.append(item)
        else:
            items.append(operator.index(item))
    used = builtins.sum(item is not None and item is not Ellipsis for item in items)
    if used > rank:
        raise IndexError(f"{used} indices for a tensor of {rank} dimensions")
    rest = [builtins.slice(None)] * (rank - used)
    at = next((i for i, item in enumerate(items) if item is Ellipsis), len(items))
    if builtins.any(item is Ellipsis for item in items[at + 1 :]):
        raise IndexError("an index can have one ellipsis only")
    return items[:at] + rest + items[at + 1 :]


def _index_with_tensors(x: Any, advanced: list[tuple[int, Tensor]]) -> Any:
    """NumPy's advanced indexing: the index tensors broadcast, their axes become one."""
    axes = [axis for axis, _ in advanced]
    if len(axes) == 1:
        return gather(x, advanced[0][1], axis=axes[0])
    sizes = [x.shape[a] for a in axes]
    flat: Any = 0
    for (_, index), n in zip(advanced, sizes, strict=True):
        flat = e.add(e.multiply(flat, n), e.choose(e.less(index, 0), e.add(index, n), index))
    together = axes == list(range(axes[0], axes[0] + len(axes)))
    place = axes[0] if together else 0
    x = moveaxis(x, axes, list(range(place, place + len(axes))))
    merged = (*x.shape[:place], int(np.prod(sizes)), *x.shape[place + len(axes) :])
    return gather(reshape(x, merged), flat, axis=place)


# ---------------------------------------------------------------------- sorting


@composed
def argsort(x: Any, axis: int | None = -1) -> Tensor:
    """Indices (int32) that sort along `axis` (the flattened tensor, for None), stably."""
    x = convert_to_tensor(x)
    if axis is None:
        x, axis = ravel(x), -1
    return sorting_indices(x, axis=canonical_axis(axis, len(x.shape), "argsort"), descending=False)


@composed
def sort(x: Any, axis: int | None = -1) -> Tensor:
    """Elements in ascending order along `axis`, NaN last."""
    x = convert_to_tensor(x)
    if axis is None:
        x, axis = ravel(x), -1
    return take_along_axis(x, argsort(x, axis), axis)


@composed
def top_k(x: Any, k: int, sorted: bool = True) -> tuple[Tensor, Tensor]:
    """The `k` largest elements of the last axis, in descending order, and their indices (int32)."""
    x = convert_to_tensor(x)
    if not 0 <= k <= x.shape[-1]:
        raise ValueError(
            f"top_k: argument `k` is {k}, but the last axis of shape {x.shape} has {x.shape[-1]} elements"
        )
    order = sorting_indices(x, axis=len(x.shape) - 1, descending=True)
    indices = slice_axis(order, -1, 0, k)
    return take_along_axis(x, indices, -1), indices


# ---------------------------------------------------------------------- shapes that depend on values


def known_value(x: Any, op: str, instead: str) -> Array:
    """The value of a concrete tensor.

    Raises:
        TypeError: it is symbolic; the message names the form with a fixed size.
    """
    t = convert_to_tensor(x)
    if t.symbolic:
        raise TypeError(
            f"{op}: the size of the result depends on values, which {t} has none of yet; use {instead}"
        )
    return t.numpy()


def nonzero(x: Any) -> tuple[Tensor, ...]:
    """Indices (int32) of the elements that are not zero, a vector for each axis. Eager only."""
    found = np.nonzero(known_value(x, "nonzero", "ops.where(condition, x1, x2), which keeps the shape"))
    return tuple(constant(i, "int32") for i in found)
