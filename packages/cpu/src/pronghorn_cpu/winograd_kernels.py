"""Kernels of 3x3 convolutions by Winograd's minimal filtering, F(2x2, 3x3), and of their gradients.

A tile of 2x2 outputs is made of 16 multiplications for each channel and filter instead of 36: the 4x4 cells under it
and the kernel are transformed to 4x4 places, multiplied place by place, and transformed back (Lavin and Gray, "Fast
algorithms for convolutional neural networks", 2015). The multiplications of one place, over all tiles and channels, are
a product of matrices on the microkernel. Tiles are worked on in units that fit the second-level cache.

Channels and filters come in whole vectors of `LANES` on every machine, so that nothing here is ragged but the border
of the image, whose missing cells are 0. The cells of a tile lie in lines far apart, and the processor does not guess
which come next: those of the tile below are asked for while this one is worked on.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import auto
from typing import Any, NamedTuple

from llvmlite import ir

from pronghorn_cpu import microkernel
from pronghorn_cpu.claims import claimed
from pronghorn_cpu.emit import Emitter
from pronghorn_cpu.epilogue_kernels import call_epilogue
from pronghorn_cpu.host import ITEMSIZE
from pronghorn_cpu.loops import LANES
from pronghorn_cpu.microkernel import Tile
from pronghorn_cpu.staging import Code, Slots, Word, intrinsic, share

PLACES = 16
"""Of a transformed tile."""

EDGE = 2
"""Outputs along an edge of a tile."""


class Tiling(Slots):
    """Slots by which both kernels find their tiles; addresses, offsets and steps in bytes."""

    IMAGE = auto()
    """Cells (images, HEIGHT, WIDTH, CHANNELS)."""
    OUTPUT = auto()
    """What the tiles cover: (images, OUT_HEIGHT, OUT_WIDTH, FILTERS)."""
    ROWS = auto()
    """Rows of tiles in all images."""
    UNIT_ROWS = auto()
    """So many are transformed and multiplied together."""
    IMAGE_ROWS = auto()
    ROW_TILES = auto()
    HEIGHT = auto()
    WIDTH = auto()
    CHANNELS = auto()
    ABOVE = auto()
    """Cells of padding above and left of the image."""
    LEFT = auto()
    OUT_HEIGHT = auto()
    OUT_WIDTH = auto()
    FILTERS = auto()
    CELLS = auto()
    """Where in a thread's scratch memory the transformed cells are: a matrix (tiles, CHANNELS) for each place."""
    CELLS_STEP = auto()
    PRODUCTS = auto()
    """And a matrix (tiles, FILTERS) for each place."""
    PRODUCTS_STEP = auto()
    ZEROS = auto()
    """And a cell of zeros."""
    SCRATCH = auto()
    SCRATCH_STRIDE = auto()
    THREADS = auto()
    CLAIMS = auto()
    OWN = auto()
    """The first slot of a kernel's own."""


class Forward(Slots):
    """Further slots of the convolution, from `Tiling.OWN` on; the epilogue's operand table follows."""

    KERNEL = auto()
    """The transformed kernel, in panels."""
    KERNEL_STEP = auto()
    EPILOGUE = auto()
    OPERANDS = auto()


class Gradient(Slots):
    """Further slots of the gradient of the kernel."""

    PARTS = auto()
    """The units are shared by so many parts, each with sums of its own."""
    SUMS = auto()
    """The address of the first part: a matrix (CHANNELS, FILTERS) for each place."""
    SUMS_STEP = auto()
    SUMS_PART = auto()


class Kernel(Slots):
    """Slots of the transformation of a kernel: taps, each a matrix (DEPTH, COLUMNS) of any strides."""

    SOURCE = auto()
    TARGET = auto()
    DEPTH = auto()
    COLUMNS = auto()
    TERM = auto()
    COLUMN = auto()
    TAP = auto()
    """From tap to tap; negative where the kernel is turned by half a circle."""
    STEP = auto()


class Finish(Slots):
    """Slots of the transformation of summed products back to the gradient of a kernel."""

    SUMS = auto()
    TARGET = auto()
    PARTS = auto()
    PART = auto()
    STEP = auto()
    COUNT = auto()
    """Elements of a tap."""


Vectors = Sequence[ir.Value]
Line = Callable[[ir.IRBuilder, Vectors], list[ir.Value]]


def _both_ways(line: Line, builder: ir.IRBuilder, grid: Sequence[Vectors]) -> list[list[ir.Value]]:
    """A transformation of the columns, then of the rows."""
    columns = [line(builder, column) for column in zip(*grid, strict=True)]
    return [line(builder, row) for row in zip(*columns, strict=True)]


