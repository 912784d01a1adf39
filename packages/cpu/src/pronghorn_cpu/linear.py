"""Plans of matrix products: which kernels to launch, with which argument blocks, for shapes and strides.

Sources depend on the dtype (and the machine's vector width) alone, sizes and strides are arguments: a new
shape compiles nothing. How the work is cut depends on shapes alone, and how the sums are cut on constants
that are the same everywhere.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pronghorn.body import Body
from pronghorn_cpu import host
from pronghorn_cpu.combine_kernels import Combine, combine_kernel
from pronghorn_cpu.epilogue_kernels import epilogue_kernel
from pronghorn_cpu.launch import Callee, Claims, Launch, Pointer, Scratch, Slot, kernel_source
from pronghorn_cpu.matmul_kernels import (
    DEPTH_BLOCK,
    GATHERED_ROWS,
    PACKED_ROWS,
    ROW_BLOCK,
    Matmul,
    matmul_kernel,
    scratch_bytes,
)
from pronghorn_cpu.runner import default_pool
from pronghorn_cpu.vectors import element

_WORK_ROWS, _WORK_COLUMNS = 16, 64
"""The smallest piece of a result that is a thread's: a small layer still has pieces for many threads."""

_LONE_COLUMNS = 128
"""Columns of a piece that is a single row: a long run of B is worth more to it than neighbours."""

_TALL_ROWS, _FEW_ROWS = 12, 512
"""Rows of a piece of more than a few where A is copied to panels: whole ones, so that threads have equally many."""

_WIDEST_WORK = 256
_MANY_PIECES = 80
"""Pieces grow until there are no more than so many."""

_PART_DEPTH = 1024
_MOST_PARTS = 64
"""Long sums, if few, are cut into at most so many parts, each at least that deep (part of the bits)."""

_STRIP_BYTES = 1 << 19
"""A strip of B that is no larger is packed once for all rows, if these are many: it stays in the second-level cache."""

_BLOCK_BYTES = 16 << 10
"""Then so many rows are worked on at a time that a block of A stays in the first-level cache, past which the panels of
B stream: they are dense, A's rows are not."""

_CLAIMED_ROWS = 1024
"""Rows from which threads claim the last pieces: before, packing B anew for them costs more than waiting."""

_GATHERED_PIECES = 8
"""Strips of columns grow wider, as far as so many pieces remain, where each of them has A copied anew."""

_PARALLEL_PRODUCTS = 1 << 16
"""Multiply-adds from which a second thread pays for the barrier: a microsecond's work."""

_COMBINED = 4096
"""Elements that a thread sums over all parts at a time: they stay in the first-level cache."""


