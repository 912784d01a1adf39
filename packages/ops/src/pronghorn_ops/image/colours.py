"""Images in other colour spaces."""

from __future__ import annotations

from typing import Any

import numpy as np

from pronghorn import dtypes, ops
from pronghorn.op import composed
from pronghorn.tensor import Tensor, constant, convert_to_tensor
from pronghorn_ops.image.batches import channel_axis, wide


@composed
def rgb_to_grayscale(images: Any, data_format: Any = None) -> Any:
    """The luminance 0.2989 R + 0.5870 G + 0.1140 B of images, in one channel and their dtype."""
    x = convert_to_tensor(images)
    axis = channel_axis("rgb_to_grayscale", x, data_format, (1, 3))
    if x.shape[axis] == 1:
        return x
    pixels = wide(x)
    weights = constant([0.2989, 0.5870, 0.1140], pixels.dtype)
    gray = ops.sum(pixels * ops.reshape(weights, (3,) + (1,) * (-1 - axis)), axis=axis, keepdims=True)
    return ops.cast(gray, x.dtype)


def _planes(op: str, images: Any, data_format: Any) -> tuple[Tensor, Any, int]:
    x = convert_to_tensor(images)
    if not dtypes.is_float(x.dtype):
        raise ValueError(f"{op}: images must have a float dtype, got {x.dtype}; divide them by 255")
    axis = channel_axis(op, x, data_format, (3,))
    return x, ops.unstack(wide(x), axis=axis), axis


@composed
def rgb_to_hsv(images: Any, data_format: Any = None) -> Any:
    """Red, green and blue in [0, 1] as hue, saturation and value, each in [0, 1]."""
    x, (red, green, blue), axis = _planes("rgb_to_hsv", images, data_format)
    value = ops.maximum(ops.maximum(red, green), blue)
    chroma = value - ops.minimum(ops.minimum(red, green), blue)
    coloured = chroma > float(np.finfo(np.float32).tiny)
    width = ops.where(coloured, chroma, 1)
    sector = ops.where(
        ops.equal(value, red),
        (green - blue) / width,
        ops.where(ops.equal(value, green), 2 + (blue - red) / width, 4 + (red - green) / width),
    )
    hue = ops.where(coloured, sector / 6, 0)
    hue = ops.where(hue < 0, hue + 1, hue)
    saturation = ops.where(value > 0, chroma / ops.where(value > 0, value, 1), 0)
    return ops.cast(ops.stack([hue, saturation, value], axis=axis), x.dtype)


@composed
def hsv_to_rgb(images: Any, data_format: Any = None) -> Any:
    """Hue, saturation and value in [0, 1] as red, green and blue."""
    x, (hue, saturation, value), axis = _planes("hsv_to_rgb", images, data_format)
    angle = (hue % 1.0) * 6
    red = ops.clip(ops.absolute(angle - 3) - 1, 0.0, 1.0)
    green = ops.clip(2 - ops.absolute(angle - 2), 0.0, 1.0)
    blue = ops.clip(2 - ops.absolute(angle - 4), 0.0, 1.0)
    colours = [value * (1 - saturation + saturation * share) for share in (red, green, blue)]
    return ops.cast(ops.stack(colours, axis=axis), x.dtype)
