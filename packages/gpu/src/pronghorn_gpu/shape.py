"""Moving elements: by strides (the map of an empty body), by indices, and filling.

Elements of one size move as the unsigned integers of that size, so that few kernels do.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from pronghorn import dtypes
from pronghorn.body import Body
from pronghorn.passes.access import elements
from pronghorn_gpu.elementwise import offset, plan_map, unravel
from pronghorn_gpu.emit import HELPERS, cast, load, rounded, store
from pronghorn_gpu.launch import THREADS, Kernel, Launch, Pointer, Scratch, Slot, Work, blocks_for, each, renumber
from pronghorn_gpu.sorting import plan_order
from pronghorn_gpu.spaces import Space, dense_strides

Ints = Sequence[int]


def moved(dtype: str) -> str:
    """The dtype as which elements of `dtype` are moved."""
    return f"uint{8 * dtypes.itemsize(dtype)}"


def plan_copies(dtype: str, spaces: Sequence[Space]) -> tuple[Launch, ...]:
    """Copies; the operands of each space are its source and its target."""
    return plan_map(Body((moved(dtype),), (), (0,)), spaces)


def plan_transpose(dtype: str, x: Ints, axes: Ints) -> tuple[Launch, ...]:
    shape = tuple(x[a] for a in axes)
    strides = dense_strides(x)
    return plan_copies(dtype, [Space(shape, (tuple(strides[a] for a in axes), dense_strides(shape)))])


def plan_slice(dtype: str, x: Ints, start: Ints, size: Ints, step: Ints) -> tuple[Launch, ...]:
    strides = dense_strides(x)
    begin = sum(a * s for a, s in zip(start, strides, strict=True))
    own = tuple(s * k for s, k in zip(strides, step, strict=True))
    return plan_copies(dtype, [Space(tuple(size), (own, dense_strides(size)), (begin, 0))])


def plan_concatenate(dtype: str, *shapes: Ints, axis: int) -> tuple[Launch, ...]:
    whole = [*shapes[0]]
    whole[axis] = sum(s[axis] for s in shapes)
    strides = dense_strides(whole)
    at, spaces, order = 0, [], []
    for k, shape in enumerate(shapes):
        spaces.append(Space(tuple(shape), (dense_strides(shape), strides), (0, at * strides[axis])))
        order += [k, len(shapes)]
        at += shape[axis]
    return renumber(plan_copies(dtype, spaces), order)


def plan_pad(dtype: str, x: Ints, low: Ints, high: Ints, interior: Ints, value: float) -> tuple[Launch, ...] | None:
    if min((*low, *high), default=0) < 0:
        return None
    steps = [gap + 1 for gap in interior]
    shape = [max(n - 1, 0) * s + min(n, 1) + a + b for n, a, b, s in zip(x, low, high, steps, strict=True)]
    strides = dense_strides(shape)
    begin = sum(a * s for a, s in zip(low, strides, strict=True))
    target = tuple(s * k for s, k in zip(strides, steps, strict=True))
    copy = plan_copies(dtype, [Space(tuple(x), (dense_strides(x), target), (0, begin))])
    return (*plan_fill(dtype, elements(shape), value, 1), *copy)


@cache
def fill_kernel(kind: str) -> Kernel:
    """The block: elements, the bits of the value, the target's base."""
    return each("total", ("total", "bits", "target"), [f"{kind}s[target + i] = {kind}(bits)"], [kind])


def plan_fill(dtype: str, count: int, value: float, operand: int | Scratch) -> tuple[Launch, ...]:
    """`count` elements of an operand set to `value`."""
    if not count:
        return ()
    kind = moved(dtype)
    bits = int(np.asarray(value, dtypes.numpy_dtype(dtype)).reshape(1).view(kind).view(f"int{kind[4:]}")[0])
    if kind != "uint64":
        bits &= (1 << int(kind[4:])) - 1
    target = Pointer(operand, kind) if isinstance(operand, int) else Scratch(kind, operand.offset)
    return (Launch(fill_kernel(kind), (count, bits, target), blocks_for(count, THREADS)),)


# ------------------------------------------------------------------------------------------------ by indices


@cache
def gather_kernel(source: str, target: str, index: str) -> Kernel:
    """The block: elements of the result; number of indices; elements of a row; rows of the source; bases of source,
    indices and result. An index out of range is moved to the nearest row."""
    names = ("total", "count", "inner", "rows", "x", "indices", "target")
    steps = f"""
k = i // inner % count
row = int64({index}s[indices + k])
row = row + rows if row < 0 else row
row = max(int64(0), min(rows - 1, row))
value = {load(source, "x + (i // inner // count * rows + row) * inner + i % inner")}
{store(target, "target + i", cast(source, target, "value"))}
"""
    return each("total", names, steps, [source, target, index], HELPERS)


