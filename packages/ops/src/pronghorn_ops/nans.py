"""Reductions that leave NaN out."""

from __future__ import annotations

from typing import Any

import numpy as np

from pronghorn import dtypes, ops
from pronghorn.op import composed
from pronghorn.ops.axes import canonical_axes
from pronghorn.tensor import Tensor, convert_to_tensor


def _filled(x: Any, value: float) -> tuple[Any, Any]:
    """`x` with `value` for NaN, and where NaN was; integers have none."""
    x = convert_to_tensor(x)
    if not dtypes.is_float(x.dtype):
        return x, ops.zeros_like(x, "bool")
    missing = ops.isnan(x)
    return ops.where(missing, ops.cast(value, x.dtype), x), missing


@composed
def nansum(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Sum over `axis`, NaN counting as 0."""
    return ops.sum(_filled(x, 0)[0], axis, keepdims)


@composed
def nanprod(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Product over `axis`, NaN counting as 1."""
    return ops.prod(_filled(x, 1)[0], axis, keepdims)


@composed
def nancumsum(x: Any, axis: Any = None, dtype: Any = None) -> Any:
    """Running sums along `axis`, NaN counting as 0."""
    return ops.cumsum(_filled(x, 0)[0], axis, dtype)


@composed
def nancumprod(x: Any, axis: Any = None, dtype: Any = None) -> Any:
    """Running products along `axis`, NaN counting as 1."""
    return ops.cumprod(_filled(x, 1)[0], axis, dtype)


def _extreme(op: Any, x: Any, value: float, axis: Any, keepdims: bool) -> Any:
    filled, missing = _filled(x, value)
    result = op(filled, axis, keepdims)
    if not dtypes.is_float(filled.dtype):
        return result
    return ops.where(ops.all(missing, axis, keepdims), ops.cast(float("nan"), filled.dtype), result)


@composed
def nanmax(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The largest element that is a number; NaN where there is none."""
    return _extreme(ops.max, x, -np.inf, axis, keepdims)


@composed
def nanmin(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The smallest element that is a number; NaN where there is none."""
    return _extreme(ops.min, x, np.inf, axis, keepdims)


def _place(op: Any, x: Any, value: float, axis: Any, keepdims: bool) -> Any:
    filled, missing = _filled(x, value)
    return ops.where(ops.all(missing, axis, keepdims), -1, op(filled, axis, keepdims))


@composed
def nanargmax(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Index (int32) of the first largest number along `axis`; -1 where there is none."""
    return _place(ops.argmax, x, -np.inf, axis, keepdims)


@composed
def nanargmin(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Index (int32) of the first smallest number along `axis`; -1 where there is none."""
    return _place(ops.argmin, x, np.inf, axis, keepdims)


@composed
def nanmean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Mean over `axis` of the elements that are numbers."""
    filled, missing = _filled(x, 0)
    wide = ops.cast(filled, dtypes.floating(filled.dtype))
    count = ops.sum(ops.cast(ops.logical_not(missing), wide.dtype), axis, keepdims)
    return ops.divide(ops.sum(wide, axis, keepdims), count)


@composed
def nanvar(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Mean squared distance of the numbers from their mean over `axis`."""
    x = convert_to_tensor(x)
    return nanmean(ops.square(ops.subtract(x, nanmean(x, axis, True))), axis, keepdims)


@composed
def nanstd(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Square root of the variance of the numbers over `axis`."""
    return ops.sqrt(nanvar(x, axis, keepdims))


@composed
def nanquantile(x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False) -> Any:
    """`quantile` of the elements that are numbers; NaN where there is none.

    Args:
        method: between two elements "linear", "lower", "higher", "nearest" or "midpoint".
    """
    x = convert_to_tensor(x)
    x = ops.cast(x, dtypes.floating(x.dtype))
    shares = np.asarray(q, np.float64)
    axes = canonical_axes(axis, len(x.shape), "nanquantile")
    rows = _rows(x, axes)
    count = ops.sum(ops.cast(ops.logical_not(ops.isnan(rows)), "int32"), -1)
    ordered = ops.sort(rows, -1)  # NaN last
    found = [_between(ordered, count, float(share), method) for share in shares.reshape(-1)]
    values = ops.stack(found, 0)
    if keepdims:
        values = ops.reshape(values, (-1, *(1 if i in axes else n for i, n in enumerate(x.shape))))
    return ops.reshape(values, (*shares.shape, *values.shape[1:]))


def _rows(x: Tensor, axes: tuple[int, ...]) -> Any:
    kept = [i for i in range(len(x.shape)) if i not in axes]
    return ops.reshape(ops.transpose(x, [*kept, *axes]), (*(x.shape[i] for i in kept), -1))


_METHODS = ("linear", "lower", "higher", "nearest", "midpoint")


def _between(ordered: Any, count: Any, share: float, method: str) -> Any:
    """The value at `share` of the first `count` elements of each sorted row."""
    if method not in _METHODS:
        raise ValueError(f"nanquantile: unknown method {method!r}; expected one of {', '.join(_METHODS)}")
    place: Any = ops.cast(ops.maximum(count - 1, 0), "float64" if ordered.dtype == "float64" else "float32") * share
    low, high = ops.floor(place), ops.ceil(place)
    weight = {
        "linear": place - low,
        "lower": ops.zeros_like(place),
        "higher": ops.ones_like(place),
        "nearest": ops.round(place) - low,
        "midpoint": ops.where(ops.equal(low, high), 0.0, 0.5),
    }[method]
    below, above = (
        ops.squeeze(ops.take_along_axis(ordered, ops.expand_dims(ops.cast(k, "int32"), -1), -1), -1)
        for k in (low, high)
    )
    return below + (above - below) * ops.cast(weight, ordered.dtype)


@composed
def nanpercentile(x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False) -> Any:
    """`nanquantile` with shares in percent."""
    return nanquantile(x, np.asarray(q, np.float64) / 100, axis, method, keepdims)


@composed
def nanmedian(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The middle one of the numbers, or the mean of the middle two."""
    return nanquantile(x, 0.5, axis, "midpoint", keepdims)
