"""Reductions: a `Body` computed element by element and combined over axes.

Lanes (threads) share an output's elements, element k going to lane k mod lanes, and are then combined as a tree; very
long sums are first cut into parts. Lanes and parts depend on the shape alone, so the bits do as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from pronghorn import dtypes
from pronghorn.body import Body, Step
from pronghorn.passes.access import elements
from pronghorn_gpu.elementwise import offset, unravel
from pronghorn_gpu.emit import HALVES, HELPERS, load, register, statements, store
from pronghorn_gpu.launch import Kernel, Launch, Pointer, Real, Scratch, Slot, blocks_for, kernel
from pronghorn_gpu.spaces import Space, broadcast_strides
from pronghorn_gpu.target import SIMULATED

KINDS = {
    "reduce_sum": "sum",
    "reduce_prod": "prod",
    "reduce_max": "max",
    "reduce_min": "min",
    "reduce_any": "any",
    "reduce_all": "all",
    "argmax": "argmax",
    "argmin": "argmin",
}

LANES = 4 if SIMULATED else 256
"""Threads of a block of a reduction, shared among the outputs it works on."""

PART = 64 if SIMULATED else 4096
"""Elements of an output that are worth a block of their own where there are few outputs."""

ENOUGH_BLOCKS = 4 if SIMULATED else 512

TREE = """
half = lanes // 2
while half > 0:
    if lane < half:
        {combine}
    cuda.syncthreads()
    half = half // 2
