"""Finds attention in a program: products around a softmax, and their gradients, become one instruction each."""

from __future__ import annotations

from typing import NamedTuple

from pronghorn.graph import Graph, Node, users_of
from pronghorn.op import Op
from pronghorn.passes.simplify import simplify
from pronghorn.tensor import Tensor
from pronghorn_cpu.attention import Axes, attention, attention_gradient
from pronghorn_cpu.host import ITEMSIZE


def with_attention(graph: Graph) -> Graph:
    """The simplified graph with attention as an op of its own.

    What is taken for it: softmax(a @ bᵀ) @ c over the last axis, in batches of at most two dimensions, where neither
    scores nor weights are read by anything else but their own gradients. Transpositions of the operands and results are
    read and written through.
    """
    finder = _Finder(graph)
    for node in graph.nodes:
        if node.op.name == "softmax":
            finder.visit(node)
    if not finder.placed:
        return graph
    nodes: list[Node] = []
    for node in graph.nodes:
        nodes += finder.placed.get(node, [] if node in finder.gone else [node])
    return simplify(Graph(graph.inputs, graph.outputs, nodes, graph.reads, graph.writes))


class _Result(NamedTuple):
    """A product's value as it is stored: the last of the transpositions behind it, how its axes lie, what is gone."""

    tensor: Tensor
    axes: Axes
    gone: list[Node]


class _Finder:
    def __init__(self, graph: Graph) -> None:
        self.users = users_of(graph.nodes)
        self.results = set(graph.results)
        self.place = {node: k for k, node in enumerate(graph.nodes)}
        self.maker = {t: node for node in graph.nodes for t in node.outputs}
        self.placed: dict[Node, list[Node]] = {}
        self.gone: set[Node] = set()

    def visit(self, softmax: Node) -> None:
        """Replaces what is around a softmax, if it is attention."""
        (s,), (p,) = softmax.inputs, softmax.outputs
        scores = self.maker.get(s)
        products = [node for node in self.users[p] if _is_product(node) and node.inputs[0] is p]
        outwards = [node for node in products if not _flags(node)[0]]
        if scores is None or not _is_product(scores) or _flags(scores) != (False, True) or len(outwards) != 1:
            return
        outward = outwards[0]
        sizes = (*scores.inputs[0].shape, *scores.inputs[1].shape, *outward.inputs[1].shape)
        batch = s.shape[:-2]
        fits = all(t.shape[:-2] == batch for t in (*scores.inputs, outward.inputs[1])) and len(batch) <= 2
        if not fits or _flags(outward)[1] or s.dtype not in ITEMSIZE or 0 in sizes:
            return
        if self.users[s] != [softmax] or not self.results.isdisjoint((s, p)):
            return
        operands = [self.stored(t) for t in (*scores.inputs, outward.inputs[1])]
        tensors, axes = [t for t, _ in operands], [own for _, own in operands]
        result = self.result(outward.outputs[0], False)
        rest = [node for node in self.users[p] if node is not outward]
        numbers = [Tensor(p.shape[:-1], p.dtype, index=k, scope=p.scope) for k in (1, 2)]
        if rest:
            gradient = self.gradient(rest, scores, outward, tensors, axes, numbers)
            if gradient is None:
                return
            first, found, gone = gradient
            self.placed[first] = [found]
            self.gone |= gone
        self.gone |= {scores, softmax, outward, *result.gone}
        forward = _node(attention, tensors, (*axes, result.axes), [result.tensor, *numbers], softmax.layer)
        self.placed[outward] = [forward]

    def gradient(
        self,
        rest: list[Node],
        scores: Node,
        outward: Node,
        tensors: list[Tensor],
        axes: list[Axes],
        numbers: list[Tensor],
    ) -> tuple[Node, Node, set[Node]] | None:
        """Where the gradients' node comes, the node, and what it replaces."""
        p = outward.inputs[0]
        slopes = [node for node in rest if node.op.name == "softmax_gradient" and node.inputs[0] is p]
        to_values = [
            node for node in rest if _is_product(node) and node.inputs[0] is p and _flags(node) == (True, False)
        ]
        if len(self.users[p]) != 3 or len(slopes) != 1 or len(to_values) != 1:
            return None
        (slope,), (to_value,) = slopes, to_values
        g, dp, d = to_value.inputs[1], slope.inputs[1], slope.outputs[0]
        weights = self.maker.get(dp)
        if weights is None or not _is_product(weights) or _flags(weights) != (False, True):
            return None
        if weights.inputs[0] is not g or weights.inputs[1] is not outward.inputs[1] or self.users[dp] != [slope]:
            return None
        query, key = scores.inputs
        found: dict[str, tuple[Node, bool]] = {}
        for node in self.users[d]:
            forms: dict[object, tuple[str, bool]] = {
                (d, key, (False, False)): ("query", False),
                (d, query, (True, False)): ("key", False),
                (query, d, (True, False)): ("key", True),
            }
            form = (*node.inputs, _flags(node)) if _is_product(node) else None
            name, turned = forms.get(form, ("", False))
            if not name or name in found:
                return None
            found[name] = node, turned
        if len(found) != 2 or not self.results.isdisjoint((dp, d)):
            return None
        (to_query, _), (to_key, turned) = found["query"], found["key"]
        results = [
            self.result(to_query.outputs[0], False),
            self.result(to_key.outputs[0], turned),
            self.result(to_value.outputs[0], False),
        ]
        if any(result.axes[-1] != len(result.axes) - 1 for result in results):
            return None
        gone = {weights, slope, to_value, to_query, to_key, *(node for result in results for node in result.gone)}
        source, own = self.stored(g)
        every = (*axes, own, *(result.axes for result in results))
        node = _node(attention_gradient, [*tensors, source, *numbers], every, [r.tensor for r in results], slope.layer)
        return min((weights, to_value), key=self.place.__getitem__), node, gone

    def stored(self, t: Tensor) -> tuple[Tensor, Axes]:
        """The tensor that a transposition made this one of, and which of this one's axes each of its axes is."""
        axes = tuple(range(len(t.shape)))
        node = self.maker.get(t)
        if node is None or node.op.name != "transpose":
            return t, axes
        order = node.attrs["axes"]
        return node.inputs[0], tuple(order.index(axis) for axis in axes)

    def result(self, t: Tensor, turned: bool) -> _Result:
        """A product's result behind the transpositions that alone read it, as long as its size stays the last axis."""
        last = len(t.shape) - 1
        axes: Axes = (*range(last - 1), last, last - 1) if turned else tuple(range(last + 1))
        best = _Result(t, axes, [])
        gone: list[Node] = []
        while t not in self.results and [node.op.name for node in self.users[t]] == ["transpose"]:
            (node,) = self.users[t]
            gone = [*gone, node]
            axes, t = tuple(axes[axis] for axis in node.attrs["axes"]), node.outputs[0]
            if axes[-1] == last:
                best = _Result(t, axes, gone)
        return best


def _is_product(node: Node) -> bool:
    return bool(node.op.name == "matmul")


def _flags(node: Node) -> tuple[bool, bool]:
    return node.attrs["transpose_a"], node.attrs["transpose_b"]


def _node(op: Op, inputs: list[Tensor], axes: tuple[Axes, ...], outputs: list[Tensor], layer: str) -> Node:
    node = Node(op, inputs, {"axes": axes}, outputs, layer=layer)
    for t in outputs:
        t.node = node
    return node
