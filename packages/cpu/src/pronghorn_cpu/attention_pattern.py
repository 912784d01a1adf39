"""Finds attention in a program: products around a softmax, and their gradients, become one instruction each."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from pronghorn.accelerator import to_numpy
from pronghorn.graph import Graph, Node, users_of
from pronghorn.op import Op
from pronghorn.passes.simplify import live_nodes
from pronghorn.tensor import Tensor
from pronghorn_cpu.attention import Axes, attention, attention_gradient
from pronghorn_cpu.host import ITEMSIZE

_LOWEST_SCORE = -1e6
"""No computed score that matters is as low as what stands for a forbidden one: kernels tell the latter by its value."""


def with_attention(graph: Graph) -> Graph:
    """The simplified graph with attention as an op of its own.

    What is taken for it: softmax(a @ bᵀ) @ c over the last axis, in batches of at most two dimensions, where neither
    scores nor weights are read by anything else but their own gradients; or the same with a mask as the layers have it,
    where(mask, softmax(where(mask, a @ bᵀ, low)), 0) @ c. Transpositions of the operands and results are read and
    written through.
    """
    softmaxes = [node for node in graph.nodes if node.op.name == "softmax"]
    if not softmaxes:
        return graph
    finder = _Finder(graph)
    for node in softmaxes:
        finder.visit(node)
    if not finder.placed:
        return graph
    nodes: list[Node] = []
    for node in graph.nodes:
        nodes += finder.placed.get(node, [] if node in finder.gone else [node])
    return Graph(graph.inputs, graph.outputs, live_nodes(nodes, graph.results), graph.reads, graph.writes)


class _Result(NamedTuple):
    """A product's value as it is stored: the last of the transpositions behind it, how its axes lie, what is gone."""

    tensor: Tensor
    axes: Axes
    gone: list[Node]