def _cells(b: ir.IRBuilder, d: Vectors) -> list[ir.Value]:
    return [b.fsub(d[0], d[2]), b.fadd(d[1], d[2]), b.fsub(d[2], d[1]), b.fsub(d[1], d[3])]


def _outputs(b: ir.IRBuilder, m: Vectors) -> list[ir.Value]:
    return [b.fadd(b.fadd(m[0], m[1]), m[2]), b.fsub(b.fsub(m[1], m[2]), m[3])]


def _outputs_transposed(b: ir.IRBuilder, y: Vectors) -> list[ir.Value]:
    return [y[0], b.fadd(y[0], y[1]), b.fsub(y[0], y[1]), b.fneg(y[1])]


def _half(value: ir.Value) -> ir.Constant:
    return ir.Constant(value.type, [0.5] * value.type.count)


def _taps(b: ir.IRBuilder, g: Vectors) -> list[ir.Value]:
    outer = b.fadd(g[0], g[2])
    half = _half(outer)
    return [g[0], b.fmul(b.fadd(outer, g[1]), half), b.fmul(b.fsub(outer, g[1]), half), g[2]]


def _taps_transposed(b: ir.IRBuilder, u: Vectors) -> list[ir.Value]:
    half = _half(u[0])
    even, odd = b.fmul(b.fadd(u[1], u[2]), half), b.fmul(b.fsub(u[1], u[2]), half)
    return [b.fadd(u[0], even), odd, b.fadd(even, u[3])]


Shapes = tuple[tuple[int, int, int], ...]
"""(lanes, rows, vectors) of the machine's tiles, the widest first."""


class _Unit(NamedTuple):
    """Some rows of tiles, and a thread's scratch memory for them."""

    p: Word
    scratch: Word
    row: Word
    row_end: Word


