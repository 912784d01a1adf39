"""Fused elementwise kernels: one `Body` over a table of iteration spaces.

The kernel always takes a table, so that the same expression on several tensors (an optimizer's variables) is one
launch. Work is cut into chunks; a block finds the member of its chunk in the table. Every operand has strides, so
moving elements (transpose, slice, concatenate …) is the map of an empty body.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cache

from pronghorn.body import Body
from pronghorn_gpu.emit import HELPERS, load, statements, store
from pronghorn_gpu.launch import THREADS, Kernel, Launch, Pointer, Slot, blocks_for, kernel
from pronghorn_gpu.spaces import Space
from pronghorn_gpu.target import SIMULATED

CHUNKS = (64, 32) if SIMULATED else (1024, 512, 256)
"""Elements that a block takes at a time: as many as leave chunks enough to keep the card busy."""

ENOUGH_CHUNKS = 4 if SIMULATED else 528

HEADER = 3


def record_of(p: str, item: str, members: str) -> str:
    """Statements that find the member `low` to which an item belongs: members start at ascending items."""
    return f"""
low, high = 0, {members}
while high - low > 1:
    middle = (low + high) // 2
    if int64s[{p} + middle] <= {item}:
        low = middle
    else:
        high = middle
"""


def unravel(index: str, rank: int, sizes: Sequence[str], names: str = "d") -> list[str]:
    """Statements that take a row-major index apart into `rank` coordinates."""
    lines = [f"rest = {index}"]
    for k in reversed(range(1, rank)):
        lines += [f"{names}{k} = rest % {sizes[k]}", f"rest = rest // {sizes[k]}"]
    return [*lines, f"{names}0 = rest"]


def offset(base: str, rank: int, strides: Sequence[str], names: str = "d") -> str:
    """The index of the element at the coordinates."""
    return " + ".join([base, *(f"{names}{k} * {strides[k]}" for k in range(rank))])


def _indented(lines: Sequence[str], depth: int) -> str:
    return "\n".join("    " * depth + line for line in lines)


@cache
def map_kernel(body: Body, rank: int) -> Kernel:
    """The block: members, chunks, elements of a chunk; each member's first chunk; each member's size, `rank` sizes, and
    for each operand (inputs, then outputs) its base and `rank` strides."""
    inputs, outputs = len(body.inputs), len(body.outputs)
    operands = inputs + outputs
    width = 1 + rank + operands * (1 + rank)
    setup = [f"q = p + {HEADER} + members + low * {width}", "total = int64s[q]"]
    setup += [f"n{k} = int64s[q + {1 + k}]" for k in range(rank)]
    for j in range(operands):
        at = 1 + rank + j * (1 + rank)
        setup.append(f"b{j} = int64s[q + {at}]")
        setup += [f"s{j}_{k} = int64s[q + {at + 1 + k}]" for k in range(rank)]
    index = [offset(f"b{j}", rank, [f"s{j}_{k}" for k in range(rank)]) for j in range(operands)]
    steps = unravel("i", rank, [f"n{k}" for k in range(rank)])
    steps += [f"x{j} = {load(dtype, index[j])}" for j, dtype in enumerate(body.inputs)]
    lines, results = statements(body, [f"x{j}" for j in range(inputs)])
    steps += lines
    for j, (k, name) in enumerate(zip(body.outputs, results, strict=True)):
        steps.append(store(body.dtype(k), index[inputs + j], name))
    text = f"""
members, chunks, length = int64s[p], int64s[p + 1], int64s[p + 2]
chunk = int64(cuda.blockIdx.x)
while chunk < chunks:
{_indented(record_of(f"p + {HEADER}", "chunk", "members").splitlines(), 1)}
{_indented(setup, 1)}
    i = (chunk - int64s[p + {HEADER} + low]) * length + cuda.threadIdx.x
    last = min(i - cuda.threadIdx.x + length, total)
    while i < last:
{_indented(steps, 2)}
        i += cuda.blockDim.x
    chunk += cuda.gridDim.x
"""
    return kernel(text, [*body.inputs, *(body.dtype(k) for k in body.outputs)], HELPERS)


def _chunk_length(sizes: Sequence[int]) -> int:
    """Elements of a chunk for members of these sizes."""
    enough = (length for length in CHUNKS if sum(-(-size // length) for size in sizes) >= ENOUGH_CHUNKS)
    return next(enough, CHUNKS[-1])


def plan_map(body: Body, spaces: Sequence[Space]) -> tuple[Launch, ...]:
    """The body over all spaces, each with strides for the body's inputs and then for its outputs.

    Operands are numbered member by member: inputs, then outputs. Spaces that collapse to different ranks need a launch
    each.
    """
    width = len(body.inputs) + len(body.outputs)
    dtypes = [*body.inputs, *(body.dtype(k) for k in body.outputs)]
    groups: dict[int, list[tuple[int, Space]]] = defaultdict(list)
    for k, space in enumerate(spaces):
        if space.size:
            small, _ = space.collapsed()
            groups[len(small.shape)].append((k * width, small))
    launches = []
    for rank, members in groups.items():
        starts, records, chunks = [], [], 0
        length = _chunk_length([space.size for _, space in members])
        for first, space in members:
            starts.append(chunks)
            chunks += -(-space.size // length)
            record: list[Slot] = [space.size, *space.shape]
            for j, strides in enumerate(space.strides):
                begin = space.offsets[j] if space.offsets else 0
                record += [Pointer(first + j, dtypes[j], begin), *strides]
            records += record
        slots = (len(members), chunks, length, *starts, *records)
        launches.append(Launch(map_kernel(body, rank), slots, blocks_for(chunks, 1), THREADS))
    return tuple(launches)
