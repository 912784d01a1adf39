"""The kernel of matrix products, as a Numba intrinsic: one per dtype, for matrices of every size and stride."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from enum import auto
from typing import Any, NamedTuple

from pronghorn_cpu import ahead, host, microkernel
from pronghorn_cpu.ahead import Matrix
from pronghorn_cpu.claims import claimed
from pronghorn_cpu.epilogue_kernels import call_epilogue
from pronghorn_cpu.microkernel import Tile
from pronghorn_cpu.staging import Code, Condition, Loop, Slots, Word, intrinsic

ROW_BLOCK = 192
"""Rows of A that are worked on together: with a block of the depth they stay in the second-level cache."""

GATHERED_ROWS = 132
"""The most rows of A that are copied at a time where it is read transposed."""

PACKED_ROWS = 32
"""Rows of A from which a panel of B is worth packing though tiles could read it where it lies: there its rows are far
apart, and if by a power of two they displace one another from the cache."""

_WIDE_COPY = 8
"""Elements that are copied at a time to panels as high as tall tiles, no fewer than these have rows: a power of two."""

_NEXT_A, _NEXT_B, _REQUESTS = range(3)
"""Blocks of requests, and how many there are."""

DEPTH_BLOCK = 320
"""The longest sum that is accumulated in registers (part of the bits, and so the same on every machine)."""


class Matmul(Slots):
    """Slots of a matmul; addresses and strides in bytes. The epilogue's operand table follows."""

    A = auto()
    B = auto()
    C = auto()
    OUTER = auto()
    """The batch is OUTER x INNER products, each operand with a stride for both."""
    INNER = auto()
    A_OUTER = auto()
    A_INNER = auto()
    B_OUTER = auto()
    B_INNER = auto()
    C_OUTER = auto()
    C_INNER = auto()
    ROWS = auto()
    COLUMNS = auto()
    DEPTH = auto()
    DEPTH_INNER = auto()
    """Inner product i begins i times so many terms into the sum: nonzero where they are parts of one."""
    DEPTH_PART = auto()
    """The most terms of one product."""
    DEPTH_BLOCK = auto()
    A_ROW = auto()
    A_DEPTH = auto()
    B_DEPTH = auto()
    B_COLUMN = auto()
    C_ROW = auto()
    ACCUMULATE = auto()
    """Whether the product is added to C."""
    WORK_ROWS = auto()
    """Threads share the result in pieces of WORK_ROWS x WORK_COLUMNS."""
    WORK_COLUMNS = auto()
    BLOCK_ROWS = auto()
    """So many rows of a strip are worked on at a time, at most ROW_BLOCK."""
    EPILOGUE = auto()
    """The address of the epilogue's kernel, or 0."""
    AHEAD = auto()
    """So many terms of a strip of B, whole blocks of the depth or all of it, are packed at a time, once for all rows:
    there is scratch memory for them behind the rest. 0: every panel is packed where it is used, if at all."""
    FETCH_A = auto()
    """The address of a matrix with contiguous rows that is fetched meanwhile, into the second-level cache."""
    FETCH_A_ROW = auto()
    FETCH_A_ROWS = auto()
    """0: there is none."""
    FETCH_A_COLUMNS = auto()
    FETCH_B = auto()
    """A second one."""
    FETCH_B_ROW = auto()
    FETCH_B_ROWS = auto()
    FETCH_B_COLUMNS = auto()
    SCRATCH = auto()
    SCRATCH_STRIDE = auto()
    """Bytes of scratch memory for one thread."""
    THREADS = auto()
    """For how many threads there is scratch memory; further ones stand by."""
    CLAIMS = auto()
    """Where pieces are claimed, or 0."""
    OPERANDS = auto()
    """The first slot of the epilogue's operand table."""


def tall_rows(code: Code, tall: Tile, short: Tile, rows: Word) -> Word:
    """For how many of the rows tall tiles are best, if short ones take the others."""
    whole, rest = rows // tall.rows, rows % tall.rows
    # Two short tiles may take the place of a tall one and a rest that would waste most of another.
    fewer = code.all(rest > 0, rest <= 2 * short.rows - tall.rows, whole > 0)
    return (whole + code.select(rest > short.rows, 1, 0) - code.select(fewer, 1, 0)) * tall.rows


