"""Products of matrices, by a library where there is one, else by the tile kernel; and the map behind them."""

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
from pronghorn_gpu.emit import load
from pronghorn_gpu.launch import Choice, Kernel, Launch, Pointer, Product, Scratch, Slot, Work, renumber
from pronghorn_gpu.spaces import Space, dense, dense_strides
from pronghorn_gpu.tiles import Side, Tile, accumulator, blocks_of, choose, sum_parts, tile_kernel


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
    names += [f"n{k}" for k in range(rank)] + [f"{name}{k}_" for name in "abc" for k in range(rank)]
    batch = unravel("number", rank, [f"n{k}" for k in range(rank)])
    for name in "abc":
        batch.append(f"{name} = {offset(f'{name}_base', rank, [f'{name}{k}_' for k in range(rank)])}")
    left = Side(
        ["row@ = a + i * a_row"], ["column# = k * a_column"], [f"value = {acc}({load(dtype, 'row@ + column#')})"],
        not flags[0],
    )  # fmt: skip
    right = Side(
        ["column@ = b + j * b_column"], ["row# = k * b_row"], [f"value = {acc}({load(dtype, 'row# + column@')})"],
        flags[1],
    )  # fmt: skip
    result = "c + part * c_part + i * columns + j"
    return tile_kernel(dtype, tile, names, left, right, batch, result, partial)


def plan_matmul(dtype: str, a: Operand, b: Operand) -> tuple[Work, ...]:
    """The product of operands 0 and 1 into the dense operand 2."""
    rows, inner, columns = a.shape[-2], a.shape[-1], b.shape[-1]
    lead = tuple(_broadcast(a.shape[:-2], b.shape[:-2]))
    batches = math.prod(lead)
    if not rows * columns * batches:
        return ()
    space, _ = Space(lead, (_along(a, lead), _along(b, lead), dense_strides((*lead, rows, columns))[:-2])).collapsed()
    tile, parts, length = choose(dtype, rows, columns, inner, batches)
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
