"""Convolution over one to three spatial dimensions and its two gradients: products whose left side is read in windows.

Where a library multiplies matrices, the windows are written out as the rows of one, if that is not too large; kernels
alone read them in place. Arrays are (batch, *spatial, channels). Each group is a matrix of the batch. Spatial
dimensions are always three, those that are missing of size 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

from pronghorn import dtypes
from pronghorn.ops.convolution import Windows
from pronghorn_gpu.elementwise import unravel
from pronghorn_gpu.emit import HELPERS, load, store
from pronghorn_gpu.launch import (
    THREADS,
    Choice,
    Kernel,
    Launch,
    Pointer,
    Product,
    Scratch,
    Slot,
    Work,
    blocks_for,
    kernel,
)
from pronghorn_gpu.linear import HEADER, Tile, accumulator, blocks_of, choose, sum_parts, tile_kernel

AXES = 3

GEOMETRY = [f"{name}{k}" for name in ("image", "count", "window", "stride", "pad", "dilation") for k in range(AXES)]
"""Names of the slots that say how windows lie."""


def three(values: Sequence[int], missing: int = 1) -> tuple[int, ...]:
    """One value for each of three dimensions; those before the given ones are missing."""
    return (*[missing] * (AXES - len(values)), *values)


def geometry(sizes: Sequence[int], windows: Windows) -> list[int]:
    """The values of `GEOMETRY`."""
    lows = [low for low, _ in windows.padding]
    return [
        *three(sizes), *three(windows.count(tuple(sizes))), *three(windows.size), *three(windows.strides),
        *three(lows, 0), *three(windows.dilation),
    ]  # fmt: skip


def _cell(position: str, tap: str) -> list[str]:
    """Statements for the image's cell q0, q1, q2 at tap t of the window at o; `inside` says whether it is one."""
    lines = unravel(position, 1 + AXES, ["", "count0", "count1", "count2"], "o")
    lines += unravel(tap, AXES, ["window0", "window1", "window2"], "t")
    lines += [f"q{k} = o{k + 1} * stride{k} - pad{k} + t{k} * dilation{k}" for k in range(AXES)]
    inside = " and ".join(f"q{k} >= 0 and q{k} < image{k}" for k in range(AXES))
    return [*lines, f"inside = {inside}"]


_PIXEL = "((o0 * image0 + q0) * image1 + q1) * image2 + q2"


@cache
def convolution_kernel(kind: str, dtype: str, tile: Tile, partial: bool) -> Kernel:
    """`kind` is "output", "input" or "kernel": which of the three is computed from the other two.

    The block: the header; `GEOMETRY`; channels and filters of a group; all channels; all filters; bases of the operands
    and the result; elements of a part's result.
    """
    names = [*GEOMETRY, "channels", "filters", "all_channels", "all_filters", "a", "b", "c", "c_part"]
    setup = [f"{name} = int64s[p + {HEADER + k}]" for k, name in enumerate(names)]
    acc = accumulator(dtype)

    def read(index: str) -> str:
        return f"value = {acc}({load(dtype, index)})"

    if kind == "output":
        left = [*_cell("i", "k // channels"), "if inside:"]
        left.append("    " + read(f"a + ({_PIXEL}) * all_channels + number * channels + k % channels"))
        right = [read("b + k * all_filters + number * filters + j")]
        result = "c + part * c_part + i * all_filters + number * filters + j"
    elif kind == "kernel":
        left = [*_cell("k", "i // channels"), "if inside:"]
        left.append("    " + read(f"a + ({_PIXEL}) * all_channels + number * channels + i % channels"))
        right = [read("b + k * all_filters + number * filters + j")]
        result = "c + part * c_part + i * all_filters + number * filters + j"
    else:
        left = unravel("i", 1 + AXES, ["", "image0", "image1", "image2"], "q")
        left += unravel("k // filters", AXES, ["window0", "window1", "window2"], "t")
        left += [f"o{k} = q{k + 1} + pad{k} - t{k} * dilation{k}" for k in range(AXES)]
        met = " and ".join(f"o{k} >= 0 and o{k} % stride{k} == 0 and o{k} // stride{k} < count{k}" for k in range(AXES))
        place = "((q0 * count0 + o0 // stride0) * count1 + o1 // stride1) * count2 + o2 // stride2"
        left += [f"if {met}:", "    " + read(f"a + ({place}) * all_filters + number * filters + k % filters")]
        right = [read("b + (k // filters * channels + j) * all_filters + number * filters + k % filters")]
        result = "c + part * c_part + i * all_channels + number * channels + j"
    return tile_kernel(dtype, tile, setup, left, right, [], result, partial, (kind != "kernel", kind == "input"))