@dataclass(frozen=True)
class View:
    """Where the elements of an array lie: strides in elements, 0 along broadcast dimensions."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @classmethod
    def dense(cls, shape: Sequence[int]) -> View:
        """The layout of a C-contiguous array."""
        return cls(tuple(shape), tuple(math.prod(shape[k + 1 :]) for k in range(len(shape))))

    def broadcast(self, shape: Sequence[int]) -> View | None:
        """This array as one of `shape`, as NumPy broadcasts; None if it cannot be."""
        missing = len(shape) - len(self.shape)
        if missing < 0:
            return None
        strides = [0] * missing
        for size, stride, wanted in zip(self.shape, self.strides, shape[missing:], strict=True):
            if size not in (1, wanted):
                return None
            strides.append(stride if size == wanted else 0)
        return View(tuple(shape), tuple(strides))


@dataclass(frozen=True)
class Epilogue:
    """An elementwise program over the product, which is its first input; `inputs` are the others."""

    body: Body
    inputs: tuple[View, ...] = ()


def fusable(view: View, shape: Sequence[int]) -> bool:
    """Whether an epilogue of a product of `shape` can read `view`: it broadcasts, and its rows are dense."""
    whole = view.broadcast(shape)
    return whole is not None and whole.strides[-1] in (0, 1)


# Sources


def matmul_source(dtype: str) -> str:
    """The source of the kernel that multiplies matrices of `dtype` on this machine."""
    return kernel_source(matmul_kernel, dtype, *_registers(dtype))


def combine_source(dtype: str) -> str:
    """The source of the kernel that adds up the parts of a long sum."""
    return kernel_source(combine_kernel, dtype, host.lanes(dtype))


def epilogue_source(body: Body, contiguous: tuple[bool, ...]) -> str:
    """The source of an epilogue; `contiguous` says for each input whether its columns lie side by side."""
    return kernel_source(epilogue_kernel, body, contiguous)


def _registers(dtype: str) -> tuple[int, int]:
    """Lanes of a register, and registers across a tile."""
    return host.lanes(dtype), 4 if host.vector_registers() == 32 else 2


# Plans


class _Layout(NamedTuple):
    """An operand of a batch of products: where it is, and its strides in elements over (..., row, column)."""

    slot: Pointer | Scratch
    itemsize: int
    strides: tuple[int, ...]

    def bytes(self, axis: int) -> int:
        """The stride along `axis` in bytes."""
        return self.strides[axis] * self.itemsize

    def moved(self, offset: int) -> _Layout:
        """The same, `offset` bytes further."""
        return self._replace(slot=self.slot._replace(offset=self.slot.offset + offset))

    def at(self, index: Sequence[int]) -> _Layout:
        """What lies at `index` in the leading dimensions."""
        if not index:
            return self
        leading = self.strides[: len(index)]
        elements = sum(i * stride for i, stride in zip(index, leading, strict=True))
        return self.moved(elements * self.itemsize)._replace(strides=self.strides[len(index) :])

    def turned(self) -> _Layout:
        """The transposed matrices."""
        *batch, row, column = self.strides
        return self._replace(strides=(*batch, column, row))


_OUTER, _INNER, _ROW, _COLUMN = range(4)
"""The dimensions of the operands in `_Products`."""


class _Products(NamedTuple):
    """A batch of products of equal shape: `outer` times `inner` of (rows x depth) @ (depth x columns)."""

    dtype: str
    outer: int
    inner: int
    rows: int
    columns: int
    depth: int
    a: _Layout
    b: _Layout
    c: _Layout
    body: Body | None
    operands: tuple[_Layout, ...]
    """What the epilogue reads and then what it writes."""


def plan_matmul(
    dtype: str,
    a: View,
    b: View,
    epilogue: Epilogue | None = None,
    threads: int | None = None,
    out: View | None = None,
    fetched: Sequence[View] = (),
    added: bool = False,
) -> tuple[Launch, ...]:
    """The launches that compute ``A @ B`` for A of (..., M, K) and B of (..., K, N), of any strides.

    Their operands are A, B, the epilogue's further inputs, then the outputs: arrays of (..., M, N), one per
    output of the epilogue's body, or the product alone. The product is built up in the first output of `dtype`;
    that one must share memory with no input, the others with neither A nor B.

    Args:
        dtype: of A, B and the product, float32 or float64.
        epilogue: applied to each piece of the product while it is in cache. Its inputs must be `fusable`.
        threads: for how many threads to provide scratch memory, by default those of the pool; more would idle.
        out: where the outputs' elements lie, if they are not dense; with stride 1 along the columns.
        fetched: at most two matrices with contiguous rows, the next operands: what comes next will read them.
        added: whether there is a last operand, whose address is no address: is the product to be added to C?

    Raises:
        ValueError: the shapes do not multiply or broadcast, or an epilogue's input is not fusable.
        NotImplementedError: the dtype is neither float32 nor float64.
    """
    if dtype not in host.ITEMSIZE:
        raise NotImplementedError(f"matmul on the CPU is for float32 and float64, not {dtype}; cast its operands.")
    shape = _result_shape(a, b)
    if 0 in shape:
        return ()
    threads = threads or default_pool().threads
    launches: list[Launch] = []
    for products in _batches(dtype, a, b, out or View.dense(shape), epilogue):
        launches += _plan_products(_as_row(products), threads, fetched, added)
    return tuple(launches)


def _result_shape(a: View, b: View) -> tuple[int, ...]:
    came = f"matmul got operands of shapes {a.shape} and {b.shape}"
    if min(len(a.shape), len(b.shape)) < 2 or a.shape[-1] != b.shape[-2]:
        raise ValueError(f"{came}; expected (..., M, K) and (..., K, N) with one K; transpose or reshape them.")
    batch: list[int] = []
    for left, right in itertools.zip_longest(a.shape[-3::-1], b.shape[-3::-1], fillvalue=1):
        if 1 not in (left, right) and left != right:
            raise ValueError(f"{came}; expected batch dimensions that are equal or 1; reshape or repeat one.")
        batch.insert(0, right if left == 1 else left)
    return *batch, a.shape[-2], b.shape[-1]


def _batches(dtype: str, a: View, b: View, out: View, epilogue: Epilogue | None) -> list[_Products]:
    """The product as batches with two batch dimensions, as few as the strides allow."""
    shape = out.shape
    *batch, rows, columns = shape
    depth = a.shape[-1]
    left, right = a.broadcast((*batch, rows, depth)), b.broadcast((*batch, depth, columns))
    assert left is not None and right is not None
    body = epilogue.body if epilogue else None
    inputs = [_operand_view(view, shape, k) for k, view in enumerate(epilogue.inputs if epilogue else (), start=1)]
    if body and len(body.inputs) != 1 + len(inputs):
        raise ValueError(
            f"matmul got an epilogue with {len(inputs)} inputs beside the product; expected "
            f"{len(body.inputs) - 1}, one for each further input of its body."
        )
    outputs = [body.dtype(output) for output in body.outputs] if body else [dtype]
    first = 2 + len(inputs)
    home: Pointer | Scratch = Pointer(first + outputs.index(dtype)) if dtype in outputs else Scratch()

    # The row is one more dimension that may merge with the batch: B has stride 0 along it.
    views = [left.strides[:-1], (*right.strides[:-2], 0), out.strides[:-1]]
    views += [view.strides[:-1] for view in inputs]
    sizes, (a_strides, b_strides, c_strides, *further) = _merge((*batch, rows), views)
    *loops, outer, inner, rows = sizes

    size = host.ITEMSIZE[dtype]
    layouts = [
        _Layout(Pointer(0), size, (*a_strides, left.strides[-1])),
        _Layout(Pointer(1), size, (*b_strides[:-1], *right.strides[-2:])),
        _Layout(home, size, (*c_strides, 1)),
    ]
    if body:
        layouts.append(layouts[2])
        for k, (view, strides) in enumerate(zip(inputs, further, strict=True)):
            itemsize = element(body.inputs[1 + k]).size
            layouts.append(_Layout(Pointer(2 + k), itemsize, (*strides, view.strides[-1])))
        for k, output in enumerate(outputs):
            layouts.append(_Layout(Pointer(first + k), element(output).size, (*c_strides, 1)))
    batches = []
    for index in itertools.product(*map(range, loops)):  # what the kernel has no loops for
        x, y, z, *operands = (layout.at(index) for layout in layouts)
        batches.append(_Products(dtype, outer, inner, rows, columns, depth, x, y, z, body, tuple(operands)))
    return batches


def _operand_view(view: View, shape: tuple[int, ...], number: int) -> View:
    whole = view.broadcast(shape)
    if whole is None or whole.strides[-1] not in (0, 1):
        raise ValueError(
            f"matmul got an epilogue whose input {number} has shape {view.shape} and strides {view.strides}; "
            f"expected one that broadcasts to {shape} with stride 0 or 1 along the last dimension; copy it."
        )
    return whole


def _merge(sizes: Sequence[int], views: Sequence[Sequence[int]]) -> tuple[list[int], list[tuple[int, ...]]]:
    """Joins neighbouring dimensions that every view can walk as one, drops those of size 1; leaves 3 or more.

    The last dimension is that of the rows; views[1], that of B, has stride 0 along it.
    """
    last = len(sizes) - 1
    kept = [(size, [view[k] for view in views]) for k, size in enumerate(sizes) if size != 1 or k == last]
    joined = kept[:1]
    for size, strides in kept[1:]:
        before, outer = joined[-1]
        if size == 1 and outer[1] == 0:
            continue  # products of one row that meet the same B are the rows of a matrix
        if size != 1 and all(x == y * size for x, y in zip(outer, strides, strict=True)):
            joined[-1] = before * size, strides
        else:
            joined.append((size, strides))
    joined = [(1, [0] * len(views))] * (3 - len(joined)) + joined
    return [size for size, _ in joined], list(zip(*(strides for _, strides in joined), strict=True))


def _as_row(products: _Products) -> _Products:
    """A product of one column as the transposed one, of one row: vectors of either kind take one path."""
    if products.columns != 1 or products.rows == 1 or products.c.strides[_ROW] != 1:
        return products
    if any(layout.strides[_ROW] not in (0, 1) for layout in products.operands):
        return products
    return products._replace(
        rows=1,
        columns=products.rows,
        a=products.b.turned(),
        b=products.a.turned(),
        c=products.c.turned(),
        operands=tuple(layout.turned() for layout in products.operands),
    )


def _plan_products(products: _Products, threads: int, fetched: Sequence[View], added: bool) -> list[Launch]:
    dtype, rows, columns, depth = products.dtype, products.rows, products.columns, products.depth
    items = products.outer * products.inner
    dense = products.c.strides[_ROW] == columns or rows == 1
    parts, part_depth = (
        _parts(items, rows, columns, depth) if dense and not added else (1, depth)
    )  # parts are added in dense matrices
    gathered = products.a.strides[_ROW] == 1 != products.a.strides[_COLUMN]
    lone = rows == 1 and products.b.strides[_COLUMN] == 1
    work_rows, work_columns = _pieces(items * parts, rows, columns, gathered, lone)
    depth_block = _round_up(part_depth / math.ceil(part_depth / DEPTH_BLOCK)) if depth else 1
    term = work_columns * host.ITEMSIZE[dtype]
    whole = term * part_depth * math.ceil(columns / work_columns)
    if rows > ROW_BLOCK and not gathered and whole <= _STRIP_BYTES:
        work_columns, term = whole // (term * part_depth) * work_columns, whole // part_depth
        work_rows = max(_WORK_ROWS, min(ROW_BLOCK, rows * items * parts // _MANY_PIECES))
    ahead = 0
    if rows >= PACKED_ROWS and depth:
        ahead = part_depth if rows > ROW_BLOCK and term * part_depth <= _STRIP_BYTES else depth_block
    block_rows = ROW_BLOCK
    if gathered:
        block_rows = math.ceil(rows / math.ceil(rows / GATHERED_ROWS) / 12) * 12
    elif ahead:
        block_rows = min(ROW_BLOCK, max(12, _BLOCK_BYTES // (depth_block * host.ITEMSIZE[dtype]) // 12 * 12))
    thread_bytes = math.ceil((scratch_bytes(dtype, *_registers(dtype)) + ahead * term) / 64) * 64
    result_bytes = items * rows * columns * host.ITEMSIZE[dtype]

    # Scratch memory: every thread's own, the product if no output can hold it, the parts of the sums.
    memory = threads * thread_bytes
    if isinstance(products.c.slot, Scratch):
        operands = tuple(
            layout.moved(memory) if isinstance(layout.slot, Scratch) else layout for layout in products.operands
        )
        products = products._replace(c=products.c.moved(memory), operands=operands)
        memory += result_bytes
    target = products
    if parts > 1:
        target = _split(products, part_depth, Scratch(memory))
        memory += parts * result_bytes

    epilogue, table = _epilogue(products)
    a, b, c = target.a, target.b, target.c
    slots: dict[Matmul, Slot] = {
        Matmul.A: a.slot,
        Matmul.B: b.slot,
        Matmul.C: c.slot,
        Matmul.OUTER: target.outer,
        Matmul.INNER: target.inner,
        Matmul.A_OUTER: a.bytes(_OUTER),
        Matmul.A_INNER: a.bytes(_INNER),
        Matmul.B_OUTER: b.bytes(_OUTER),
        Matmul.B_INNER: b.bytes(_INNER),
        Matmul.C_OUTER: c.bytes(_OUTER),
        Matmul.C_INNER: c.bytes(_INNER),
        Matmul.ROWS: rows,
        Matmul.COLUMNS: columns,
        Matmul.DEPTH: depth,
        Matmul.DEPTH_INNER: part_depth if parts > 1 else 0,
        Matmul.DEPTH_PART: part_depth,
        Matmul.DEPTH_BLOCK: depth_block,
        Matmul.A_ROW: a.bytes(_ROW),
        Matmul.A_DEPTH: a.bytes(_COLUMN),
        Matmul.B_DEPTH: b.bytes(_ROW),
        Matmul.B_COLUMN: b.bytes(_COLUMN),
        Matmul.C_ROW: c.bytes(_ROW),
        Matmul.WORK_ROWS: work_rows,
        Matmul.WORK_COLUMNS: work_columns,
        Matmul.BLOCK_ROWS: block_rows,
        Matmul.EPILOGUE: epilogue if parts == 1 else 0,
        Matmul.AHEAD: ahead,
        Matmul.SCRATCH: Scratch(),
        Matmul.SCRATCH_STRIDE: thread_bytes,
        Matmul.THREADS: threads,
        Matmul.CLAIMS: Claims() if ahead == part_depth and rows >= _CLAIMED_ROWS else 0,
    }
    further = 2 + max(1, len(products.operands) - 1)  # A and B; what the epilogue has but for the product, or C
    for first, (k, view) in zip((Matmul.FETCH_A, Matmul.FETCH_B), enumerate(fetched), strict=False):
        values: tuple[Slot, ...] = (Pointer(further + k), view.strides[0] * host.ITEMSIZE[dtype], *view.shape)
        slots |= zip(list(Matmul)[first : first + 4], values, strict=True)
    if added:
        slots[Matmul.ACCUMULATE] = Pointer(further + len(fetched))
    block = [slots.get(name, 0) for name in Matmul if name is not Matmul.OPERANDS]
    parallel = items * rows * columns * depth >= _PARALLEL_PRODUCTS
    launches = [Launch(matmul_source(dtype), (*block, *table), memory, parallel)]
    if parts > 1:
        combine: dict[Combine, Slot] = {
            Combine.PARTS: c.slot,
            Combine.C: products.c.slot,
            Combine.COUNT: parts,
            Combine.PART_STRIDE: result_bytes,
            Combine.ROWS: rows,
            Combine.COLUMNS: columns,
            Combine.WORK_ROWS: max(1, _COMBINED // columns),
            Combine.EPILOGUE: epilogue,
            Combine.SCRATCH: Scratch(),
            Combine.SCRATCH_STRIDE: thread_bytes,
            Combine.THREADS: threads,
        }
        block = [combine[name] for name in Combine if name is not Combine.OPERANDS]
        parallel = parts * rows * columns >= _PARALLEL_PRODUCTS
        launches.append(Launch(combine_source(dtype), (*block, *table), memory, parallel))
    return launches


def _split(products: _Products, part_depth: int, memory: Scratch) -> _Products:
    """One product as a batch of parts of its sum, which go to `memory` one after the other."""

    def along(layout: _Layout, axis: int) -> _Layout:
        row, column = layout.strides[_ROW:]
        return layout._replace(strides=(0, part_depth * layout.strides[axis], row, column))

    size = products.rows * products.columns
    c = products.c._replace(slot=memory, strides=(0, size, products.columns, 1))
    parts = math.ceil(products.depth / part_depth)
    return products._replace(inner=parts, a=along(products.a, _COLUMN), b=along(products.b, _ROW), c=c)


def _epilogue(products: _Products) -> tuple[Callee | int, list[Slot]]:
    """The slot of the epilogue's kernel, and its operand table."""
    if products.body is None:
        return 0, []
    inputs = products.operands[: len(products.body.inputs)]
    source = epilogue_source(products.body, tuple(layout.strides[_COLUMN] == 1 for layout in inputs))
    table: list[Slot] = []
    for layout in products.operands:
        table += [layout.slot, layout.bytes(_OUTER), layout.bytes(_INNER), layout.bytes(_ROW)]
    return Callee(source), table


