"""Products of matrices: blocks work on tiles in shared memory, threads on a few elements in registers.

The tile kernel is written once, as text around the statements that read an element of either side, so that convolution
is the same kernel with other reads. Each element is one chain of fused multiply-adds along the inner dimension (or a
few, where that is cut into parts), whatever the tiles.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

from pronghorn import dtypes
from pronghorn.body import Body
from pronghorn.graph import Node
from pronghorn_gpu.elementwise import offset, plan_map, unravel
from pronghorn_gpu.emit import HALVES, HELPERS, load, store
from pronghorn_gpu.launch import (
    Choice,
    Kernel,
    Launch,
    Pointer,
    Product,
    Scratch,
    Slot,
    Work,
    blocks_for,
    kernel,
    renumber,
)
from pronghorn_gpu.reduction import plan_reduce
from pronghorn_gpu.spaces import Space, dense, dense_strides
from pronghorn_gpu.target import SIMULATED


class Tile(NamedTuple):
    """Rows and columns that a block works on, how many of each one thread does, and the depth of a turn."""

    side: int
    own: int
    depth: int

    @property
    def threads(self) -> int:
        return (self.side // self.own) ** 2


SMALL = Tile(4, 2, 8) if SIMULATED else Tile(32, 2, 32)
LARGE = Tile(4, 2, 8) if SIMULATED else Tile(64, 4, 16)

ENOUGH_TILES = 4 if SIMULATED else 264
"""Tiles that keep the card busy; with fewer, smaller tiles are taken and the inner dimension is cut into parts."""

PART = 16 if SIMULATED else 512
"""The least length of a part of the inner dimension."""

HEADER = 6


def accumulator(dtype: str) -> str:
    """The dtype in which products of `dtype` are summed."""
    return "float32" if dtype in HALVES else dtype


def choose(rows: int, columns: int, inner: int, batches: int) -> tuple[Tile, int, int]:
    """The tile, the number of parts and their length; by the shape alone."""

    def count(tile: Tile) -> int:
        return -(-rows // tile.side) * -(-columns // tile.side) * batches

    tile = LARGE if count(LARGE) >= ENOUGH_TILES else SMALL
    parts = max(1, min(inner // PART, ENOUGH_TILES // max(count(tile), 1)))
    length = -(-max(-(-inner // parts), 1) // tile.depth) * tile.depth
    return tile, max(-(-inner // length), 1), length


def tile_kernel(
    dtype: str, tile: Tile, setup: Sequence[str], left: Sequence[str], right: Sequence[str], batch: Sequence[str],
    result: str, partial: bool, along: tuple[bool, bool],
) -> Kernel:  # fmt: skip
    """A kernel of products.

    Args:
        setup: reads the block after its header: rows, columns, inner, batches, parts, length of a part.
        left, right: statements that assign `value` for the element (i, k), and (k, j); they see `batch`'s names.
        batch: statements for the matrix number `number` of the batch.
        result: the index of the element (i, j) of the result.
        partial: whether the result is a sum of the inner dimension's parts, kept in the accumulator's dtype.
        along: whether neighbouring threads read along the inner dimension, of either side.
    """
    side, own, depth = tile
    acc = accumulator(dtype)
    steps = side // own
    fma = f"fma{acc[-2:]}({{}}, {{}}, {{}})" if acc.startswith("float") else f"{acc}({{}} * {{}} + {{}})"
    loads = side * depth // tile.threads

    def block(lines: Sequence[str], level: int) -> str:
        return "\n".join("    " * level + line for line in lines)

    def fill(which: str, inner_first: bool) -> list[str]:
        name, shared = ("i", "a") if which == "left" else ("j", "b")
        x, k = (f"e // {depth}", f"e % {depth}") if inner_first else (f"e % {side}", f"e // {side}")
        limit = "rows" if name == "i" else "columns"
        return [
            f"x, y = {x}, {k}",
            f"{name}, k = {name}0 + x, k0 + y",
            f"value = {acc}(0)",
            f"if {name} < {limit} and k < end:",
            *("    " + line for line in (left if which == "left" else right)),
            f"tile_{shared}[y, x] = value",
        ]

    places = [(u, v) for u in range(own) for v in range(own)]
    multiply = [f"a{u} = tile_a[k, ty + {u * steps}]" for u in range(own)]
    multiply += [f"b{v} = tile_b[k, tx + {v * steps}]" for v in range(own)]
    multiply += [f"c{u}_{v} = " + fma.format(f"a{u}", f"b{v}", f"c{u}_{v}") for u, v in places]
    kept = acc if partial else dtype
    stores = []
    for u, v in places:
        stores += [
            f"i, j = i0 + ty + {u * steps}, j0 + tx + {v * steps}",
            "if i < rows and j < columns:",
            "    " + store(kept, result, f"c{u}_{v}"),
        ]
    text = f"""
