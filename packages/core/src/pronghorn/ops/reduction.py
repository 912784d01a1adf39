"""Reductions over axes."""

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
from pronghorn.ops.axes import canonical_axes
from pronghorn.ops.shape import broadcast_to, full, reshape
from pronghorn.tensor import Tensor, convert_to_tensor

__all__ = ["all", "any", "max", "mean", "min", "stop_gradient", "sum"]

Array = np.ndarray[Any, Any]
Axes = tuple[int, ...]


def reduced_shape(shape: tuple[Any, ...], axis: Axes, keepdims: bool) -> tuple[Any, ...]:
    """The shape that is left of `shape`."""
    return tuple(1 if i in axis else n for i, n in enumerate(shape) if keepdims or i not in axis)


def spread(t: Any, like: Tensor, axis: Axes) -> Any:
    """A reduced tensor with its axes back at size 1, so that it broadcasts against what was reduced.

    It gets none in front: they would be taken for the batch's where that is of one sample, and need other kernels.
    """
    front = next(k for k in range(len(like.shape) + 1) if k not in axis)
    return reshape(t, reduced_shape(like.shape, axis, True)[front:])


# ---------------------------------------------------------------------- primitives


def reduction(
    name: str, function: Callable[..., Any], gradient: Callable[..., Any] | None = None, dtype: str | None = None
) -> Op:
    """A primitive with the attributes axis (a tuple) and keepdims, computed by a function of NumPy's kind.

    Its result has the operand's dtype, or `dtype`.
    """

    def reference(x: Array, axis: Axes, keepdims: bool) -> Array:
        return np.asarray(function(x, axis=axis, keepdims=keepdims))

    def infer(x: Spec, axis: Axes, keepdims: bool) -> Spec:
        return Spec(reduced_shape(x.shape, axis, keepdims), dtype or x.dtype)

    return Op(name, reference, infer, gradient)


def _sum(x: Array, axis: Axes, keepdims: bool) -> Array:
    narrow = x.dtype.itemsize == 2 and x.dtype.kind in "fV"  # float16 and bfloat16 are summed in float32
    total = np.sum(x, axis=axis, keepdims=keepdims, dtype=np.float32 if narrow else x.dtype)
    return np.asarray(total).astype(x.dtype, copy=False)


def _sum_gradient(g: Any, out: Any, x: Any, axis: Axes, keepdims: bool) -> tuple[Any]:
    return (broadcast_to(spread(g, x, axis), x.shape),)


def _extremum_gradient(g: Any, out: Any, x: Any, axis: Axes, keepdims: bool) -> tuple[Any]:
    hit = e.cast(e.equal(x, spread(out, x, axis)), x.dtype)
    return (hit * (spread(g, x, axis) / reduce_sum(hit, axis=axis, keepdims=True)),)


reduce_sum = reduction("reduce_sum", _sum, _sum_gradient)
reduce_max = reduction("reduce_max", np.max, _extremum_gradient)
reduce_min = reduction("reduce_min", np.min, _extremum_gradient)
reduce_any = reduction("reduce_any", np.any, dtype="bool")
reduce_all = reduction("reduce_all", np.all, dtype="bool")


@primitive(lambda x: Spec(x.shape, x.dtype), lambda g, out, x: (None,), name="stop_gradient")
def identity_without_gradient(x: Array) -> Array:
    """A copy of `x`."""
    return x.copy()


# ---------------------------------------------------------------------- public


def over(op: Op, name: str, x: Tensor, axis: Any, keepdims: bool) -> Any:
    """A reduction by an axis argument as a person writes it; errors name the op `name`."""
    return op(x, axis=canonical_axes(axis, len(x.shape), name), keepdims=bool(keepdims))


def summable(x: Any) -> Tensor:
    """`x` in the dtype in which it is summed: small integers and bool are widened to 32 bits."""
    x = convert_to_tensor(x)
    if x.dtype in ("bool", "int8", "int16"):
        return e.cast(x, "int32")
    return e.cast(x, "uint32") if x.dtype in ("uint8", "uint16") else x


@composed
def sum(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Sum over `axis` (all axes by default); small integers and bool give 32 bits."""
    return over(reduce_sum, "sum", summable(x), axis, keepdims)


@composed
def mean(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Mean over `axis`; integers give floatx."""
    x = convert_to_tensor(x)
    total: Any = over(reduce_sum, "mean", e.cast(x, dtypes.floating(x.dtype)), axis, keepdims)
    return e.divide(total, x.size / total.size if total.size else float("nan"))


@composed
def any(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Whether any element along `axis` is true."""
    return over(reduce_any, "any", e.cast(x, "bool"), axis, keepdims)


@composed
def all(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Whether all elements along `axis` are true."""
    return over(reduce_all, "all", e.cast(x, "bool"), axis, keepdims)


@composed
def max(x: Any, axis: Any = None, keepdims: bool = False, initial: Any = None) -> Tensor:
    """Largest element over `axis`, at least `initial`; NaN wins."""
    return _extreme(reduce_max, e.maximum, "max", x, axis, keepdims, initial)


@composed
def min(x: Any, axis: Any = None, keepdims: bool = False, initial: Any = None) -> Tensor:
    """Smallest element over `axis`, at most `initial`; NaN wins."""
    return _extreme(reduce_min, e.minimum, "min", x, axis, keepdims, initial)


def _extreme(op: Op, pick: Any, name: str, x: Any, axis: Any, keepdims: bool, initial: Any) -> Tensor:
    x = convert_to_tensor(x)
    axes = canonical_axes(axis, len(x.shape), name)
    if 0 in [x.shape[i] for i in axes]:
        if initial is None:
            raise ValueError(f"{name}: no element to choose along axis {axis} of shape {x.shape}; give `initial`")
        return full(reduced_shape(x.shape, axes, keepdims), initial, x.dtype)
    top = op(x, axis=axes, keepdims=bool(keepdims))
    return top if initial is None else e.cast(pick(top, initial), x.dtype)


@composed
def stop_gradient(variable: Any) -> Tensor:
    """The value, as a constant for gradients."""
    return identity_without_gradient(variable)
