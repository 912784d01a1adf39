"""A pass over fused graphs: gradients of gathers stay sums of the rows that were gathered.

`scatter_rows` makes a dense array, most of whose rows are zero where the table is large (an embedding's). Where maps
alone read it, as an optimizer's update does, they can as well be told where the sum of each row is: then the dense
array is neither zeroed nor read, and the numbers are the same. Other readers, such as the norm of all gradients, get it
dense.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pronghorn.graph import Graph, Node, Spec, users_of
from pronghorn.op import Op
from pronghorn.passes.access import elements
from pronghorn.passes.fused import fused, table
from pronghorn.tensor import Tensor
from pronghorn_cpu.sequences import made

Array = np.ndarray[Any, Any]


def _sum_rows(values: Array, indices: Array, rows: int) -> tuple[Array, Array]:
    sums, places = np.zeros((len(values) + 1, values.shape[1]), values.dtype), np.zeros(rows, np.int32)
    for k in reversed(range(len(indices))):
        places[indices[k]] = k + 1
    np.add.at(sums, places[indices], values)
    return sums.reshape(-1), places


sum_rows = Op(
    "sum_rows",
    _sum_rows,
    lambda values, indices, rows: (
        Spec(((values.shape[0] + 1) * values.shape[1],), values.dtype),
        Spec((rows,), "int32"),
    ),
)
"""Sums of the values that have the same index, each at the place of the first, after a row of zeros; and for each row
its place. The sums are flat, so that no map takes them for an array of its own shape."""


def keep_row_gradients(graph: Graph) -> Graph:
    """The graph with `sum_rows` instead of `scatter_rows` where all readers are maps; those say with the attribute
    "rows" which of their inputs that is, and have the places as the last.
    """
    scattered = {node.outputs[0]: node for node in graph.nodes if node.op.name == "scatter_rows"}
    if not scattered:
        return graph
    users = users_of(graph.nodes)
    results = set(graph.results)
    compact = {
        dense: made(sum_rows, node.inputs, node.attrs, node.layer)
        for dense, node in scattered.items()
        if dense not in results and _fits(node) and all(_reads(user, dense, scattered) for user in users[dense])
    }
    if not compact:
        return graph
    nodes: list[Node] = []
    for node in graph.nodes:
        if node.outputs[0] in compact:
            nodes.append(compact[node.outputs[0]])
        elif compact.keys().isdisjoint(node.inputs):
            nodes.append(node)
        else:
            nodes += _with_rows(node, compact)
    return Graph(graph.inputs, graph.outputs, nodes, graph.reads, graph.writes)


def _fits(node: Node) -> bool:
    values, indices = node.inputs
    return (
        values.dtype in ("float32", "float64")
        and indices.dtype in ("int32", "int64")
        and len(values.shape) == 2
        and 0 not in (*values.shape, node.attrs["rows"])
    )


def _members(node: Node) -> list[Node]:
    """The maps of a node, each as a node of its own."""
    if node.op is fused:
        return [node]
    if node.op is not table or node.attrs["op"] is not fused:
        return []
    attrs, arity = node.attrs["members"], node.attrs["arity"]
    count = len(node.outputs) // len(attrs)
    return [
        Node(fused, node.inputs[k * arity : (k + 1) * arity], own, node.outputs[k * count : (k + 1) * count])
        for k, own in enumerate(attrs)
    ]


def _reads(node: Node, dense: Tensor, scattered: dict[Tensor, Node]) -> bool:
    """Whether all of a node that reads a tensor is maps of its shape, whose other operands are scalars or of that shape
    as well, and not scattered.
    """
    found = [member for member in _members(node) if any(t is dense for t in member.inputs)]
    return bool(found) and all(
        member.attrs["shape"] == dense.shape
        and sum(t in scattered for t in member.inputs) == 1
        and all(t.shape == dense.shape or elements(t.shape) == 1 for t in member.inputs)
        for member in found
    )


def _with_rows(node: Node, compact: dict[Tensor, Node]) -> list[Node]:
    """The maps that read sums of rows, and what else was in the node."""
    members = _members(node)
    kept = [member for member in members if compact.keys().isdisjoint(member.inputs)]
    found = []
    for member in members:
        if member in kept:
            continue
        position = next(k for k, t in enumerate(member.inputs) if t in compact)
        sums, places = compact[member.inputs[position]].outputs
        inputs = [*member.inputs[:position], sums, *member.inputs[position + 1 :], places]
        found.append(Node(fused, inputs, {**member.attrs, "rows": position}, member.outputs, layer=node.layer))
    if kept:
        attrs = {**node.attrs, "members": tuple(member.attrs for member in kept)}
        inputs = [t for member in kept for t in member.inputs]
        outputs = [t for member in kept for t in member.outputs]
        found.insert(0, Node(table, inputs, attrs, outputs, layer=node.layer))
    return found