def matmul_kernel(dtype: str, lanes: int, vectors: int) -> Any:
    """``C = A @ B`` for a batch of matrices of any strides: see `Matmul`.

    Args:
        dtype: of all three, float32 or float64.
        lanes: elements in a vector register.
        vectors: registers across a tile; 4 where there are 32 of them, 2 where there are 16.
    """
    return intrinsic(_MatmulWriter(dtype, lanes, vectors).write)


class _Product(NamedTuple):
    """A product in memory: addresses and strides in bytes, sizes, whether to add to C, scratch memory."""

    a: Word
    a_row: Word
    a_depth: Word
    b: Word
    b_depth: Word
    b_column: Word
    c: Word
    c_row: Word
    c_column: Word
    rows: Word
    columns: Word
    depth: Word
    accumulate: Word
    scratch: Word
    panels: Word
    """The wide panels of B that are packed already, or 0; the next column and term are so far away."""
    panels_column: Word
    panels_depth: Word
    gathered: Word
    """Whether A is a copy in panels as high as the tiles, dense and term by term; it has `a_row` bytes for each row."""

    @property
    def matrix_a(self) -> Matrix:
        return Matrix(self.a, self.a_row, self.a_depth, self.rows, self.depth)

    @property
    def matrix_b(self) -> Matrix:
        return Matrix(self.b, self.b_depth, self.b_column, self.depth, self.columns)

    def at(self, row: Word | int = 0, column: Word | int = 0, depth: Word | int = 0) -> _Product:
        """From another row and column of C and another term of the sum on, the sizes unchanged."""
        return self._replace(
            a=self.a + self.a_row * row + self.a_depth * depth,
            b=self.b + self.b_depth * depth + self.b_column * column,
            c=self.c + self.c_row * row + self.c_column * column,
            panels=self.panels + self.panels_column * column + self.panels_depth * depth,
        )


