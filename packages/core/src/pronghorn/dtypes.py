"""Dtype names and Keras's promotion lattice, with weak Python scalars.

Dtypes are strings everywhere. `bfloat16` has no NumPy type of its own: arrays of it need the `ml_dtypes` package
(`pip install pronghorn[bfloat16]`).
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

FLOATS = ("bfloat16", "float16", "float32", "float64")
SIGNED = ("int8", "int16", "int32", "int64")
UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
COMPLEX = {"complex64": "float32", "complex128": "float64"}  # with the dtype of their parts
INTEGERS = SIGNED + UNSIGNED
ALL = ("bool", *INTEGERS, *FLOATS, *COMPLEX, "string")

# Each dtype, with the next ones up. "int" and "float" stand for Python scalars, which adapt to their partner.
_ABOVE: dict[str, tuple[str, ...]] = {
    "bool": ("int",),
    "int": ("uint8", "int8"),
    "uint8": ("uint16", "int16"),
    "uint16": ("uint32", "int32"),
    "uint32": ("uint64", "int64"),
    "uint64": ("float",),
    "int8": ("int16",),
    "int16": ("int32",),
    "int32": ("int64",),
    "int64": ("float",),
    "float": ("bfloat16", "float16", "complex"),
    "bfloat16": ("float32",),
    "float16": ("float32",),
    "float32": ("float64", "complex64"),
    "float64": ("complex128",),
    "complex": ("complex64",),
    "complex64": ("complex128",),
    "complex128": (),
}
_WEAK = {"int": "int32", "float": "float32", "complex": "complex64"}
_ALIASES = {
    "float": "float32",
    "int": "int32",
    "half": "float16",
    "double": "float64",
    "str": "string",
    "complex": "complex64",
}
_KINDS: dict[type, str] = {float: "float", int: "int", bool: "bool", complex: "complex"}
_PYTHON: dict[Any, str] = {bool: "bool", int: "int32", float: "float32", str: "string", complex: "complex64"}


@cache
def _upper_bounds(dtype: str) -> frozenset[str]:
    found = {dtype}
    for above in _ABOVE[dtype]:
        found |= _upper_bounds(above)
    return frozenset(found)


@cache
def _join(names: frozenset[str]) -> str:
    if len(names) == 1:
        return next(iter(names))
    if "string" in names:
        raise ValueError(
            "dtype 'string' does not mix with numbers: look strings up (StringLookup) before computing with them"
        )
    common = frozenset.intersection(*(_upper_bounds(name) for name in names))
    for candidate in common:
        if common <= _upper_bounds(candidate):
            return candidate
    raise ValueError(f"no common dtype for {sorted(names)}; cast one of them")


def standardize(dtype: Any) -> str:
    """The name of a dtype given as a string, a NumPy dtype, a Python type or anything with a `name`; None is floatx.

    Raises:
        ValueError: the dtype is not one Pronghorn knows.
    """
    if dtype is None:
        from pronghorn import config

        return config.floatx()
    if isinstance(dtype, str):
        name = _ALIASES.get(dtype, dtype)
    elif dtype in _PYTHON:
        name = _PYTHON[dtype]
    else:
        kind = getattr(dtype, "kind", None)
        name = "string" if kind in ("U", "S", "T") else str(getattr(dtype, "name", None) or np.dtype(dtype).name)
        if name == "object":
            name = "string"
    if name not in ALL:
        raise ValueError(f"unknown dtype {dtype!r}; expected one of {', '.join(ALL)}")
    return name


@cache
def numpy_dtype(dtype: str) -> np.dtype[Any]:
    """The NumPy dtype that stores `dtype`."""
    if dtype == "bfloat16":
        try:
            import ml_dtypes  # type: ignore[import-not-found, unused-ignore]
        except ImportError:
            raise ImportError("bfloat16 arrays need the ml_dtypes package: pip install 'pronghorn[bfloat16]'") from None
        bfloat16: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
        return bfloat16
    return np.dtype(object if dtype == "string" else dtype)


def weak(value: Any) -> str | None:
    """ "int", "float", "complex" or "bool" for a Python scalar, else None."""
    return _KINDS.get(type(value))


def result_type(*dtypes: str) -> str:
    """The dtype of an operation on operands of `dtypes`; "int" and "float" are weak Python scalars."""
    joined = _join(frozenset(dtypes))
    if joined == "float":
        from pronghorn import config

        return config.floatx()
    return _WEAK.get(joined, joined)


def is_float(dtype: str) -> bool:
    """Whether gradients flow through `dtype`."""
    return dtype in FLOATS or dtype in COMPLEX


def is_integer(dtype: str) -> bool:
    """Whether `dtype` is a signed or unsigned integer (bool is not)."""
    return dtype in INTEGERS


def floating(dtype: str) -> str:
    """The dtype of a function with real values (exp, mean, true division …) of an operand of `dtype`."""
    return dtype if is_float(dtype) else result_type(dtype, "float")


@cache
def itemsize(dtype: str) -> int:
    """Bytes of one element."""
    return 2 if dtype == "bfloat16" else numpy_dtype(dtype).itemsize
