"""Plans of what walks windows with vectors across channels: pooling, and convolution of each channel alone."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pronghorn.ops.attributes import Windows
from pronghorn_cpu.convolution import plan_sum, three
from pronghorn_cpu.launch import Claims, Launch, Pointer, Scratch, Slot, kernel_source
from pronghorn_cpu.vectors import element
from pronghorn_cpu.windows_kernels import CHANNEL_BLOCK, WALKS, Walk, windows_kernel

_PARTS = 16
"""What is summed over all images is summed in at most so many parts (part of the bits)."""

_PARALLEL_CELLS = 1 << 14

_MOST_UNROLLED = 9
"""Taps of a window that is walked without loops: 3 x 3."""


def plan_windows(
    name: str, dtype: str, batch: int, sizes: Sequence[int], windows: Windows, channels: int
) -> tuple[Launch, ...]:
    """The launch of `WALKS[name]` on (batch, *sizes, channels) images; operands are the primitive's and the result."""
    walk = WALKS[name]
    axes = list(
        zip(
            three(sizes),
            three(windows.count(tuple(sizes))),
            three(windows.size),
            three(windows.strides),
            three([low for low, _ in windows.padding], 0),
            three(windows.dilation),
            strict=True,
        )
    )
    blocks = -(-channels // CHANNEL_BLOCK)
    summed = walk.result == "tap"
    images = max(-(-batch // _PARTS), 1) if summed else 1
    parts = max(-(-batch // images), 1) if summed else batch
    taps, units = math.prod(windows.size), parts * blocks
    scratch = parts * taps * channels * element(dtype).size if summed and parts > 1 else 0
    addresses: list[Slot] = [Pointer(k) for k in range(len(walk.operands))]
    addresses.append(Scratch() if scratch else Pointer(len(walk.operands)))
    slots = (units, images, batch, blocks, channels, Claims(), *(v for axis in axes for v in axis), *addresses)
    work = batch * math.prod(windows.count(tuple(sizes))) * taps * channels
    source = kernel_source(windows_kernel, name, dtype, *_unrolled(walk, axes))
    launch = Launch(source, slots, scratch, work >= _PARALLEL_CELLS)
    if scratch:
        return launch, plan_sum(dtype, Scratch(), parts, taps, channels, scratch)
    return (launch,) if units else ()


def _unrolled(walk: Walk, axes: Sequence[tuple[int, ...]]) -> tuple[tuple[int, ...], bool]:
    """The taps of windows that can be walked without loops, and whether these share no cells; () if they cannot.

    They are small, lie within the image and have no gaps.
    """
    taps = tuple(axis[2] for axis in axes)
    within = all(
        before == 0 and dilation == 1 and (count - 1) * stride + size <= cells
        for cells, count, size, stride, before, dilation in axes
    )
    if not within or math.prod(taps) > _MOST_UNROLLED or "tap" in (*walk.operands, walk.result):
        return (), False
    return taps, walk.result == "cell" and all(stride == size for _, _, size, stride, *_ in axes)