class _Mask(NamedTuple):
    """Which queries may look at which keys, as the scores' shape broadcasts it; the score where they may not."""

    allowed: Tensor
    scores: Tensor
    low: float

    def hides(self, node: Node) -> bool:
        """Whether a node makes its second input 0 where the mask forbids."""
        return node.op.name == "where" and node.inputs[0] is self.allowed and _constant(node.inputs[2]) == 0.0


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
        mask = self.mask(s)
        product, w = (s, p) if mask is None else (mask.scores, self.masked(p, mask))
        if w is None:
            return
        scores = self.maker.get(product)
        products = [node for node in self.users[w] if _is_product(node) and node.inputs[0] is w]
        outwards = [node for node in products if not _flags(node)[0]]
        if scores is None or not _is_product(scores) or _flags(scores) != (False, True) or len(outwards) != 1:
            return
        outward = outwards[0]
        sizes = (*scores.inputs[0].shape, *scores.inputs[1].shape, *outward.inputs[1].shape)
        batch = s.shape[:-2]
        fits = all(t.shape[:-2] == batch for t in (*scores.inputs, outward.inputs[1])) and len(batch) <= 2
        if not fits or _flags(outward)[1] or s.dtype not in ITEMSIZE or 0 in sizes:
            return
        alone = self.users[s] == [softmax] and (mask is None or self.users[product] == [self.maker[s]])
        if not alone or not self.results.isdisjoint((product, s, p, w)):
            return
        operands = [self.stored(t) for t in (*scores.inputs, outward.inputs[1])]
        tensors, axes = [t for t, _ in operands], [own for _, own in operands]
        result = self.result(outward.outputs[0], False)
        between = set() if mask is None else {self.maker[s], self.maker[w]}
        rest = [node for t in dict.fromkeys((p, w)) for node in self.users[t] if node not in (outward, *between)]
        numbers = [Tensor(p.shape[:-1], p.dtype, index=k, scope=p.scope) for k in (1, 2)]
        if rest:
            gradient = self.gradient(rest, softmax, mask, scores, outward, tensors, axes, numbers)
            if gradient is None:
                return
            first, found, gone = gradient
            self.placed[first] = [found]
            self.gone |= gone
        self.gone |= {scores, softmax, outward, *between, *result.gone}
        forward = _node(attention, tensors, mask, (*axes, result.axes), [result.tensor, *numbers], softmax.layer)
        self.placed[outward] = [forward]

    def gradient(
        self,
        rest: list[Node],
        softmax: Node,
        mask: _Mask | None,
        scores: Node,
        outward: Node,
        tensors: list[Tensor],
        axes: list[Axes],
        numbers: list[Tensor],
    ) -> tuple[Node, Node, set[Node]] | None:
        """Where the gradients' node comes, the node, and what it replaces."""
        (p,), w = softmax.outputs, outward.inputs[0]
        slopes = [node for node in rest if node.op.name == "softmax_gradient" and node.inputs[0] is p]
        to_values = [
            node for node in rest if _is_product(node) and node.inputs[0] is w and _flags(node) == (True, False)
        ]
        if len(rest) != 2 or len(slopes) != 1 or len(to_values) != 1:
            return None
        (slope,), (to_value,) = slopes, to_values
        g, dp, d = to_value.inputs[1], slope.inputs[1], slope.outputs[0]
        reader, between = slope, set[Node]()
        if mask is not None:
            before, behind = self.maker.get(dp), self.masked(d, mask)
            if before is None or behind is None or not mask.hides(before) or self.users[dp] != [slope]:
                return None
            if len(self.users[d]) != 1 or not self.results.isdisjoint((dp, d)):
                return None
            reader, between = before, {before, self.maker[behind]}
            dp, d = before.inputs[1], behind
        weights = self.maker.get(dp)
        if weights is None or not _is_product(weights) or _flags(weights) != (False, True):
            return None
        if weights.inputs[0] is not g or weights.inputs[1] is not outward.inputs[1] or self.users[dp] != [reader]:
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
        gone = {weights, slope, *between, to_value, to_query, to_key}.union(*(result.gone for result in results))
        source, own = self.stored(g)
        every = (*axes, own, *(result.axes for result in results))
        inputs, outputs = [*tensors, source, *numbers], [r.tensor for r in results]
        node = _node(attention_gradient, inputs, mask, every, outputs, slope.layer)
        return min((weights, to_value), key=self.place.__getitem__), node, gone

    def mask(self, s: Tensor) -> _Mask | None:
        """What was done to scores before their softmax, if that is a mask."""
        node = self.maker.get(s)
        if node is None or node.op.name != "where":
            return None
        allowed, scores, low = node.inputs
        value = _constant(low)
        broadcasts = len(allowed.shape) == len(s.shape) and scores.shape == s.shape
        if not broadcasts or value is None or not -math.inf < value <= _LOWEST_SCORE:
            return None
        return _Mask(allowed, scores, value)

    def masked(self, t: Tensor, mask: _Mask) -> Tensor | None:
        """The tensor with 0 where the mask forbids, if there is one."""
        found = [node.outputs[0] for node in self.users[t] if mask.hides(node) and node.inputs[1] is t]
        return found[0] if len(found) == 1 else None

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


def _constant(t: Tensor) -> float | None:
    """The value of a constant of one element."""
    return float(to_numpy(t.buffer).item()) if t.scope is None and t.size == 1 and t.dtype in ITEMSIZE else None


def _is_product(node: Node) -> bool:
    return bool(node.op.name == "matmul")


def _flags(node: Node) -> tuple[bool, bool]:
    return node.attrs["transpose_a"], node.attrs["transpose_b"]


def _node(
    op: Op, inputs: list[Tensor], mask: _Mask | None, axes: tuple[Axes, ...], outputs: list[Tensor], layer: str
) -> Node:
    attrs: dict[str, Any] = {"axes": axes}
    if mask is not None:
        inputs, attrs = [*inputs, mask.allowed], {"axes": axes, "low": mask.low}
    node = Node(op, inputs, attrs, outputs, layer=layer)
    for t in outputs:
        t.node = node
    return node
