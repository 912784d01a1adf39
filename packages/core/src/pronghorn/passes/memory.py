"""The memory plan: where each value of a graph lives. Lifetimes decide; one arena holds all that has no home of its
own."""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from pronghorn import dtypes
from pronghorn.graph import Graph, Node
from pronghorn.passes.access import elements
from pronghorn.passes.fused import fused, table
from pronghorn.tensor import Tensor, Variable

ALIGNMENT = 64
"""Bytes; a cache line, and the widest vector."""

VIEWS = frozenset({"reshape", "stop_gradient"})
"""Ops whose output is their input's memory."""

_PAIRWISE_LIMIT = 2000
"""With more values than this the arena is filled in program order, in near-linear time, instead of largest first."""


class Place(NamedTuple):
    """Where a tensor lives: `kind` is "arena" (at `offset`), "variable", "argument" or "constant" (of `root`)."""

    kind: str
    root: Tensor
    offset: int = 0
    variable: Variable | None = None


@dataclass
class MemoryPlan:
    """Places of all tensors, workspaces of nodes (offsets into the arena), the arena's size and the bound by
    liveness."""

    places: dict[Tensor, Place]
    workspaces: dict[Node, int]
    size: int
    bound: int
    copies: list[tuple[Tensor, Variable]] = field(default_factory=list)
    """Values to copy into variables at the end, because they could not be computed in place."""


def nbytes(t: Tensor) -> int:
    """Bytes of a tensor of known shape."""
    return elements(t.shape) * dtypes.itemsize(t.dtype)


