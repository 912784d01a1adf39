"""Windows of signals by their names."""

from __future__ import annotations

from typing import Any

import numpy as np

_COSINES = {
    "hann": (0.5, 0.5),
    "hamming": (0.54, 0.46),
    "blackman": (0.42, 0.5, 0.08),
    "nuttall": (0.3635819, 0.4891775, 0.1365995, 0.0106411),
    "blackmanharris": (0.35875, 0.48829, 0.14128, 0.01168),
    "flattop": (0.21557895, 0.41663158, 0.277263158, 0.083578947, 0.006947368),
}
"""Shares of the sum of (-1)^k share[k] cos(2 pi k t), t from 0 to 1 (Harris, 1978)."""
NAMES = ("bartlett", *_COSINES, "boxcar", "cosine")


def window(name: str, length: int, periodic: bool) -> np.ndarray[Any, Any]:
    """`length` samples of a window, symmetric, or such that they repeat seamlessly.

    Raises:
        ValueError: the name is none of `NAMES`.
    """
    if name not in NAMES:
        raise ValueError(f"unknown window {name!r}; expected one of {', '.join(NAMES)}, an array of values, or None")
    total = length + periodic
    n = np.arange(length)
    t = n / max(total - 1, 1)
    if total == 1 or name == "boxcar":
        return np.ones(length)
    if name == "bartlett":
        return 1 - np.abs(2 * t - 1)
    if name == "cosine":
        return np.sin(np.pi * (n + 0.5) / total)
    terms = [(-1) ** k * share * np.cos(2 * np.pi * k * t) for k, share in enumerate(_COSINES[name])]
    return np.asarray(np.sum(terms, axis=0))
