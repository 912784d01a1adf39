"""A pass over graphs before they are fused: what has no kernel for float16 and bfloat16 is computed in float32.

That is what the reference does, too: float32 arithmetic, and one rounding at the end of each op. The conversions are
elementwise and fuse with what is before and behind them.
"""

from __future__ import annotations

from pronghorn.graph import Graph, Node
from pronghorn.op import cast_op
from pronghorn_cpu.lowering import LOWERINGS, lower
from pronghorn_cpu.sequences import made, maker

HALVES = ("float16", "bfloat16")


def widen(graph: Graph) -> Graph:
    """An equivalent graph in which no op that has kernels misses one for the sake of its dtype. Bodies are, too."""
    nodes: list[Node] = []
    for node in graph.nodes:
        if node.bodies():
            attrs = {key: widen(value) if isinstance(value, Graph) else value for key, value in node.attrs.items()}
            node = maker(Node(node.op, node.inputs, attrs, node.outputs, layer=node.layer))  # noqa: PLW2901
        nodes += _in_float32(node) or [node]
    return Graph(graph.inputs, graph.outputs, nodes, graph.reads, graph.writes)


def _in_float32(node: Node) -> list[Node] | None:
    if node.op.name not in LOWERINGS or not any(t.dtype in HALVES for t in (*node.inputs, *node.outputs)):
        return None
    if lower(node) is not None:
        return None
    before = {t: made(cast_op, [t], {"dtype": "float32"}, node.layer) for t in node.inputs if t.dtype in HALVES}
    attrs = {
        key: "float32" if isinstance(value, str) and value in HALVES else value for key, value in node.attrs.items()
    }
    wide = made(node.op, [before[t].outputs[0] if t in before else t for t in node.inputs], attrs, node.layer)
    if lower(wide) is None:
        return None
    pairs = list(zip(node.outputs, wide.outputs, strict=True))
    outputs = [t if t.dtype == result.dtype else result for t, result in pairs]
    wide = maker(Node(wide.op, wide.inputs, wide.attrs, outputs, layer=node.layer))
    after = [
        maker(Node(cast_op, [result], {"dtype": t.dtype}, [t], layer=node.layer))
        for t, result in pairs
        if t.dtype != result.dtype
    ]
    return [*before.values(), wide, *after]
