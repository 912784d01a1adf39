"""Fusion: elementwise chains become one kernel, with the reduction that ends them or the matmul or convolution that
starts them, and equal kernels on different tensors become one launch.

Every node has a level. Along an edge between two elementwise nodes of one shape the level may stay; along any other
edge it rises. So nodes of one shape and level can share a kernel without a cycle, whatever lies between them.
Elementwise nodes take the highest level their users allow, which brings them next to their users and all optimizer
updates together; but what is computed from a single operand that nobody else would keep, such as the slope of an
activation, is computed beside the others that read it, and kept in its stead.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from pronghorn.body import Body, Step
from pronghorn.graph import Graph, Node, users_of
from pronghorn.op import Elementwise, Op
from pronghorn.passes.access import Bits, as_matrix, collapse, elements
from pronghorn.passes.fused import EPILOGUES, fused, fused_reduce, table
from pronghorn.tensor import Tensor

STEPS_PER_KERNEL = 64
"""Longer chains are cut: registers spill and compile time grows."""

SUNK_REDUCTION = 65536
"""A reduction of at most so many elements may wait for its users; it keeps its operand alive until then."""

REDUCTIONS = frozenset(
    {"reduce_sum", "reduce_max", "reduce_min", "reduce_prod", "reduce_any", "reduce_all", "argmax", "argmin"}
)
DRAWS = frozenset({"random_uniform", "random_bits", "random_normal"})


def fuse(graph: Graph) -> Graph:
    """The graph with fused nodes, in the order of their levels. Bodies are fused too."""
    nodes = [_with_fused_bodies(node) if node.bodies() else node for node in graph.nodes]
    maps = {node for node in nodes if is_map(node)}
    levels = _levels(nodes, maps)
    users = users_of(nodes)
    results = set(graph.results)
    units = _elementwise_units(nodes, maps, levels, users, results)
    units, levels = _epilogues(units, levels, results, set(graph.writes.values()))
    units, levels = _reductions(units, levels, results)
    units = _tables(units, levels)
    position = {node: k for k, node in enumerate(units)}
    units.sort(key=lambda node: (levels[node], position[node]))
    return Graph(graph.inputs, graph.outputs, units, graph.reads, graph.writes)


def _with_fused_bodies(node: Node) -> Node:
    attrs = {k: fuse(v) if isinstance(v, Graph) else v for k, v in node.attrs.items()}
    return _replace(node, node.op, node.inputs, attrs)


def _replace(like: Node, op: Op, inputs: Sequence[Tensor], attrs: dict[str, Any]) -> Node:
    """A node that makes the outputs of `like` in its place."""
    return Node(op, inputs, attrs, like.outputs, layer=like.layer)


def is_map(node: Node) -> bool:
    """Whether the node computes each element from the elements at its place."""
    return isinstance(node.op, Elementwise) or node.op.name in ("cast", "broadcast_to")


def _levels(nodes: list[Node], maps: set[Node]) -> dict[Node, int]:
    maker = {t: node for node in nodes for t in node.outputs}
    levels: dict[Node, int] = {}
    users: dict[Node, list[Node]] = defaultdict(list)
    for node in nodes:
        level, shape = 0, node.outputs[0].shape if node in maps else None
        for t in node.inputs:
            before = maker.get(t)
            if before is not None:
                users[before].append(node)
                level = max(level, levels[before] + (t.shape != shape or before not in maps))
        levels[node] = level
    top, early = max(levels.values(), default=0), levels.copy()
    for node in reversed(nodes):
        shape = node.outputs[0].shape if node in maps else None
        if shape is not None or (node.op.name in REDUCTIONS and elements(node.inputs[0].shape) <= SUNK_REDUCTION):
            limits = [levels[u] - (u.outputs[0].shape != shape or u not in maps) for u in users[node]]
            levels[node] = max(levels[node], min(limits, default=top))
    for node in nodes:
        if node in maps and levels[node] > early[node]:  # if it alone keeps an operand that long, it takes its place
            out, made = node.outputs[0], [t for t in node.inputs if t in maker]
            others = [levels[u] for t in made for u in users[maker[t]] if u is not node]
            alike = [(t.shape, out.dtype in (t.dtype, "bool")) for t in made] == [(out.shape, True)]
            if alike and others and max(others) <= early[node]:
                levels[node] = early[node]
    return levels


# ------------------------------------------------------------------------------------------------ maps


def _elementwise_units(
    nodes: list[Node],
    maps: set[Node],
    levels: dict[Node, int],
    users: dict[Tensor, list[Node]],
    results: set[Tensor],
) -> list[Node]:
    """The nodes with each connected group of maps replaced by one fused node, at the place of its last member."""
    leader: dict[Node, Node] = {}

    def find(node: Node) -> Node:
        while leader[node] is not node:
            leader[node] = leader[leader[node]]
            node = leader[node]
        return node

    by_place: dict[Any, Node] = {}
    for node in nodes:
        if node not in maps:
            continue
        leader[node] = node
        shape = node.outputs[0].shape
        # Maps that share an operand of full size, and all maps of scalars, go together as well.
        keys: list[Any] = [t for t in (*node.inputs, *node.outputs) if t.shape == shape and t.scope is not None]
        if not shape:
            keys.append("scalar")
        for key in keys:
            first = by_place.setdefault((key, levels[node]), node)
            if first is not node:
                leader[find(node)] = find(first)
    groups: dict[Node, list[Node]] = defaultdict(list)
    for node in nodes:
        if node in leader:
            groups[find(node)].append(node)
    last = {members[-1]: members for members in groups.values()}
    units: list[Node] = []
    for node in nodes:
        if node not in leader:
            units.append(node)
        elif members := last.get(node):
            for start in range(0, len(members), STEPS_PER_KERNEL):
                unit = _fuse_maps(members[start : start + STEPS_PER_KERNEL], users, results)
                levels[unit] = levels[node]
                units.append(unit)
    return units


def _step_of(node: Node, arguments: tuple[int, ...]) -> Step:
    if node.op.name == "broadcast_to":
        return Step("broadcast_to", "x", ("x",), arguments, node.outputs[0].dtype)
    op: Any = node.op
    return Step(op.name, op.expression, op.parameters, arguments, node.outputs[0].dtype)


def _fuse_maps(members: list[Node], users: dict[Tensor, list[Node]], results: set[Tensor]) -> Node:
    inside = set(members)
    inputs = list(dict.fromkeys(t for node in members for t in node.inputs if t.node not in inside))
    ids = {t: k for k, t in enumerate(inputs)}
    steps = []
    for node in members:
        steps.append(_step_of(node, tuple([ids[t] for t in node.inputs])))
        ids[node.outputs[0]] = len(inputs) + len(steps) - 1
    outputs = [t for node in members for t in node.outputs if t in results or not inside.issuperset(users[t])]
    body = Body(tuple([t.dtype for t in inputs]), tuple(steps), tuple([ids[t] for t in outputs]))
    layer = next((node.layer for node in reversed(members) if node.layer), "")
    return Node(fused, inputs, {"body": body, "shape": members[-1].outputs[0].shape}, outputs, layer=layer)


# --------------------------------------------------------------------------------------------- epilogues and reductions


def _epilogues(
    units: list[Node], levels: dict[Node, int], results: set[Tensor], written: set[Tensor]
) -> tuple[list[Node], dict[Node, int]]:
    """Maps that directly follow a matmul or convolution are applied to its pieces while these are in cache.

    Updates of variables are left alone: they are computed in place, and all of them in one launch. A matrix
    product that is only reshaped has the maps behind that.
    """
    users = users_of(units)
    taken: dict[Node, tuple[Node, Tensor]] = {}  # map -> product, as it is read
    for node in units:
        if node.op.name not in EPILOGUES:
            continue
        c = node.outputs[0]
        if node.op.name == "matmul" and c not in results and [user.op.name for user in users[c]] == ["reshape"]:
            c = users[c][0].outputs[0]
        for user in users[c]:
            alone = all(u is user or levels[u] > levels[user] for u in users[c])
            fits = user.op is fused and user not in taken and user.attrs["shape"] == c.shape
            if fits and alone and _plain(user, node, c) and written.isdisjoint(user.outputs):
                taken[user] = node, c
                break
    merged: list[Node] = []
    gone = {x for product, c in taken.values() for x in (product, c)}
    for node in units:
        if node in gone or (node.op.name == "reshape" and node.outputs[0] in gone):
            continue
        if node not in taken:
            merged.append(node)
            continue
        product, c = taken[node]
        keep = c in results or len(users[c]) > 1
        unit = _epilogue(product, node, c, keep)
        levels[unit] = levels[node]
        merged.append(unit)
    return merged, levels


def _plain(user: Node, product: Node, c: Tensor) -> bool:
    """Whether the map's operands are of the dtype of the product c or bool, and fit it as a matrix.

    Beside a matmul they are matrices, rows, columns or scalars; beside a convolution they are as large, or have one
    value for each channel or for all.
    """
    body: Body = user.attrs["body"]
    written = {body.dtype(k) for k in body.outputs}
    if not {*body.inputs, *written} <= {c.dtype, "bool"} or c.dtype not in written:
        return False
    if product.op.name == "convolution":
        return all(t.shape == c.shape or elements(t.shape[:-1]) == 1 for t in user.inputs)
    (*batch, columns) = product.outputs[0].shape
    return len(batch) == 1 and all(as_matrix(t.shape, c.shape, columns) for t in user.inputs)


def _epilogue(product: Node, user: Node, c: Tensor, keep: bool) -> Node:
    """One node for a product c and the map behind it; the product is the body's input 0."""
    body: Body = user.attrs["body"]
    order = [c, *(t for t in user.inputs if t is not c)]
    body = _reorder(body, user.inputs, order)
    outputs = list(user.outputs)
    if keep:
        body = Body(body.inputs, body.steps, (0, *body.outputs))
        outputs.insert(0, c)
    attrs = {**product.attrs, "body": body, "shape": c.shape}
    return Node(EPILOGUES[product.op.name], [*product.inputs, *order[1:]], attrs, outputs, layer=product.layer)


