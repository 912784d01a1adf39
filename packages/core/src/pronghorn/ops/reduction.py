"""Reductions over axes, and cumulative sums and products."""

# mypy: disable-error-code="has-type,no-any-return"
# (rules name ops that are defined further down; what a primitive returns is only known at run time)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pronghorn import dtypes
from pronghorn.graph import Spec
from pronghorn.op import Op, composed, primitive
from pronghorn.ops import elementwise as e
from pronghorn.ops.axes import canonical_axes, canonical_axis
from pronghorn.tensor import Tensor, convert_to_tensor

__all__ = [
    "all", "any", "argmax", "argmin", "cumprod", "cumsum", "logsumexp", "max", "mean", "min", "prod",
    "std", "stop_gradient", "sum", "var",
]  # fmt: skip

Array = np.ndarray[Any, Any]
Axes = tuple[int, ...]


def reduced_shape(shape: tuple[Any, ...], axis: Axes, keepdims: bool) -> tuple[Any, ...]:
    """The shape that is left of `shape`."""
    return tuple(1 if i in axis else n for i, n in enumerate(shape) if keepdims or i not in axis)


def _infer(dtype: str | None = None) -> Callable[..., Spec]:
    return lambda x, axis, keepdims: Spec(reduced_shape(x.shape, axis, keepdims), dtype or x.dtype)


def spread(t: Any, like: Tensor, axis: Axes) -> Any:
    """A reduced tensor with its axes back at size 1, so that it broadcasts against what was reduced."""
    from pronghorn.ops.shape import reshape

    return reshape(t, reduced_shape(like.shape, axis, True))


def _sum_gradient(g: Any, out: Any, x: Any, axis: Axes, keepdims: bool) -> tuple[Any]:
    from pronghorn.ops.shape import broadcast_to

    return (broadcast_to(spread(g, x, axis), x.shape),)


def _extremum_gradient(g: Any, out: Any, x: Any, axis: Axes, keepdims: bool) -> tuple[Any]:
    hit = e.cast(e.equal(x, spread(out, x, axis)), x.dtype)
    return (hit * (spread(g, x, axis) / reduce_sum(hit, axis=axis, keepdims=True)),)


def _product_gradient(g: Any, out: Any, x: Any, axis: Axes, keepdims: bool) -> tuple[Any]:
    # The product of all other elements, from both sides, so that a zero gives no division by zero.
    from pronghorn.ops.shape import reshape, transpose

    kept = tuple(i for i in range(len(x.shape)) if i not in axis)
    moved = transpose(x, kept + axis)
    rows = reshape(moved, (*(x.shape[i] for i in kept), -1))
    others = reshape(_products(rows, False) * _products(rows, True), moved.shape)
    back = tuple(int(i) for i in np.argsort(kept + axis))
    return (spread(g, x, axis) * transpose(others, back),)


def _products(x: Any, reverse: bool) -> Any:
    """Products of the elements of the last axis before (or, reversed, after) each."""
    from pronghorn.ops.shape import flip, pad, slice_axis

    if reverse:
        return flip(_products(flip(x, -1), False), -1)
    n = x.shape[-1]
    before = slice_axis(pad(x, [(0, 0)] * (len(x.shape) - 1) + [(1, 0)], constant_values=1), -1, 0, n)
    return cumprod(before, -1)


@primitive(_infer(), _sum_gradient)
def reduce_sum(x: Array, axis: Axes, keepdims: bool) -> Array:
    """Sum; float16 and bfloat16 are summed in float32."""
    narrow = x.dtype.itemsize == 2 and x.dtype.kind in "fV"
    total = np.sum(x, axis=axis, keepdims=keepdims, dtype=np.float32 if narrow else x.dtype)
    return np.asarray(total).astype(x.dtype, copy=False)


def _extremum(name: str, function: Callable[..., Any]) -> Op:
    def reference(x: Array, axis: Axes, keepdims: bool) -> Array:
        if any_zero(x.shape, axis):
            raise ValueError(
                f"{name[7:]}: no element to choose along axis {axis} of shape {x.shape}; give `initial`"
            )
        return np.asarray(function(x, axis=axis, keepdims=keepdims))

    return Op(name, reference, _infer(), _extremum_gradient)


reduce_max = _extremum("reduce_max", np.max)
reduce_min = _extremum("reduce_min", np.min)


