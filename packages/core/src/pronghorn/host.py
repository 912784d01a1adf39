"""What only Python computes: strings, and whatever a plugin looks up in tables of its own.

In a program such nodes come before and after what the accelerator compiles: `pronghorn_ops.host` divides it.
"""

from __future__ import annotations

from pronghorn.graph import Graph, Node
from pronghorn.op import Op


class HostOp(Op):
    """A primitive that has a reference and will have no kernel.

    `infer` may leave sizes None that depend on values: in a program they are those of the strings given to it, and
    each new size makes a new plan.
    """


def needed(graph: Graph) -> bool:
    """Whether a part of a program must be computed by the host."""
    return _holds_strings(graph) or any(isinstance(node.op, HostOp) for node in graph.nodes)


def _holds_strings(graph: Graph) -> bool:
    found = {t.dtype for node in graph.nodes for t in (*node.inputs, *node.outputs)}
    found.update([t.dtype for t in (*graph.placeholders, *graph.results)])
    return "string" in found or any(_holds_strings(body) for node in graph.nodes for body in node.bodies())


def on_strings(node: Node) -> bool:
    return "string" in [t.dtype for t in (*node.inputs, *node.outputs)] or any(map(_holds_strings, node.bodies()))
