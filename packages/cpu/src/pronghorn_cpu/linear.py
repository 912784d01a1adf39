"""Plans of matrix products: which kernels to launch, with which argument blocks, for given shapes and strides.

Sources depend on the dtype (and the machine's vector width) alone, sizes and strides are arguments: a new shape compiles
nothing. How the work is cut depends on shapes alone, and how the sums are cut on constants that are the same everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product as combinations

from pronghorn.body import Body

from pronghorn_cpu import host
from pronghorn_cpu.launch import Callee, Launch, Pointer, Scratch, Slot, kernel_source
from pronghorn_cpu.matmul_kernels import (
    DEPTH_BLOCK,
    ROW_BLOCK,
    Combine,
    Matmul,
    combine_kernel,
    epilogue_kernel,
    matmul_kernel,
    scratch_bytes,
)
from pronghorn_cpu.threads import thread_count

_WORK_ROWS = 16
_WORK_COLUMNS = 64
"""The smallest piece of a result that is a thread's: enough pieces for many threads of a small layer."""

_WIDEST_WORK = 256
_MANY_PIECES = 64

_PARALLEL_PRODUCTS = 1 << 16
"""Multiply-adds from which a second thread pays for the barrier (some microseconds' work of one)."""

_PART_DEPTH = 1024
_MOST_PARTS = 16
"""A long sum of which there are few is cut into at most this many parts of at least that depth."""

_ITEMSIZE = {
    "bool": 1, "int8": 1, "uint8": 1, "int16": 2, "uint16": 2, "float16": 2, "bfloat16": 2, "int32": 4, "uint32": 4,
    "float32": 4, "int64": 8, "uint64": 8, "float64": 8,
}  # fmt: skip


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
        if missing < 0 or any(
            have not in (1, want) for have, want in zip(self.shape, shape[missing:], strict=True)
        ):
            return None
        strides = (
            stride if size == want else 0
            for size, stride, want in zip(self.shape, self.strides, shape[missing:], strict=True)
        )
        return View(tuple(shape), (0,) * missing + tuple(strides))


@dataclass(frozen=True)
class Epilogue:
    """An elementwise program for each element of the product, which is its first input; the `inputs` are the others."""

    body: Body
    inputs: tuple[View, ...] = ()


def fusable(view: View, shape: Sequence[int]) -> bool:
    """Whether an epilogue can read `view` along with a product of `shape`: it broadcasts, and its rows are dense."""
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


@dataclass(frozen=True)
class _Layout:
    """One operand of a batch of products over (outer, inner, row, column), its strides in elements."""

    slot: Pointer | Scratch
    itemsize: int
    strides: tuple[int, int, int, int]

    def bytes(self, axis: int) -> int:
        return self.strides[axis] * self.itemsize

    def shifted(self, offset: int) -> _Layout:
        return replace(self, slot=replace(self.slot, offset=self.slot.offset + offset))


@dataclass(frozen=True)
class _Products:
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
    dtype: str, a: View, b: View, epilogue: Epilogue | None = None, threads: int | None = None
) -> tuple[Launch, ...]:
    """The launches that compute ``A @ B`` for A of (..., M, K) and B of (..., K, N), of any strides.

    Their operands are A, B, the epilogue's further inputs, then the outputs: dense arrays of (..., M, N), one per output of
    the epilogue's body, or the product alone. The product is built up in the first output of `dtype`; that one must share
    memory with no input, the others with neither A nor B.

    Args:
        dtype: of A, B and the product, float32 or float64.
        epilogue: applied to each piece of the product while it is in cache. Its inputs must be `fusable`.
        threads: for how many threads to provide scratch memory, by default `thread_count()`. More of them do not help.

    Raises:
        ValueError: the shapes do not multiply or broadcast, or an epilogue's input is not fusable.
        NotImplementedError: the dtype is neither float32 nor float64.
    """
    if dtype not in host.ITEMSIZE:
        raise NotImplementedError(
            f"matmul on the CPU is for float32 and float64, not {dtype}; cast its operands."
        )
    shape = _result_shape(a, b)
    if 0 in shape:
        return ()
    threads = threads or thread_count()
    launches: list[Launch] = []
    for products in _batches(dtype, a, b, shape, epilogue):
        launches += _plan_products(_as_row(products), threads)
    return tuple(launches)


