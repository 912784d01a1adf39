"""Plans of what walks windows with vectors across channels: pooling, and convolution of each channel alone."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pronghorn.ops.attributes import Windows
from pronghorn_cpu.convolution import plan_sum, three
from pronghorn_cpu.launch import Launch, Pointer, Scratch, Slot, kernel_source
from pronghorn_cpu.vectors import element
from pronghorn_cpu.windows_kernels import CHANNEL_BLOCK, WALKS, windows_kernel

_PARTS = 16
"""What is summed over all images is summed in at most so many parts (part of the bits)."""

_PARALLEL_CELLS = 1 << 14


def plan_windows(
    name: str, dtype: str, batch: int, sizes: Sequence[int], windows: Windows, channels: int
) -> tuple[Launch, ...]:
    """The launch of `WALKS[name]` on (batch, *sizes, channels) images; operands are the primitive's and the result."""
    walk = WALKS[name]
    axes = zip(
        three(sizes),
        three(windows.count(tuple(sizes))),
        three(windows.size),
        three(windows.strides),
        three([low for low, _ in windows.padding], 0),
        three(windows.dilation),
        strict=True,
    )
    blocks = -(-channels // CHANNEL_BLOCK)
    summed = walk.result == "tap"
    images = max(-(-batch // _PARTS), 1) if summed else 1
    parts = max(-(-batch // images), 1) if summed else batch
    taps, units = math.prod(windows.size), parts * blocks
    scratch = parts * taps * channels * element(dtype).size if summed and parts > 1 else 0
    addresses: list[Slot] = [Pointer(k) for k in range(len(walk.operands))]
    addresses.append(Scratch() if scratch else Pointer(len(walk.operands)))
    slots = (units, images, batch, blocks, channels, *(v for axis in axes for v in axis), *addresses)
    work = batch * math.prod(windows.count(tuple(sizes))) * taps * channels
    launch = Launch(kernel_source(windows_kernel, name, dtype), slots, scratch, work >= _PARALLEL_CELLS)
    if scratch:
        return launch, plan_sum(dtype, Scratch(), parts, taps, channels, scratch)
    return (launch,) if units else ()
