"""Functions of single elements, composed from the rows of the engine's table."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pronghorn import dtypes, ops
from pronghorn.op import composed, promote
from pronghorn.tensor import convert_to_tensor


@composed
def fabs(x: Any) -> Any:
    """The absolute value, as a float."""
    x = convert_to_tensor(x)
    return ops.absolute(ops.cast(x, dtypes.floating(x.dtype)))


@composed
def deg2rad(x: Any) -> Any:
    """Degrees in radians."""
    return ops.multiply(x, math.pi / 180)


@composed
def rad2deg(x: Any) -> Any:
    """Radians in degrees."""
    return ops.multiply(x, 180 / math.pi)


@composed
def cbrt(x: Any) -> Any:
    """The cube root, of negative numbers too."""
    return ops.multiply(ops.sign(x), ops.power(fabs(x), 1 / 3))


@composed
def hypot(x1: Any, x2: Any) -> Any:
    """sqrt(x1² + x2²) without overflow."""
    a, b = (ops.absolute(x) for x in promote([x1, x2], "float"))
    large, small = ops.maximum(a, b), ops.minimum(a, b)
    scaled = ops.equal(large, 0) | ops.isinf(large)
    ratio = ops.divide(small, ops.where(scaled, 1, large))
    return ops.where(scaled, large, large * ops.sqrt(1 + ops.square(ratio)))


@composed
def logaddexp2(x1: Any, x2: Any) -> Any:
    """log2(2**x1 + 2**x2) without overflow."""
    return ops.divide(ops.logaddexp(ops.multiply(x1, math.log(2)), ops.multiply(x2, math.log(2))), math.log(2))


@composed
def erfc(x: Any) -> Any:
    """1 - erf(x)."""
    return ops.subtract(1, ops.erf(x))


@composed
def divide_no_nan(x1: Any, x2: Any) -> Any:
    """x1 / x2, and 0 where x2 is 0."""
    a, b = promote([x1, x2], "float")
    zero = ops.equal(b, 0)
    return ops.where(zero, 0, ops.divide(a, ops.where(zero, 1, b)))


@composed
def fmod(x1: Any, x2: Any) -> Any:
    """The remainder of a division that rounds towards zero; it has the sign of `x1`."""
    a, b = promote([x1, x2], "number")
    rest = ops.mod(ops.absolute(a), ops.absolute(b))
    return ops.where(ops.less(a, 0), ops.negative(rest), rest)


@composed
def heaviside(x1: Any, x2: Any) -> Any:
    """0 where x1 < 0, x2 where it is 0, 1 where it is larger; NaN stays NaN."""
    a, b = promote([x1, x2], "float")
    return ops.where(ops.equal(a, 0), b, ops.where(ops.isnan(a), a, ops.cast(ops.greater(a, 0), a.dtype)))


@composed
def fmax(x1: Any, x2: Any) -> Any:
    """The larger of two numbers; a NaN loses against a number."""
    a, b = promote([x1, x2])
    return ops.where(ops.not_equal(a, a), b, ops.where(ops.not_equal(b, b), a, ops.maximum(a, b)))


@composed
def fmin(x1: Any, x2: Any) -> Any:
    """The smaller of two numbers; a NaN loses against a number."""
    a, b = promote([x1, x2])
    return ops.where(ops.not_equal(a, a), b, ops.where(ops.not_equal(b, b), a, ops.minimum(a, b)))


@composed
def sinc(x: Any) -> Any:
    """sin(pi x) / (pi x), 1 at 0."""
    zero = ops.equal(x, 0)
    angle = ops.multiply(ops.where(zero, 1, x), math.pi)
    return ops.where(zero, 1, ops.divide(ops.sin(angle), angle))


@composed
def isposinf(x: Any) -> Any:
    """Whether an element is +inf."""
    return ops.logical_and(ops.isinf(x), ops.greater(x, 0))


@composed
def isneginf(x: Any) -> Any:
    """Whether an element is -inf."""
    return ops.logical_and(ops.isinf(x), ops.less(x, 0))


@composed
def isclose(x1: Any, x2: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    """Whether |x1 - x2| <= atol + rtol * |x2|."""
    a, b = promote([x1, x2], "float")
    near = ops.less_equal(ops.absolute(a - b), ops.absolute(b) * rtol + atol)
    close: Any = ops.logical_or(ops.equal(a, b), ops.logical_and(near, ops.isfinite(b)))
    return close | (ops.isnan(a) & ops.isnan(b)) if equal_nan else close


@composed
def allclose(x1: Any, x2: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    """Whether all elements are close."""
    return ops.all(isclose(x1, x2, rtol, atol, equal_nan))


@composed
def nan_to_num(x: Any, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Any:
    """`x` with NaN and infinities replaced, by the largest finite numbers unless others are given."""
    x = convert_to_tensor(x)
    if not dtypes.is_float(x.dtype):
        return x
    _, largest = _limits(x.dtype)
    x = ops.where(ops.isnan(x), nan, x)
    x = ops.where(ops.equal(x, np.inf), largest if posinf is None else posinf, x)
    return ops.where(ops.equal(x, -np.inf), -largest if neginf is None else neginf, x)


@composed
def saturate_cast(x: Any, dtype: Any) -> Any:
    """`x` in another dtype, limited to its range before."""
    x, name = convert_to_tensor(x), dtypes.standardize(dtype)
    if name == "bool" or x.dtype == "bool":
        return ops.cast(x, name)
    limits = [_limits(x.dtype), _limits(name)]
    low, high = max(pair[0] for pair in limits), min(pair[1] for pair in limits)
    return ops.cast(ops.clip(x, low, high), name)


def _limits(dtype: str) -> tuple[Any, Any]:
    if dtype == "bfloat16":  # unknown to np.finfo: the exponents of float32, eight bits of precision
        largest = (2 - 2**-7) * 2.0**127
        return -largest, largest
    kind = dtypes.numpy_dtype(dtype)
    info: Any = np.finfo(kind) if dtypes.is_float(dtype) else np.iinfo(kind)
    return (float(info.min), float(info.max)) if dtypes.is_float(dtype) else (int(info.min), int(info.max))
