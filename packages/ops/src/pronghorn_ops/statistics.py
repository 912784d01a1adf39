"""Averages and order statistics."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pronghorn import dtypes, ops, tree
from pronghorn.graph import Spec
from pronghorn.op import composed, primitive
from pronghorn.ops.axes import canonical_axes, canonical_axis
from pronghorn.ops.reduction import reduced_shape, spread
from pronghorn.ops.shape import slice_axis
from pronghorn.tensor import Tensor, Variable, convert_to_tensor
from pronghorn_ops.complex_numbers import squared_size

Array = np.ndarray[Any, Any]


@composed
def var(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Mean squared distance from the mean over `axis`, real also of complex numbers."""
    x = convert_to_tensor(x)
    return ops.mean(squared_size(ops.subtract(x, ops.mean(x, axis, True))), axis, keepdims)


@composed
def std(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Square root of the variance over `axis`."""
    return ops.sqrt(var(x, axis, keepdims))


@composed
def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """log(sum(exp(x))) over `axis`, without overflow."""
    x = convert_to_tensor(x)
    x = ops.cast(x, dtypes.floating(x.dtype))
    axes = canonical_axes(axis, len(x.shape), "logsumexp")
    top = ops.max(x, axes, True, initial=None if x.size else -np.inf)
    top = ops.stop_gradient(ops.where(ops.isfinite(top), top, 0))
    total = ops.add(ops.log(ops.sum(ops.exp(ops.subtract(x, top)), axis=axes, keepdims=True)), top)
    return total if keepdims else ops.reshape(total, reduced_shape(x.shape, axes, False))


_LONGEST_ROW = 4096
"""Elements of a row that is summed in one go."""


def in_rows(x: Tensor, axes: tuple[int, ...]) -> bool:
    """Whether these are the trailing axes, though not all, of rows that are not long."""
    count, rank = len(axes), len(x.shape)
    short = math.prod(x.shape[rank - count :]) <= _LONGEST_ROW  # type: ignore[arg-type]
    return 0 < count < rank and axes == tuple(range(rank - count, rank)) and short


def _together(x: Tensor, axes: tuple[int, ...]) -> bool:
    """Whether these are the leading axes, or the trailing ones of rows that are not long."""
    return in_rows(x, axes) or (0 < len(axes) < len(x.shape) and axes == tuple(range(len(axes))))


def _moments_gradient(g: Any, out: Any, x: Tensor, axes: tuple[int, ...]) -> tuple[Any]:
    count = x.size / out[0].size
    of_mean, of_variance, mean = (None if t is None else spread(t, x, axes) for t in (*g, out[0]))
    dx = None if of_mean is None else ops.broadcast_to(of_mean / count, x.shape)
    if of_variance is not None:
        slope = (x - mean) * (of_variance * (2 / count))
        dx = slope if dx is None else slope + of_mean / count
    return (dx,)


@primitive(lambda x, axes: (Spec(reduced_shape(x.shape, axes, True), x.dtype),) * 2, _moments_gradient, name="moments")
def moments_together(x: Array, axes: tuple[int, ...]) -> tuple[Array, Array]:
    """Mean and variance over all leading or all trailing axes, which are kept; x is float32 or float64."""
    mean = x.mean(axes, keepdims=True)
    return mean, np.square(x - mean).mean(axes, keepdims=True)


@composed
def moments(x: Any, axes: Any, keepdims: bool = False, synchronized: bool = False) -> tuple[Tensor, Tensor]:
    """Mean and variance over `axes`; float16 is computed in float32."""
    if synchronized:
        raise NotImplementedError("moments: synchronized=True needs several devices, which are not supported")
    x = convert_to_tensor(x)
    narrow = x.dtype in ("float16", "bfloat16")
    wide: Any = ops.cast(x, "float32") if narrow else x
    over = canonical_axes(axes, len(x.shape), "moments")
    if wide.dtype in ("float32", "float64") and wide.size and _together(x, over):
        center, variance = moments_together(wide, axes=over)
    else:
        center = ops.mean(wide, over, True)
        variance = ops.mean(squared_size(ops.subtract(wide, spread(center, wide, over))), over, True)
    if not keepdims:
        center, variance = (ops.reshape(t, reduced_shape(x.shape, over, False)) for t in (center, variance))
    return (ops.cast(center, x.dtype), ops.cast(variance, x.dtype)) if narrow else (center, variance)


@composed
def average(x: Any, axis: Any = None, weights: Any = None) -> Any:
    """The mean, weighted by `weights` of the same shape or, along one axis, by a vector."""
    if weights is None:
        return ops.mean(x, axis)
    x, weights = convert_to_tensor(x), convert_to_tensor(weights)
    if weights.shape != x.shape and axis is not None:
        place = canonical_axis(axis, len(x.shape), "average")
        weights = ops.reshape(weights, [-1 if i == place else 1 for i in range(len(x.shape))])
    weights = ops.broadcast_to(weights, x.shape)
    return ops.divide(ops.sum(ops.multiply(x, weights), axis), ops.sum(weights, axis))


@composed
def amax(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The largest element."""
    return ops.max(x, axis, keepdims)


@composed
def amin(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The smallest element."""
    return ops.min(x, axis, keepdims)


@composed
def ptp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The largest element minus the smallest."""
    return ops.subtract(ops.max(x, axis, keepdims), ops.min(x, axis, keepdims))


_METHODS = ("linear", "lower", "higher", "nearest", "midpoint")


def as_shares(q: Any) -> Any:
    """Shares as float64 numbers, which place a quantile best, or where there are tensors among them as a tensor."""
    if any(isinstance(share, (Tensor, Variable)) for share in tree.flatten(q)):
        q = convert_to_tensor(q)
        return ops.cast(q, "float64" if q.dtype == "float64" else "float32")
    return np.asarray(q, np.float64)


def quantiles(op: str, x: Any, q: Any, axis: Any, method: str, keepdims: bool, skip_nan: bool) -> Any:
    """The value at each share `q` of the elements along `axis`: of all of them, or of those that are numbers."""
    if method not in _METHODS:
        raise ValueError(f"{op}: unknown method {method!r}; expected one of {', '.join(_METHODS)}")
    x, shares = convert_to_tensor(x), as_shares(q)
    x = ops.cast(x, dtypes.floating(x.dtype))
    axes = canonical_axes(axis, len(x.shape), op)
    kept = [i for i in range(len(x.shape)) if i not in axes]
    sizes, n = [x.shape[i] for i in kept], math.prod(x.shape[i] for i in axes)
    if not n:
        raise ValueError(f"{op}: no element to choose along axis {axis} of shape {x.shape}")
    ordered: Any = ops.sort(ops.reshape(ops.transpose(x, [*kept, *axes]), (*sizes, n)), -1)  # NaN last
    if isinstance(shares, np.ndarray) and not skip_nan:
        numbers: Any = np
        place: Any = shares.reshape(-1) * (n - 1)
    else:
        numbers, kind = ops, "float64" if x.dtype == "float64" else "float32"
        found = ops.sum(ops.cast(ops.logical_not(ops.isnan(ordered)), kind), -1, True) if skip_nan else n
        place = ops.multiply(ops.cast(ops.reshape(shares, (-1,)), kind), ops.maximum(ops.subtract(found, 1), 0))

    def at(index: Any) -> Any:
        return (ops.take_along_axis if skip_nan else ops.take)(ordered, convert_to_tensor(index, "int32"), -1)

    if method == "linear":
        low = numbers.floor(place)
        weight, below = convert_to_tensor(place - low, x.dtype), at(low)
        # where it is an element, a neighbour must not count: it may be infinite
        mixed = ops.add(below * (1 - weight), at(numbers.ceil(place)) * weight)
        values = ops.where(ops.equal(weight, 0), below, mixed)
    elif method == "midpoint":
        values = at(numbers.floor(place)) * 0.5 + at(numbers.ceil(place)) * 0.5
    else:
        values = at({"lower": numbers.floor, "higher": numbers.ceil, "nearest": numbers.round}[method](place))
    if not skip_nan:
        values = ops.where(ops.isnan(ordered[..., -1:]), float("nan"), values)
    left = [1 if i in axes else n for i, n in enumerate(x.shape)] if keepdims else sizes
    return ops.reshape(ops.moveaxis(values, -1, 0), (*shares.shape, *left))


@composed
def quantile(x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False) -> Any:
    """The value below which the share `q` (one, or several) of the elements along `axis` lies; NaN where one is NaN.

    Args:
        method: between two elements "linear", "lower", "higher", "nearest" or "midpoint".
    """
    return quantiles("quantile", x, q, axis, method, keepdims, skip_nan=False)


@composed
def percentile(x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False) -> Any:
    """`quantile` with shares in percent."""
    return quantiles("percentile", x, as_shares(q) / 100, axis, method, keepdims, skip_nan=False)


@composed
def median(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The middle element, or the mean of the middle two; NaN where an element is NaN."""
    return quantiles("median", x, 0.5, axis, "midpoint", keepdims, skip_nan=False)


@composed
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """The integral by the trapezoidal rule, over the places `x` or steps of `dx`."""
    y = convert_to_tensor(y)
    axis = canonical_axis(axis, len(y.shape), "trapezoid")
    n = y.shape[axis]
    step = dx
    if x is not None:
        x = convert_to_tensor(x)
        line = ops.reshape(x, [-1 if i == axis else 1 for i in range(len(y.shape))]) if len(x.shape) == 1 else x
        step = ops.subtract(slice_axis(line, axis, 1, n), slice_axis(line, axis, 0, n - 1))
    pairs = ops.add(slice_axis(y, axis, 1, n), slice_axis(y, axis, 0, n - 1))
    return ops.sum(ops.multiply(pairs, step) / 2, axis)
