"""The kernel of convolution and of its gradients: a product whose matrix A is gathered from an image.

``C[row, column] = sum over k of A[row, k] * B[k, column]``, with A never made: where a row and where a term of the sum
lie in the image is looked up in two tables, each of runs with a constant step. In a convolution the rows are positions
and the terms are the cells of a window; in the gradient of a kernel it is the other way round.

Padding exists only in a thread's scratch memory: a padded copy of a few lines of the image, which stays in cache.
"""

from __future__ import annotations

from enum import auto
from functools import partial
from typing import Any, NamedTuple

from pronghorn_cpu import host, microkernel
from pronghorn_cpu.claims import claimed
from pronghorn_cpu.epilogue_kernels import call_epilogue
from pronghorn_cpu.microkernel import Tile
from pronghorn_cpu.staging import Code, Slots, Word, intrinsic, share


class Gathered(Slots):
    """Slots of a gathered product; addresses and strides in bytes. The tables follow.

    An item is a block of an image's lines; a line has two dimensions, of which the inner one is the runs'.
    """

    A = auto()
    B = auto()
    C = auto()
    UNITS = auto()
    """Threads share units: a unit is the rows of one chunk over some consecutive items."""
    CHUNKS = auto()
    CHUNK_ROWS = auto()
    ITEMS = auto()
    UNIT_ITEMS = auto()
    BLOCKS = auto()
    """Blocks of an image."""
    BLOCK_LINES = auto()
    LINES = auto()
    """Lines of an image: the last block may have fewer."""
    ADD_ITEMS = auto()
    """Whether the items of a unit are parts of one sum."""
    ROWS = auto()
    LINE_ROWS = auto()
    """There are ROWS + LINE_ROWS * lines rows, and SEGMENTS + LINE_SEGMENTS * lines runs of terms."""
    SEGMENTS = auto()
    LINE_SEGMENTS = auto()
    ROW_TABLE = auto()
    """The slot of the first run of rows: its place in A, and in C."""
    ROW_RUN = auto()
    ROW_STEP = auto()
    C_STEP = auto()
    SEGMENT_TABLE = auto()
    """The slot of the first run of terms: its place in A."""
    SEGMENT_RUN = auto()
    SEGMENT_STEP = auto()
    SEGMENT_BLOCK = auto()
    """So many runs are summed in registers before they are added to C."""
    GROUPS = auto()
    COLUMNS = auto()
    """Columns of a group."""
    A_IMAGE = auto()
    A_BLOCK = auto()
    A_GROUP = auto()
    B_IMAGE = auto()
    B_BLOCK = auto()
    B_GROUP = auto()
    B_DEPTH = auto()
    """From one term to the next; 0 if B is packed in panels."""
    B_COLUMN = auto()
    C_PART = auto()
    """From the result of a unit's items to the next's."""
    C_IMAGE = auto()
    C_BLOCK = auto()
    C_GROUP = auto()
    PADDED = auto()
    """Whether blocks are copied and padded first; what follows is for that."""
    COPY_LINES = auto()
    """Lines of a whole block of the image, padding included."""
    COPY_STRIDE = auto()
    """Lines from one block to the next."""
    LINES_BEFORE = auto()
    IMAGE_LINES = auto()
    COPY_MIDDLE = auto()
    MIDDLE_BEFORE = auto()
    IMAGE_MIDDLE = auto()
    COPY_INNER = auto()
    """Bytes of the inner dimension with its padding, of the padding before, and without padding."""
    INNER_BEFORE = auto()
    IMAGE_INNER = auto()
    EPILOGUE = auto()
    """The address of the epilogue's kernel, or 0."""
    OPERAND_TABLE = auto()
    IMAGE_ROWS = auto()
    """Rows of an image and of a block as the epilogue counts them."""
    BLOCK_ROWS = auto()
    SCRATCH = auto()
    SCRATCH_STRIDE = auto()
    THREADS = auto()
    CLAIMS = auto()
    PANEL = auto()
    """Where in a thread's scratch memory B is packed, and the image padded."""
    IMAGE = auto()
    TABLES = auto()


