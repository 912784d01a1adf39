"""Reductions that leave NaN out."""

from __future__ import annotations

from typing import Any

import numpy as np

from pronghorn import dtypes, ops
from pronghorn.op import composed
from pronghorn.tensor import convert_to_tensor
from pronghorn_ops.complex_numbers import squared_size
from pronghorn_ops.statistics import as_shares, quantiles


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
    """Mean squared distance of the numbers from their mean over `axis`, real also of complex numbers."""
    x = convert_to_tensor(x)
    return nanmean(squared_size(ops.subtract(x, nanmean(x, axis, True))), axis, keepdims)


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
    return quantiles("nanquantile", x, q, axis, method, keepdims, skip_nan=True)


@composed
def nanpercentile(x: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False) -> Any:
    """`nanquantile` with shares in percent."""
    return quantiles("nanpercentile", x, as_shares(q) / 100, axis, method, keepdims, skip_nan=True)


@composed
def nanmedian(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The middle one of the numbers, or the mean of the middle two."""
    return quantiles("nanmedian", x, 0.5, axis, "midpoint", keepdims, skip_nan=True)