def _result_shape(a: View, b: View) -> tuple[int, ...]:
    if min(len(a.shape), len(b.shape)) < 2 or a.shape[-1] != b.shape[-2]:
        raise ValueError(
            f"matmul got operands of shapes {a.shape} and {b.shape}; expected (..., M, K) and (..., K, N) with one K."
        )
    batch: list[int] = []
    for k in range(max(len(a.shape), len(b.shape)), 2, -1):
        sizes = {view.shape[-k] for view in (a, b) if len(view.shape) >= k} - {1}
        if len(sizes) > 1:
            raise ValueError(
                f"matmul got operands of shapes {a.shape} and {b.shape}; their batch dimensions must be equal or 1."
            )
        batch.append(sizes.pop() if sizes else 1)
    return *batch, a.shape[-2], b.shape[-1]


def _batches(
    dtype: str, a: View, b: View, shape: tuple[int, ...], epilogue: Epilogue | None
) -> list[_Products]:
    """The product as batches with two batch dimensions, as few as the strides allow."""
    *batch, rows, columns = shape
    depth = a.shape[-1]
    left, right = a.broadcast((*batch, rows, depth)), b.broadcast((*batch, depth, columns))
    assert left is not None and right is not None
    dense = View.dense(shape)
    body = epilogue.body if epilogue else None
    further = [
        _operand_view(view, shape, k) for k, view in enumerate(epilogue.inputs if epilogue else (), start=1)
    ]
    if body and len(body.inputs) != 1 + len(further):
        raise ValueError(
            f"the epilogue's body has {len(body.inputs)} inputs; got {len(further)} views beside the product."
        )
    outputs = [body.dtype(output) for output in body.outputs] if body else [dtype]
    first_output = 2 + len(further)
    home: Pointer | Scratch = Pointer(first_output + outputs.index(dtype)) if dtype in outputs else Scratch()

    # The row is one more dimension that may merge with the batch: B has stride 0 along it.
    views = [(*left.strides[:-2], left.strides[-2]), (*right.strides[:-2], 0), dense.strides[:-1]]
    views += [view.strides[:-1] for view in further]
    sizes, merged = _merge((*batch, rows), views)
    while len(sizes) < 3:
        sizes, merged = (1, *sizes), [(0, *strides) for strides in merged]
    *loops, outer, inner, rows = sizes

    size = host.ITEMSIZE[dtype]
    a_layout = _Layout(Pointer(0), size, (*_three(merged[0]), left.strides[-1]))
    b_outer, b_inner, _ = _three(merged[1])
    b_layout = _Layout(Pointer(1), size, (b_outer, b_inner, right.strides[-2], right.strides[-1]))
    c_layout = _Layout(home, size, (*_three(merged[2]), 1))
    operands = []
    if body:
        operands.append(c_layout)
        for k, (view, strides) in enumerate(zip(further, merged[3:], strict=True)):
            itemsize = _ITEMSIZE[body.inputs[1 + k]]
            operands.append(_Layout(Pointer(2 + k), itemsize, (*_three(strides), view.strides[-1])))
        for k, output in enumerate(outputs):
            operands.append(_Layout(Pointer(first_output + k), _ITEMSIZE[output], c_layout.strides))
    whole = _Products(
        dtype, outer, inner, rows, columns, depth, a_layout, b_layout, c_layout, body, tuple(operands)
    )
    if not loops:
        return [whole]
    # More dimensions than the kernel loops over: one launch for each of their indices.
    leading = [
        merged[0],
        merged[1],
        merged[2],
        *([merged[2], *merged[3:], *[merged[2]] * len(outputs)] if body else []),
    ]
    result = []
    for index in combinations(*map(range, loops)):
        shifted = [
            layout.shifted(sum(i * s for i, s in zip(index, strides, strict=False)) * layout.itemsize)
            for layout, strides in zip((a_layout, b_layout, c_layout, *operands), leading, strict=True)
        ]
        result.append(replace(whole, a=shifted[0], b=shifted[1], c=shifted[2], operands=tuple(shifted[3:])))
    return result


