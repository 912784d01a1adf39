"""Mean and variance in one pass over memory: of every column of a matrix, or of every row.

A column is summed in blocks of rows that stay in the first-level cache: their mean, then the squared distances from
it. Blocks, and the parts that threads share, are merged by the rule of Chan, Golub and LeVeque ("Updating formulae and
a pairwise algorithm for computing sample variances", 1979), which loses no digits where the mean is large.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import auto
from typing import Any

from llvmlite import ir

from pronghorn.graph import Node
from pronghorn.passes.access import elements
from pronghorn_cpu.emit import Emitter
from pronghorn_cpu.host import ITEMSIZE
from pronghorn_cpu.launch import Launch, Pointer, Scratch, Slot, kernel_source, worth_parallel
from pronghorn_cpu.loops import LANES
from pronghorn_cpu.rows import RowProgram, plan_rows
from pronghorn_cpu.staging import Code, Condition, Slots, Word, intrinsic, share

_PARTS = 32
"""Parts that the rows are cut into, at most, each of at least two blocks (part of the bits)."""

_BLOCK_ELEMENTS = 4096
"""A block of rows has about so many elements."""

OF_ROW = """
s = sum_row(x)
mean = s / count
q = sum_row((x - mean) * (x - mean))
variance = q / count
"""
"""Statements of a row program that has x and `count`, its elements."""

_ROW_MOMENTS = RowProgram(
    OF_ROW,
    ("x: row",),
    ("mean: number", "variance: number"),
    ("count",),
)


class Columns(Slots):
    """Slots of both kernels."""

    X = auto()
    ROWS = auto()
    COLUMNS = auto()
    BLOCK = auto()
    """Rows of a block."""
    PARTS = auto()
    FOUND = auto()
    """The address of what is found in the parts: for each the means and then the sums of squared distances."""
    MEAN = auto()
    VARIANCE = auto()


class _Writer:
    """Writes the kernels; a chunk is a vector of columns."""

    def __init__(self, code: Code, dtype: str, p: Word) -> None:
        self.code, self.dtype, self.size = code, dtype, ITEMSIZE[dtype]
        self.slot = {name: code.slot(p, name) for name in Columns}
        self.row = self.slot[Columns.COLUMNS] * self.size
        self.emitter = Emitter(code.builder, LANES)

    def chunks(self, write: Any) -> None:
        """``write(column, mask)`` for vectors of columns; the last one's mask says which there are."""
        columns = self.slot[Columns.COLUMNS]
        whole = columns - columns % LANES
        with self.code.loop(0, whole, LANES) as loop:
            write(loop.index, None)
        with self.code.when(whole < columns):
            write(whole, self.emitter.tail_mask((columns - whole).value))

    def load(self, address: Word, mask: Condition | None) -> ir.Value:
        return self.emitter.load(self.dtype, address.value, mask)

    def number(self, count: Word) -> ir.Value:
        scalar = self.code.vector(self.dtype, 1)
        return self.emitter.splat(self.code.builder.sitofp(count.value, scalar))

    def found(self, part: Word) -> tuple[Word, Word]:
        """Where the means and the squares of a part are."""
        start = self.slot[Columns.FOUND] + part * self.row * 2
        return start, start + self.row

    def merged(self, before: Word, count: Word, old: Sequence[Any], found: Sequence[Any]) -> tuple[Any, Any]:
        """Mean and sum of squared distances of `before` rows and `count` others, from those of both."""
        b, (mean, squares), (new, more) = self.code.builder, old, found
        total, first, other = (self.number(n) for n in (before + count, before, count))
        distance = b.fsub(new, mean)
        mean = b.fadd(mean, b.fmul(distance, b.fdiv(other, total)))
        shift = b.fmul(b.fmul(distance, distance), b.fdiv(b.fmul(first, other), total))
        return mean, b.fadd(b.fadd(squares, more), shift)

    def block(self, first: Word, rows: Word, column: Word, mask: Condition | None) -> tuple[Any, Any]:
        """Mean and sum of squared distances of a block."""
        code, b = self.code, self.code.builder
        start = self.slot[Columns.X] + first * self.row + column * self.size
        zero = code.zeros(code.vector(self.dtype, LANES))
        with code.loop(0, rows, carried=[zero]) as one:
            one.carry([b.fadd(one.carried[0], self.load(start + one.index * self.row, mask))])
        mean = b.fdiv(one.results[0], self.number(rows))
        with code.loop(0, rows, carried=[zero]) as two:
            distance = b.fsub(self.load(start + two.index * self.row, mask), mean)
            two.carry([b.fadd(two.carried[0], b.fmul(distance, distance))])
        return mean, two.results[0]

    def parts(self, t: Word, threads: Word) -> None:
        """The thread's share of the parts."""
        code, rows, parts = self.code, self.slot[Columns.ROWS], self.slot[Columns.PARTS]
        begin, end = share(code, parts, t, threads)
        with code.loop(begin, end) as part:
            first, last = share(code, rows, part.index, parts)
            means, squares = self.found(part.index)
            with code.loop(first, last, self.slot[Columns.BLOCK]) as block:
                count = code.minimum(self.slot[Columns.BLOCK], last - block.index)

                def merge(column: Word, mask: Condition | None, start: Word = block.index, count: Word = count) -> None:
                    at = means + column * self.size, squares + column * self.size
                    zero = code.zeros(code.vector(self.dtype, LANES))
                    fresh = start == first
                    old = [code.builder.select(fresh, zero, self.load(place, mask)) for place in at]
                    results = self.merged(start - first, count, old, self.block(start, count, column, mask))
                    for value, place in zip(results, at, strict=True):
                        self.emitter.store(self.dtype, value, place.value, mask)

                self.chunks(merge)

    def combine(self) -> None:
        """All parts, first to last, to mean and variance."""
        code, rows, parts = self.code, self.slot[Columns.ROWS], self.slot[Columns.PARTS]

        def chunk(column: Word, mask: Condition | None) -> None:
            def at(part: Word | int) -> list[ir.Value]:
                return [self.load(a + column * self.size, mask) for a in self.found(code.word(0) + part)]

            with code.loop(1, parts, carried=at(0)) as loop:
                first, last = share(code, rows, loop.index, parts)
                loop.carry(self.merged(first, last - first, loop.carried, at(loop.index)))
            mean, squares = loop.results
            variance = code.builder.fdiv(squares, self.number(rows))
            for slot, value in ((Columns.MEAN, mean), (Columns.VARIANCE, variance)):
                self.emitter.store(self.dtype, value, (self.slot[slot] + column * self.size).value, mask)

        self.chunks(chunk)


