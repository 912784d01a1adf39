"""Pictures in another size, by the resampling kernels of `tf.image.resize`, without smoothing before."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def _triangle(x: Floats) -> Floats:
    return np.maximum(1 - x, 0)


def _cubic(b: float, c: float) -> Callable[[Floats], Floats]:
    """The cubic of Mitchell and Netravali, 1988; Keys' of 1981, with a = -1/2, is b = 0, c = 1/2."""

    def kernel(x: Floats) -> Floats:
        near = ((12 - 9 * b - 6 * c) * x**3 + (-18 + 12 * b + 6 * c) * x**2 + 6 - 2 * b) / 6
        far = ((-b - 6 * c) * x**3 + (6 * b + 30 * c) * x**2 + (-12 * b - 48 * c) * x + 8 * b + 24 * c) / 6
        return np.where(x < 1, near, np.where(x < 2, far, 0))

    return kernel


def _lanczos(radius: int) -> Callable[[Floats], Floats]:
    return lambda x: np.where(x < radius, np.sinc(x) * np.sinc(x / radius), 0)


def _gaussian(x: Floats) -> Floats:
    return np.where(x < 1.5, np.exp(-2 * x**2), 0)


_KERNELS: dict[str, Callable[[Floats], Floats]] = {
    "bilinear": _triangle,
    "bicubic": _cubic(0, 0.5),
    "lanczos3": _lanczos(3),
    "lanczos5": _lanczos(5),
    "gaussian": _gaussian,
    "mitchellcubic": _cubic(1 / 3, 1 / 3),
}
INTERPOLATIONS = ("bilinear", "nearest", "bicubic", "area", "lanczos3", "lanczos5", "gaussian", "mitchellcubic")


@lru_cache(maxsize=256)
def weights(size: int, target: int, interpolation: str) -> NDArray[np.float32]:
    """What each of `size` pixels gives to each of `target` pixels: a matrix (target, size), rows of sum 1."""
    scale = size / target
    pixels = np.arange(size)
    if interpolation == "area":
        ends = np.arange(target + 1) * scale
        shares = np.minimum(pixels + 1, ends[1:, None]) - np.maximum(pixels, ends[:-1, None])
        matrix = np.maximum(shares, 0)
    else:
        centres = (np.arange(target)[:, None] + 0.5) * scale
        if interpolation == "nearest":
            matrix = (pixels == np.minimum(np.floor(centres), size - 1)).astype(float)
        else:
            matrix = _KERNELS[interpolation](np.abs(pixels + 0.5 - centres))
    normal: NDArray[np.float32] = (matrix / matrix.sum(axis=1, keepdims=True)).astype(np.float32)
    return normal


def resize(image: NDArray[Any], height: int, width: int, interpolation: str) -> NDArray[np.float32]:
    """An image (rows, columns, channels) as float32 (height, width, channels)."""
    rows, columns, channels = image.shape
    pixels = image.astype(np.float32)
    if rows != height:
        pixels = (weights(rows, height, interpolation) @ pixels.reshape(rows, -1)).reshape(height, columns, channels)
    if columns != width:
        pixels = weights(columns, width, interpolation) @ pixels
    return pixels


def centre(image: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    """The largest part in the middle of an image (rows, columns, channels) with the proportions height : width."""
    rows, columns = image.shape[:2]
    kept_rows = max(min(rows, int(columns * height / width)), 1)
    kept_columns = max(min(columns, int(rows * width / height)), 1)
    top, left = (rows - kept_rows) // 2, (columns - kept_columns) // 2
    return image[top : top + kept_rows, left : left + kept_columns]


def resize_with_pad(image: NDArray[Any], height: int, width: int, interpolation: str) -> NDArray[np.float32]:
    """The whole image with its proportions, in the middle of height x width, black around it."""
    rows, columns = image.shape[:2]
    ratio = max(columns / width, rows / height)
    inner_rows, inner_columns = (
        min(max(int(size / ratio), 1), limit) for size, limit in ((rows, height), (columns, width))
    )
    canvas = np.zeros((height, width, image.shape[2]), np.float32)
    top, left = (height - inner_rows) // 2, (width - inner_columns) // 2
    inner = resize(image, inner_rows, inner_columns, interpolation)
    canvas[top : top + inner_rows, left : left + inner_columns] = inner
    return canvas