def _reorder(body: Body, before: Sequence[Tensor], after: Sequence[Tensor]) -> Body:
    """The body with its inputs in another order."""
    place = {t: k for k, t in enumerate(after)}
    renamed = [place[t] for t in before]
    ids = {k: renamed[k] if k < len(renamed) else k for k in range(len(renamed) + len(body.steps))}
    steps = tuple(
        Step(s.name, s.expression, s.parameters, tuple(ids[k] for k in s.arguments), s.dtype) for s in body.steps
    )
    return Body(tuple(t.dtype for t in after), steps, tuple(ids[k] for k in body.outputs))


def _reductions(units: list[Node], levels: dict[Node, int], results: set[Tensor]) -> tuple[list[Node], dict[Node, int]]:
    """Reductions take the map that only feeds them into their loop."""
    users = users_of(units)
    maker = {t: node for node in units for t in node.outputs}
    gone: set[Node] = set()
    replaced: dict[Node, Node] = {}
    for node in units:
        if node.op.name not in REDUCTIONS:
            continue
        x = node.inputs[0]
        before = maker.get(x)
        alone = users[x] == [node] and x not in results
        attrs = {"kind": node.op, "axis": node.attrs["axis"], "keepdims": node.attrs["keepdims"], "shape": x.shape}
        if alone and before is not None and before.op is fused and len(before.outputs) == 1:
            unit = _replace(node, fused_reduce, before.inputs, {"body": before.attrs["body"], **attrs})
            gone.add(before)
        else:
            unit = _replace(node, fused_reduce, [x], {"body": Body((x.dtype,), (), (0,)), **attrs})
        levels[unit] = levels[node]
        replaced[node] = unit
    return [replaced.get(node, node) for node in units if node not in gone], levels