"""
"""Combines what the lanes have in shared memory; lane 0 has the result."""


def accumulator(kind: str, dtype: str) -> str:
    """The dtype in which values of `dtype` are combined."""
    if kind in ("any", "all") or dtype == "bool":
        return "int32"
    return "float32" if dtype in HALVES else dtype


def initial(kind: str, dtype: str) -> str:
    """What changes nothing."""
    if kind in ("sum", "mean", "any"):
        return f"{dtype}(0)"
    if kind in ("prod", "all"):
        return f"{dtype}(1)"
    low = kind in ("max", "argmax")
    if dtype.startswith("float"):
        return f"{dtype}({'-' if low else ''}INFINITY)"
    bits = int("".join(c for c in dtype if c.isdigit()))
    unsigned = dtype[0] == "u"
    smallest = 0 if unsigned else -(1 << (bits - 1))
    largest = (1 << (bits if unsigned else bits - 1)) - 1
    return f"{dtype}({smallest if low else largest})"


def combined(kind: str, dtype: str, a: str, x: str) -> str:
    """Two values as one; NaN wins."""
    if kind in ("sum", "mean"):
        return f"{dtype}({a} + {x})"
    if kind == "prod":
        return f"mul{dtype[-2:]}({a}, {x})" if dtype.startswith("float") else f"{dtype}({a} * {x})"
    sign = ">" if kind in ("max", "any") else "<"
    return f"({x} if {x} {sign} {a} or {x} != {x} else {a})"


def better(kind: str, x: str, at: str, a: str, place: str, ties: bool) -> str:
    """Whether the element x at index `at` comes before a at `place` (-1: there is none): it is more extreme, NaN most
    of all; or, with `ties`, as extreme and earlier."""
    sign = ">" if kind == "argmax" else "<"
    rule = f"{place} < 0 or {x} {sign} {a} or ({x} != {x} and {a} == {a})"
    if ties:
        rule += f" or (({x} == {a} or ({x} != {x} and {a} != {a})) and {at} < {place})"
        return f"{at} >= 0 and ({rule})"
    return rule


HEADER = 9


@cache
def reduce_kernel(body: Body, kind: str, flags: tuple[bool, ...], dtype: str) -> Kernel:
    """`flags` says which collapsed dimensions are reduced; `dtype` is that of the output.

    The block: outputs, elements of each, lanes, threads between lanes, outputs of a block, threads between them, parts,
    elements of a part, what a mean is divided by; the sizes; for each input its base and strides; the output's base.
    """
    rank, inputs = len(flags), len(body.inputs)
    acc = accumulator(kind, body.dtype(body.outputs[0]))
    index = kind.startswith("arg")
    kept = [k for k in range(rank) if not flags[k]]
    reduced = [k for k in range(rank) if flags[k]]
    setup = [f"n{k} = int64s[p + {HEADER + k}]" for k in range(rank)]
    for j in range(inputs):
        at = HEADER + rank + j * (1 + rank)
        setup.append(f"b{j} = int64s[p + {at}]")
        setup += [f"s{j}_{k} = int64s[p + {at + 1 + k}]" for k in range(rank)]
    setup.append(f"target = int64s[p + {HEADER + rank + inputs * (1 + rank)}]")

    def coordinates(i: str, dims: list[int]) -> list[str]:
        return unravel(i, len(dims), [f"n{k}" for k in dims]) if dims else []

    def indices(base: str, dims: list[int]) -> list[str]:
        return [offset(f"{base}{j}", len(dims), [f"s{j}_{k}" for k in dims]) for j in range(inputs)]

    begin = coordinates("o", kept) + [f"c{j} = {text}" for j, text in enumerate(indices("b", kept))]
    each = coordinates("r", reduced)
    each += [
        f"x{j} = {load(d, text)}" for j, (d, text) in enumerate(zip(body.inputs, indices("c", reduced), strict=True))
    ]
    lines, (value,) = statements(body, [f"x{j}" for j in range(inputs)])
    each += [*lines, f"x = {acc}({value})" if acc != register(body.dtype(body.outputs[0])) else f"x = {value}"]
    if index:
        each += [f"if {better(kind, 'x', 'r', 'a', 'place', ties=False)}:", "    a, place = x, r"]
        other = "other, at = values[tid + half * lane_step], places[tid + half * lane_step]"
        combine = f"""{other}
        if {better(kind, "other", "at", "values[tid]", "places[tid]", ties=True)}:
            values[tid], places[tid] = other, at"""
        share, result = "values[tid], places[tid] = a, place", store(dtype, "target + o", "places[tid]")
    else:
        each.append(f"a = {combined(kind, acc, 'a', 'x')}")
        combine = f"values[tid] = {combined(kind, acc, 'values[tid]', 'values[tid + half * lane_step]')}"
        total = f"values[tid] / {acc}(float64s[p + 8])" if kind == "mean" else "values[tid]"
        share, result = "values[tid] = a", store(dtype, "target + part * outputs + o", total)
    places = f"places = cuda.shared.array({LANES}, int64)" if index else ""

    def block(lines: Sequence[str], depth: int) -> str:
        return "\n".join("    " * depth + line for line in lines)

    text = f"""