def _parts(items: int, rows: int, columns: int, depth: int) -> tuple[int, int]:
    """Into how many parts a sum is cut, and their depth: several if it is long and its results are few."""
    pieces = math.ceil(rows / _WORK_ROWS) * math.ceil(columns / _WORK_COLUMNS)
    parts = min(depth // _PART_DEPTH, _MOST_PARTS // pieces) if items == 1 else 1
    if parts <= 1:
        return 1, depth
    part_depth = _round_up(depth / parts)
    return math.ceil(depth / part_depth), part_depth


def _pieces(items: int, rows: int, columns: int, gathered: bool, lone: bool) -> tuple[int, int]:
    """Rows and columns of the pieces that threads share."""

    def count(work_rows: int, work_columns: int) -> int:
        return items * math.ceil(rows / work_rows) * math.ceil(columns / work_columns)

    work_columns = _LONE_COLUMNS if lone else _WORK_COLUMNS
    work_rows = _TALL_ROWS if gathered and rows > _FEW_ROWS else _WORK_ROWS
    while gathered and work_columns < _WIDEST_WORK and count(work_rows, 2 * work_columns) >= _GATHERED_PIECES:
        work_columns *= 2
    while work_rows < ROW_BLOCK and count(work_rows, work_columns) > _MANY_PIECES:
        work_rows *= 2
    while work_columns < _WIDEST_WORK and count(work_rows, work_columns) > _MANY_PIECES:
        work_columns *= 2
    even = columns / math.ceil(columns / work_columns) if columns else 1  # else the last strip may be a narrow one
    return work_rows, math.ceil(even / _WORK_COLUMNS) * _WORK_COLUMNS


def _round_up(depth: float) -> int:
    """To whole squares of the transposition that packs B: only a sum's last block has a ragged end."""
    return math.ceil(depth / 8) * 8