def _plan(
    kind: str, dtype: str, lie: list[int], channels: tuple[int, int], filters: tuple[int, int], groups: int,
    rows: int, inner: int, columns: int,
) -> tuple[Launch, ...]:  # fmt: skip
    total = rows * columns * groups
    if not total:
        return ()
    tile, parts, length = choose(rows, columns, inner, groups)
    source = convolution_kernel(kind, dtype, tile, parts > 1)
    acc = accumulator(dtype)
    workspace = parts * total * dtypes.itemsize(acc) if parts > 1 else 0
    slots: list[Slot] = [rows, columns, inner, groups, parts, length, *lie]
    slots += [channels[0], filters[0], channels[1], filters[1], Pointer(0, dtype), Pointer(1, dtype)]
    slots += [Scratch(acc) if parts > 1 else Pointer(2, dtype), total]
    launch = Launch(source, tuple(slots), blocks_of(tile, rows, columns, groups, parts), tile.threads, workspace)
    return (launch, *sum_parts(dtype, parts, total, 2, workspace)) if parts > 1 else (launch,)


# ------------------------------------------------------------------------------------------------ with a library

LARGEST_COLUMNS = 1 << 30
"""Bytes of windows that are written out; what needs more is left to the kernels that read them in place."""

_COLUMNS_HEADER = 3


@cache
def columns_kernel(dtype: str, back: bool) -> Kernel:
    """Writes the windows of an image as the rows of a matrix; or, `back`, adds the rows up in the image.

    The block: elements to make, channels, cells of a window times channels; `GEOMETRY`; bases of source and target.
    """
    names = [*GEOMETRY, "source", "target"]
    setup = [f"{name} = int64s[p + {_COLUMNS_HEADER + k}]" for k, name in enumerate(names)]
    acc = accumulator(dtype)
    if back:
        steps = unravel("i // channels", 1 + AXES, ["", "image0", "image1", "image2"], "q")
        steps += [f"value = {acc}(0)", "for tap in range(inner // channels):"]
        inner = unravel("tap", AXES, ["window0", "window1", "window2"], "t")
        inner += [f"o{k} = q{k + 1} + pad{k} - t{k} * dilation{k}" for k in range(AXES)]
        met = " and ".join(f"o{k} >= 0 and o{k} % stride{k} == 0 and o{k} // stride{k} < count{k}" for k in range(AXES))
        place = "((q0 * count0 + o0 // stride0) * count1 + o1 // stride1) * count2 + o2 // stride2"
        read = load(dtype, f"source + ({place}) * inner + tap * channels + i % channels")
        steps += ["    " + line for line in [*inner, f"if {met}:", f"    value = value + {read}"]]
    else:
        steps = [*_cell("i // inner", "i % inner // channels"), f"value = {acc}(0)", "if inside:"]
        steps.append(f"    value = {acc}({load(dtype, f'source + ({_PIXEL}) * channels + i % channels')})")
    lines = "\n".join("    " + line for line in [*steps, store(dtype, "target + i", "value")])
    text = f"""
total, channels, inner = int64s[p], int64s[p + 1], int64s[p + 2]
{chr(10).join(setup)}
i = int64(cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x)
while i < total:
{lines}
    i += cuda.blockDim.x * cuda.gridDim.x
"""
    return kernel(text, [dtype], HELPERS)


def _columns(dtype: str, lie: list[int], total: int, channels: int, inner: int, back: bool, size: int) -> Launch:
    places = (Scratch(dtype), Pointer(2, dtype)) if back else (Pointer(0, dtype), Scratch(dtype))
    slots: tuple[Slot, ...] = (total, channels, inner, *lie, *places)
    return Launch(columns_kernel(dtype, back), slots, blocks_for(total, THREADS), THREADS, size)