class Pack(Slots):
    """Slots of the packing of B into panels. The tables follow."""

    B = auto()
    TARGET = auto()
    GROUPS = auto()
    PANELS = auto()
    PANEL_TABLE = auto()
    """The slot of the first panel: its first column, its columns, and its width."""
    TAP_TABLE = auto()
    """The slot of the first tap: its place in B."""
    TAPS = auto()
    TAP_DEPTH = auto()
    B_GROUP = auto()
    B_DEPTH = auto()
    B_COLUMN = auto()
    TARGET_GROUP = auto()
    THREADS = auto()
    TABLES = auto()


def tiles(dtype: str) -> list[Tile]:
    """The tiles of this machine, the widest first; a result's columns are covered from left to right.

    As many rows as leave a general register for the address of each.
    """
    shapes = [(6, 4), (8, 2), (8, 1)] if host.vector_registers() == 32 else [(6, 2), (8, 1)]
    return [Tile(dtype, host.lanes(dtype), rows, vectors) for rows, vectors in shapes]


def gathered_kernel(dtype: str, shapes: tuple[tuple[int, int, int], ...]) -> Any:
    """The product: see `Gathered`. `shapes` are (lanes, rows, vectors) of the tiles, the widest first."""
    writer = _GatheredWriter([Tile(dtype, lanes, rows, vectors) for lanes, rows, vectors in shapes])
    return intrinsic(writer.write)


class _Panel(NamedTuple):
    """What a panel of C is made of: addresses, sizes, and whether to add to C."""

    p: Word
    scratch: Word
    a: Word
    b: Word
    c: Word
    row: Word
    row_end: Word
    columns: Word
    segments: Word
    add: Word


class _TileArguments(NamedTuple):
    p: Word
    scratch: Word
    a: Word
    b: Word
    b_depth: Word
    c: Word
    row: Word
    rows: Word
    columns: Word
    table: Word
    segments: Word
    add: Word


