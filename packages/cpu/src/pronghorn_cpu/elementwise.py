"""Fused elementwise kernels: one `Body` over a table of iteration spaces.

The kernel always takes a table of groups, so the same expression on several tensors (an optimizer's
variables, three bias updates) is one launch; a single tensor is a table of one. Outputs are dense and
row-major. An output may be the memory of an input that has the same shape and dense strides: every vector is
loaded before it is stored.

Work is cut into items: a row of the innermost dimension, or a chunk of it if it is long.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

from pronghorn.body import Body
from pronghorn_cpu import elementary
from pronghorn_cpu.emit import kernel_intrinsic
from pronghorn_cpu.launch import Launch, Pointer, Slot, kernel_source, worth_parallel
from pronghorn_cpu.loops import LANES, Frame, table
from pronghorn_cpu.spaces import Space, collapse, pattern, runs_of
from pronghorn_cpu.vectors import INT32, INT64, Builder, element

CHUNK = 4096
"""Elements of a long row that make an item."""


def map_source(body: Body, rank: int, patterns: Sequence[str], width: int = LANES) -> str:
    """Source of the kernel of `body` over `rank` collapsed dimensions.

    `patterns` gives each input's innermost dimension: "contiguous", "broadcast" or "strided". The block is a
    `loops.table` whose record has: chunks per row, the `rank` sizes, per input its address and `rank` element
    strides, the outputs' addresses. An input of a matrix may also be "rows": instead of the first stride it has the
    address of the place (int32) of each row.
    """
    return kernel_source(map_kernel, body, rank, tuple(patterns), width)


def map_kernel(body: Body, rank: int, patterns: tuple[str, ...], width: int) -> Any:
    """The intrinsic of `map_source`."""
    count = len(body.inputs)
    record = 1 + rank + count * (1 + rank) + len(body.outputs)

    def emit(builder: Builder, p: Any, t: Any, threads: Any) -> None:
        frame = Frame(builder, p, width)
        with frame.groups(t, threads, record) as (base, start, stop):
            chunks, sizes = frame.slot(0, base), frame.slots(base, 1, rank)
            inputs = [frame.slots(base, 1 + rank + k * (1 + rank), 1 + rank) for k in range(count)]
            outputs = frame.slots(base, record - len(body.outputs), len(body.outputs))
            with frame.loop(start, stop) as item:
                row, chunk = frame.divide(item, chunks)
                first = frame.times(chunk, CHUNK)
                last = frame.least(frame.plus(first, CHUNK), sizes[-1])
                indices = frame.unravel(row, sizes[:-1])

                def offset(kind: str, strides: Sequence[Any]) -> Any:
                    if kind != "rows":
                        return frame.offset(indices, strides[:-1])
                    place = builder.load(builder.inttoptr(frame.at(strides[0], row, "int32"), INT32.as_pointer()))
                    return builder.mul(builder.sext(place, INT64), sizes[-1])

                readers = [
                    Reader(frame, dtype, kind, frame.at(address, offset(kind, strides), dtype), strides[-1])
                    for dtype, kind, (address, *strides) in zip(body.inputs, patterns, inputs, strict=True)
                ]
                before = builder.mul(row, sizes[-1])

                def vector(index: Any, mask: Any) -> None:
                    results = frame.emitter.apply(body, [read(index, mask) for read in readers])
                    for value, output, address in zip(results, body.outputs, outputs, strict=True):
                        dtype = body.dtype(output)
                        frame.emitter.store(dtype, value, frame.at(address, frame.plus(before, index), dtype), mask)

                frame.vectors(first, last, vector)

    return kernel_intrinsic(emit)


class Reader:
    """Reads vectors of an operand along a row that starts at `address`; a broadcast element is read once per
    row.
    """

    def __init__(self, frame: Frame, dtype: str, kind: str, address: Any, stride: Any) -> None:
        self.frame = frame
        self.dtype = dtype
        self.kind = kind
        self.address = address
        self.stride = stride
        self.element = frame.emitter.load_scalar(dtype, address) if kind == "broadcast" else None

    def __call__(self, index: Any, mask: Any) -> Any:
        frame = self.frame
        if self.kind == "broadcast":
            return self.element
        if self.kind in ("contiguous", "rows"):
            return frame.emitter.load(self.dtype, frame.at(self.address, index, self.dtype), mask)
        address = frame.at(self.address, frame.builder.mul(index, self.stride), self.dtype)
        return frame.emitter.gather(self.dtype, address, frame.times(self.stride, element(self.dtype).size), mask)


def plan_map(
    body: Body, spaces: Sequence[Space], runs: Sequence[Sequence[int]] | None = None, width: int = LANES
) -> Launch:
    """One launch of `body` over all `spaces` (each with one stride tuple per input of the body).

    Operands are numbered group by group: a group's inputs, then its outputs. `runs` are those of an earlier
    plan of the same program (`runs_of` each space): with them other sizes need no other kernel.

    Raises:
        ValueError: the spaces do not collapse to one rank and pattern, so they need launches of their own
        (`signature`).
    """
    runs = [runs_of(space) for space in spaces] if runs is None else runs
    collapsed = [collapse(space, run) for space, run in zip(spaces, runs, strict=True)]
    kinds = {_signature(space) for space in collapsed}
    if len(kinds) != 1:
        raise ValueError(
            f"map of {body}: groups of one launch must collapse alike, got {sorted(kinds)}; plan them apart"
        )
    rank, patterns = kinds.pop()
    records = [_record(body, space, k * (len(body.inputs) + len(body.outputs))) for k, space in enumerate(collapsed)]
    work = sum(space.size for space in collapsed) * cost(body)
    return Launch(map_source(body, rank, patterns, width), table(records, work), parallel=worth_parallel(work))


def plan_map_of_rows(body: Body, space: Space, position: int) -> Launch:
    """One launch of `body` over a matrix whose input `position` is sums of rows (`scatter.plan_sum_rows`).

    Operands: the inputs, the places, the outputs.
    """
    count = len(body.inputs)
    patterns = ["rows" if k == position else pattern(strides[-1]) for k, strides in enumerate(space.strides)]
    items, slots = _record(body, space, 0)
    first = 1 + len(space.shape) + position * (1 + len(space.shape))  # slot of the input's address
    slots[first + 1] = Pointer(count)
    slots[-len(body.outputs) :] = [Pointer(count + 1 + k) for k in range(len(body.outputs))]
    source, work = map_source(body, len(space.shape), patterns), space.size * cost(body)
    return Launch(source, table([(items, slots)], work), parallel=worth_parallel(work))


def signature(space: Space, runs: Sequence[int] | None = None) -> tuple[int, tuple[str, ...]]:
    """The rank and patterns of `space` collapsed: spaces with equal signatures can share a launch."""
    return _signature(collapse(space, runs_of(space) if runs is None else runs))


def _signature(collapsed: Space) -> tuple[int, tuple[str, ...]]:
    return len(collapsed.shape), tuple(pattern(s[-1]) for s in collapsed.strides)


def _record(body: Body, space: Space, operand: int) -> tuple[int, list[Slot]]:
    chunks = max(1, -(-space.shape[-1] // CHUNK))
    slots: list[Slot] = [chunks, *space.shape]
    for k, strides in enumerate(space.strides):
        slots += [Pointer(operand + k), *strides]
    slots += [Pointer(operand + len(space.strides) + k) for k in range(len(body.outputs))]
    return math.prod(space.shape[:-1]) * chunks, slots


def cost(body: Body) -> int:
    """Work per element in the unit of `worth_parallel`: bytes moved, and 32 for every elementary function."""
    moved = sum(element(dtype).size for dtype in body.inputs) + sum(element(body.dtype(k)).size for k in body.outputs)
    return moved + 32 * sum(_functions(step.expression) for step in body.steps)


@cache
def _functions(expression: str) -> int:
    """How many elementary functions it calls."""
    return sum(expression.count(name + "(") for name in elementary.PROGRAMS)
