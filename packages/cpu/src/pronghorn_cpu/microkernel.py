"""The register-tiled outer product that everything heavy is built on, and what feeds it.

``C[rows, columns] (+)= sum over k of A[rows, k] * B[k, columns]``, with the whole tile of C in vector
registers: for each k a row of B is loaded, each element of A's column is broadcast, and every pair is one
fused multiply-add (Goto and van de Geijn, "Anatomy of high-performance matrix multiplication", 2008). It
runs at the processor's peak.

Every element of C sees the same sequence of multiply-adds whatever the tile, the vector width or the number
of threads, so all of these may be chosen freely and the bits stay. Only where the sum over k is interrupted
shows.

All of this is written into a kernel with `staging`; a kernel that is otherwise plain Numba takes
`microkernel`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from pronghorn_cpu import host
from pronghorn_cpu.staging import Code, Word


@dataclass(frozen=True)
class Tile:
    """A block of C that stays in registers: `rows` x `vectors` registers of `lanes` elements of `dtype`."""

    dtype: str
    lanes: int
    rows: int
    vectors: int

    @property
    def itemsize(self) -> int:
        return host.ITEMSIZE[self.dtype]

    @property
    def columns(self) -> int:
        return self.lanes * self.vectors

    @property
    def bytes(self) -> int:
        """The size of the tile in memory."""
        return self.rows * self.columns * self.itemsize

    def __str__(self) -> str:
        return f"{self.dtype}_{self.rows}x{self.vectors}x{self.lanes}"


def outer_product(
    code: Code,
    tile: Tile,
    a: Word,
    a_row: Word,
    a_depth: Word,
    b: Word,
    b_depth: Word,
    c: Word,
    c_row: Word,
    depth: Word,
    rows: Word,
    accumulate: Word,
) -> None:
    """Writes a whole tile of C: ``accumulate ? C + A @ B : A @ B``.

    Args:
        a: address of A[0, 0]; its rows are `a_row` and its columns `a_depth` bytes apart.
        b: address of B[0, 0]; its rows are `b_depth` bytes apart and `tile.columns` contiguous elements long.
        c: address of C[0, 0]; its rows are `c_row` bytes apart and as long.
        depth: how many products are summed; with 0 the sum is 0.
        rows: how many rows A has, at least 1; the tile's further rows repeat the last one, so no other is
            read.
    """
    builder, size = code.builder, tile.itemsize
    vector, scalar = code.vector(tile.dtype, tile.lanes), code.vector(tile.dtype, 1)
    register = tile.lanes * size
    row_offsets = [code.minimum(r, rows - 1) * a_row for r in range(tile.rows)]
    for r in range(tile.rows):
        for line in range(0, tile.columns * size, 64):
            code.prefetch(c + r * c_row + line)
    zeros = [code.zeros(vector)] * (tile.rows * tile.vectors)
    with code.loop(0, depth, carried=[a.value, b.value, *zeros]) as loop:
        left, right = code.word(loop.carried[0]), code.word(loop.carried[1])
        sums = iter(loop.carried[2:])
        b_row = [code.load(right + v * register, vector, size) for v in range(tile.vectors)]
        following = []
        for offset in row_offsets:
            factor = code.splat(code.load(left + offset, scalar, size), tile.lanes)
            following += [code.multiply_add(factor, b_row[v], next(sums)) for v in range(tile.vectors)]
        loop.carry([(left + a_depth).value, (right + b_depth).value, *following])
    sums = iter(loop.results[2:])
    result = [(next(sums), c + r * c_row + v * register) for r in range(tile.rows) for v in range(tile.vectors)]
    with code.either(accumulate != 0) as (yes, no):
        with yes:
            for value, address in result:
                code.store(builder.fadd(code.load(address, vector, size), value), address, size)
        with no:
            for value, address in result:
                code.store(value, address, size)


def move(code: Code, dtype: str, lanes: int, source: Word, target: Word, count: Word, accumulate: Word) -> None:
    """Copies (or adds) `count` contiguous elements, at most `lanes` at a time and touching no others."""
    size = host.ITEMSIZE[dtype]

    def chunk(offset: Word, width: int) -> None:
        kind = code.vector(dtype, width)
        value = code.load(source + offset * size, kind, size)
        with code.either(accumulate != 0) as (yes, no):
            with yes:
                old = code.load(target + offset * size, kind, size)
                code.store(code.builder.fadd(old, value), target + offset * size, size)
            with no:
                code.store(value, target + offset * size, size)

    whole = count - count % lanes
    with code.loop(0, whole, lanes) as loop:
        chunk(loop.index, lanes)
    width = lanes // 2
    while width:  # the rest in powers of two
        with code.when((count & width) != 0):
            chunk(count - count % (2 * width), width)
        width //= 2


def transpose(
    code: Code, dtype: str, lanes: int, source: Word, source_row: Word, target: Word, target_row: Word
) -> None:
    """Writes the transpose of a square block of `lanes` rows of at most 32 bytes; strides are in bytes."""
    size = host.ITEMSIZE[dtype]
    kind = code.vector(dtype, lanes)
    rows = [code.load(source + r * source_row, kind, size) for r in range(lanes)]
    group = min(lanes, 16 // size)  # within 128 bits, shuffles are cheapest

    def shuffled(distance: int, low: list[int], high: list[int]) -> list[ir.Value]:
        """Both shuffles of each pair of rows that are so far apart, side by side."""
        pairs = [(r, r + distance) for r in range(lanes) if not r & distance]
        return [code.shuffle(rows[x], rows[y], mask) for x, y in pairs for mask in (low, high)]

    unit = 1
    while unit < group:  # interleaves units of x and y: first those of the groups' lower halves, then of the upper
        lower = [start + k for start in range(0, lanes, group) for k in range(group // 2)]
        mask = [lane + side for u in range(0, len(lower), unit) for side in (0, lanes) for lane in lower[u : u + unit]]
        rows = shuffled(unit, mask, [lane + group // 2 for lane in mask])
        unit *= 2
    if group < lanes:  # exchanges the two groups' halves of the square
        low = [*range(group), *range(lanes, lanes + group)]
        both = shuffled(group, low, [lane + group for lane in low])
        rows = both[0::2] + both[1::2]
    for r, row in enumerate(rows):
        code.store(row, target + r * target_row, size)


def pack(
    code: Code,
    dtype: str,
    lanes: int,
    source: Word,
    source_depth: Word,
    source_column: Word,
    panel: Word,
    depth: Word,
    columns: Word,
    width: Word,
) -> None:
    """Copies B[depth, columns], of any strides in bytes, to a dense panel whose rows have `width` elements.

    `width` is a multiple of `lanes`; what B does not fill is 0.
    """
    size = host.ITEMSIZE[dtype]
    square = min(lanes, 32 // size)  # a wider transposition would need the slower shuffles across 256 bits
    step = width * size

    def copy_element(column: Word, k: Word) -> None:
        element = code.load(source + column * source_column + k * source_depth, code.vector(dtype, 1), size)
        code.store(element, panel + k * step + column * size, size)

    with code.when(columns < width):
        with code.loop(0, depth * step, lanes * size) as loop:
            code.store(code.zeros(code.vector(dtype, lanes)), panel + loop.index, size)
    with code.either(source_column == size) as (contiguous, other):
        with contiguous, code.either(columns == width) as (whole, part):
            kind = code.vector(dtype, lanes)
            with whole, code.loop(0, depth) as row:
                here, there = source + row.index * source_depth, panel + row.index * step
                with code.loop(0, step, lanes * size) as vector:
                    code.store(code.load(here + vector.index, kind, size), there + vector.index, size)
            with part, code.loop(0, depth) as row:
                here, there = source + row.index * source_depth, panel + row.index * step
                move(code, dtype, lanes, here, there, columns, code.word(0))
        with other:
            transposed = source_depth == size
            square_columns = code.select(transposed, columns - columns % square, 0)
            square_depth = depth - depth % square
            # By lines of the source: then those of the panel are completed while they are in the cache.
            line = 64 // size
            with code.loop(0, square_depth, line) as lines, code.loop(0, square_columns, square) as column:
                with code.loop(lines.index, code.minimum(lines.index + line, square_depth), square) as row:
                    corner = source + column.index * source_column + row.index * size
                    target = panel + row.index * step + column.index * size
                    transpose(code, dtype, square, corner, source_column, target, step)
            with code.loop(square_depth, depth) as row, code.loop(0, square_columns) as column:
                copy_element(column.index, row.index)
            with code.loop(square_columns, columns) as column, code.loop(0, depth) as row:
                copy_element(column.index, row.index)


def microkernel(tile: Tile) -> Any:
    """The outer product as a Numba intrinsic, whose int64 arguments are `outer_product`'s from `a` on."""
    from numba import types
    from numba.extending import intrinsic

    def generate(context: Any, builder: ir.IRBuilder, _: Any, arguments: Sequence[ir.Value]) -> Any:
        code = Code(builder)
        outer_product(code, tile, *(code.word(argument) for argument in arguments))
        return context.get_dummy_value()

    @intrinsic
    def multiply(  # type: ignore[no-untyped-def]
        typing_context, a, a_row, a_depth, b, b_depth, c, c_row, depth, rows, accumulate
    ):
        return types.void(*[types.int64] * 10), generate

    return multiply