rows, columns, inner, batches = int64s[p], int64s[p + 1], int64s[p + 2], int64s[p + 3]
parts, length = int64s[p + 4], int64s[p + 5]
{block(setup, 0)}
tile_a = cuda.shared.array(({depth}, {side + 1}), {acc})
tile_b = cuda.shared.array(({depth}, {side + 1}), {acc})
tid = int64(cuda.threadIdx.x)
ty, tx = tid // {steps}, tid % {steps}
across = (columns + {side - 1}) // {side}
tiles = (rows + {side - 1}) // {side} * across
work = int64(cuda.blockIdx.x)
while work < tiles * batches * parts:
    tile = work % tiles
    part = work // tiles % parts
    number = work // tiles // parts
    i0, j0 = tile // across * {side}, tile % across * {side}
{block(batch, 1)}
{block([f"c{u}_{v} = {acc}(0)" for u, v in places], 1)}
    k0 = part * length
    end = min(inner, k0 + length)
    while k0 < end:
        for t in range({loads}):
            e = tid + t * {tile.threads}
{block(fill("left", along[0]), 3)}
        for t in range({loads}):
            e = tid + t * {tile.threads}
{block(fill("right", along[1]), 3)}
        cuda.syncthreads()
        for k in range({depth}):
{block(multiply, 3)}
        cuda.syncthreads()
        k0 += {depth}
{block(stores, 1)}
    work += cuda.gridDim.x
"""
    return kernel(text, [dtype, kept], HELPERS)


def blocks_of(tile: Tile, rows: int, columns: int, batches: int, parts: int) -> int:
    """Blocks of a launch of the tile kernel."""
    return blocks_for(-(-rows // tile.side) * -(-columns // tile.side) * batches * parts, 1)


def sum_parts(dtype: str, parts: int, count: int, operand: int, workspace: int) -> tuple[Launch, ...]:
    """Sums `parts` partial results in scratch memory into an operand of `count` elements."""
    acc = accumulator(dtype)
    body = Body((acc,), (), (0,))
    found = plan_reduce(body, "sum", dtype, (parts, count), [(parts, count)], (0,))
    launches = []
    for launch in found:
        slots = tuple(
            (Scratch(acc) if slot.operand == 0 else Pointer(operand, dtype)) if isinstance(slot, Pointer) else slot
            for slot in launch.slots
        )
        launches.append(Launch(launch.kernel, slots, launch.blocks, launch.threads, workspace))
    return tuple(launches)


# ------------------------------------------------------------------------------------------------ matmul


class Operand(NamedTuple):
    """A batch of matrices as they are read: shape and element strides, the last two axes rows and columns."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    transposed: bool
    offset: int = 0

    @classmethod
    def matrix(cls, shape: Sequence[int], transpose: bool) -> Operand:
        """A dense array, read transposed or not."""
        strides = dense_strides(shape)
        if transpose:
            return cls((*shape[:-2], shape[-1], shape[-2]), (*strides[:-2], strides[-1], strides[-2]), True)
        return cls(tuple(shape), strides, False)


@cache
def matmul_kernel(dtype: str, tile: Tile, rank: int, flags: tuple[bool, bool], partial: bool) -> Kernel:
    """The block: the header; strides of rows and columns of a and b; bases of a, b, c; elements of a part's result;
    the sizes of the batch; strides of a, b and c along it. `flags`: which operands are read transposed."""
    acc = accumulator(dtype)
    names = ["a_row", "a_column", "b_row", "b_column", "a_base", "b_base", "c_base", "c_part"]
    setup = [f"{name} = int64s[p + {HEADER + k}]" for k, name in enumerate(names)]
    at = HEADER + len(names)
    setup += [f"n{k} = int64s[p + {at + k}]" for k in range(rank)]
    for j, name in enumerate("abc"):
        setup += [f"{name}{k}_ = int64s[p + {at + (1 + j) * rank + k}]" for k in range(rank)]
    batch = unravel("number", rank, [f"n{k}" for k in range(rank)])
    for name in "abc":
        batch.append(f"{name} = {offset(f'{name}_base', rank, [f'{name}{k}_' for k in range(rank)])}")
    left = [f"value = {acc}({load(dtype, 'a + i * a_row + k * a_column')})"]
    right = [f"value = {acc}({load(dtype, 'b + k * b_row + j * b_column')})"]
    result = "c + part * c_part + i * columns + j"
    return tile_kernel(dtype, tile, setup, left, right, batch, result, partial, (not flags[0], flags[1]))