@primitive(_infer(), _product_gradient)
def reduce_prod(x: Array, axis: Axes, keepdims: bool) -> Array:
    """Product."""
    return np.asarray(np.prod(x, axis=axis, keepdims=keepdims, dtype=x.dtype))


@primitive(_infer("bool"))
def reduce_any(x: Array, axis: Axes, keepdims: bool) -> Array:
    """Whether an element is true."""
    return np.asarray(np.any(x, axis=axis, keepdims=keepdims))


@primitive(_infer("bool"))
def reduce_all(x: Array, axis: Axes, keepdims: bool) -> Array:
    """Whether all elements are true."""
    return np.asarray(np.all(x, axis=axis, keepdims=keepdims))


@primitive(_infer("int32"), name="argmax")
def index_of_max(x: Array, axis: Axes, keepdims: bool) -> Array:
    """Index of the first largest element along one axis; NaN is largest."""
    return np.asarray(np.argmax(x, axis=axis[0], keepdims=keepdims), dtype=np.int32)


@primitive(_infer("int32"), name="argmin")
def index_of_min(x: Array, axis: Axes, keepdims: bool) -> Array:
    """Index of the first smallest element along one axis; NaN is smallest."""
    return np.asarray(np.argmin(x, axis=axis[0], keepdims=keepdims), dtype=np.int32)


@primitive(
    lambda x, axis, reverse: Spec(x.shape, x.dtype),
    lambda g, out, x, axis, reverse: (cumulative_sum(g, axis=axis, reverse=not reverse),),
    name="cumsum",
)
def cumulative_sum(x: Array, axis: int, reverse: bool) -> Array:
    """Running sums, from the end where `reverse` is set."""
    if reverse:
        return np.ascontiguousarray(np.flip(np.cumsum(np.flip(x, axis), axis=axis, dtype=x.dtype), axis))
    return np.cumsum(x, axis=axis, dtype=x.dtype)


# ---------------------------------------------------------------------- public


def summable(x: Any) -> Tensor:
    """`x` in the dtype in which it is summed: small integers and bool are widened to 32 bits."""
    x = convert_to_tensor(x)
    if x.dtype in ("bool", "int8", "int16"):
        return e.cast(x, "int32")
    return e.cast(x, "uint32") if x.dtype in ("uint8", "uint16") else x


def _over(op: Op, name: str, x: Tensor, axis: Any, keepdims: bool) -> Any:
    axes = canonical_axes(axis, len(x.shape), name)
    return op(x, axis=axes, keepdims=bool(keepdims))