def _with_library(
    kind: str, dtype: str, lie: list[int], channels: int, filters: int, places: int, inner: int, image: int,
    work: tuple[Launch, ...],
) -> tuple[Work, ...]:  # fmt: skip
    """The choice between products of windows written out (so many `places`, each of `inner` elements) and `work`."""
    size = places * inner * dtypes.itemsize(dtype)
    if (
        not places * inner * filters
        or size > LARGEST_COLUMNS
        or dtype not in ("float16", "bfloat16", "float32", "float64")
    ):
        return work
    rows, a, b, c = Scratch(dtype), Pointer(0, dtype), Pointer(1, dtype), Pointer(2, dtype)
    write = _columns(dtype, lie, places * inner, channels, inner, False, size)
    ways: tuple[Launch | Product, ...]
    shape: Any
    if kind == "output":
        shape = (places, filters, inner, 1, rows, b, c, False, False, (0, 0, 0), (inner, filters, filters))
        ways = (write, Product(dtype, *shape))
    elif kind == "kernel":
        shape = (inner, filters, places, 1, rows, b, c, True, False, (0, 0, 0), (inner, filters, filters))
        ways = (write, Product(dtype, *shape))
    else:
        shape = (places, inner, filters, 1, a, b, rows, False, True, (0, 0, 0), (filters, filters, inner))
        ways = (Product(dtype, *shape), _columns(dtype, lie, image, channels, inner, True, size))
    return (Choice(dtype, ways, work),)


# ------------------------------------------------------------------------------------------------ plans


def _choice(
    kind: str, dtype: str, lie: list[int], windows: Windows, image: tuple[int, ...], filters: int, groups: int,
    work: tuple[Launch, ...],
) -> tuple[Work, ...]:  # fmt: skip
    if groups != 1:
        return work
    places = image[0] * math.prod(windows.count(image[1:-1]))
    inner = math.prod(windows.size) * image[-1]
    return _with_library(kind, dtype, lie, image[-1], filters, places, inner, math.prod(image), work)


def plan_convolution(
    dtype: str, x: tuple[int, ...], kernel: tuple[int, ...], windows: Windows, groups: int
) -> tuple[Work, ...]:
    """x (operand 0) with the kernel (operand 1) into operand 2."""
    sizes, channels, filters = x[1:-1], (x[-1] // groups, x[-1]), (kernel[-1] // groups, kernel[-1])
    rows = x[0] * math.prod(windows.count(sizes))
    inner = math.prod(windows.size) * channels[0]
    lie = geometry(sizes, windows)
    work = _plan("output", dtype, lie, channels, filters, groups, rows, inner, filters[0])
    return _choice("output", dtype, lie, windows, x, kernel[-1], groups, work)


def plan_input_gradient(
    dtype: str, dy: tuple[int, ...], kernel: tuple[int, ...], sizes: tuple[int, ...], windows: Windows, groups: int
) -> tuple[Work, ...]:
    """dy (operand 0) with the kernel (operand 1) into the gradient of x, operand 2."""
    channels, filters = (kernel[-2], kernel[-2] * groups), (kernel[-1] // groups, kernel[-1])
    rows, inner = dy[0] * math.prod(sizes), math.prod(windows.size) * filters[0]
    lie = geometry(sizes, windows)
    work = _plan("input", dtype, lie, channels, filters, groups, rows, inner, channels[0])
    return _choice("input", dtype, lie, windows, (dy[0], *sizes, channels[1]), kernel[-1], groups, work)


def plan_kernel_gradient(
    dtype: str, x: tuple[int, ...], dy: tuple[int, ...], windows: Windows, groups: int
) -> tuple[Work, ...]:
    """x (operand 0) with dy (operand 1) into the gradient of the kernel, operand 2."""
    channels, filters = (x[-1] // groups, x[-1]), (dy[-1] // groups, dy[-1])
    rows, inner = math.prod(windows.size) * channels[0], math.prod(dy[:-1])
    lie = geometry(x[1:-1], windows)
    work = _plan("kernel", dtype, lie, channels, filters, groups, rows, inner, filters[0])
    return _choice("kernel", dtype, lie, windows, x, dy[-1], groups, work)
