"""A pass over graphs before they are fused: what programs over sequences move and make for nothing.

Sequences come as (batch, steps, …) and recurrences take (steps, batch, …). Where the rows that change places were just
looked up in a table, or are about to be added to its gradient, their indices change places instead. And a recurrence
whose last output alone is used gets gradients of all steps, nearly all zero: its kernel makes do with the last. What a
recurrence reads and writes may lie in one place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np

from pronghorn.accelerator import to_numpy
from pronghorn.graph import Graph, Node
from pronghorn.op import Op
from pronghorn.ops.shape import gather, permute, reshape_to, scatter_rows
from pronghorn.passes.access import elements
from pronghorn.passes.simplify import live_nodes
from pronghorn.tensor import Tensor
from pronghorn_cpu import host


def by_steps(graph: Graph) -> Graph:
    """An equivalent graph; sums of rows with the same index are taken in another order."""
    makers = {t: node for node in graph.nodes for t in node.outputs}
    uses = Counter([*chain.from_iterable([node.inputs for node in graph.nodes]), *graph.results])
    nodes: list[Node] = []
    for node in graph.nodes:
        nodes += (_rewritten(node, makers, uses) if node.op.name in _REWRITTEN else None) or [node]
    return Graph(graph.inputs, graph.outputs, live_nodes(nodes, graph.results), graph.reads, graph.writes)


_REWRITTEN = frozenset({permute.name, scatter_rows.name, "recurrence", "recurrence_gradient"})


def _rewritten(node: Node, makers: dict[Tensor, Node], uses: Counter[Tensor]) -> list[Node] | None:
    if node.op is permute:
        return _looked_up_in_order(node, makers.get(node.inputs[0]), uses)
    if node.op is scatter_rows:
        return _added_in_order(node, makers)
    if node.op.name == "recurrence_gradient" and node.outputs[0].dtype in host.ITEMSIZE:
        return [_in_place(_without_zeros(node, makers))]
    if node.op.name == "recurrence" and node.outputs[0].dtype in host.ITEMSIZE:
        return [_in_place(node)]
    return None


def _in_place(node: Node) -> Node:
    """A recurrence whose results may take over the memory of its operands: it reads them step by step as it writes,
    and what another step needs, the states before it, is written over later. But noise is read in all steps.
    """
    if node.attrs.get("noisy") and node.outputs[0].shape[0] == node.attrs["cell"].gates:
        return node  # where there are as many steps, noise has the shape of the states
    return Node(node.op, node.inputs, {**node.attrs, "in_place": True}, node.outputs, layer=node.layer)


def _permutes(axes: Sequence[int], count: int) -> bool:
    """Whether only the first `count` axes change places."""
    return all(axis == k for k, axis in enumerate(axes) if k >= count)


def made(op: Op, inputs: Sequence[Tensor], attrs: dict[str, Any], layer: str) -> Node:
    """A node with fresh outputs."""
    outputs = [Tensor(spec.shape, spec.dtype, scope=inputs[0].scope) for spec in op.specs(list(inputs), attrs)]
    return maker(Node(op, inputs, attrs, outputs, layer=layer))


def maker(node: Node) -> Node:
    """The node, which its outputs are told of: fusion asks them."""
    for t in node.outputs:
        t.node = node
    return node


def _looked_up_in_order(node: Node, lookup: Node | None, uses: Counter[Tensor]) -> list[Node] | None:
    """transpose(x[indices]) as x[transpose(indices)]."""
    if lookup is None or lookup.op is not gather or lookup.attrs["axis"] != 0 or uses[lookup.outputs[0]] > 1:
        return None
    x, indices = lookup.inputs
    rank, axes = len(indices.shape), node.attrs["axes"]
    if indices.scope is None or not _permutes(axes, rank):
        return None
    moved = made(permute, [indices], {"axes": tuple(axes[:rank])}, node.layer)
    return [moved, Node(gather, [x, moved.outputs[0]], lookup.attrs, node.outputs, layer=lookup.layer)]


def _added_in_order(node: Node, makers: dict[Tensor, Node]) -> list[Node] | None:
    """scatter_rows(reshape(transpose(rows)), ravel(indices)) without the transposition of the rows."""
    flat, raveled = (makers.get(t) for t in node.inputs)
    if flat is None or raveled is None or flat.op is not reshape_to or raveled.op is not reshape_to:
        return None
    turned, indices = makers.get(flat.inputs[0]), raveled.inputs[0]
    rank = len(indices.shape)
    if turned is None or turned.op is not permute or turned.outputs[0].shape[:rank] != indices.shape:
        return None
    axes = turned.attrs["axes"]
    if elements(indices.shape) != node.inputs[1].shape[0] or not _permutes(axes, rank):
        return None
    moved = made(permute, [indices], {"axes": tuple(int(k) for k in np.argsort(axes[:rank]))}, node.layer)
    line = made(reshape_to, moved.outputs, raveled.attrs, node.layer)
    rows = made(reshape_to, turned.inputs, flat.attrs, node.layer)
    inputs = [rows.outputs[0], line.outputs[0]]
    return [moved, line, rows, Node(scatter_rows, inputs, node.attrs, node.outputs, layer=node.layer)]


def _without_zeros(node: Node, makers: dict[Tensor, Node]) -> Node:
    """The gradient of a recurrence; "arriving" says of each state for which steps its gradient is given: "all", the
    "last" or "none".
    """
    count = len(node.attrs["cell"].states)
    arriving, inputs = [], list(node.inputs[:-count])
    for t in node.inputs[-count:]:
        maker = makers.get(t)
        if maker is not None and _puts_at_the_end(maker):
            arriving.append("last")
            inputs.append(maker.inputs[0])
        elif _is_zero(maker.inputs[0] if maker is not None and maker.op.name == "broadcast_to" else t):
            arriving.append("none")
        elif t.shape[0] == 1:
            arriving.append("last")
            inputs.append(t)
        else:
            arriving.append("all")
            inputs.append(t)
    return Node(node.op, inputs, {**node.attrs, "arriving": tuple(arriving)}, node.outputs, layer=node.layer)


def _puts_at_the_end(node: Node) -> bool:
    """Whether a node puts the gradient of one step behind zeros for all others."""
    attrs = node.attrs
    return (
        node.op.name == "pad"
        and node.inputs[0].shape[0] == 1
        and attrs["value"] == 0
        and not any(attrs["low"][1:])
        and not any((*attrs["high"], *attrs["interior"][1:]))
    )


def _is_zero(t: Tensor) -> bool:
    return t.scope is None and not np.any(to_numpy(t.buffer))
