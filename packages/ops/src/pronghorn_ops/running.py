"""Products, and sums and products that run along an axis."""

# mypy: disable-error-code="has-type,no-any-return"
# (rules name ops that are defined further down; what a primitive returns is only known at run time)

from __future__ import annotations

from typing import Any

import numpy as np

from pronghorn import ops
from pronghorn.graph import Spec
from pronghorn.op import composed, primitive
from pronghorn.ops.axes import canonical_axis, inverse
from pronghorn.ops.reduction import over, reduction, spread, summable
from pronghorn.ops.shape import slice_axis
from pronghorn.tensor import Tensor, convert_to_tensor

Array = np.ndarray[Any, Any]
Axes = tuple[int, ...]


def _product_gradient(g: Any, out: Any, x: Any, axis: Axes, keepdims: bool) -> tuple[Any]:
    # The product of all other elements, from both sides, so that a zero gives no division by zero.
    kept = tuple(i for i in range(len(x.shape)) if i not in axis)
    moved = ops.transpose(x, kept + axis)
    rows = ops.reshape(moved, (*(x.shape[i] for i in kept), -1))
    others = ops.reshape(_products(rows, False) * _products(rows, True), moved.shape)
    return (spread(g, x, axis) * ops.transpose(others, inverse(kept + axis)),)


def _products(x: Any, reverse: bool) -> Any:
    """Products of the elements of the last axis before (or, reversed, after) each."""
    if reverse:
        return ops.flip(_products(ops.flip(x, -1), False), -1)
    n = x.shape[-1]
    before = slice_axis(ops.pad(x, [(0, 0)] * (len(x.shape) - 1) + [(1, 0)], constant_values=1), -1, 0, n)
    return cumprod(before, -1)


def _product(x: Array, axis: Axes, keepdims: bool) -> Any:
    return np.prod(x, axis=axis, keepdims=keepdims, dtype=x.dtype)


reduce_prod = reduction("reduce_prod", _product, _product_gradient)


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


@composed
def prod(x: Any, axis: Any = None, keepdims: bool = False, dtype: Any = None) -> Tensor:
    """Product over `axis`; small integers and bool give 32 bits."""
    x = summable(x) if dtype is None else convert_to_tensor(x, dtype)
    return over(reduce_prod, "prod", x, axis, keepdims)


@composed
def cumsum(x: Any, axis: Any = None, dtype: Any = None) -> Tensor:
    """Running sums along `axis`, or over the flattened tensor."""
    x, axis = _running(x, axis, dtype, "cumsum")
    return cumulative_sum(x, axis=axis, reverse=False)


@composed
def cumprod(x: Any, axis: Any = None, dtype: Any = None) -> Tensor:
    """Running products along `axis`, or over the flattened tensor."""
    x, axis = _running(x, axis, dtype, "cumprod")
    n: int = x.shape[axis]
    step = 1
    while step < n:  # Hillis and Steele's scan: log2(n) products, differentiable even at zeros
        widths = [(step, 0) if i == axis else (0, 0) for i in range(len(x.shape))]
        x = ops.multiply(x, slice_axis(ops.pad(x, widths, constant_values=1), axis, 0, n))
        step *= 2
    return x


def _running(x: Any, axis: Any, dtype: Any, name: str) -> tuple[Any, int]:
    x = convert_to_tensor(x, dtype)
    if x.dtype == "bool":
        x = ops.cast(x, "int32")
    if axis is None:
        return ops.reshape(x, (-1,)), 0
    return x, canonical_axis(axis, len(x.shape), name)
