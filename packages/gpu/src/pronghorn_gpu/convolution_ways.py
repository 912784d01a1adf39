"""Convolution by NVIDIA's libraries: one call of cuDNN, or a product of cuBLAS's with windows that are written out."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

from pronghorn import dtypes
from pronghorn.ops.attributes import Windows
from pronghorn.passes.memory import aligned
from pronghorn_gpu.elementwise import unravel
from pronghorn_gpu.emit import HELPERS, load, store
from pronghorn_gpu.geometry import AXES, GEOMETRY, covering, gathered, geometry, tap, window
from pronghorn_gpu.launch import (
    THREADS,
    Convolve,
    Kernel,
    Launch,
    Pointer,
    Product,
    Scratch,
    Slot,
    blocks_for,
    each,
    renumber,
)
from pronghorn_gpu.shape import plan_pad, plan_slice, plan_transpose
from pronghorn_gpu.tiles import accumulator

LARGEST_COLUMNS = 1 << 30
"""Bytes of windows that are written out; what needs more is left to the kernels that read them in place."""

Way = tuple[Launch | Product | Convolve, ...]


class Shape(NamedTuple):
    """A convolution: `image` (batch, *spatial, channels), `kernel` (*window, channels of a group, filters), `result`
    (batch, *spatial, filters)."""

    dtype: str
    image: tuple[int, ...]
    kernel: tuple[int, ...]
    windows: Windows
    groups: int

    @property
    def result(self) -> tuple[int, ...]:
        return (self.image[0], *self.windows.count(self.image[1:-1]), self.kernel[-1])


@cache
def columns_kernel(dtype: str, back: bool) -> Kernel:
    """Writes the windows of an image as the rows of a matrix; or, `back`, adds the rows up in the image.

    The block: elements to make, channels, cells of a window times channels; `GEOMETRY`; bases of source and target.
    """
    names = ["total", "channels", "inner", *GEOMETRY, "source", "target"]
    acc = accumulator(dtype)
    steps = [f"value = {acc}(0)"]
    if back:
        steps += unravel("i // channels", 1 + AXES, ["", "image0", "image1", "image2"], "q")
        turn = unravel("tap", AXES, ["window0", "window1", "window2"], "t")
        shift = [f"q{k + 1} + pad{k} - t{k} * dilation{k}" for k in range(AXES)]
        row = "source + ({}) * inner + tap * channels + i % channels"
        turn += covering(shift, "q0", lambda number: f"value = value + {load(dtype, row.format(number))}")
        steps += ["for tap in range(inner // channels):", *("    " + line for line in turn)]
    else:
        read = gathered("source", "channels", lambda index: f"value = {acc}({load(dtype, index)})")
        steps += [*window("i // inner"), *tap("i % inner"), *read]
    return each("total", names, [*steps, store(dtype, "target + i", "value")], [dtype], HELPERS)


def _columns(shape: Shape, back: bool) -> Launch:
    dtype, (_, *sizes, channels) = shape.dtype, shape.image
    inner = math.prod(shape.kernel[:-1])
    places = math.prod(shape.result[:-1])
    total = math.prod(shape.image) if back else places * inner
    ends = (Scratch(dtype), Pointer(2, dtype)) if back else (Pointer(0, dtype), Scratch(dtype))
    slots: tuple[Slot, ...] = (total, channels, inner, *geometry(sizes, shape.windows), *ends)
    size = places * inner * dtypes.itemsize(dtype)
    return Launch(columns_kernel(dtype, back), slots, blocks_for(total, THREADS), THREADS, size)


def _as_product(kind: str, shape: Shape) -> list[Way]:
    """A product of the windows written out as rows; of the image itself, where a window is a cell."""
    windows, dtype = shape.windows, shape.dtype
    inner, filters = math.prod(shape.kernel[:-1]), shape.kernel[-1]
    places = math.prod(shape.result[:-1])
    cells = {*windows.size, *windows.strides} == {1} and not any(map(any, windows.padding))
    if shape.groups != 1 or (not cells and places * inner * dtypes.itemsize(dtype) > LARGEST_COLUMNS):
        return []
    rows: Any = Scratch(dtype)
    if cells:
        rows = Pointer(2 if kind == "input" else 0, dtype)
    a, b, c = (Pointer(k, dtype) for k in range(3))
    none, write = (0, 0, 0), () if cells else (_columns(shape, kind == "input"),)
    if kind == "output":
        sizes = (places, filters, inner, 1, rows, b, c, False, False, none, (inner, filters, filters))
        return [(*write, Product(dtype, *sizes))]
    if kind == "kernel":
        sizes = (inner, filters, places, 1, rows, b, c, True, False, none, (inner, filters, filters))
        return [(*write, Product(dtype, *sizes))]
    sizes = (places, inner, filters, 1, a, b, rows, False, True, none, (filters, filters, inner))
    return [(Product(dtype, *sizes), *write)]


def _by_library(kind: str, shape: Shape) -> list[Way]:
    """One call, with the kernel laid out for it, and padding that is not alike at both ends written out."""
    windows, dtype = shape.windows, shape.dtype
    lows = tuple(low for low, _ in windows.padding)
    highs = tuple(max(high, 0) for _, high in windows.padding)
    alike = replace(windows, padding=tuple((low, low) for low in lows))
    apart = replace(windows, padding=tuple((0, 0) for _ in lows))
    batch, *sizes, channels = shape.image
    padded = tuple(n + low + high for n, low, high in zip(sizes, lows, highs, strict=True))
    count = windows.count(tuple(sizes))
    write = alike.count(tuple(sizes)) != count
    if min(lows) < 0 or (write and apart.count(padded) != count):
        return []
    size = dtypes.itemsize(dtype)
    *window, inner, filters = shape.kernel
    taps = math.prod(window)
    image = (batch, *padded, channels) if write else shape.image
    laid = Scratch(dtype)
    wide = Scratch(dtype, aligned(math.prod(shape.kernel) * size))
    space = Scratch(dtype, wide.offset + aligned(math.prod(image) * size) * write)
    lay = renumber(plan_transpose(dtype, (taps, inner, filters), (2, 0, 1)), (1, laid))
    unlay = renumber(plan_transpose(dtype, (filters, taps, inner), (1, 2, 0)), (laid, 2))
    ends = (0, *lows, 0), (0, *highs, 0), (0,) * len(image)
    widen = renumber(plan_pad(dtype, shape.image, *ends, 0.0) or (), (0, wide)) if write else ()
    ones = (1,) * len(image)
    cut = renumber(plan_slice(dtype, image, ends[0], shape.image, ones), (wide, 2)) if write else ()
    a, b, c = (Pointer(k, dtype) for k in range(3))
    x: Any = wide if write else Pointer(2 if kind == "input" else 0, dtype)
    operands: dict[str, tuple[Any, Any, Any]] = {"output": (x, laid, c), "input": (a, laid, x), "kernel": (x, b, laid)}
    before = {"output": (*lay, *widen), "input": lay, "kernel": widen}[kind]
    after = {"output": (), "input": cut, "kernel": unlay}[kind]
    padding = (0,) * len(lows) if write else lows
    call = Convolve(
        dtype, kind, image, (filters, *window, inner), shape.result, windows.strides, padding, windows.dilation,
        shape.groups, *operands[kind], space,
    )  # fmt: skip
    return [(*before, call, *after)]


def ways(kind: str, shape: Shape) -> list[Way]:
    """Those of a convolution ("output"), or of its gradient for the "input" or the "kernel"; best first."""
    products, calls = _as_product(kind, shape), _by_library(kind, shape)
    direct = bool(products) and len(products[0]) == 1  # nothing is written out for it
    return [*products, *calls] if direct else [*calls, *products]