def parts_kernel(dtype: str) -> Any:
    """The moments of every part."""
    return intrinsic(lambda code, p, t, threads: _Writer(code, dtype, p).parts(t, threads))


def combine_kernel(dtype: str) -> Any:
    """The moments of all rows, on one thread."""
    return intrinsic(lambda code, p, t, threads: _Writer(code, dtype, p).combine())


def lower_moments(node: Node) -> tuple[Launch, ...]:
    """The launches of `moments`, over leading or over trailing axes."""
    x, axes, dtype = node.inputs[0], node.attrs["axes"], node.inputs[0].dtype
    sizes: tuple[int, ...] = x.shape  # type: ignore[assignment]
    if axes[-1] == len(sizes) - 1:
        rows, count = elements(sizes[: axes[0]]), elements(sizes[axes[0] :])
        return plan_rows(_ROW_MOMENTS, [dtype] * 3, rows, count, (float(count),))
    rows, columns = elements(sizes[: len(axes)]), elements(sizes[len(axes) :])
    block = max(8, _BLOCK_ELEMENTS // columns)
    parts = max(1, min(_PARTS, rows // (2 * block)))
    slots: dict[Columns, Slot] = {
        Columns.X: Pointer(0),
        Columns.ROWS: rows,
        Columns.COLUMNS: columns,
        Columns.BLOCK: block,
        Columns.PARTS: parts,
        Columns.FOUND: Scratch(),
        Columns.MEAN: Pointer(1),
        Columns.VARIANCE: Pointer(2),
    }
    scratch = parts * 2 * columns * ITEMSIZE[dtype]
    values = tuple(slots[name] for name in Columns)
    return (
        Launch(kernel_source(parts_kernel, dtype), values, scratch, worth_parallel(rows * columns * ITEMSIZE[dtype])),
        Launch(kernel_source(combine_kernel, dtype), values, scratch, parallel=False),
    )
