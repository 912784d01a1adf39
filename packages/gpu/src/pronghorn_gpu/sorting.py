"""Order along an axis: sorting indices, running sums, and places in a sorted vector."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from pronghorn.passes.access import elements
from pronghorn_gpu.emit import HELPERS, load, register, rounded, store
from pronghorn_gpu.launch import THREADS, Kernel, Launch, Pointer, Scratch, Slot, Work, blocks_for, each

Ints = Sequence[int]


def _before(x: str, y: str, descending: bool = False) -> str:
    """Whether x comes before y; NaN is the largest."""
    if descending:
        x, y = y, x
    return f"({x} < {y} or ({y} != {y} and {x} == {x}))"


@cache
def merge_kernel(dtype: str, descending: bool) -> Kernel:
    """One turn of a merge sort of indices: each element finds its place among two runs by bisection.

    The block: elements; elements along the axis; elements between two of them; the length of a run; whether it is the
    first turn, which reads no indices; bases of the keys, and of the indices (int32) before and after.
    """
    key = load(dtype, "keys + line + int64(int32s[source + line + {} * inner] if later else {}) * inner")
    names = ("total", "n", "inner", "width", "later", "keys", "source", "target")
    steps = f"""
place = i // inner % n
line = i - place * inner
start = place // (2 * width) * (2 * width)
left = place - start < width
low = min(n, start + width) if left else start
high = min(n, start + 2 * width) if left else start + width
first = low
mine = {key.format("place", "place")}
while low < high:
    middle = (low + high) // 2
    other = {key.format("middle", "middle")}
    if left:
        smaller = {_before("other", "mine", descending)}
    else:
        smaller = not {_before("mine", "other", descending)}
    if smaller:
        low = middle + 1
    else:
        high = middle
found = low - first
to = place + found if left else place - width + found
int32s[target + line + to * inner] = int32(int32s[source + i] if later else place)
"""
    return each("total", names, steps, [dtype, "int32"], HELPERS)


def plan_order(
    dtype: str, shape: Ints, axis: int, descending: bool, keys: Slot, first: int, target: Slot | None = None
) -> tuple[tuple[Launch, ...], Slot, int]:
    """Launches that sort `keys` along an axis stably; where the order is (in `target`, or in scratch memory, of which
    the first bytes are taken); and the bytes of scratch memory needed."""
    total, n, inner = elements(shape), shape[axis], elements(shape[axis + 1 :])
    half = -(-total * 4 // 256) * 256
    buffers: list[Slot] = [Scratch("int32", first), Scratch("int32", first + half)]
    turns = max(1, (n - 1).bit_length())
    launches = []
    source: Slot = buffers[1]
    for turn in range(turns):
        last = turn == turns - 1
        after = target if last and target is not None else buffers[turn % 2]
        slots = (total, n, inner, 1 << turn, int(turn > 0), keys, source, after)
        source = after
        kernel_ = merge_kernel(dtype, descending)
        launches.append(Launch(kernel_, slots, blocks_for(total, THREADS), THREADS, first + 2 * half))
    return tuple(launches), source, first + 2 * half


def plan_argsort(dtype: str, x: Ints, axis: int, descending: bool) -> tuple[Work, ...]:
    """Indices (operand 1) that sort operand 0; equal elements keep their order."""
    if not elements(x):
        return ()
    return plan_order(dtype, x, axis, descending, Pointer(0, dtype), 0, Pointer(1, "int32"))[0]


@cache
def cumsum_kernel(dtype: str) -> Kernel:
    """The block: lines; elements of a line; elements between two of them; whether it runs from the end; both bases."""
    kind = register(dtype)
    names = ("lines", "n", "inner", "reverse", "x", "target")
    steps = f"""
line = i // inner * n * inner + i % inner
a = {kind}(0)
for k in range(n):
    at = line + (n - 1 - k if reverse else k) * inner
    value = {load(dtype, "x + at")}
    a = {rounded(dtype, f"{kind}(a + value)")}
    {store(dtype, "target + at", "a")}
"""
    return each("lines", names, steps, [dtype], HELPERS)


def plan_cumsum(dtype: str, x: Ints, axis: int, reverse: bool) -> tuple[Work, ...] | None:
    """Running sums of operand 0 into operand 1: a thread for each line."""
    total, n, inner = elements(x), x[axis], elements(x[axis + 1 :])
    if not total or dtype == "bool":
        return None if total else ()
    slots = (total // n, n, inner, int(reverse), Pointer(0, dtype), Pointer(1, dtype))
    return (Launch(cumsum_kernel(dtype), slots, blocks_for(total // n, THREADS)),)


@cache
def searchsorted_kernel(dtype: str, right: bool) -> Kernel:
    """The block: values; elements of the sorted vector; bases of the vector, the values and the result."""
    smaller = f"not {_before('mine', 'other')}" if right else _before("other", "mine")
    names = ("total", "n", "vector", "values", "target")
    steps = f"""
mine = {load(dtype, "values + i")}
low, high = int64(0), n
while low < high:
    middle = (low + high) // 2
    other = {load(dtype, "vector + middle")}
    if {smaller}:
        low = middle + 1
    else:
        high = middle
int32s[target + i] = int32(low)
"""
    return each("total", names, steps, [dtype, "int32"], HELPERS)


def plan_searchsorted(dtype: str, vector: Ints, values: Ints, right: bool) -> tuple[Work, ...]:
    """Where the values (operand 1) would go into a sorted vector (operand 0), into operand 2."""
    total = elements(values)
    if not total:
        return ()
    slots = (total, vector[0], Pointer(0, dtype), Pointer(1, dtype), Pointer(2, "int32"))
    return (Launch(searchsorted_kernel(dtype, right), slots, blocks_for(total, THREADS)),)