# ------------------------------------------------------------------------------------------------ tables


@lru_cache(maxsize=1024)
def _pattern(shape: Any, operands: Any, fixed: Any = ()) -> tuple[Bits, ...]:
    return collapse(shape, operands, fixed).pattern.dims


def _table_key(node: Node) -> Any:
    attrs, shapes = node.attrs, tuple([t.shape for t in node.inputs])
    if node.op is fused:
        return (node.op, attrs["body"], _pattern(attrs["shape"], shapes))
    if node.op is fused_reduce:
        position = tuple([axis - len(attrs["shape"]) for axis in attrs["axis"]])
        pattern = _pattern(attrs["shape"], shapes, attrs["axis"])
        return (node.op, attrs["body"], attrs["kind"], position, attrs["keepdims"], pattern)
    if node.op.name in DRAWS:
        return (node.op, node.outputs[0].dtype)
    return None


def _tables(units: list[Node], levels: dict[Node, int]) -> list[Node]:
    """Nodes of one level with the same kernel become one launch."""
    groups: dict[Any, list[Node]] = defaultdict(list)
    for node in units:
        key = _table_key(node)
        if key is not None:
            groups[(levels[node], key)].append(node)
    member_of = {node: members for members in groups.values() if len(members) > 1 for node in members}
    result = []
    for node in units:
        members = member_of.get(node)
        if members is None:
            result.append(node)
        elif node is members[-1]:
            attrs = {"op": node.op, "members": tuple(m.attrs for m in members), "arity": len(node.inputs)}
            inputs = [t for m in members for t in m.inputs]
            unit = Node(table, inputs, attrs, [t for m in members for t in m.outputs], layer="")
            levels[unit] = levels[node]
            result.append(unit)
    return result
