"""Blocks of images as channels, and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from pronghorn import config, ops
from pronghorn.arguments import per_dimension
from pronghorn.op import composed
from pronghorn.ops.attributes import Windows
from pronghorn.tensor import Tensor, constant, convert_to_tensor


def _images(op: str, x: Any, data_format: Any) -> tuple[Tensor, bool]:
    """(batch, height, width, channels), and whether the channels were first."""
    x = convert_to_tensor(x)
    if len(x.shape) != 4:
        raise ValueError(f"{op}: expected a batch of images of four axes, got shape {x.shape}")
    first = config.standardize_data_format(data_format) == "channels_first"
    return (ops.transpose(x, (0, 2, 3, 1)), True) if first else (x, False)


@composed
def depth_to_space(x: Any, block_size: int, data_format: Any = "channels_last") -> Any:
    """Channels laid out as blocks of block_size x block_size pixels: images `block_size` times as high and wide."""
    x, first = _images("depth_to_space", x, data_format)
    batch, height, width, channels = x.shape
    block = block_size
    if block < 1 or channels % (block * block):
        raise ValueError(f"depth_to_space: {channels} channels do not make blocks of {block} x {block} pixels")
    depth = channels // (block * block)
    order = (batch, height, width, depth, block, block) if first else (batch, height, width, block, block, depth)
    parts = ops.reshape(x, order)
    parts = ops.transpose(parts, (0, 1, 4, 2, 5, 3) if first else (0, 1, 3, 2, 4, 5))
    result = ops.reshape(parts, (batch, height * block, width * block, depth))
    return ops.transpose(result, (0, 3, 1, 2)) if first else result


@composed
def space_to_depth(x: Any, block_size: int, data_format: Any = "channels_last") -> Any:
    """Blocks of block_size x block_size pixels as channels: the inverse of `depth_to_space`."""
    x, first = _images("space_to_depth", x, data_format)
    batch, height, width, depth = x.shape
    block = block_size
    if block < 1 or height % block or width % block:
        raise ValueError(f"space_to_depth: images of {height} x {width} cannot be cut into blocks of {block} x {block}")
    rows, columns = height // block, width // block
    parts = ops.reshape(x, (batch, rows, block, columns, block, depth))
    parts = ops.transpose(parts, (0, 1, 3, 5, 2, 4) if first else (0, 1, 3, 2, 4, 5))
    result = ops.reshape(parts, (batch, rows, columns, depth * block * block))
    return ops.transpose(result, (0, 3, 1, 2)) if first else result


def _windows(op: str, kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> Windows:
    added = per_dimension(padding, 2, f"{op}: padding", 0)
    return Windows(
        per_dimension(kernel_size, 2, f"{op}: kernel_size"),
        per_dimension(stride, 2, f"{op}: stride"),
        tuple((n, n) for n in added),
        per_dimension(dilation, 2, f"{op}: dilation"),
    )


def _cells(windows: Windows, axis: int, count: int) -> Any:
    return np.arange(count)[:, None] * windows.strides[axis] + np.arange(windows.size[axis]) * windows.dilation[axis]


def _counts(op: str, windows: Windows, sizes: Any) -> tuple[int, ...]:
    counts = windows.count(tuple(sizes))
    if min(counts) < 1:
        raise ValueError(f"{op}: images of {tuple(sizes)} are smaller than the window's extent {windows.extent}")
    return counts


@composed
def unfold(x: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    """The windows of images (batch, channels, height, width) as columns (batch, channels * cells, windows).

    Args:
        kernel_size, dilation, padding (of zeros, on both sides), stride: of height and width, or one for both.
    """
    x = convert_to_tensor(x)
    if len(x.shape) != 4:
        raise ValueError(f"unfold: expected images (batch, channels, height, width), got shape {x.shape}")
    windows = _windows("unfold", kernel_size, dilation, padding, stride)
    counts = _counts("unfold", windows, x.shape[2:])
    padded: Any = ops.pad(x, [(0, 0), (0, 0), *windows.padding])
    for axis in (0, 1):
        padded = ops.take(padded, constant(_cells(windows, axis, counts[axis]), "int32"), axis=2 + 2 * axis)
    columns = ops.transpose(padded, (0, 1, 3, 5, 2, 4))
    return ops.reshape(columns, (x.shape[0], x.shape[1] * int(np.prod(windows.size)), counts[0] * counts[1]))


@composed
def fold(x: Any, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    """Images (batch, channels, *output_size) of columns, overlapping windows added: the transpose of `unfold`."""
    x = convert_to_tensor(x)
    windows = _windows("fold", kernel_size, dilation, padding, stride)
    sizes = per_dimension(output_size, 2, "fold: output_size")
    counts, area = _counts("fold", windows, sizes), int(np.prod(windows.size))
    if len(x.shape) != 3 or x.shape[1] % area or x.shape[2] != counts[0] * counts[1]:
        raise ValueError(
            f"fold: expected columns (batch, channels * {area}, {counts[0] * counts[1]}) for images of {sizes}, got "
            f"shape {x.shape}"
        )
    batch, channels = x.shape[0], x.shape[1] // area
    height, width = (n + 2 * pair[0] for n, pair in zip(sizes, windows.padding, strict=True))
    rows, columns = (_cells(windows, axis, counts[axis]) for axis in (0, 1))
    places = rows.T[:, None, :, None] * width + columns.T[None, :, None, :]
    pieces = ops.transpose(ops.reshape(x, (batch, channels, area * counts[0] * counts[1])), (2, 0, 1))
    whole = ops.scatter_rows(pieces, constant(places.reshape(-1), "int32"), rows=height * width)
    image = ops.reshape(ops.transpose(whole, (1, 2, 0)), (batch, channels, height, width))
    (top, _), (left, _) = windows.padding
    return image[:, :, top : top + sizes[0], left : left + sizes[1]]
