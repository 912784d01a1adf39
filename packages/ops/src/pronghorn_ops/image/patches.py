"""Images cut into patches."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pronghorn import ops
from pronghorn.arguments import per_dimension
from pronghorn.op import composed
from pronghorn.ops.shape import pad_with
from pronghorn.tensor import Tensor, constant
from pronghorn_ops.image.batches import as_batch
from pronghorn_ops.primitives.convolution import place_windows


def _patches(op: str, x: Tensor, size: Any, strides: Any, dilation_rate: Any, padding: str) -> Any:
    """(batch, *counts, patch elements) of `x` (batch, *sizes, channels): window cells in order, channels last."""
    _, *sizes, channels = x.shape
    rank = len(sizes)
    window = per_dimension(size, rank, f"{op}: size")
    windows = place_windows(op, tuple(sizes), window, strides or window, padding, dilation_rate)  # type: ignore[arg-type]
    low, high = (tuple(pair[k] for pair in windows.padding) for k in (0, 1))
    result: Any = x
    if any(low) or any(high):
        result = pad_with(x, low=(0, *low, 0), high=(0, *high, 0), interior=(0,) * (rank + 2), value=0)
    counts = windows.count(tuple(sizes))  # type: ignore[arg-type]
    for d in range(rank):
        cells = np.arange(counts[d])[:, None] * windows.strides[d] + np.arange(window[d]) * windows.dilation[d]
        result = ops.take(result, constant(cells, "int32"), axis=1 + 2 * d)
    order = [0, *range(1, 2 * rank, 2), *range(2, 2 * rank + 1, 2), 2 * rank + 1]
    return ops.reshape(ops.transpose(result, order), (x.shape[0], *counts, math.prod(window) * channels))  # type: ignore[operator]


@composed
def extract_patches(
    images: Any,
    size: Any,
    strides: Any = None,
    dilation_rate: Any = 1,
    padding: str = "valid",
    data_format: Any = None,
) -> Any:
    """Patches of images, flattened into the channels.

    Args:
        images: one image, or a batch; volumes, where `size` has three numbers.
        size: (height, width) of a patch, or one number for both.
        strides: from a patch to the next, `size` by default.
        dilation_rate: from a pixel of a patch to the next.
        padding: "valid", or "same" for zeros around the images.

    Returns:
        (batch, rows, columns, height * width * channels): rows of a patch, then columns, then channels.
    """
    spatial = 3 if isinstance(size, (tuple, list)) and len(size) == 3 else 2
    x, restore = as_batch("extract_patches", images, data_format, spatial)
    return restore(_patches("extract_patches", x, size, strides, dilation_rate, padding))


@composed
def extract_patches_3d(
    volumes: Any,
    size: Any,
    strides: Any = None,
    dilation_rate: Any = 1,
    padding: str = "valid",
    data_format: Any = None,
) -> Any:
    """Patches of volumes, flattened into the channels; the arguments are those of `extract_patches`."""
    x, restore = as_batch("extract_patches_3d", volumes, data_format, 3)
    return restore(_patches("extract_patches_3d", x, size, strides, dilation_rate, padding))
