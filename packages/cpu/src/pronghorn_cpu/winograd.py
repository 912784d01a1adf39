"""Plans of 3x3 convolutions by Winograd's minimal filtering (see `winograd_kernels`).

Which convolutions take this way, and how their tiles are cut into units and parts, depends on shapes alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from pronghorn.ops.attributes import Windows
from pronghorn_cpu import host
from pronghorn_cpu.convolution import epilogue_table
from pronghorn_cpu.convolution_kernels import tiles
from pronghorn_cpu.launch import Claims, Launch, Pointer, Scratch, Slot, kernel_source
from pronghorn_cpu.linear import Epilogue
from pronghorn_cpu.loops import LANES
from pronghorn_cpu.runner import default_pool
from pronghorn_cpu.winograd_kernels import (
    EDGE,
    PLACES,
    Finish,
    Forward,
    Gradient,
    Kernel,
    Tiling,
    finish_kernel,
    forward_kernel,
    gradient_kernel,
    kernel_kernel,
)

Ints = tuple[int, ...]

_UNIT_BYTES = 192 << 10
"""Transformed cells and products of a unit: with the kernel they fit the second-level cache."""

_UNITS = 16
"""Units that there are at least, if there are so many rows of tiles."""

_PARTS = 8
"""Sums that the gradient of a kernel is made of, at most (part of the bits)."""

_PARTS_BYTES = 4 << 20

_MOST_CHANNELS = 512

_SAVING = 0.6
"""The largest share of the multiplications that must remain: tiles beyond the border are wasted."""

_LINE = 64
"""Places lie an odd number of cache lines apart: at a power of two they would displace one another."""


def applies(kernel: Sequence[int], windows: Windows, groups: int, outputs: Sequence[int]) -> bool:
    """Whether a convolution with outputs of this spatial shape is made this way."""
    if tuple(kernel[:-2]) != (3, 3) or groups != 1 or set(windows.strides) | set(windows.dilation) != {1}:
        return False
    if any(n % LANES or not 0 < n <= _MOST_CHANNELS for n in kernel[-2:]) or 0 in outputs:
        return False
    needed = PLACES * math.prod(-(-n // EDGE) for n in outputs)
    return needed <= _SAVING * 9 * math.prod(outputs)


def _shapes(dtype: str) -> tuple[tuple[int, int, int], ...]:
    """This machine's tiles of whole `LANES`: of those for any convolution, or one for the purpose."""
    lanes = host.lanes(dtype)
    across = LANES // lanes
    found = [(lanes, tile.rows, tile.vectors) for tile in tiles(dtype) if tile.vectors % across == 0]
    return tuple(found) or ((lanes, max(1, 12 // across), across),)


def _apart(size: int) -> int:
    """Bytes from one place to the next, for matrices of that size."""
    return (-(-size // _LINE) | 1) * _LINE


class _Tiles:
    """The tiles of a batch of images, their units, and a thread's scratch memory."""

    def __init__(self, dtype: str, image: Ints, output: Ints, before: Ints) -> None:
        self.dtype, self.size, self.image, self.output, self.before = dtype, host.ITEMSIZE[dtype], image, output, before
        self.image_rows, self.across = (-(-n // EDGE) for n in output[1:3])
        self.rows = image[0] * self.image_rows
        row_bytes = PLACES * self.across * (image[-1] + output[-1]) * self.size
        self.unit_rows = max(1, min(_UNIT_BYTES // row_bytes, self.rows // _UNITS))
        self.units = -(-self.rows // self.unit_rows)
        count = self.unit_rows * self.across + max(rows for _, rows, _ in _shapes(dtype))  # the last tile may go beyond
        self.cells_step, self.products_step = (_apart(count * n * self.size) for n in (image[-1], output[-1]))
        self.cells = _LINE  # behind the block of an epilogue
        self.products = self.cells + PLACES * self.cells_step
        self.zeros = self.products + PLACES * self.products_step
        self.thread_bytes = self.zeros + _apart(image[-1] * self.size)

    def slots(self, output: Slot, threads: int) -> list[Slot]:
        """The slots of `Tiling`."""
        slots: dict[Tiling, Slot] = {
            Tiling.IMAGE: Pointer(0),
            Tiling.OUTPUT: output,
            Tiling.ROWS: self.rows,
            Tiling.UNIT_ROWS: self.unit_rows,
            Tiling.IMAGE_ROWS: self.image_rows,
            Tiling.ROW_TILES: self.across,
            Tiling.HEIGHT: self.image[1],
            Tiling.WIDTH: self.image[2],
            Tiling.CHANNELS: self.image[-1],
            Tiling.ABOVE: self.before[0],
            Tiling.LEFT: self.before[1],
            Tiling.OUT_HEIGHT: self.output[1],
            Tiling.OUT_WIDTH: self.output[2],
            Tiling.FILTERS: self.output[-1],
            Tiling.CELLS: self.cells,
            Tiling.CELLS_STEP: self.cells_step,
            Tiling.PRODUCTS: self.products,
            Tiling.PRODUCTS_STEP: self.products_step,
            Tiling.ZEROS: self.zeros,
            Tiling.SCRATCH: Scratch(),
            Tiling.SCRATCH_STRIDE: self.thread_bytes,
            Tiling.THREADS: threads,
            Tiling.CLAIMS: Claims(),
        }
        return [slots[name] for name in Tiling if name is not Tiling.OWN]


def plan_convolution(
    dtype: str, x: Ints, kernel: Ints, windows: Windows, epilogue: Epilogue | None = None, threads: int | None = None
) -> tuple[Launch, ...]:
    """The launches of `convolution`; operands as in `convolution.plan_convolution`."""
    channels, filters = kernel[-2:]
    found = _Tiles(dtype, x, (x[0], *windows.count(x[1:-1]), filters), tuple(low for low, _ in windows.padding))
    size = found.size
    strides = (filters * size, size, channels * filters * size)
    return _plan_products(found, Pointer(1), strides, epilogue, threads)


def plan_input_gradient(
    dtype: str, dy: Ints, kernel: Ints, sizes: Ints, windows: Windows, threads: int | None = None
) -> tuple[Launch, ...]:
    """The launches of `convolution_input_gradient`: a convolution of dy with the kernel turned and transposed."""
    channels, filters = kernel[-2:]
    found = _Tiles(dtype, dy, (dy[0], *sizes, channels), tuple(2 - low for low, _ in windows.padding))
    size = found.size
    tap = channels * filters * size
    return _plan_products(found, Pointer(1, 8 * tap), (size, filters * size, -tap), None, threads)


def _plan_products(
    found: _Tiles, kernel: Pointer, strides: Ints, epilogue: Epilogue | None, threads: int | None
) -> tuple[Launch, ...]:
    """`strides` are the kernel's, from term to term, from column to column and from tap to tap."""
    dtype, depth, columns = found.dtype, found.image[-1], found.output[-1]
    threads = threads or default_pool().threads
    positions = math.prod(found.output[:3])
    home, called, table = epilogue_table(epilogue, dtype, positions, columns, 0)
    start = found.thread_bytes * threads
    step = _apart(depth * columns * found.size)
    total = start + PLACES * step
    transform: dict[Kernel, Slot] = {
        Kernel.SOURCE: kernel,
        Kernel.TARGET: Scratch(start),
        Kernel.DEPTH: depth,
        Kernel.COLUMNS: columns,
        **dict(zip((Kernel.TERM, Kernel.COLUMN, Kernel.TAP), strides, strict=True)),
        Kernel.STEP: step,
    }
    own: dict[Forward, Slot] = {Forward.KERNEL: Scratch(start), Forward.KERNEL_STEP: step, Forward.EPILOGUE: called}
    slots = (*found.slots(home, threads), *(own[name] for name in Forward if name is not Forward.OPERANDS), *table)
    shapes = _shapes(dtype)
    return (
        Launch(kernel_source(kernel_kernel, dtype, shapes), tuple(transform[name] for name in Kernel), total),
        Launch(kernel_source(forward_kernel, dtype, shapes), slots, total),
    )


def plan_kernel_gradient(
    dtype: str, x: Ints, dy: Ints, windows: Windows, threads: int | None = None
) -> tuple[Launch, ...]:
    """The launches of `convolution_kernel_gradient`; operands are x, dy and the result."""
    found = _Tiles(dtype, x, dy, tuple(low for low, _ in windows.padding))
    threads = threads or default_pool().threads
    count = x[-1] * dy[-1]
    # Tiles of the product may go beyond the last channel.
    step = _apart((x[-1] + max(rows for _, rows, _ in _shapes(dtype))) * dy[-1] * found.size)
    parts = max(1, min(found.units, _PARTS, _PARTS_BYTES // (PLACES * step)))
    start = found.thread_bytes * threads
    total = start + parts * PLACES * step
    own: dict[Gradient, Slot] = {
        Gradient.PARTS: parts,
        Gradient.SUMS: Scratch(start),
        Gradient.SUMS_STEP: step,
        Gradient.SUMS_PART: PLACES * step,
    }
    finish: dict[Finish, Slot] = {
        Finish.SUMS: Scratch(start),
        Finish.TARGET: Pointer(2),
        Finish.PARTS: parts,
        Finish.PART: PLACES * step,
        Finish.STEP: step,
        Finish.COUNT: count,
    }
    slots = (*found.slots(Pointer(1), threads), *(own[name] for name in Gradient))
    return (
        Launch(kernel_source(gradient_kernel, dtype, _shapes(dtype)), slots, total),
        Launch(kernel_source(finish_kernel, dtype), tuple(finish[name] for name in Finish), total),
    )
