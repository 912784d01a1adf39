"""Convolution over one to three spatial dimensions and its two gradients: products whose left side is read in windows.

A library does them where there is one (`convolution_ways`); else kernels, which read the windows in place. Arrays are
(batch, *spatial, channels). Each group is a matrix of the batch.
"""

from __future__ import annotations

import math
from functools import cache

from pronghorn import dtypes
from pronghorn.ops.attributes import Windows
from pronghorn_gpu.convolution_ways import Shape, ways
from pronghorn_gpu.elementwise import unravel
from pronghorn_gpu.emit import load
from pronghorn_gpu.geometry import AXES, GEOMETRY, covering, gathered, geometry, tap, window
from pronghorn_gpu.launch import Choice, Kernel, Launch, Pointer, Scratch, Slot, Work
from pronghorn_gpu.tiles import Side, Tile, accumulator, blocks_of, choose, sum_parts, tile_kernel

_FLOATS = ("float16", "bfloat16", "float32", "float64")


@cache
def convolution_kernel(kind: str, dtype: str, tile: Tile, partial: bool) -> Kernel:
    """`kind` is "output", "input" or "kernel": which of the three is computed from the other two.

    The block: the header; `GEOMETRY`; channels and filters of a group; all channels; all filters; bases of the operands
    and the result; elements of a part's result.
    """
    names = [*GEOMETRY, "channels", "filters", "all_channels", "all_filters", "a", "b", "c", "c_part"]
    acc = accumulator(dtype)

    def read(index: str) -> str:
        return f"value = {acc}({load(dtype, index)})"

    base = "a + number * channels"
    if kind == "output":
        left = Side(window("i", "@"), tap("k", "#"), gathered(base, "all_channels", read, "@", "#"), True)
    elif kind == "kernel":
        left = Side(tap("i", "@"), window("k", "#"), gathered(base, "all_channels", read, "#", "@"), False)
    else:
        cells = unravel("i", 1 + AXES, ["", "image0", "image1", "image2"], "q")
        cells += ["batch@ = q0", *(f"last{k}@ = q{k + 1} + pad{k}" for k in range(AXES))]
        steps = unravel("k // filters", AXES, ["window0", "window1", "window2"], "t")
        steps += [f"step{k}# = t{k} * dilation{k}" for k in range(AXES)]
        steps.append("filter# = a + number * filters + k % filters")
        shift = [f"last{k}@ - step{k}#" for k in range(AXES)]
        left = Side(cells, steps, covering(shift, "batch@", lambda w: read(f"({w}) * all_filters + filter#")), True)
    if kind == "input":
        right = Side(
            ["column@ = b + j * all_filters + number * filters"],
            ["row# = k // filters * channels * all_filters + k % filters"],
            [read("row# + column@")],
            True,
        )
    else:
        right = Side(
            ["column@ = b + number * filters + j"], ["row# = k * all_filters"], [read("row# + column@")], False
        )
    all_columns, own = ("all_channels", "channels") if kind == "input" else ("all_filters", "filters")
    result = f"c + part * c_part + i * {all_columns} + number * {own} + j"
    return tile_kernel(dtype, tile, names, left, right, [], result, partial)


def _plan(kind: str, shape: Shape, rows: int, inner: int, columns: int) -> tuple[Work, ...]:
    """The convolution `kind`, each group of which is a product of such matrices."""
    dtype, groups = shape.dtype, shape.groups
    total = rows * columns * groups
    if not total:
        return ()
    tile, parts, length = choose(dtype, rows, columns, inner, groups)
    source = convolution_kernel(kind, dtype, tile, parts > 1)
    acc = accumulator(dtype)
    workspace = parts * total * dtypes.itemsize(acc) if parts > 1 else 0
    channels, filters = shape.kernel[-2], shape.kernel[-1] // groups
    slots: list[Slot] = [rows, columns, inner, groups, parts, length, *geometry(shape.image[1:-1], shape.windows)]
    slots += [channels, filters, channels * groups, filters * groups, Pointer(0, dtype), Pointer(1, dtype)]
    slots += [Scratch(acc) if parts > 1 else Pointer(2, dtype), total]
    launch = Launch(source, tuple(slots), blocks_of(tile, rows, columns, groups, parts), tile.threads, workspace)
    work = (launch, *sum_parts(dtype, parts, total, 2, workspace)) if parts > 1 else (launch,)
    if not inner or dtype not in _FLOATS:
        return work
    return (Choice((*ways(kind, shape), work)),)


def plan_convolution(
    dtype: str, x: tuple[int, ...], kernel: tuple[int, ...], windows: Windows, groups: int
) -> tuple[Work, ...]:
    """x (operand 0) with the kernel (operand 1) into operand 2."""
    shape = Shape(dtype, x, kernel, windows, groups)
    return _plan("output", shape, math.prod(shape.result[:-1]), math.prod(kernel[:-1]), kernel[-1] // groups)


def plan_input_gradient(
    dtype: str, dy: tuple[int, ...], kernel: tuple[int, ...], sizes: tuple[int, ...], windows: Windows, groups: int
) -> tuple[Work, ...]:
    """dy (operand 0) with the kernel (operand 1) into the gradient of x, operand 2."""
    shape = Shape(dtype, (dy[0], *sizes, kernel[-2] * groups), kernel, windows, groups)
    inner = math.prod(windows.size) * (kernel[-1] // groups)
    return _plan("input", shape, dy[0] * math.prod(sizes), inner, kernel[-2])


def plan_kernel_gradient(
    dtype: str, x: tuple[int, ...], dy: tuple[int, ...], windows: Windows, groups: int
) -> tuple[Work, ...]:
    """x (operand 0) with dy (operand 1) into the gradient of the kernel, operand 2."""
    shape = Shape(dtype, x, (*windows.size, x[-1] // groups, dy[-1]), windows, groups)
    return _plan("kernel", shape, math.prod(shape.kernel[:-1]), math.prod(dy[:-1]), dy[-1] // groups)