def plan_gather(dtype: str, index: str, x: Ints, indices: Ints, axis: int) -> tuple[Work, ...]:
    """x (operand 0) at the indices (operand 1) of an axis, into operand 2."""
    count, inner = elements(indices), elements(x[axis + 1 :])
    total = elements(x[:axis]) * count * inner
    if not total or not x[axis]:
        return ()
    kind = moved(dtype)
    places = (Pointer(0, kind), Pointer(1, index), Pointer(2, kind))
    slots = (total, count, inner, x[axis], *places)
    return (Launch(gather_kernel(kind, kind, index), slots, blocks_for(total, THREADS)),)


@cache
def keys_kernel(index: str) -> Kernel:
    """The block: number of indices, rows; bases of the indices and of the keys (int64)."""
    names = ("count", "rows", "indices", "keys")
    steps = f"""
row = int64({index}s[indices + i])
row = row + rows if row < 0 else row
int64s[keys + i] = rows if row < 0 or row > rows else row
"""
    return each("count", names, steps, [index])


@cache
def segments_kernel(dtype: str) -> Kernel:
    """The block: number of indices, rows, columns; bases of the values, the keys, their order and the result."""
    add = rounded(dtype, f"{'float32' if dtype in ('float16', 'bfloat16') else dtype}(a + x)")
    names = ("count", "rows", "columns", "values", "keys", "order", "target")
    steps = f"""
k, column = i // columns, i % columns
row = int64s[keys + int32s[order + k]]
first = k == 0
if not first:
    first = int64s[keys + int32s[order + k - 1]] != row
if first and row < rows:
    a = {load(dtype, "values + int32s[order + k] * columns + column")}
    k += 1
    while k < count and int64s[keys + int32s[order + min(k, count - 1)]] == row:
        x = {load(dtype, "values + int32s[order + k] * columns + column")}
        a = {add}
        k += 1
    {store(dtype, "target + row * columns + column", "a")}
"""
    return each("count * columns", names, steps, [dtype, "int32"], HELPERS)


def plan_scatter_rows(dtype: str, index: str, values: Ints, indices: Ints, rows: int) -> tuple[Work, ...]:
    """The rows of operand 0 added up by their indices (operand 1) in operand 2: the indices are sorted stably, and one
    thread adds the elements of a row in the order of the indices. An index out of range is left out."""
    count, columns = elements(indices), elements(values[1:])
    zeros = plan_fill(dtype, rows * columns, 0, 2)
    if not count * columns * rows:
        return zeros
    keys = Scratch("int64")
    sorted_, order, workspace = plan_order("int64", (count,), 0, False, keys, count * 8)
    slots = (count, rows, Pointer(1, index), keys)
    number = Launch(keys_kernel(index), slots, blocks_for(count, THREADS), THREADS, workspace)
    sums = (count, rows, columns, Pointer(0, dtype), keys, order, Pointer(2, dtype))
    add = Launch(segments_kernel(dtype), sums, blocks_for(count * columns, THREADS), THREADS, workspace)
    return (*zeros, number, *sorted_, add)


@cache
def block_kernel(kind: str, index: str, rank: int, update: bool) -> Kernel:
    """The block: elements of the small array; its sizes; those of the large one; strides of the large one; bases of
    start, small and large array. `update`: the small one goes into the large one, not the other way round."""
    names = ["total", *(f"{x}{k}" for x in "nms" for k in range(rank)), "start", "small", "large"]
    begin = [f"a{k} = max(int64(0), min(m{k} - n{k}, int64({index}s[start + {k}])))" for k in range(rank)]
    steps = unravel("i", rank, [f"n{k}" for k in range(rank)]) if rank else []
    steps += [f"d{k} = d{k} + a{k}" for k in range(rank)]
    place = offset("large", rank, [f"s{k}" for k in range(rank)])
    move = f"{kind}s[{place}] = {kind}s[small + i]" if update else f"{kind}s[small + i] = {kind}s[{place}]"
    return each("total", names, [*steps, move], [kind, index], setup=begin)


def _plan_block(
    dtype: str, index: str, small: Ints, large: Ints, start: int, operands: tuple[int, int], update: bool
) -> tuple[Work, ...]:
    total = elements(small)
    if not total:
        return ()
    kind = moved(dtype)
    places = (Pointer(start, index), Pointer(operands[0], kind), Pointer(operands[1], kind))
    slots: tuple[Slot, ...] = (total, *small, *large, *dense_strides(large), *places)
    return (Launch(block_kernel(kind, index, len(small), update), slots, blocks_for(total, THREADS)),)


def plan_dynamic_slice(dtype: str, index: str, x: Ints, start: Ints, size: Ints) -> tuple[Work, ...]:
    """The block of `size` of operand 0 at operand 1, moved inside where it would stick out, into operand 2."""
    return _plan_block(dtype, index, size, x, 1, (2, 0), update=False)


def plan_dynamic_update_slice(dtype: str, index: str, x: Ints, update: Ints, start: Ints) -> tuple[Work, ...]:
    """Operand 0 with the block at operand 2 replaced by operand 1, into operand 3."""
    copy = plan_copies(dtype, [Space(tuple(x), (dense_strides(x), dense_strides(x)))])
    return (*renumber(copy, (0, 3)), *_plan_block(dtype, index, update, x, 2, (1, 3), update=True))
