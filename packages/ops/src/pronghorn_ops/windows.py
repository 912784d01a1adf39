"""Windows of signals, and the Bessel functions they need."""

# mypy: disable-error-code="has-type,no-any-return"
# (rules name ops that are defined further down; what a primitive returns is only known at run time)

from __future__ import annotations

from typing import Any

import numpy as np

from pronghorn import dtypes, ops
from pronghorn.op import composed, primitive
from pronghorn.ops.shape import known_value
from pronghorn.tensor import constant, convert_to_tensor

Array = np.ndarray[Any, Any]

_POINTS = 256


def _bessel_gradient(g: Any, out: Any, x: Any, order: int) -> tuple[Any]:
    before, after = (modified_bessel(x, order=k) for k in (abs(order - 1), order + 1))
    return (g * 0.5 * (before + after),)


@primitive(lambda x, order: x, _bessel_gradient)
def modified_bessel(x: Array, order: int) -> Array:
    """The modified Bessel function I of the first kind, by the integral of exp(x cos t) cos(order t) from 0 to pi."""
    t = (np.arange(_POINTS) + 0.5) * np.pi / _POINTS
    wide = np.asarray(x, np.float64)[..., None]
    with np.errstate(over="ignore"):
        return np.asarray((np.exp(wide * np.cos(t)) * np.cos(order * t)).mean(-1)).astype(x.dtype)


@composed
def i0(x: Any) -> Any:
    """The modified Bessel function of the first kind, of order 0."""
    x = convert_to_tensor(x)
    return modified_bessel(ops.cast(x, dtypes.floating(x.dtype)), order=0)


def _places(op: str, x: Any) -> tuple[int, Any]:
    """The number of samples, and their places from 0 to 1."""
    size = int(known_value(x, op, "a number of samples that is known"))
    return size, constant(np.arange(size) / max(size - 1, 1), dtypes.result_type("float"))


def _cosines(op: str, x: Any, *shares: float) -> Any:
    """The sum of shares[k] * cos(2 pi k t)."""
    size, t = _places(op, x)
    total = sum(share * np.cos(2 * np.pi * k * t.numpy().astype(np.float64)) for k, share in enumerate(shares))
    return constant(np.ones(size) if size == 1 else total, t.dtype)


@composed
def bartlett(x: Any) -> Any:
    """A triangle of `x` samples, 0 at its ends."""
    size, t = _places("bartlett", x)
    return ops.ones_like(t) if size == 1 else 1 - ops.absolute(2 * t - 1)


@composed
def blackman(x: Any) -> Any:
    """Blackman's window of `x` samples."""
    return _cosines("blackman", x, 0.42, -0.5, 0.08)


@composed
def hamming(x: Any) -> Any:
    """Hamming's window of `x` samples."""
    return _cosines("hamming", x, 0.54, -0.46)


@composed
def hanning(x: Any) -> Any:
    """Von Hann's window of `x` samples."""
    return _cosines("hanning", x, 0.5, -0.5)


@composed
def kaiser(x: Any, beta: Any) -> Any:
    """Kaiser's window of `x` samples; `beta` makes it narrow."""
    size, t = _places("kaiser", x)
    beta = ops.cast(convert_to_tensor(beta), t.dtype)
    if size == 1:
        return ops.ones_like(t)
    return i0(beta * ops.sqrt(ops.maximum(1 - ops.square(2 * t - 1), 0))) / i0(beta)