@composed
def sum(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Sum over `axis` (all axes by default); small integers and bool give 32 bits."""
    return _over(reduce_sum, "sum", summable(x), axis, keepdims)


@composed
def prod(x: Any, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Tensor:
    """Product over `axis`; small integers and bool give 32 bits."""
    x = summable(x) if dtype is None else convert_to_tensor(x, dtype)
    return _over(reduce_prod, "prod", x, axis, keepdims)


@composed
def max(x: Any, axis: Any = None, keepdims: bool = False, initial: Any = None) -> Tensor:
    """Largest element over `axis`, at least `initial`; NaN wins."""
    return _extreme(reduce_max, e.maximum, "max", x, axis, keepdims, initial)


@composed
def min(x: Any, axis: Any = None, keepdims: bool = False, initial: Any = None) -> Tensor:
    """Smallest element over `axis`, at most `initial`; NaN wins."""
    return _extreme(reduce_min, e.minimum, "min", x, axis, keepdims, initial)


def _extreme(op: Op, pick: Any, name: str, x: Any, axis: Any, keepdims: bool, initial: Any) -> Tensor:
    from pronghorn.ops.shape import full

    x = convert_to_tensor(x)
    if initial is None:
        return _over(op, name, x, axis, keepdims)
    axes = canonical_axes(axis, len(x.shape), name)
    if any_zero(x.shape, axes):
        return full(reduced_shape(x.shape, axes, keepdims), initial, x.dtype)
    return e.cast(pick(_over(op, name, x, axis, keepdims), initial), x.dtype)


def any_zero(shape: tuple[Any, ...], axes: Axes) -> bool:
    """Whether a reduction over `axes` has nothing to reduce."""
    return 0 in [shape[i] for i in axes]


@composed
def any(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Whether any element along `axis` is true."""
    return _over(reduce_any, "any", e.cast(x, "bool"), axis, keepdims)


@composed
def all(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Whether all elements along `axis` are true."""
    return _over(reduce_all, "all", e.cast(x, "bool"), axis, keepdims)


@composed
def mean(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Mean over `axis`; integers give floatx."""
    x = convert_to_tensor(x)
    x = e.cast(x, dtypes.floating(x.dtype))
    axes = canonical_axes(axis, len(x.shape), "mean")
    count = float(np.prod([x.shape[i] for i in axes], dtype=np.int64))
    return e.divide(reduce_sum(x, axis=axes, keepdims=bool(keepdims)), count)


@composed
def var(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Mean squared distance from the mean over `axis`."""
    x = convert_to_tensor(x)
    return mean(e.square(e.subtract(x, mean(x, axis, True))), axis, keepdims)


@composed
def std(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Square root of the variance over `axis`."""
    return e.sqrt(var(x, axis, keepdims))


@composed
def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """log(sum(exp(x))) over `axis`, without overflow."""
    x = convert_to_tensor(x)
    x = e.cast(x, dtypes.floating(x.dtype))
    axes = canonical_axes(axis, len(x.shape), "logsumexp")
    top = reduce_max(x, axis=axes, keepdims=True)
    top = stop_gradient(e.choose(e.isfinite(top), top, 0))
    total = e.add(e.log(reduce_sum(e.exp(e.subtract(x, top)), axis=axes, keepdims=True)), top)
    from pronghorn.ops.shape import reshape

    return total if keepdims else reshape(total, reduced_shape(x.shape, axes, False))


@composed
def argmax(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Index (int32) of the first largest element along `axis`, or in the flattened tensor."""
    return _arg(index_of_max, "argmax", x, axis, keepdims)


@composed
def argmin(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Index (int32) of the first smallest element along `axis`, or in the flattened tensor."""
    return _arg(index_of_min, "argmin", x, axis, keepdims)


def _arg(op: Op, name: str, x: Any, axis: Any, keepdims: bool) -> Tensor:
    from pronghorn.ops.shape import reshape

    x = convert_to_tensor(x)
    if 0 in x.shape:
        raise ValueError(f"{name}: a tensor of shape {x.shape} has no element to choose")
    if axis is None:
        index = op(reshape(x, (-1,)), axis=(0,), keepdims=False)
        return reshape(index, (1,) * len(x.shape)) if keepdims else index
    return op(x, axis=(canonical_axis(axis, len(x.shape), name),), keepdims=bool(keepdims))


@composed
def cumsum(x: Any, axis: Any = None, dtype: Any = None) -> Tensor:
    """Running sums along `axis`, or over the flattened tensor."""
    x, axis = _running(x, axis, dtype, "cumsum")
    return cumulative_sum(x, axis=axis, reverse=False)


@composed
def cumprod(x: Any, axis: Any = None, dtype: Any = None) -> Tensor:
    """Running products along `axis`, or over the flattened tensor."""
    from pronghorn.ops.shape import pad, slice_axis

    x, axis = _running(x, axis, dtype, "cumprod")
    n: int = x.shape[axis]
    step = 1
    while step < n:  # Hillis and Steele's scan: log2(n) products, differentiable even at zeros
        widths = [(step, 0) if i == axis else (0, 0) for i in range(len(x.shape))]
        x = e.multiply(x, slice_axis(pad(x, widths, constant_values=1), axis, 0, n))
        step *= 2
    return x


def _running(x: Any, axis: Any, dtype: Any, name: str) -> tuple[Any, int]:
    from pronghorn.ops.shape import reshape

    x = convert_to_tensor(x, dtype)
    if x.dtype == "bool":
        x = e.cast(x, "int32")
    if axis is None:
        return reshape(x, (-1,)), 0
    return x, canonical_axis(axis, len(x.shape), name)


@primitive(lambda x: Spec(x.shape, x.dtype), lambda g, out, x: (None,), name="stop_gradient")
def identity_without_gradient(x: Array) -> Array:
    """A copy of `x`."""
    return x.copy()


@composed
def stop_gradient(variable: Any) -> Tensor:
    """The value, as a constant for gradients."""
    return identity_without_gradient(variable)