class _MatmulWriter:
    """Writes a matmul kernel: the loops around the tiles, from the outermost in."""

    def __init__(self, dtype: str, lanes: int, vectors: int) -> None:
        self.dtype = dtype
        self.lanes = lanes
        self.itemsize = host.ITEMSIZE[dtype]
        # Wide tiles of six rows run at the peak and load A least often, and four rows finish what six do
        # not divide. In columns that are left over, eight rows keep enough sums in flight.
        self.tall, self.short = Tile(dtype, lanes, 6, vectors), Tile(dtype, lanes, 4, vectors)
        # Of a single row, eight registers across keep enough sums in flight, and B comes in long runs.
        self.lone = Tile(dtype, lanes, 1, 8)
        self.rest = [Tile(dtype, lanes, 8, across) for across in range(vectors // 2, 0, -1)]

    def write(self, code: Code, p: Word, t: Word, threads: Word) -> None:
        """The thread's pieces.

        Pieces are counted down the rows first, and neighbouring pieces in one strip of columns are worked on as one.
        """

        def read(slot: Matmul) -> Word:
            return code.slot(p, slot)

        rows, columns, inner_items = read(Matmul.ROWS), read(Matmul.COLUMNS), read(Matmul.INNER)
        depth, depth_block = read(Matmul.DEPTH), read(Matmul.DEPTH_BLOCK)
        work_rows, work_columns = read(Matmul.WORK_ROWS), read(Matmul.WORK_COLUMNS)
        scratch = read(Matmul.SCRATCH) + t * read(Matmul.SCRATCH_STRIDE)
        pieces_down = (rows + work_rows - 1) // work_rows
        pieces_across = (columns + work_columns - 1) // work_columns
        pieces = read(Matmul.OUTER) * inner_items * pieces_across * pieces_down
        threads = code.minimum(threads, read(Matmul.THREADS))
        ranges = claimed(code, read(Matmul.CLAIMS), pieces, t, threads)
        there = code.variable(-1)  # the strip of B that is packed
        with ranges as (begin, end, early), _strips(code, begin, end, pieces_down) as strip:
            item = strip.index // pieces_across
            outer, inner = item // inner_items, item % inner_items
            column = strip.index % pieces_across * work_columns
            column_end = code.minimum(column + work_columns, columns)
            first = code.maximum(begin - strip.index * pieces_down, 0) * work_rows
            last = code.minimum(end - strip.index * pieces_down, pieces_down)
            row_end = code.minimum(last * work_rows, rows)
            product = _Product(
                a=read(Matmul.A) + outer * read(Matmul.A_OUTER) + inner * read(Matmul.A_INNER),
                a_row=read(Matmul.A_ROW),
                a_depth=read(Matmul.A_DEPTH),
                b=read(Matmul.B) + outer * read(Matmul.B_OUTER) + inner * read(Matmul.B_INNER),
                b_depth=read(Matmul.B_DEPTH),
                b_column=read(Matmul.B_COLUMN),
                c=read(Matmul.C) + outer * read(Matmul.C_OUTER) + inner * read(Matmul.C_INNER),
                c_row=read(Matmul.C_ROW),
                c_column=code.word(self.itemsize),
                rows=row_end - first,
                columns=column_end - column,
                depth=code.minimum(depth - inner * read(Matmul.DEPTH_INNER), read(Matmul.DEPTH_PART)),
                accumulate=read(Matmul.ACCUMULATE),
                scratch=scratch,
                panels=code.word(0),
                panels_column=code.word(0),
                panels_depth=code.word(0),
                gathered=code.word(0),
            )
            product = product.at(first, column)
            # Another strip of columns meets the same A.
            known = code.all(strip.index % pieces_across != 0, strip.index != begin // pieces_down)
            block_rows, packed = read(Matmul.BLOCK_ROWS), read(Matmul.AHEAD)
            turns = code.maximum(product.depth, 1)  # even a sum of no terms is written once
            terms = code.select(packed == 0, turns, packed)
            with code.loop(0, turns, terms) as stage:
                k = stage.index
                part = product.at(depth=k)._replace(depth=code.minimum(terms, product.depth - k))
                part = part._replace(accumulate=product.accumulate + k)
                later = product.at(depth=k + terms)._replace(
                    rows=code.minimum(block_rows, product.rows), depth=code.minimum(terms, product.depth - k - terms)
                )
                self.announce(code, _NEXT_B, later.matrix_b, product)
                part = self.packed_ahead(code, part, packed, strip.index != there.get())
                there.set(code.select(terms >= turns, strip.index, -1))
                with code.loop(0, product.rows, block_rows) as block:
                    row, after = block.index, block.index + block_rows
                    here, below = (
                        part.at(start)._replace(rows=code.minimum(block_rows, product.rows - start))
                        for start in (row, after)
                    )
                    following = [
                        code.select(known, 0, code.select(after < product.rows, x, y))
                        for x, y in zip(below.matrix_a, later.matrix_a, strict=True)
                    ]
                    self.announce(code, _NEXT_A, Matrix(*following), here)
                    with code.when(code.all(early, strip.index == begin // pieces_down, k == 0, row == 0)):
                        self.fetch(code, p, here)
                    self.block(code, here, depth_block)
                    region = [p + 8 * Matmul.OPERANDS, outer, inner, first + row, first + row + here.rows]
                    with code.when(k + terms >= turns):
                        call_epilogue(code, read(Matmul.EPILOGUE), scratch, [*region, column, column_end])

    def block(self, code: Code, product: _Product, depth_block: Word) -> None:
        """Rows that fit the cache times a strip of columns, over the whole depth of the product."""
        columns, depth = product.columns, product.depth
        with code.loop(0, code.maximum(depth, 1), depth_block) as block:
            k = block.index
            part = product.at(depth=k)._replace(depth=code.minimum(depth_block, depth - k))
            part = part._replace(accumulate=product.accumulate + k)

            def panels(write: Callable[..., None], tile: Tile, part: _Product, start: Word | int, stop: Word) -> None:
                with code.loop(start, stop, tile.columns) as panel:
                    j = panel.index
                    panel_columns = code.minimum(columns - j, tile.columns)
                    code.call(f"panel_{tile}", write, *part.at(0, j)._replace(columns=panel_columns))

            done = self.filled(code, self.tall, columns)
            alone = code.all(part.rows == 1, part.b_column == self.itemsize)
            lone = code.select(alone, columns - columns % self.lone.columns, 0)
            panels(self.lone_panel, self.lone, part, 0, lone)
            panels(self.wide_panel, self.tall, self.gathered(code, part), lone, done)
            zero = code.word(0)
            part = part._replace(panels=zero, panels_column=zero, panels_depth=zero)
            for tile in self.rest:
                end = columns if tile.vectors == 1 else done + self.filled(code, tile, columns - done)
                panels(self.narrow_panel(tile), tile, part, done, end)
                done = end

    def announce(self, code: Code, block: int, matrix: Matrix, product: _Product) -> None:
        """Has the tiles of a product, few as they may be, ask for what comes next."""
        down, across = self.rest[-1].rows, self.tall.columns
        tiles = (product.rows + down - 1) // down * ((product.columns + across - 1) // across)
        ahead.announce(code, self.requests(product.scratch, block), matrix, self.itemsize, tiles)

    def fetch(self, code: Code, p: Word, product: _Product) -> None:
        """Has the tiles of a product ask for what others will read, in place of its own next blocks."""
        for block, first in (_NEXT_A, Matmul.FETCH_A), (_NEXT_B, Matmul.FETCH_B):
            address, row, rows, columns = (code.slot(p, first + k) for k in range(4))
            with code.when(rows > 0):
                self.announce(code, block, Matrix(address, row, code.word(self.itemsize), rows, columns), product)

    def requests(self, scratch: Word, block: int) -> Word:
        """Where blocks of requests lie; the last one is followed by the panel."""
        return scratch + (spare_bytes(self.dtype, self.lanes, self.tall.vectors) + ahead.BYTES * block)

    def filled(self, code: Code, tile: Tile, columns: Word) -> Word:
        """The columns for panels of the tile's width: the last may lack less than a register."""
        rest = columns % tile.columns
        return columns - code.select(rest > tile.columns - self.lanes, 0, rest)

    def packed_ahead(self, code: Code, product: _Product, needed: Word, new: Condition) -> _Product:
        """The product with all wide panels of B packed, if `needed` is not 0: now if they are `new`, else before."""
        width, depth = self.tall.columns, product.depth
        row, column = code.word(width * self.itemsize), depth * self.itemsize
        panels = product.scratch + scratch_bytes(self.dtype, self.lanes, self.tall.vectors)
        wanted = code.all(needed != 0, new)
        with code.when(wanted), code.loop(0, self.filled(code, self.tall, product.columns), width) as panel:
            j = panel.index
            part = product.at(0, j)
            self.pack(
                code, part._replace(columns=code.minimum(product.columns - j, width)), self.tall, panels + j * column
            )
        panels, column, row = (code.select(needed != 0, value, 0) for value in (panels, column, row))
        return product._replace(panels=panels, panels_column=column, panels_depth=row)

    def pack(self, code: Code, product: _Product, tile: Tile, panel: Word) -> None:
        """Packs B for the tile."""

        def write(code: Code, *arguments: Word) -> None:
            microkernel.pack(code, self.dtype, self.lanes, *arguments)

        b = product.b, product.b_depth, product.b_column
        code.call("pack", write, *b, panel, product.depth, product.columns, tile.columns)

    def gathered(self, code: Code, product: _Product) -> _Product:
        """The product with A copied to panels as high as the tiles, if it is read transposed and often."""
        target = product.scratch + panel_bytes(self.dtype, self.lanes, self.tall.vectors)
        rows, depth, size = product.rows, product.depth, self.itemsize
        tall = tall_rows(code, self.tall, self.short, rows)
        row_bytes = (depth + 1) * size  # a panel is followed by room for what a wide copy has too much

        def copy(height: int, width: int) -> Callable[..., None]:
            """Copies panels, from each row of the transposed A more than they need: the next row overwrites that."""

            def write(code: Code, a: Word, a_depth: Word, target: Word, depth: Word, start: Word, stop: Word) -> None:
                kind = code.vector(self.dtype, width)
                with code.loop(0, depth) as k, code.loop(start, stop, height) as row:
                    value = code.load(a + k.index * a_depth + row.index * size, kind, size)
                    code.store(value, target + (row.index * (depth + 1) + k.index * height) * size, size)

            return write

        def copy_rest(code: Code, a: Word, a_depth: Word, target: Word, depth: Word, count: Word) -> None:
            with code.loop(0, depth) as k:
                here, there = a + k.index * a_depth, target + k.index * count * size
                microkernel.move(code, self.dtype, self.short.rows, here, there, count, code.word(0))

        often = code.all(product.columns >= self.tall.columns, rows >= self.rest[-1].rows)
        needed = code.all(product.a_row == size, product.a_depth != size, often)
        with code.when(needed):
            high, low = self.tall.rows, self.short.rows
            whole = code.minimum(tall, rows - rows % high)
            wide = code.minimum(whole, (rows - _WIDE_COPY + high) // high * high)
            done = code.select(tall > whole, whole, rows - (rows - whole) % low)
            for height, width, start, stop in (
                (high, _WIDE_COPY, code.word(0), wide),
                (high, high, wide, whole),
                (low, low, whole, done),
            ):
                arguments = product.a, product.a_depth, target, depth, start, stop
                code.call(f"copy_{height}_{width}", copy(height, width), *arguments)
            with code.when(done < rows):
                here, there = product.a + done * size, target + done * row_bytes
                code.call("copy_rest", copy_rest, here, product.a_depth, there, depth, rows - done)
        return product._replace(
            a=code.select(needed, target, product.a),
            a_row=code.select(needed, row_bytes, product.a_row),
            gathered=code.select(needed, 1, 0),
        )

    def lone_panel(self, code: Code, *arguments: Word) -> None:
        """The single row of a wider panel, which is read where it lies."""
        product = _Product(*arguments)
        self.tiles(code, self.lone, product, 0, product.rows)

    def wide_panel(self, code: Code, *arguments: Word) -> None:
        """All rows of a panel as wide as the wide tiles."""
        product = self.packed(code, _Product(*arguments), self.tall)
        rows = product.rows
        with code.either(rows == 1) as (one, more):
            with one:
                self.tiles(code, replace(self.tall, rows=1), product, 0, rows)
            with more:
                tall = tall_rows(code, self.tall, self.short, rows)
                whole = code.minimum(tall, rows - rows % self.tall.rows)
                whole = code.select(product.columns == self.tall.columns, whole, 0)
                code.call("whole_tiles", self.whole_tiles, *product._replace(rows=whole))
                self.tiles(code, self.tall, product, whole, tall)
                self.tiles(code, self.short, product, tall, rows)

    def narrow_panel(self, tile: Tile) -> Callable[..., None]:
        """All rows of a panel of fewer registers, the last of which may not be full."""

        def write(code: Code, *arguments: Word) -> None:
            product = self.packed(code, _Product(*arguments), tile)
            if tile.vectors > 1:  # a single row of such a width is rare, and one more tile is more to compile
                self.tiles(code, tile, product, 0, product.rows)
                return
            with code.either(product.rows == 1) as (one, more):
                with one:
                    self.tiles(code, replace(tile, rows=1), product, 0, product.rows)
                with more:
                    self.tiles(code, tile, product, 0, product.rows)

        return write

    def packed(self, code: Code, product: _Product, tile: Tile) -> _Product:
        """The product with its panel of B packed, unless that is done or the tile can read it where it lies."""
        either = code.builder.or_
        needed = either(product.b_column != self.itemsize, product.columns < tile.columns)
        needed = either(needed, product.rows >= PACKED_ROWS)
        needed = code.all(needed, product.panels == 0)
        panel = self.requests(product.scratch, _REQUESTS)
        with code.when(needed):
            self.pack(code, product, tile, panel)
        panel = code.select(needed, panel, product.panels)
        packed = panel != 0
        return product._replace(
            b=code.select(packed, panel, product.b),
            b_depth=code.select(packed, tile.columns * self.itemsize, product.b_depth),
        )

    def tiles(self, code: Code, tile: Tile, product: _Product, start: Word | int, stop: Word) -> None:
        """One tile below the other."""

        def write(code: Code, *arguments: Word) -> None:
            self.tile(code, tile, _Product(*arguments))

        with code.loop(start, stop, tile.rows) as row:
            rows = code.minimum(product.rows - row.index, tile.rows)
            here = product.at(row.index)._replace(rows=rows)
            self.ask(code, here)
            code.call(f"tile_{tile}", write, *self.inside(code, here))

    def whole_tiles(self, code: Code, *arguments: Word) -> None:
        """As `tiles`, for those of which nothing is missing: with little around the sums, which may be short."""
        product, tile = _Product(*arguments), self.tall
        full = code.word(tile.rows)
        with code.loop(0, product.rows, tile.rows) as row:
            here = self.inside(code, product.at(row.index)._replace(rows=full))
            self.ask(code, here)
            a, b, c = (here.a, here.a_row, here.a_depth), (here.b, here.b_depth), (here.c, here.c_row)
            microkernel.outer_product(code, tile, *a, *b, *c, here.depth, full, here.accumulate)

    def inside(self, code: Code, product: _Product) -> _Product:
        """The product of a tile, with the strides of A that it has there."""
        gathered = product.gathered != 0
        return product._replace(
            a_row=code.select(gathered, self.itemsize, product.a_row),
            a_depth=code.select(gathered, product.rows * self.itemsize, product.a_depth),
        )

    def ask(self, code: Code, product: _Product) -> None:
        """A turn of asking for what comes next."""
        for block in range(_REQUESTS):
            ahead.ask(code, self.requests(product.scratch, block))

    def tile(self, code: Code, tile: Tile, product: _Product) -> None:
        """One tile, through spare memory if C has fewer rows or columns."""
        rows, columns, spare = product.rows, product.columns, product.scratch
        whole = code.all(rows == tile.rows, columns == tile.columns)
        spare_row = tile.columns * self.itemsize
        c, c_row = code.select(whole, product.c, spare), code.select(whole, product.c_row, spare_row)
        add = code.select(whole, product.accumulate, 0)
        a, b = (product.a, product.a_row, product.a_depth), (product.b, product.b_depth)
        microkernel.outer_product(code, tile, *a, *b, c, c_row, product.depth, rows, add)

        def move(code: Code, *arguments: Word) -> None:
            microkernel.move(code, self.dtype, self.lanes, *arguments)

        with code.when(code.builder.not_(whole)), code.loop(0, rows) as row:
            target = product.c + row.index * product.c_row
            code.call("move", move, spare + row.index * spare_row, target, columns, product.accumulate)


def _strips(code: Code, begin: Word, end: Word, pieces_down: Word) -> AbstractContextManager[Loop]:
    """A loop over the strips that a range of pieces is of."""
    stop = code.select(begin < end, (end + pieces_down - 1) // pieces_down, 0)
    return code.loop(begin // pieces_down, stop)


def spare_bytes(dtype: str, lanes: int, vectors: int) -> int:
    """Scratch memory for the largest tile."""
    return max(Tile(dtype, lanes, 6, vectors).bytes, Tile(dtype, lanes, 8, vectors // 2).bytes)


def panel_bytes(dtype: str, lanes: int, vectors: int) -> int:
    """Scratch memory for a tile and a panel of B."""
    return spare_bytes(dtype, lanes, vectors) + _REQUESTS * ahead.BYTES + Tile(dtype, lanes, DEPTH_BLOCK, vectors).bytes


def scratch_bytes(dtype: str, lanes: int, vectors: int) -> int:
    """Scratch memory that a thread needs: a tile, a panel of B, and a block of A. A strip of B is behind it."""
    return panel_bytes(dtype, lanes, vectors) + GATHERED_ROWS * (DEPTH_BLOCK + 1) * host.ITEMSIZE[dtype]