def _three(strides: Sequence[int]) -> tuple[int, int, int]:
    outer, inner, row = strides[-3:]
    return outer, inner, row


def _operand_view(view: View, shape: tuple[int, ...], number: int) -> View:
    whole = view.broadcast(shape)
    if whole is None or whole.strides[-1] not in (0, 1):
        raise ValueError(
            f"the epilogue's input {number} has shape {view.shape} and strides {view.strides}; expected one that broadcasts "
            f"to {shape} with stride 0 or 1 along the last dimension; copy it first."
        )
    return whole


def _merge(
    sizes: Sequence[int], views: Sequence[Sequence[int]]
) -> tuple[tuple[int, ...], list[tuple[int, ...]]]:
    """Joins neighbouring dimensions that every view can walk as one, and drops those of size 1.

    The last dimension is that of the rows; views[1], that of B, has stride 0 along it.
    """
    kept = [
        (size, [view[k] for view in views])
        for k, size in enumerate(sizes)
        if size != 1 or k == len(sizes) - 1
    ]
    joined = kept[:1]
    for size, strides in kept[1:]:
        before, outer = joined[-1]
        if size == 1:  # one row: a batch of them that meets the same B is a matrix
            if outer[1] != 0:
                joined.append((size, strides))
        elif all(x == y * size for x, y in zip(outer, strides, strict=True)):
            joined[-1] = before * size, strides
        else:
            joined.append((size, strides))
    return tuple(size for size, _ in joined), [
        tuple(strides[k] for _, strides in joined) for k in range(len(views))
    ]


def _as_row(products: _Products) -> _Products:
    """A product with one column as the one with one row that it is the transpose of: vectors of either kind are one path."""
    if products.columns != 1 or products.rows == 1 or products.c.strides[2] != 1:
        return products
    if any(layout.strides[2] not in (0, 1) for layout in products.operands):
        return products

    def turn(layout: _Layout) -> _Layout:
        outer, inner, row, column = layout.strides
        return replace(layout, strides=(outer, inner, column, row))

    return replace(
        products, rows=1, columns=products.rows, a=turn(products.b), b=turn(products.a), c=turn(products.c),
        operands=tuple(map(turn, products.operands)),
    )  # fmt: skip