def plan_matmul(dtype: str, a: Operand, b: Operand) -> tuple[Work, ...]:
    """The product of operands 0 and 1 into the dense operand 2."""
    rows, inner, columns = a.shape[-2], a.shape[-1], b.shape[-1]
    lead = tuple(_broadcast(a.shape[:-2], b.shape[:-2]))
    batches = math.prod(lead)
    if not rows * columns * batches:
        return ()
    space, _ = Space(lead, (_along(a, lead), _along(b, lead), dense_strides((*lead, rows, columns))[:-2])).collapsed()
    tile, parts, length = choose(rows, columns, inner, batches)
    source = matmul_kernel(dtype, tile, len(space.shape), (a.transposed, b.transposed), parts > 1)
    total = batches * rows * columns
    workspace = parts * total * dtypes.itemsize(accumulator(dtype)) if parts > 1 else 0
    places: list[Slot] = [Pointer(0, dtype, a.offset), Pointer(1, dtype, b.offset)]
    places.append(Scratch(accumulator(dtype)) if parts > 1 else Pointer(2, dtype))
    slots: list[Slot] = [rows, columns, inner, batches, parts, length, *a.strides[-2:], *b.strides[-2:], *places, total]
    slots += [*space.shape, *(s for strides in space.strides for s in strides)]
    launch = Launch(source, tuple(slots), blocks_of(tile, rows, columns, batches, parts), tile.threads, workspace)
    launches = (launch, *sum_parts(dtype, parts, total, 2, workspace)) if parts > 1 else (launch,)
    if len(space.shape) > 1 or not inner:
        return launches
    stored = [x.strides[-1] if x.transposed else x.strides[-2] for x in (a, b)]
    product = Product(
        dtype,
        rows,
        columns,
        inner,
        batches,
        Pointer(0, dtype, a.offset),
        Pointer(1, dtype, b.offset),
        Pointer(2, dtype),
        a.transposed,
        b.transposed,
        (space.strides[0][0], space.strides[1][0], rows * columns),
        (stored[0], stored[1], columns),
    )
    return (Choice(((product,), launches)),)


def _broadcast(x: Sequence[int], y: Sequence[int]) -> list[int]:
    rank = max(len(x), len(y))
    x, y = ((*[1] * (rank - len(s)), *s) for s in (x, y))
    return [n if m == 1 else m for m, n in zip(x, y, strict=True)]


def _along(x: Operand, lead: Sequence[int]) -> tuple[int, ...]:
    """Strides along the batch's dimensions, 0 where the operand is repeated."""
    missing = len(lead) - (len(x.shape) - 2)
    own = zip(x.strides[:-2], x.shape[:-2], lead[missing:], strict=True)
    return (*[0] * missing, *(stride if n == m else 0 for stride, n, m in own))


def absorbed(body: Body, columns: int, extras: Sequence[Sequence[int]]) -> tuple[bool, str] | None:
    """Whether a bias and which activation are all that a body does with a product (its input 0), as a library does both
    with it; None where it does anything else."""
    width = len(body.inputs)
    kinds = {body.dtype(k) for k in range(width + len(body.steps))}
    value, steps, bias, activation = 0, list(body.steps), False, ""
    if steps and steps[0].name == "add" and set(steps[0].arguments) == {0, 1} and width == 2:
        bias, value = math.prod(extras[0]) == columns == (*extras[0], 0)[-2], width
        del steps[0]
    if steps and steps[0].name in ("relu", "gelu_tanh") and steps[0].arguments == (value,):
        activation, value = steps[0].name, width + len(body.steps) - len(steps)
        del steps[0]
    whole = not steps and body.outputs == (value,) and len(kinds) == 1 and width == 1 + bias
    return (bias, activation) if whole and value else None


def plan_epilogue(node: Node, work: tuple[Work, ...]) -> tuple[Work, ...]:
    """A product (operands 0, 1, and 2 for its result) and the map behind it, in place in an output of its dtype."""
    body: Body = node.attrs["body"]
    dtype = node.inputs[0].dtype
    outputs = [len(node.inputs) + k for k in range(len(node.outputs))]
    home = outputs[[t.dtype for t in node.outputs].index(dtype)]
    shape = node.attrs["shape"]
    extras: list[Any] = [t.shape for t in node.inputs[2:]]
    space = dense(shape, [shape, *extras], len(outputs))
    behind = renumber(plan_map(body, [space]), [home, *range(2, len(node.inputs)), *outputs])
    found: list[Any] = [*renumber(work, (0, 1, home))]
    if not found or not isinstance(found[-1], Choice):
        return (*found, *behind)
    ways: list[Any] = [(*way, *behind) for way in found[-1].ways]
    last = found[-1].ways[0][-1]
    whole = absorbed(body, shape[-1], extras)
    if whole and isinstance(last, Product):
        bias = Pointer(2, dtype) if whole[0] else None
        ways.insert(0, (*found[-1].ways[0][:-1], replace(last, bias=bias, activation=whole[1])))
    return (*found[:-1], Choice(tuple(ways)))
