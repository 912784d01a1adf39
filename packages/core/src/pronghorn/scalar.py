"""The functions that scalar expressions may call, in NumPy: the reference that device code is checked against."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def _erf(x: Array) -> Array:
    return np.asarray(np.vectorize(math.erf, otypes=[np.float64])(x), dtype=x.dtype)


def _fma(x: Array, y: Array, z: Array) -> Array:
    wide = np.longdouble if x.dtype == np.float64 else np.float64
    return np.asarray(x.astype(wide) * y + z).astype(x.dtype)


def _sign(x: Array) -> Array:
    return np.sign(x) if x.dtype.kind != "b" else x


def _rsqrt(x: Array) -> Array:
    return np.asarray(1 / np.sqrt(x), dtype=x.dtype)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{
        name: getattr(np, name)
        for name in ("exp", "log", "log1p", "expm1", "sqrt", "tanh", "sinh", "cosh", "sin", "cos", "tan")
    },
    **{name: getattr(np, name) for name in ("floor", "ceil", "rint", "trunc", "minimum", "maximum", "where")},
    **{name: getattr(np, name) for name in ("isnan", "isinf", "isfinite", "logical_and", "logical_or", "logical_not")},
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "atan2": np.arctan2,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "abs": np.abs,
    "sign": _sign,
    "erf": _erf,
    "rsqrt": _rsqrt,
    "fma": _fma,
    "pow": np.power,
    "floor_divide": np.floor_divide,
    "mod": np.mod,
    "bit_and": np.bitwise_and,
    "bit_or": np.bitwise_or,
    "bit_xor": np.bitwise_xor,
    "bit_not": np.bitwise_not,
    "shift_left": np.left_shift,
    "shift_right": np.right_shift,
}