class _Writer:
    """What the convolution and the gradient of its kernel have in common."""

    def __init__(self, dtype: str, shapes: Shapes) -> None:
        self.dtype, self.itemsize = dtype, ITEMSIZE[dtype]
        self.vector = self.itemsize * LANES
        self.tiles = [Tile(dtype, lanes, rows, vectors) for lanes, rows, vectors in shapes]

    def scratch(self, code: Code, p: Word, t: Word) -> Word:
        """The thread's scratch memory."""
        return code.slot(p, Tiling.SCRATCH) + t * code.slot(p, Tiling.SCRATCH_STRIDE)

    @contextmanager
    def ranges(
        self, code: Code, p: Word, scratch: Word, total: Word, t: Word, threads: Word
    ) -> Iterator[tuple[Word, Word]]:
        """The thread's share of units or parts, if it has scratch memory."""
        threads = code.minimum(threads, code.slot(p, Tiling.THREADS))
        with code.when(t < threads):
            self.clear(code, p, scratch)
        with claimed(code, code.slot(p, Tiling.CLAIMS), total, t, threads) as (begin, end, _):
            yield begin, end

    def clear(self, code: Code, p: Word, scratch: Word) -> None:
        """Makes the cell of zeros."""
        zeros = scratch + code.slot(p, Tiling.ZEROS)
        with code.loop(0, code.slot(p, Tiling.CHANNELS) * self.itemsize, self.vector) as loop:
            code.store(self.zero(code), zeros + loop.index, self.itemsize)

    def zero(self, code: Code) -> ir.Constant:
        return code.zeros(code.vector(self.dtype, LANES))

    @contextmanager
    def each_tile(self, code: Code, unit: _Unit) -> Iterator[tuple[Word, Word, Word, Word]]:
        """A loop over the tiles of a unit: the image, the first output's row and column, the tile's number."""
        image_rows, across = code.slot(unit.p, Tiling.IMAGE_ROWS), code.slot(unit.p, Tiling.ROW_TILES)
        with code.loop(unit.row, unit.row_end) as row:
            image, line = row.index // image_rows, row.index % image_rows
            before = (row.index - unit.row) * across
            with code.loop(0, across) as column:
                yield image, line * EDGE, column.index * EDGE, before + column.index

    def cells(self, code: Code, *arguments: Word) -> None:
        """Transforms the 4x4 cells under every tile."""
        unit = _Unit(*arguments)
        p, scratch = unit.p, unit.scratch
        height, width = code.slot(p, Tiling.HEIGHT), code.slot(p, Tiling.WIDTH)
        cell = code.slot(p, Tiling.CHANNELS) * self.itemsize
        line, above, left = width * cell, code.slot(p, Tiling.ABOVE), code.slot(p, Tiling.LEFT)
        images, zeros = code.slot(p, Tiling.IMAGE), scratch + code.slot(p, Tiling.ZEROS)
        targets, step = scratch + code.slot(p, Tiling.CELLS), code.slot(p, Tiling.CELLS_STEP)
        with self.each_tile(code, unit) as (image, row, column, number):
            y, x = row - above, column - left
            corner, target = images + (image * height + y) * line + x * cell, targets + number * cell

            def transform(places: list[list[Word]], target: Word = target) -> None:
                with code.loop(0, cell, self.vector) as loop:
                    for r, s in itertools.product(range(4, 4 + EDGE), range(EDGE)):  # of the tile below
                        code.prefetch(corner + (line * r + cell * s) + loop.index, write=False)
                    grid = [[self.load(code, place + loop.index) for place in row] for row in places]
                    self.store_all(code, _both_ways(_cells, code.builder, grid), target + loop.index, step)

            places = [[corner + (line * r + cell * s) for s in range(4)] for r in range(4)]
            with code.either(code.all(y >= 0, x >= 0, y + 3 < height, x + 3 < width)) as (inside, border):
                with inside:
                    transform(places)
                with border:
                    rows = [code.all(y + r >= 0, y + r < height) for r in range(4)]
                    columns = [code.all(x + s >= 0, x + s < width) for s in range(4)]
                    for r, s in itertools.product(range(4), range(4)):
                        places[r][s] = code.select(code.all(rows[r], columns[s]), places[r][s], zeros)
                    transform(places)

    def load(self, code: Code, address: Word) -> ir.Value:
        return code.load(address, code.vector(self.dtype, LANES), self.itemsize)

    def store_all(self, code: Code, grid: list[list[ir.Value]], target: Word, step: Word) -> None:
        """A transformed vector for each place."""
        for place, value in enumerate(value for row in grid for value in row):
            code.store(value, target + step * place, self.itemsize)

    @contextmanager
    def each_output(self, code: Code, unit: _Unit) -> Iterator[tuple[Word, Word, list[tuple[Word, Any]]]]:
        """A loop over the tiles of a unit: its products' address, and its outputs', with whether they exist."""
        p = unit.p
        height, width = code.slot(p, Tiling.OUT_HEIGHT), code.slot(p, Tiling.OUT_WIDTH)
        cell = code.slot(p, Tiling.FILTERS) * self.itemsize
        line, outputs = width * cell, code.slot(p, Tiling.OUTPUT)
        products = unit.scratch + code.slot(p, Tiling.PRODUCTS)
        with self.each_tile(code, unit) as (image, row, column, number):
            corner = outputs + (image * height + row) * line + column * cell
            right, below = column + 1 < width, row + 1 < height
            always = code.word(0) == 0
            places = [(corner, always), (corner + cell, right), (corner + line, below)]
            yield products + number * cell, cell, [*places, (corner + line + cell, code.all(right, below))]

    def multiply(self, code: Code, tile: Tile, *arguments: Word) -> None:
        """Tiles of a matrix, one below the other: the last may go beyond it, where nobody looks."""
        a, a_row, a_depth, b, b_depth, c, c_row, depth, rows, add = arguments
        with code.loop(0, rows, tile.rows) as row:
            left, target = a + row.index * a_row, c + row.index * c_row
            whole = code.word(tile.rows)
            microkernel.outer_product(code, tile, left, a_row, a_depth, b, b_depth, target, c_row, depth, whole, add)

    def panels(self, code: Code, columns: Word, write: Callable[[Tile, Word], None]) -> None:
        """``write(tile, column)`` for panels as wide as the tiles, the widest first."""
        start: Word | int = 0
        for tile in self.tiles:
            stop = columns - columns % tile.columns
            with code.loop(start, stop, tile.columns) as panel:
                write(tile, panel.index)
            start = stop

    def product(self, code: Code, tile: Tile, *arguments: Word) -> None:
        """A call of `multiply`."""

        def multiply(code: Code, *inner: Word) -> None:
            self.multiply(code, tile, *inner)

        code.call(f"multiply_{tile}", multiply, *arguments)