def aligned(n: int) -> int:
    """`n` bytes rounded up to the alignment."""
    return -(-n // ALIGNMENT) * ALIGNMENT


def in_place_inputs(node: Node) -> dict[Tensor, list[Tensor]]:
    """Inputs whose memory each output may take over: a map, or a node with the attribute "in_place", reads each element
    of them only to write the one at its place."""
    arity, count = len(node.inputs), len(node.outputs)
    if node.op is table and node.attrs["op"] is fused:
        arity, count = node.attrs["arity"], len(node.outputs) // len(node.attrs["members"])
    elif node.op is not fused and "in_place" not in node.attrs:
        return {}
    uses = Counter(node.inputs)
    found = {}
    for k, out in enumerate(node.outputs):
        own, size = node.inputs[k // count * arity :][:arity], dtypes.itemsize(out.dtype)
        found[out] = [t for t in own if t.shape == out.shape and uses[t] == 1 and dtypes.itemsize(t.dtype) == size]
    return found


class _Value(NamedTuple):
    root: Tensor | Node
    size: int
    start: int
    end: int


def plan(graph: Graph, workspace: Callable[[Node], int] = lambda node: 0) -> MemoryPlan:
    """Places every tensor of a fused graph. `workspace` says how many bytes of scratch a node's kernels need."""
    root: dict[Tensor, Tensor] = {}
    for node in graph.nodes:
        if node.op.name in VIEWS:
            root[node.outputs[0]] = root.get(node.inputs[0], node.inputs[0])

    def home(t: Tensor) -> Tensor:
        return root.get(t, t)

    end = len(graph.nodes)
    last: dict[Tensor, int] = {}
    for k, node in enumerate(graph.nodes):
        if node.op.name not in VIEWS:
            for t in node.inputs:
                last[home(t)] = k
    for t in graph.results:
        last[home(t)] = end
    places: dict[Tensor, Place] = {t: Place("argument", t) for t in graph.inputs}
    places.update((t, Place("variable", t, variable=v)) for v, t in graph.reads.items())
    in_place = [in_place_inputs(node) for node in graph.nodes]
    written_at = _in_place_variables(graph, home, last, in_place)
    first: dict[Tensor, int] = {}
    shares: dict[Tensor, Tensor] = {}  # value -> value whose memory it took over

    for k, node in enumerate(graph.nodes):
        for t in node.inputs:
            if t.scope is None:
                places.setdefault(t, Place("constant", t))
        if node.op.name in VIEWS:
            continue
        taken: set[Tensor] = set()
        for out in node.outputs:
            if out in written_at:
                places[out] = Place("variable", out, variable=written_at[out])
                continue
            first[out] = k
            for t in in_place[k].get(out, ()):
                source = home(t)
                if source in first and last[source] == k and source not in taken and first[source] < k:
                    shares[out] = source
                    taken.add(source)
                    break
            last.setdefault(out, k)
    values = list(_lifetimes(graph, first, last, shares, workspace))
    offsets, size = _pack(values)
    bound = _liveness_bound(values, end)
    workspaces = {v.root: offsets[v.root] for v in values if isinstance(v.root, Node)}
    for out in first:
        owner = out
        while owner in shares:
            owner = shares[owner]
        places[out] = Place("arena", out, offsets[owner])
    for t in graph.results:
        if t.scope is None:
            places.setdefault(t, Place("constant", t))
    for view, source in root.items():
        places[view] = places.get(source) or Place("constant", source)
    copies = [(t, v) for v, t in graph.writes.items() if not (places[t].kind == "variable" and places[t].variable is v)]
    return MemoryPlan(places, workspaces, size, bound, copies)


def _in_place_variables(
    graph: Graph, home: Callable[[Tensor], Tensor], last: dict[Tensor, int], in_place: list[dict[Tensor, list[Tensor]]]
) -> dict[Tensor, Variable]:
    """Values that can be computed straight into their variable: nobody reads the old value afterwards."""
    maker = {t: k for k, node in enumerate(graph.nodes) for t in node.outputs}
    found: dict[Tensor, Variable] = {}
    for variable, t in graph.writes.items():
        if home(t) is not t or t not in maker or t in found or t.dtype != variable.dtype:
            continue
        k = maker[t]
        old = graph.reads.get(variable)
        if old is None or last.get(old, -1) < k:
            found[t] = variable
        elif last[old] == k and any(x is old for x in in_place[k].get(t, ())):
            found[t] = variable
    return found


def _lifetimes(
    graph: Graph,
    first: dict[Tensor, int],
    last: dict[Tensor, int],
    shares: dict[Tensor, Tensor],
    workspace: Callable[[Node], int],
) -> Iterator[_Value]:
    ends = dict(last)
    for out in reversed(list(first)):  # later values first, so that chains of shares add up
        if out in shares:
            ends[shares[out]] = max(ends[shares[out]], ends[out])
    for out, start in first.items():
        if out not in shares:
            yield _Value(out, aligned(nbytes(out)), start, ends[out])
    for k, node in enumerate(graph.nodes):
        need = workspace(node)
        if need:
            yield _Value(node, aligned(need), k, k)


def _liveness_bound(values: list[_Value], end: int) -> int:
    change = [0] * (end + 3)
    for v in values:
        change[v.start] += v.size
        change[v.end + 1] -= v.size
    alive = bound = 0
    for delta in change:
        alive += delta
        bound = max(bound, alive)
    return bound


def _pack(values: list[_Value]) -> tuple[dict[Tensor | Node, int], int]:
    """Offsets such that values alive at the same time do not overlap."""
    return _pack_largest_first(values) if len(values) <= _PAIRWISE_LIMIT else _pack_in_order(values)


def _pack_largest_first(values: list[_Value]) -> tuple[dict[Tensor | Node, int], int]:
    offsets: dict[Tensor | Node, int] = {}
    placed: list[tuple[int, int, int, int]] = []  # offset, that of what is behind, start, end
    size = 0
    for v in sorted(values, key=lambda v: (-v.size, v.start)):
        root, need, start, end = v
        offset = 0
        for at, behind, first, last in placed:
            if first <= end and start <= last:
                if at - offset >= need:
                    break
                if behind > offset:
                    offset = behind
        offsets[root] = offset
        bisect.insort(placed, (offset, offset + need, start, end))
        size = max(size, offset + need)
    return offsets, size


def _pack_in_order(values: list[_Value]) -> tuple[dict[Tensor | Node, int], int]:
    offsets: dict[Tensor | Node, int] = {}
    free: list[tuple[int, int]] = []  # (size, offset), by size
    dying: dict[int, list[tuple[int, int]]] = {}
    size, done = 0, 0
    for v in sorted(values, key=lambda v: v.start):
        while done < v.start:
            for block in dying.pop(done, ()):
                bisect.insort(free, block)
            done += 1
        k = bisect.bisect_left(free, (v.size, 0))
        if k < len(free) and free[k][0] <= 2 * v.size:
            have, offset = free.pop(k)
        else:
            have, offset = v.size, size
            size += v.size
        offsets[v.root] = offset
        dying.setdefault(v.end, []).append((have, offset))
    return offsets, size
