"""Convolution and pooling with Keras's arguments, over one to three spatial dimensions."""

from __future__ import annotations

import math
from functools import reduce
from typing import Any

import numpy as np

from pronghorn import config, ops
from pronghorn.arguments import per_dimension
from pronghorn.op import composed, promote
from pronghorn.ops.attributes import Windows
from pronghorn.tensor import Tensor, convert_to_tensor
from pronghorn_ops.primitives import convolution as primitives
from pronghorn_ops.primitives.convolution import place_windows, transposed_sizes

Ints = tuple[int, ...]


def _channels_last(op: str, x: Any, data_format: Any) -> tuple[Tensor, bool]:
    """The inputs with the channels last, and whether they had them first."""
    x, first = convert_to_tensor(x), config.standardize_data_format(data_format) == "channels_first"
    rank = len(x.shape)
    if not 3 <= rank <= 5:
        raise ValueError(f"{op}: inputs need a batch, 1 to 3 spatial dimensions and channels, got the shape {x.shape}")
    return (ops.transpose(x, (0, *range(2, rank), 1)), True) if first else (x, False)


def _as_given(x: Any, first: bool) -> Tensor:
    rank = len(x.shape)
    return ops.transpose(x, (0, rank - 1, *range(1, rank - 1))) if first else x


def _operands(op: str, inputs: Any, kernel: Any, data_format: Any) -> tuple[Any, Any, bool]:
    x, kernel = promote([convert_to_tensor(inputs), convert_to_tensor(kernel)], "float")
    x, first = _channels_last(op, x, data_format)
    if len(kernel.shape) != len(x.shape):
        raise ValueError(
            f"{op}: inputs of shape {x.shape} (channels last) need a kernel of rank {len(x.shape)}, got {kernel.shape}"
        )
    return x, kernel, first