class _Forward(_Writer):
    def write(self, code: Code, p: Word, t: Word, threads: Word) -> None:
        scratch = self.scratch(code, p, t)
        rows, unit_rows = code.slot(p, Tiling.ROWS), code.slot(p, Tiling.UNIT_ROWS)
        units = (rows + unit_rows - 1) // unit_rows
        with self.ranges(code, p, scratch, units, t, threads) as (begin, end), code.loop(begin, end) as loop:
            row = loop.index * unit_rows
            unit = _Unit(p, scratch, row, code.minimum(row + unit_rows, rows))
            code.call("cells", self.cells, *unit)
            code.call("products", self.products, *unit)
            code.call("results", self.results, *unit)
            self.finish(code, unit)

    def products(self, code: Code, *arguments: Word) -> None:
        """The product of every place."""
        unit, size = _Unit(*arguments), self.itemsize
        p = unit.p
        depth, columns = code.slot(p, Tiling.CHANNELS), code.slot(p, Tiling.FILTERS)
        count = (unit.row_end - unit.row) * code.slot(p, Tiling.ROW_TILES)
        with code.loop(0, PLACES) as place:
            a = unit.scratch + code.slot(p, Tiling.CELLS) + place.index * code.slot(p, Tiling.CELLS_STEP)
            c = unit.scratch + code.slot(p, Tiling.PRODUCTS) + place.index * code.slot(p, Tiling.PRODUCTS_STEP)
            b = code.slot(p, Tiling.OWN + Forward.KERNEL) + place.index * code.slot(p, Tiling.OWN + Forward.KERNEL_STEP)

            def panel(tile: Tile, column: Word, a: Word = a, b: Word = b, c: Word = c) -> None:
                b_row = code.word(tile.columns * size)
                left = a, depth * size, code.word(size)
                right = b + column * depth * size, b_row
                self.product(code, tile, *left, *right, c + column * size, columns * size, depth, count, code.word(0))

            self.panels(code, columns, panel)

    def results(self, code: Code, *arguments: Word) -> None:
        """Transforms the products of every tile to its outputs."""
        unit = _Unit(*arguments)
        step = code.slot(unit.p, Tiling.PRODUCTS_STEP)
        with self.each_output(code, unit) as (source, cell, places), code.loop(0, cell, self.vector) as loop:
            values = [self.load(code, source + loop.index + step * place) for place in range(PLACES)]
            grid = _both_ways(_outputs, code.builder, [values[k : k + 4] for k in range(0, PLACES, 4)])
            below = code.slot(unit.p, Tiling.OUT_WIDTH) * cell * EDGE
            for place, _ in places:
                code.prefetch(place + below + loop.index)
            for value, (place, exists) in zip((v for line in grid for v in line), places, strict=True):
                with code.when(exists):
                    code.store(value, place + loop.index, self.itemsize)

    def finish(self, code: Code, unit: _Unit) -> None:
        """The epilogue, on the lines of the unit."""
        p = unit.p
        image_rows, height = code.slot(p, Tiling.IMAGE_ROWS), code.slot(p, Tiling.OUT_HEIGHT)

        def position(row: Word) -> Word:
            image, line = row // image_rows, row % image_rows
            return (image * height + line * EDGE) * code.slot(p, Tiling.OUT_WIDTH)

        nil = code.word(0)
        table = p + 8 * (Tiling.OWN + Forward.OPERANDS)
        region = [table, nil, nil, position(unit.row), position(unit.row_end), nil, code.slot(p, Tiling.FILTERS)]
        call_epilogue(code, code.slot(p, Tiling.OWN + Forward.EPILOGUE), unit.scratch, region)