outputs, count, lanes, lane_step = int64s[p], int64s[p + 1], int64s[p + 2], int64s[p + 3]
group, group_step, parts, length = int64s[p + 4], int64s[p + 5], int64s[p + 6], int64s[p + 7]
{block(setup, 0)}
values = cuda.shared.array({LANES}, {acc})
{places}
tid = int64(cuda.threadIdx.x)
lane = (tid // lane_step) % lanes
own = (tid // group_step) % group
tile = int64(cuda.blockIdx.x)
tiles = (outputs + group - 1) // group * parts
while tile < tiles:
    part = tile % parts
    o = tile // parts * group + own
    a = {initial(kind, acc)}
    {"place = int64(-1)" if index else ""}
    if o < outputs:
{block(begin, 2)}
        r = part * length + lane
        end = min(count, part * length + length)
        while r < end:
{block(each, 3)}
            r += lanes
    {share}
    cuda.syncthreads()
{block(TREE.format(combine=combine).splitlines(), 1)}
    if lane == 0 and o < outputs:
        {result}
    cuda.syncthreads()
    tile += cuda.gridDim.x
"""
    return kernel(text, [*body.inputs, dtype, *["float64"] * (kind == "mean")], HELPERS)


def split(outputs: int, count: int, inner: bool, most: int = LANES) -> tuple[int, int, int, int]:
    """Lanes of an output and threads between them, outputs of a block and threads between them.

    `inner`: the elements of an output lie next to each other (else those of neighbouring outputs do).
    """

    def power(n: int) -> int:
        return min(most, 1 << max(n - 1, 0).bit_length())

    if inner:
        lanes = power(count)
        return lanes, 1, most // lanes, lanes
    group = power(outputs)
    return most // group, group, group, 1


def plan_reduce(
    body: Body, kind: str, dtype: str, shape: Sequence[int], operands: Sequence[Sequence[int]], axis: Sequence[int]
) -> tuple[Launch, ...]:
    """The reduction of the body's value over `axis` of `shape`; operands are the body's inputs and the result."""
    flags = [k in axis for k in range(len(shape))]
    space, marks = Space(tuple(shape), tuple(broadcast_strides(s, shape) for s in operands)).collapsed(flags)
    outputs = elements([n for n, flag in zip(shape, flags, strict=True) if not flag])
    count = elements([n for n, flag in zip(shape, flags, strict=True) if flag])
    if not outputs:
        return ()
    return _launches(body, kind, dtype, space, marks, outputs, count)


def _launches(
    body: Body, kind: str, dtype: str, space: Space, marks: tuple[bool, ...], outputs: int, count: int
) -> tuple[Launch, ...]:
    lanes, lane_step, group, group_step = split(outputs, count, marks[-1])
    tiles = -(-outputs // group)
    parts = 1
    if not kind.startswith("arg") and tiles < ENOUGH_BLOCKS:
        parts = max(1, min(-(-count // PART), ENOUGH_BLOCKS // tiles))
    length = max(-(-count // parts), 1)
    parts = max(-(-count // length), 1)
    value = body.dtype(body.outputs[0])
    acc = accumulator(kind, value)
    first = dtype if parts == 1 else acc
    slots: list[Slot] = [outputs, count, lanes, lane_step, group, group_step, parts, length, Real(count)]
    slots += space.shape
    for j, strides in enumerate(space.strides):
        slots += [Pointer(j, body.inputs[j]), *strides]
    workspace = outputs * parts * dtypes.itemsize(acc) if parts > 1 else 0
    slots.append(Pointer(len(space.strides), dtype) if parts == 1 else Scratch(acc))
    source = reduce_kernel(body, "sum" if kind == "mean" and parts > 1 else kind, marks, first)
    launch = Launch(source, tuple(slots), blocks_for(tiles * parts, 1), LANES, workspace)
    if parts == 1:
        return (launch,)
    again = {"any": "max", "all": "min"}.get(kind, kind)
    identity = Body((acc,), (), (0,))
    lanes, lane_step, group, group_step = split(outputs, parts, False)
    sums: tuple[Slot, ...] = (outputs, parts, lanes, lane_step, group, group_step, 1, parts, Real(count))
    sums += (parts, outputs, Scratch(acc), outputs, 1)
    second = reduce_kernel(identity, again, (True, False), dtype)
    target = Pointer(len(space.strides), dtype)
    return launch, Launch(second, (*sums, target), blocks_for(-(-outputs // group), 1), LANES, workspace)


def plan_moments(dtype: str, x: Sequence[int], axes: Sequence[int]) -> tuple[Launch, ...]:
    """Mean (operand 1) and variance (operand 2) of operand 0 over `axes`, which are kept: two passes."""
    kept = [1 if k in axes else n for k, n in enumerate(x)]
    difference = Step("subtract", "x - y", ("x", "y"), (0, 1), dtype)
    distance = Body((dtype, dtype), (difference, Step("square", "x * x", ("x",), (2,), dtype)), (3,))
    mean = plan_reduce(Body((dtype,), (), (0,)), "mean", dtype, x, [x], axes)
    return (*mean, *plan_reduce(distance, "mean", dtype, x, [x, kept], axes))