@composed
def conv(
    inputs: Any, kernel: Any, strides: Any = 1, padding: str = "valid", data_format: Any = None, dilation_rate: Any = 1
) -> Tensor:
    """Convolution with a kernel (*window, channels / groups, filters); the channels tell the groups.

    Raises:
        ValueError: channels or filters do not divide into groups, or a window does not fit.
    """
    x, kernel, first = _operands("conv", inputs, kernel, data_format)
    *window, channels, filters = kernel.shape
    if x.shape[-1] % channels or filters % (x.shape[-1] // channels):
        raise ValueError(
            f"conv: inputs with {x.shape[-1]} channels do not fit the kernel {kernel.shape}: its last but one size "
            "must divide them, and the number of groups that gives must divide its last"
        )
    windows = place_windows("conv", x.shape[1:-1], tuple(window), strides, padding, dilation_rate)
    return _as_given(primitives.convolution(x, kernel, windows=windows, groups=x.shape[-1] // channels), first)


@composed
def depthwise_conv(
    inputs: Any, kernel: Any, strides: Any = 1, padding: str = "valid", data_format: Any = None, dilation_rate: Any = 1
) -> Tensor:
    """Convolves each channel alone, with a kernel (*window, channels, multiplier).

    Raises:
        ValueError: the kernel is for another number of channels, or a window does not fit.
    """
    x, kernel, first = _operands("depthwise_conv", inputs, kernel, data_format)
    *window, channels, multiplier = kernel.shape
    if x.shape[-1] != channels:
        raise ValueError(
            f"depthwise_conv: inputs have {x.shape[-1]} channels, the kernel {kernel.shape} is for {channels}"
        )
    kernel = ops.reshape(kernel, (*window, 1, channels * multiplier))
    windows = place_windows("depthwise_conv", x.shape[1:-1], tuple(window), strides, padding, dilation_rate)
    return _as_given(primitives.convolution(x, kernel, windows=windows, groups=channels), first)


@composed
def separable_conv(
    inputs: Any,
    depthwise_kernel: Any,
    pointwise_kernel: Any,
    strides: Any = 1,
    padding: str = "valid",
    data_format: Any = None,
    dilation_rate: Any = 1,
) -> Tensor:
    """A depthwise convolution, then one of window 1 that mixes the channels."""
    x = depthwise_conv(inputs, depthwise_kernel, strides, padding, data_format, dilation_rate)
    return conv(x, pointwise_kernel, 1, "valid", data_format)


@composed
def conv_transpose(
    inputs: Any,
    kernel: Any,
    strides: Any = 1,
    padding: str = "valid",
    output_padding: Any = None,
    data_format: Any = None,
    dilation_rate: Any = 1,
) -> Tensor:
    """The gradient of a convolution as a layer, with a kernel (*window, filters, channels).

    Raises:
        ValueError: the kernel is for another number of channels.
    """
    x, kernel, first = _operands("conv_transpose", inputs, kernel, data_format)
    *window, _, channels = kernel.shape
    if x.shape[-1] != channels:
        raise ValueError(
            f"conv_transpose: inputs have {x.shape[-1]} channels, the kernel {kernel.shape} is for {channels}"
        )
    rank, padding = len(window), str(padding).lower()
    if padding not in ("valid", "same"):
        raise ValueError(f"conv_transpose: padding must be 'valid' or 'same', got {padding!r}")
    steps = per_dimension(strides, rank, "conv_transpose: strides")
    dilation = per_dimension(dilation_rate, rank, "conv_transpose: dilation_rate")
    extent = Windows(tuple(window), steps, (), dilation).extent
    if output_padding is not None:
        output_padding = per_dimension(output_padding, rank, "conv_transpose: output_padding", 0)
    sizes: Any = transposed_sizes(x.shape[1:-1], extent, steps, padding, output_padding)
    added: list[tuple[int, int]] = []
    for n, m, k, s in zip(x.shape[1:-1], sizes, extent, steps, strict=True):
        spread = (n - 1) * s + 1  # the input with its strides' gaps; what pads it to m + k - 1 lies half before it
        before = min(-(-(m + k - 1 - spread) // 2), k - 1) if padding == "same" else k - 1
        added.append((k - 1 - before, spread - m + before))
    windows = Windows(tuple(window), steps, tuple(added), dilation)
    return _as_given(primitives.convolution_input_gradient(x, kernel, sizes=sizes, windows=windows, groups=1), first)


def _pool(
    op: str, inputs: Any, pool_size: Any, strides: Any, padding: str, data_format: Any
) -> tuple[Any, Windows, bool]:
    x, first = _channels_last(op, inputs, data_format)
    window = per_dimension(pool_size, len(x.shape) - 2, f"{op}: pool_size")
    return x, place_windows(op, x.shape[1:-1], window, window if strides is None else strides, padding), first  # type: ignore[arg-type]


@composed
def max_pool(
    inputs: Any, pool_size: Any, strides: Any = None, padding: str = "valid", data_format: Any = None
) -> Tensor:
    """The maximum of each window; `strides` defaults to `pool_size`.

    Raises:
        ValueError: a window does not fit.
    """
    x, windows, first = _pool("max_pool", inputs, pool_size, strides, padding, data_format)
    return _as_given(primitives.maximum_of_windows(x, windows=windows), first)


@composed
def average_pool(
    inputs: Any, pool_size: Any, strides: Any = None, padding: str = "valid", data_format: Any = None
) -> Tensor:
    """The mean of each window over the cells that are no padding; `strides` defaults to `pool_size`.

    Raises:
        ValueError: a window does not fit.
    """
    x, windows, first = _pool("average_pool", inputs, pool_size, strides, padding, data_format)
    (x,) = promote([x], "float")
    sizes: Any = x.shape[1:-1]
    places = zip(windows.count(sizes), windows.strides, windows.size, windows.padding, strict=True)
    cells = [np.arange(n)[:, None] * s + np.arange(k) - low for n, s, k, (low, _) in places]
    real = [((c >= 0) & (c < n)).sum(1) for c, n in zip(cells, sizes, strict=True)]
    counts: Any = reduce(np.multiply.outer, real)[..., None].astype(np.float32)
    divisor = convert_to_tensor(counts if any(map(any, windows.padding)) else math.prod(windows.size), x.dtype)
    return _as_given(ops.divide(primitives.sum_pool(x, windows=windows), divisor), first)


def _bins(size: int, count: int) -> tuple[Any, Any]:
    """The cells of each of `count` bins that cover a dimension, the last repeated, and which ones are repetitions."""
    start = np.arange(count) * size // count
    stop = -(-(np.arange(count) + 1) * size // count)
    cells = start[:, None] + np.arange((stop - start).max())
    return np.minimum(cells, stop[:, None] - 1).astype("int32"), cells >= stop[:, None]


def _adaptive_pool(op: str, inputs: Any, output_size: Any, data_format: Any, pool: Any, combine: Any) -> Tensor:
    """Pooling over bins: as windows where they are equal and apart, else dimension by dimension."""
    x, first = _channels_last(op, inputs, data_format)
    sizes: Any = x.shape[1:-1]
    counts = per_dimension(output_size, len(sizes), f"{op}: output_size")
    if all(n % count == 0 for n, count in zip(sizes, counts, strict=True)):
        window = tuple(n // count for n, count in zip(sizes, counts, strict=True))
        return _as_given(pool(x, window, data_format="channels_last"), first)
    for axis, (n, count) in enumerate(zip(sizes, counts, strict=True), start=1):
        cells, repeated = _bins(n, count)
        shape = [1] * (len(x.shape) + 1)
        shape[axis : axis + 2] = cells.shape
        x = combine(ops.take(x, cells, axis=axis), repeated.reshape(shape), axis + 1)
    return _as_given(x, first)


def _mean_of_bins(x: Any, repeated: Any, axis: int) -> Any:
    weights = ~repeated / (~repeated).sum(axis, keepdims=True)
    return ops.sum(x * ops.cast(weights, x.dtype), axis=axis)


def _maximum_of_bins(x: Any, repeated: Any, axis: int) -> Any:
    return ops.max(x, axis=axis)


@composed
def adaptive_average_pool(inputs: Any, output_size: Any, data_format: Any = None) -> Tensor:
    """The mean of each of `output_size` bins per spatial dimension, which cover it and may overlap by one cell."""
    (x,) = promote([convert_to_tensor(inputs)], "float")
    return _adaptive_pool("adaptive_average_pool", x, output_size, data_format, average_pool, _mean_of_bins)


@composed
def adaptive_max_pool(inputs: Any, output_size: Any, data_format: Any = None) -> Tensor:
    """The maximum of each of `output_size` bins per spatial dimension, which cover it and may overlap by one cell."""
    return _adaptive_pool("adaptive_max_pool", inputs, output_size, data_format, max_pool, _maximum_of_bins)