class _Gradient(_Writer):
    def write(self, code: Code, p: Word, t: Word, threads: Word) -> None:
        scratch = self.scratch(code, p, t)
        rows, unit_rows = code.slot(p, Tiling.ROWS), code.slot(p, Tiling.UNIT_ROWS)
        units, parts = (rows + unit_rows - 1) // unit_rows, code.slot(p, Tiling.OWN + Gradient.PARTS)
        with self.ranges(code, p, scratch, parts, t, threads) as (begin, end), code.loop(begin, end) as part:
            first, last = share(code, units, part.index, parts)
            with code.loop(first, last) as loop:
                row = loop.index * unit_rows
                unit = _Unit(p, scratch, row, code.minimum(row + unit_rows, rows))
                code.call("cells", self.cells, *unit)
                code.call("gradients", self.gradients, *unit)
                code.call("products", self.products, *unit, part.index, loop.index - first)

    def gradients(self, code: Code, *arguments: Word) -> None:
        """Transforms what came in at the outputs of every tile."""
        unit = _Unit(*arguments)
        step = code.slot(unit.p, Tiling.PRODUCTS_STEP)
        with self.each_output(code, unit) as (target, cell, places), code.loop(0, cell, self.vector) as loop:
            values = []
            below = code.slot(unit.p, Tiling.OUT_WIDTH) * cell * EDGE
            for place, exists in places:  # one that does not exist reads the first one's place
                code.prefetch(place + below + loop.index, write=False)
                value = self.load(code, code.select(exists, place, places[0][0]) + loop.index)
                values.append(code.builder.select(exists, value, self.zero(code)))
            grid = _both_ways(_outputs_transposed, code.builder, [values[:2], values[2:]])
            self.store_all(code, grid, target + loop.index, step)

    def products(self, code: Code, *arguments: Word) -> None:
        """Adds the product of every place to the part's sums; `add` is 0 for its first unit."""
        *first, part, add = arguments
        unit, size = _Unit(*first), self.itemsize
        p = unit.p
        rows, columns = code.slot(p, Tiling.CHANNELS), code.slot(p, Tiling.FILTERS)
        count = (unit.row_end - unit.row) * code.slot(p, Tiling.ROW_TILES)
        sums = code.slot(p, Tiling.OWN + Gradient.SUMS) + part * code.slot(p, Tiling.OWN + Gradient.SUMS_PART)
        with code.loop(0, PLACES) as place:
            a = unit.scratch + code.slot(p, Tiling.CELLS) + place.index * code.slot(p, Tiling.CELLS_STEP)
            b = unit.scratch + code.slot(p, Tiling.PRODUCTS) + place.index * code.slot(p, Tiling.PRODUCTS_STEP)
            c = sums + place.index * code.slot(p, Tiling.OWN + Gradient.SUMS_STEP)

            def panel(tile: Tile, column: Word, a: Word = a, b: Word = b, c: Word = c) -> None:
                left = a, code.word(size), rows * size
                right = b + column * size, columns * size
                self.product(code, tile, *left, *right, c + column * size, columns * size, count, rows, add)

            self.panels(code, columns, panel)


def forward_kernel(dtype: str, shapes: Shapes) -> Any:
    """The convolution: see `Tiling` and `Forward`."""
    return intrinsic(_Forward(dtype, shapes).write)


def gradient_kernel(dtype: str, shapes: Shapes) -> Any:
    """The gradient of the kernel before it is transformed back: see `Tiling` and `Gradient`."""
    return intrinsic(_Gradient(dtype, shapes).write)


def kernel_kernel(dtype: str, shapes: Shapes) -> Any:
    """The transformation of a kernel, in panels as wide as the machine's tiles: see `Kernel`."""
    writer, size = _Writer(dtype, shapes), ITEMSIZE[dtype]

    def write(code: Code, p: Word, t: Word, threads: Word) -> None:
        source, target, depth, columns, term, across, tap, step = (code.slot(p, slot) for slot in Kernel)
        begin, end = share(code, depth, t, threads)
        emitter = Emitter(code.builder, LANES)

        def transform(tile: Tile, panel: Word, load: Callable[[Word], ir.Value]) -> None:
            with code.loop(begin, end) as k, code.loop(0, tile.columns, LANES) as column:
                corner = source + k.index * term + (panel + column.index) * across
                place = target + (panel * depth + k.index * tile.columns + column.index) * size
                grid = [[load(corner + tap * (3 * r + s)) for s in range(3)] for r in range(3)]
                writer.store_all(code, _both_ways(_taps, code.builder, grid), place, step)

        with code.either(across == size) as (contiguous, other):
            with contiguous:
                writer.panels(code, columns, lambda tile, j: transform(tile, j, lambda a: writer.load(code, a)))
            with other:

                def gather(address: Word) -> ir.Value:
                    return emitter.gather(dtype, address.value, across.value)

                writer.panels(code, columns, lambda tile, j: transform(tile, j, gather))

    return intrinsic(write)


def finish_kernel(dtype: str) -> Any:
    """The sum of the parts, first to last, transformed back to the gradient of a kernel: see `Finish`."""
    writer, size = _Writer(dtype, ()), ITEMSIZE[dtype]

    def write(code: Code, p: Word, t: Word, threads: Word) -> None:
        sums, target, parts, part, step, count = (code.slot(p, slot) for slot in Finish)
        begin, end = share(code, count // LANES, t, threads)
        with code.loop(begin * LANES, end * LANES, LANES) as loop:
            first = sums + loop.index * size
            values = [writer.load(code, first + step * place) for place in range(PLACES)]
            with code.loop(1, parts, carried=values) as one:
                source = first + one.index * part
                more = [writer.load(code, source + step * place) for place in range(PLACES)]
                one.carry([code.builder.fadd(x, y) for x, y in zip(one.carried, more, strict=True)])
            grid = [one.results[k : k + 4] for k in range(0, PLACES, 4)]
            taps = _both_ways(_taps_transposed, code.builder, grid)
            for number, value in enumerate(v for row in taps for v in row):
                code.store(value, target + (count * number + loop.index) * size, size)

    return intrinsic(write)
