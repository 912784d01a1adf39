"""Ops that move, order and count elements: launches of the kernels in `long_tail_kernels`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from pronghorn import dtypes
from pronghorn.graph import Node
from pronghorn.tensor import Tensor
from pronghorn_cpu.launch import Launch, Pointer, Scratch, Slot, worth_parallel

_VIEWS = {
    "float32": "f32", "float64": "f64", "int8": "i8", "int16": "i16", "int32": "i32", "int64": "i64", "uint8": "u8",
    "uint16": "u16", "uint32": "u32", "uint64": "u64",
}  # fmt: skip
_WORDS = {1: "u8", 2: "u16", 4: "u32", 8: "u64"}
"""Elements that are only moved are read as words of their size."""


def _word(dtype: str) -> str | None:
    return None if dtype == "string" else _WORDS.get(dtypes.itemsize(dtype))


def _launch(
    kernel: str, views: Sequence[str], slots: Sequence[Slot], count: int, work: int, block: bool = False
) -> Launch:
    """A launch of a kernel on arrays and numbers: slots are the arrays' addresses, then their sizes and the rest.

    The kernel is called with the arrays, then with the slots after them, then with the thread's number.
    """
    given = [f"{view}_array(slot(p, {k}), {2**40})" for k, view in enumerate(views)]
    given += [f"slot(p, {k})" for k in range(len(views), len(views) + count)]
    names = sorted({f"{view}_array" for view in views} | {"slot"})
    source = (
        f"from pronghorn_cpu.intrinsics import {', '.join(names)}\n"
        f"from pronghorn_cpu.long_tail_kernels import {kernel} as work\n\n\n"
        "def kernel(p, t, threads):\n"
        f"    work({'p, ' if block else ''}{', '.join(given)}, t, threads)\n"
    )
    return Launch(source, tuple(slots), parallel=worth_parallel(work))


def _sizes(t: Tensor) -> tuple[int, ...]:
    return t.shape  # type: ignore[return-value]


def _lines(shape: tuple[int, ...], axis: int) -> tuple[int, int, int]:
    return math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :])


def cumsum(node: Node) -> tuple[Launch, ...] | None:
    """Running sums."""
    x: Any = node.inputs[0]
    if x.dtype not in _VIEWS:
        return None
    view = _VIEWS[x.dtype]
    slots: list[Slot] = [Pointer(0), Pointer(1), *_lines(x.shape, node.attrs["axis"]), int(node.attrs["reverse"])]
    return (_launch("running_sum", (view, view), slots, 4, 8 * x.size),)


def argsort(node: Node) -> tuple[Launch, ...] | None:
    """Stable sorting."""
    x: Any = node.inputs[0]
    view = "u8" if x.dtype == "bool" else _VIEWS.get(x.dtype)
    if view is None:
        return None
    lines = _lines(x.shape, node.attrs["axis"])
    slots: list[Slot] = [Pointer(0), Pointer(1), Scratch(), *lines, int(node.attrs["descending"])]
    launch = _launch("sorting_indices", (view, "i32", "i32"), slots, 4, 64 * x.size)
    return (launch._replace(scratch_bytes=4 * x.size),)


def searchsorted(node: Node) -> tuple[Launch, ...] | None:
    """Binary searches."""
    sequence, values = node.inputs
    if sequence.dtype not in _VIEWS:
        return None
    view = _VIEWS[sequence.dtype]
    slots: list[Slot] = [
        Pointer(0),
        Pointer(1),
        Pointer(2),
        sequence.size or 0,
        values.size or 0,
        int(node.attrs["right"]),
    ]
    return (_launch("insertion_points", (view, view, "i32"), slots, 3, 64 * (values.size or 0)),)


def dynamic_slice(node: Node) -> tuple[Launch, ...] | None:
    """A block at a place that a tensor names."""
    x, start = node.inputs
    view, shape, size = _word(x.dtype), _sizes(x), node.attrs["size"]
    if view is None or not shape or start.dtype != "int32" or 0 in size:
        return None
    rows = math.prod(size[:-1])
    slots: list[Slot] = [Pointer(0), Pointer(2), Pointer(1), len(shape), rows, 0, 0, 0, *shape, *size]
    return (_launch("block", (view, view, "i32"), slots, 2, 2 * math.prod(size) * dtypes.itemsize(x.dtype), True),)


def dynamic_update_slice(node: Node) -> tuple[Launch, ...] | None:
    """A block replaced at a place that a tensor names."""
    x, update, start = node.inputs
    view, shape = _word(x.dtype), _sizes(x)
    if view is None or not shape or start.dtype != "int32" or 0 in (*shape, *_sizes(update)):
        return None
    rows = math.prod(shape[:-1])
    slots: list[Slot] = [
        Pointer(0),
        Pointer(1),
        Pointer(3),
        Pointer(2),
        len(shape),
        rows,
        0,
        0,
        *shape,
        *_sizes(update),
    ]
    work = 2 * math.prod(shape) * dtypes.itemsize(x.dtype)
    return (_launch("block_update", (view, view, view, "i32"), slots, 2, work, True),)


_REDUCTIONS = {None: 0, "add": 1, "max": 2, "min": 3, "mul": 4}


def scatter_update(node: Node) -> tuple[Launch, ...] | None:
    """Rows put at, or combined with, rows that a tensor names."""
    x, rows, indices = node.inputs
    reduction = node.attrs["reduction"]
    view = _VIEWS.get(x.dtype) if reduction is not None else _word(x.dtype)
    if view is None or indices.dtype not in ("int32", "int64"):
        return None
    height, width = _sizes(x)[0], math.prod(_sizes(x)[1:])
    numbers = [height, width, indices.size or 0, _REDUCTIONS[reduction], 0]
    slots: list[Slot] = [Pointer(0), Pointer(1), Pointer(2), Pointer(3), *numbers]
    return (_launch("scatter", (view, view, _VIEWS[indices.dtype], view), slots, 5, 4 * height * width),)


def scatter_rows(node: Node) -> tuple[Launch, ...] | None:
    """Rows of integers added to zeros."""
    values, indices = node.inputs
    if values.dtype not in _VIEWS or indices.dtype not in ("int32", "int64"):
        return None
    view, count = _VIEWS[values.dtype], indices.size or 0
    width = math.prod(_sizes(values)[1:])
    numbers = [node.attrs["rows"], width, count, 1, 1]
    slots: list[Slot] = [Pointer(0), Pointer(0), Pointer(1), Pointer(2), *numbers]
    work = 4 * (node.attrs["rows"] + count) * width
    return (_launch("scatter", (view, view, _VIEWS[indices.dtype], view), slots, 5, work),)


def _divisors(multiple: bool) -> Callable[[Node], tuple[Launch, ...] | None]:
    def lowering(node: Node) -> tuple[Launch, ...] | None:
        x = node.inputs[0]
        if x.dtype not in ("int32", "int64"):
            return None
        view, size = _VIEWS[x.dtype], x.size or 0
        slots: list[Slot] = [Pointer(0), Pointer(1), Pointer(2), size, int(multiple)]
        return (_launch("divisors", (view,) * 3, slots, 2, 64 * size),)

    return lowering


def view(node: Node) -> tuple[Launch, ...] | None:
    """The same bytes."""
    x: Any = node.inputs[0]
    size = x.size * dtypes.itemsize(x.dtype)
    return (_launch("copied", ("u8", "u8"), [Pointer(0), Pointer(1), size], 1, 2 * size),)


def signbit(node: Node) -> tuple[Launch, ...] | None:
    """The highest bit of floats."""
    x: Any = node.inputs[0]
    word = _word(x.dtype)
    if word is None:
        return None
    slots: list[Slot] = [Pointer(0), Pointer(1), x.size, 8 * dtypes.itemsize(x.dtype) - 1]
    return (_launch("signs", (word, "u8"), slots, 2, 8 * x.size),)


LONG_TAIL = {
    "cumsum": cumsum,
    "argsort": argsort,
    "searchsorted": searchsorted,
    "dynamic_slice": dynamic_slice,
    "dynamic_update_slice": dynamic_update_slice,
    "scatter_update": scatter_update,
    "gcd": _divisors(False),
    "lcm": _divisors(True),
    "view": view,
    "signbit": signbit,
}