def _plan_products(products: _Products, threads: int) -> list[Launch]:
    dtype, rows, columns, depth = products.dtype, products.rows, products.columns, products.depth
    items = products.outer * products.inner
    size = host.ITEMSIZE[dtype]
    parallel = items * rows * columns * max(depth, 1) >= _PARALLEL_PRODUCTS
    parts, part_depth = _parts(items, rows, columns, depth)
    blocks = max(1, math.ceil(part_depth / DEPTH_BLOCK))
    work_rows, work_columns = _pieces(items * parts, rows, columns)
    thread_bytes = scratch_bytes(dtype, *_registers(dtype))
    epilogue, table = _epilogue(products)

    result_bytes = items * rows * columns * size
    memory = threads * thread_bytes
    c = products.c
    if isinstance(c.slot, Scratch):  # no output can hold the product
        c = c.shifted(memory)
        table = tuple(Scratch(memory + slot.offset) if isinstance(slot, Scratch) else slot for slot in table)
        memory += result_bytes
    target = c
    if parts > 1:
        target = _Layout(Scratch(memory), size, (0, rows * columns, columns, 1))
        memory += parts * result_bytes
    memory = math.ceil(memory / 64) * 64

    a, b = products.a, products.b
    slots: dict[Matmul, Slot] = {
        Matmul.A: a.slot,
        Matmul.B: b.slot,
        Matmul.C: target.slot,
        Matmul.OUTER: products.outer,
        Matmul.INNER: products.inner if parts == 1 else parts,
        Matmul.A_OUTER: a.bytes(0),
        Matmul.A_INNER: a.bytes(1) if parts == 1 else part_depth * a.bytes(3),
        Matmul.B_OUTER: b.bytes(0),
        Matmul.B_INNER: b.bytes(1) if parts == 1 else part_depth * b.bytes(2),
        Matmul.C_OUTER: target.bytes(0),
        Matmul.C_INNER: target.bytes(1),
        Matmul.ROWS: rows,
        Matmul.COLUMNS: columns,
        Matmul.DEPTH: depth,
        Matmul.DEPTH_INNER: 0 if parts == 1 else part_depth,
        Matmul.DEPTH_PART: part_depth,
        Matmul.DEPTH_BLOCK: _round_up(math.ceil(part_depth / blocks)),
        Matmul.A_ROW: a.bytes(2),
        Matmul.A_DEPTH: a.bytes(3),
        Matmul.B_DEPTH: b.bytes(2),
        Matmul.B_COLUMN: b.bytes(3),
        Matmul.C_ROW: target.bytes(2),
        Matmul.WORK_ROWS: work_rows,
        Matmul.WORK_COLUMNS: work_columns,
        Matmul.EPILOGUE: epilogue if parts == 1 else 0,
        Matmul.SCRATCH: Scratch(),
        Matmul.SCRATCH_STRIDE: thread_bytes,
        Matmul.THREADS: threads,
    }
    block = tuple(slots[name] for name in Matmul if name is not Matmul.OPERANDS)
    launches = [Launch(matmul_source(dtype), (*block, *table), memory, parallel)]
    if parts > 1:
        combine: dict[Combine, Slot] = {
            Combine.PARTS: target.slot,
            Combine.C: c.slot,
            Combine.COUNT: parts,
            Combine.PART_STRIDE: result_bytes,
            Combine.ROWS: rows,
            Combine.COLUMNS: columns,
            Combine.WORK_ROWS: max(1, 4096 // columns),
            Combine.EPILOGUE: epilogue,
            Combine.SCRATCH: Scratch(),
            Combine.SCRATCH_STRIDE: thread_bytes,
            Combine.THREADS: threads,
        }
        block = tuple(combine[name] for name in Combine if name is not Combine.OPERANDS)
        sums = parts * rows * columns
        launches.append(Launch(combine_source(dtype), (*block, *table), memory, sums >= _PARALLEL_PRODUCTS))
    return launches


def _epilogue(products: _Products) -> tuple[Callee | int, tuple[Slot, ...]]:
    """The slot of the epilogue's kernel, and its operand table."""
    if products.body is None:
        return 0, ()
    inputs = products.operands[: len(products.body.inputs)]
    source = epilogue_source(products.body, tuple(layout.strides[3] == 1 for layout in inputs))
    table: list[Slot] = []
    for layout in products.operands:
        table += [layout.slot, layout.bytes(0), layout.bytes(1), layout.bytes(2)]
    return Callee(source), tuple(table)


def _parts(items: int, rows: int, columns: int, depth: int) -> tuple[int, int]:
    """Into how many parts a sum is cut, and their depth: more than one if the sum is long and the result has few pieces."""
    pieces = math.ceil(rows / _WORK_ROWS) * math.ceil(columns / _WORK_COLUMNS)
    if items > 1 or pieces >= _MOST_PARTS:
        return 1, depth
    parts = max(1, min(depth // _PART_DEPTH, _MOST_PARTS // pieces))
    part_depth = _round_up(math.ceil(depth / parts))
    return max(1, math.ceil(depth / part_depth)), part_depth


def _pieces(items: int, rows: int, columns: int) -> tuple[int, int]:
    """Rows and columns of the pieces that threads share: many pieces, but no smaller than that takes."""

    def many(work_rows: int, work_columns: int) -> bool:
        return items * math.ceil(rows / work_rows) * math.ceil(columns / work_columns) > _MANY_PIECES

    work_rows, work_columns = _WORK_ROWS, _WORK_COLUMNS
    while work_rows < ROW_BLOCK and many(work_rows, work_columns):
        work_rows *= 2
    while work_columns < _WIDEST_WORK and many(work_rows, work_columns):
        work_columns *= 2
    return work_rows, work_columns


def _round_up(depth: int) -> int:
    """To whole squares of the transposition that packs B, so that only a sum's last block has a ragged end."""
    return max(8, math.ceil(depth / 8) * 8)