class _GatheredWriter:
    """Writes the kernel, the loops from the outermost in."""

    def __init__(self, tiles: list[Tile]) -> None:
        self.tiles = tiles
        self.dtype, self.lanes, self.itemsize = tiles[0].dtype, tiles[0].lanes, tiles[0].itemsize

    def write(self, code: Code, p: Word, t: Word, threads: Word) -> None:
        """The thread's share of the units."""

        def read(slot: Gathered) -> Word:
            return code.slot(p, slot)

        scratch = read(Gathered.SCRATCH) + t * read(Gathered.SCRATCH_STRIDE)
        threads = code.minimum(threads, read(Gathered.THREADS))
        ranges = claimed(code, read(Gathered.CLAIMS), read(Gathered.UNITS), t, threads)
        with ranges as (begin, end, _), code.loop(begin, end) as unit:
            chunks = read(Gathered.CHUNKS)
            part, chunk = unit.index // chunks, unit.index % chunks
            first = part * read(Gathered.UNIT_ITEMS)
            last = code.minimum(first + read(Gathered.UNIT_ITEMS), read(Gathered.ITEMS))
            with code.loop(first, last) as item:
                add = code.select(item.index > first, read(Gathered.ADD_ITEMS), 0)
                code.call("item", self.item, p, scratch, part, chunk, item.index, add)

    def item(self, code: Code, p: Word, scratch: Word, part: Word, chunk: Word, item: Word, add: Word) -> None:
        """The rows of a chunk, for one block of an image."""

        def read(slot: Gathered) -> Word:
            return code.slot(p, slot)

        image, block = item // read(Gathered.BLOCKS), item % read(Gathered.BLOCKS)
        lines = code.minimum(read(Gathered.BLOCK_LINES), read(Gathered.LINES) - block * read(Gathered.BLOCK_LINES))
        row = chunk * read(Gathered.CHUNK_ROWS)
        rows = read(Gathered.ROWS) + lines * read(Gathered.LINE_ROWS)
        row_end = code.minimum(row + read(Gathered.CHUNK_ROWS), rows)
        image_address = read(Gathered.A) + image * read(Gathered.A_IMAGE)
        padded = read(Gathered.PADDED) != 0
        with code.when(padded):
            code.call("copy", self.copy, p, image_address, block, scratch + read(Gathered.IMAGE))
        a = code.select(padded, scratch + read(Gathered.IMAGE), image_address + block * read(Gathered.A_BLOCK))
        b = read(Gathered.B) + image * read(Gathered.B_IMAGE) + block * read(Gathered.B_BLOCK)
        c = read(Gathered.C) + part * read(Gathered.C_PART)
        c = c + image * read(Gathered.C_IMAGE) + block * read(Gathered.C_BLOCK)
        segments = read(Gathered.SEGMENTS) + lines * read(Gathered.LINE_SEGMENTS)
        columns = read(Gathered.COLUMNS)
        with code.loop(0, read(Gathered.GROUPS)) as loop:
            group = loop.index
            whole = _Panel(
                p,
                scratch,
                a + group * read(Gathered.A_GROUP),
                b + group * read(Gathered.B_GROUP),
                c + group * read(Gathered.C_GROUP),
                row,
                row_end,
                columns,
                segments,
                add,
            )
            start: Word | int = 0
            for tile in self.tiles:
                stop = columns if tile is self.tiles[-1] else columns - columns % tile.columns
                with code.loop(start, stop, tile.columns) as panel:
                    j = panel.index
                    here = whole._replace(
                        b=whole.b + j * read(Gathered.B_COLUMN),
                        c=whole.c + j * self.itemsize,
                        columns=code.minimum(tile.columns, columns - j),
                    )
                    code.call(f"panel_{tile}", partial(self.panel, tile), *here)
                start = stop
        first = image * read(Gathered.IMAGE_ROWS) + block * read(Gathered.BLOCK_ROWS)
        nil = code.word(0)
        table = p + 8 * read(Gathered.OPERAND_TABLE)
        region = [table, nil, nil, first + row, first + row_end, nil, columns * read(Gathered.GROUPS)]
        call_epilogue(code, read(Gathered.EPILOGUE), scratch, region)

    def panel(self, tile: Tile, code: Code, *arguments: Word) -> None:
        """All rows of some columns that one tile covers."""
        panel = _Panel(*arguments)
        p, run = panel.p, code.slot(panel.p, Gathered.SEGMENT_RUN)
        depth = code.slot(p, Gathered.B_DEPTH)
        packed, ragged = depth == 0, code.builder.and_(depth != 0, panel.columns < tile.columns)
        dense = tile.columns * self.itemsize
        b_depth = code.select(packed, dense, depth)
        block = code.slot(p, Gathered.SEGMENT_BLOCK)
        spare = panel.scratch + code.slot(p, Gathered.PANEL)
        table = p + 8 * code.slot(p, Gathered.SEGMENT_TABLE)

        def pack(code: Code, *arguments: Word) -> None:
            microkernel.pack(code, self.dtype, self.lanes, *arguments)

        with code.loop(0, code.maximum(panel.segments, 1), block) as loop:  # even a sum of no terms is written
            first = loop.index
            segments = code.minimum(block, panel.segments - first)
            b = panel.b + first * run * b_depth
            with code.when(ragged):
                strides = depth, code.word(self.itemsize)
                code.call("pack", pack, b, *strides, spare, segments * run, panel.columns, code.word(tile.columns))
            with code.loop(panel.row, panel.row_end, tile.rows) as rows:
                here = _TileArguments(
                    p,
                    panel.scratch,
                    panel.a,
                    code.select(ragged, spare, b),
                    code.select(ragged, dense, b_depth),
                    panel.c,
                    rows.index,
                    code.minimum(panel.row_end - rows.index, tile.rows),
                    panel.columns,
                    table + first * 8,
                    segments,
                    code.select(first > 0, 1, panel.add),
                )
                code.call(f"tile_{tile}", partial(self.tile, tile), *here)

    def tile(self, tile: Tile, code: Code, *arguments: Word) -> None:
        """One tile, through spare memory if C has fewer rows or columns."""
        here = _TileArguments(*arguments)
        whole = code.all(here.rows == tile.rows, here.columns == tile.columns)
        a_rows, c_rows = self.places(code, here, tile.rows)
        for c_row in c_rows:
            for line in range(0, tile.columns * self.itemsize, 64):
                code.prefetch(c_row + line)
        sums = self.sums(code, tile, here, a_rows)
        vector, register = code.vector(tile.dtype, tile.lanes), tile.lanes * self.itemsize
        spare_row = tile.columns * self.itemsize
        add = code.select(whole, here.add, 0)
        targets = [code.select(whole, c_row, here.scratch + r * spare_row) for r, c_row in enumerate(c_rows)]
        addresses = [target + v * register for target in targets for v in range(tile.vectors)]
        with code.either(add != 0) as (yes, no):
            with yes:
                for value, address in zip(sums, addresses, strict=True):
                    old = code.load(address, vector, self.itemsize)
                    code.store(code.builder.fadd(old, value), address, self.itemsize)
            with no:
                for value, address in zip(sums, addresses, strict=True):
                    code.store(value, address, self.itemsize)

        def move(code: Code, *arguments: Word) -> None:
            microkernel.move(code, self.dtype, self.lanes, *arguments)

        with code.when(code.builder.not_(whole)):
            for r, c_row in enumerate(c_rows):
                with code.when(here.rows > r):
                    code.call("move", move, here.scratch + r * spare_row, c_row, here.columns, here.add)

    def places(self, code: Code, here: _TileArguments, count: int) -> tuple[list[Word], list[Word]]:
        """Where the tile's rows begin in A and in C; rows that are not there repeat the last one."""
        p, run = here.p, code.slot(here.p, Gathered.ROW_RUN)
        table = p + 8 * code.slot(p, Gathered.ROW_TABLE)
        a_step, c_step = code.slot(p, Gathered.ROW_STEP), code.slot(p, Gathered.C_STEP)
        entry, within = here.row // run, here.row % run
        in_a, in_c = [], []
        for r in range(count):
            in_a.append(here.a + code.slot(table, entry * 2) + within * a_step)
            in_c.append(here.c + code.slot(table, entry * 2 + 1) + within * c_step)
            following = within + code.select(here.rows > r + 1, 1, 0)
            turn = following == run
            entry, within = entry + code.select(turn, 1, 0), code.select(turn, 0, following)
        return in_a, in_c

    def sums(self, code: Code, tile: Tile, here: _TileArguments, rows: list[Word]) -> list[Any]:
        """The outer products, run by run; B goes on through all of them."""
        vector, scalar = code.vector(tile.dtype, tile.lanes), code.vector(tile.dtype, 1)
        run, step = code.slot(here.p, Gathered.SEGMENT_RUN), code.slot(here.p, Gathered.SEGMENT_STEP)
        register, size = tile.lanes * self.itemsize, self.itemsize
        zeros = [code.zeros(vector)] * (tile.rows * tile.vectors)
        with code.loop(0, here.segments, carried=[here.b.value, *zeros]) as segment:
            offset = code.slot(here.table, segment.index)
            with code.loop(0, run, carried=[offset.value, *segment.carried]) as term:
                left, right = code.word(term.carried[0]), code.word(term.carried[1])
                b_row = [code.load(right + v * register, vector, size) for v in range(tile.vectors)]
                sums = iter(term.carried[2:])
                following = []
                for row in rows:
                    factor = code.splat(code.load(row + left, scalar, size), tile.lanes)
                    following += [code.multiply_add(factor, b_row[v], next(sums)) for v in range(tile.vectors)]
                term.carry([(left + step).value, (right + here.b_depth).value, *following])
            segment.carry(term.results[1:])
        return segment.results[1:]

    def copy(self, code: Code, p: Word, image: Word, block: Word, target: Word) -> None:
        """The padded copy of a block of an image."""

        def read(slot: Gathered) -> Word:
            return code.slot(p, slot)

        def move(code: Code, *arguments: Word) -> None:
            microkernel.move(code, self.dtype, self.lanes, *arguments)

        vector, size = code.vector(self.dtype, self.lanes), self.itemsize

        def clear(code: Code, target: Word, length: Word) -> None:
            whole = length - length % (self.lanes * size)
            with code.loop(0, whole, self.lanes * size) as loop:
                code.store(code.zeros(vector), target + loop.index, size)
            with code.loop(whole, length, size) as loop:
                code.store(code.zeros(code.vector(self.dtype, 1)), target + loop.index, size)

        inner, before, length = read(Gathered.COPY_INNER), read(Gathered.INNER_BEFORE), read(Gathered.IMAGE_INNER)
        copied = code.minimum(length, inner - before)
        middles, image_middles = read(Gathered.COPY_MIDDLE), read(Gathered.IMAGE_MIDDLE)
        with code.loop(0, read(Gathered.COPY_LINES)) as line, code.loop(0, middles) as middle:
            place = target + (line.index * middles + middle.index) * inner
            y = block * read(Gathered.COPY_STRIDE) + line.index - read(Gathered.LINES_BEFORE)
            z = middle.index - read(Gathered.MIDDLE_BEFORE)
            inside = code.all(y >= 0, y < read(Gathered.IMAGE_LINES), z >= 0, z < image_middles)
            with code.either(inside) as (yes, no):
                with yes:
                    code.call("clear", clear, place, before)
                    source = image + (y * image_middles + z) * length
                    code.call("move", move, source, place + before, copied // size, 0)
                    code.call("clear", clear, place + before + copied, inner - before - copied)
                with no:
                    code.call("clear", clear, place, inner)


def pack_kernel(dtype: str, lanes: int) -> Any:
    """B in panels as wide as the tiles, each dense and filled up with zeros: see `Pack`."""

    def write(code: Code, p: Word, t: Word, threads: Word) -> None:
        def read(slot: Pack) -> Word:
            return code.slot(p, slot)

        def pack(code: Code, *arguments: Word) -> None:
            microkernel.pack(code, dtype, lanes, *arguments)

        size, panels, depth = host.ITEMSIZE[dtype], read(Pack.PANELS), read(Pack.TAP_DEPTH)
        begin, end = share(code, read(Pack.GROUPS) * panels, t, code.minimum(threads, read(Pack.THREADS)))
        with code.loop(begin, end) as unit, code.loop(0, read(Pack.TAPS)) as tap:
            group, entry = unit.index // panels, p + 8 * (read(Pack.PANEL_TABLE) + unit.index % panels * 3)
            column, columns, width = (code.slot(entry, k) for k in range(3))
            source = read(Pack.B) + group * read(Pack.B_GROUP) + column * read(Pack.B_COLUMN)
            source = source + code.slot(p, read(Pack.TAP_TABLE) + tap.index)
            target = read(Pack.TARGET) + group * read(Pack.TARGET_GROUP) + column * size * depth * read(Pack.TAPS)
            target = target + tap.index * depth * width * size
            code.call("pack", pack, source, read(Pack.B_DEPTH), read(Pack.B_COLUMN), target, depth, columns, width)

    return intrinsic(write)
