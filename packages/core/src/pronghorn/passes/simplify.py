"""Dead code, common subexpressions, constants, and identities that cost a kernel otherwise."""

from __future__ import annotations

from collections.abc import Callable
from operator import is_
from typing import Any

import numpy as np

from pronghorn.accelerator import to_numpy
from pronghorn.graph import Graph, Node
from pronghorn.op import Elementwise, cast_op
from pronghorn.passes.memory import VIEWS
from pronghorn.tensor import Tensor

FOLDED_SIZE = 4096
"""Constants of more elements are computed in the program rather than stored in it."""

_COMPARED_SIZE = 64
_IMPURE = frozenset({"batch_rows"})


def simplify(graph: Graph) -> Graph:
    """An equivalent graph, at most as large. Body graphs are simplified too."""
    new: dict[Tensor, Tensor] = {}
    table: dict[Any, tuple[Tensor, ...]] = {}
    nodes: list[Node] = []
    for node in live_nodes(graph.nodes, graph.results):
        inputs = tuple(new.get(t, t) for t in node.inputs)
        bodies = {k: simplify(v) for k, v in node.attrs.items() if isinstance(v, Graph)}
        inputs, attrs = _absorb(node, inputs, {**node.attrs, **bodies} if bodies else node.attrs)
        replacement = _identity(node, inputs, attrs) or _fold(node, inputs, attrs)
        if replacement is None:
            key = _key(node, inputs, attrs)
            if key is not None and key in table:
                replacement = table[key]
            else:
                same = attrs is node.attrs and _same(inputs, node.inputs)
                fresh = node if same else _copy(node, inputs, attrs)
                nodes.append(fresh)
                replacement = fresh.outputs
                if key is not None:
                    table[key] = replacement
        new.update(zip(node.outputs, replacement, strict=True))
    outputs = [new.get(t, t) for t in graph.outputs]
    writes = {v: new.get(t, t) for v, t in graph.writes.items()}
    writes = {v: t for v, t in writes.items() if t is not graph.reads.get(v)}
    overwritten = {t for v, t in graph.reads.items() if v in writes}
    outputs = [_kept(t, overwritten, nodes) for t in outputs]
    writes = {v: _kept(t, overwritten, nodes) for v, t in writes.items()}
    live = live_nodes(nodes, [*outputs, *writes.values()])
    read = {t for node in live for t in node.inputs} | {*outputs, *writes.values()}
    reads = {v: t for v, t in graph.reads.items() if t in read or v in writes}
    return Graph(graph.inputs, outputs, live, reads, writes)


def _kept(t: Tensor, overwritten: set[Tensor], nodes: list[Node]) -> Tensor:
    """A result; where it is a variable's old value, a copy, since the new one may take its place before it is read."""
    root = t
    while root.node is not None and root.node.op.name in VIEWS:
        root = root.node.inputs[0]
    if root not in overwritten:
        return t
    node = _copy(Node(cast_op, (t,), {}, (t,)), (t,), {"dtype": t.dtype})
    nodes.append(node)
    return node.outputs[0]


def _same(a: tuple[Tensor, ...], b: tuple[Tensor, ...]) -> bool:
    """Whether both hold the same objects (`==` on tensors is elementwise)."""
    return len(a) == len(b) and all(map(is_, a, b))


def live_nodes(nodes: list[Node], results: list[Tensor]) -> list[Node]:
    """Those that `results` depend on, in their order."""
    used = set(results)
    live = []
    for node in reversed(nodes):
        if any(t in used for t in node.outputs):
            used.update(node.inputs)
            live.append(node)
    return live[::-1]


def _copy(node: Node, inputs: tuple[Tensor, ...], attrs: dict[str, Any]) -> Node:
    scope = node.outputs[0].scope
    outputs = [Tensor(t.shape, t.dtype, index=k, scope=scope, name=t.name) for k, t in enumerate(node.outputs)]
    fresh = Node(node.op, inputs, attrs, outputs, layer=node.layer)
    for t in outputs:
        t.node = fresh
    return fresh


def _key(node: Node, inputs: tuple[Tensor, ...], attrs: dict[str, Any]) -> Any:
    if node.op.name in _IMPURE or any(isinstance(v, Graph) for v in attrs.values()):
        return None
    return (node.op, tuple(map(_identify, inputs)), tuple(sorted(attrs.items())) if attrs else ())


def _identify(t: Tensor) -> Any:
    if t.scope is None and t.size is not None and t.size <= _COMPARED_SIZE:
        return (t.dtype, t.shape, to_numpy(t.buffer).tobytes())
    return t


def _fold(node: Node, inputs: tuple[Tensor, ...], attrs: dict[str, Any]) -> tuple[Tensor, ...] | None:
    if any(t.scope is not None for t in inputs) or not inputs:
        return None
    if any(t.size is None or t.size > FOLDED_SIZE for t in node.outputs) or node.op.name in _IMPURE:
        return None
    result = node.op.reference(*(to_numpy(t.buffer) for t in inputs), **attrs)
    arrays = result if isinstance(result, tuple) else (np.asarray(result),)
    return tuple(
        Tensor(t.shape, t.dtype, np.ascontiguousarray(a).reshape(a.shape))
        for t, a in zip(node.outputs, arrays, strict=True)
    )


def _scalar(t: Tensor) -> float | None:
    """The value of a constant whose elements are all one number."""
    if t.scope is None and t.size == 1 and t.dtype != "string":
        return float(to_numpy(t.buffer).reshape(()).real)
    return None


def _identity(node: Node, inputs: tuple[Tensor, ...], attrs: dict[str, Any]) -> tuple[Tensor, ...] | None:
    rule = _IDENTITIES.get(node.op.name)
    if rule is not None:
        same = rule(node, inputs, attrs)
        if same is not None:
            return (same,)
    return None


def _plus_zero(node: Node, inputs: tuple[Tensor, ...], attrs: dict[str, Any]) -> Tensor | None:
    """Zeros come from gradients that do not exist. (A factor of 1 stays: it may be 1/n of a batch of one, which needs
    no kernels of its own.)
    """
    out = node.outputs[0]
    for x, other in (inputs, inputs[::-1]):
        if x.shape == out.shape and x.dtype == out.dtype and _scalar(other) == 0.0:
            return x
    return None


def _unchanged(node: Node, inputs: tuple[Tensor, ...], attrs: dict[str, Any]) -> Tensor | None:
    x, out = inputs[0], node.outputs[0]
    return x if x.shape == out.shape and x.dtype == out.dtype else None


def _transpose(node: Node, inputs: tuple[Tensor, ...], attrs: dict[str, Any]) -> Tensor | None:
    axes = attrs["axes"]
    x = inputs[0]
    if axes == tuple(range(len(axes))):
        return x
    before = x.node
    if (
        before is not None
        and before.op.name == "transpose"
        and tuple(before.attrs["axes"][a] for a in axes) == tuple(range(len(axes)))
    ):
        return before.inputs[0]
    return None


_IDENTITIES: dict[str, Callable[..., Tensor | None]] = {
    "add": _plus_zero,
    "stop_gradient": lambda node, inputs, attrs: inputs[0],
    "cast": _unchanged,
    "reshape": _unchanged,
    "broadcast_to": _unchanged,
    "transpose": _transpose,
}


def _absorb(node: Node, inputs: tuple[Tensor, ...], attrs: dict[str, Any]) -> tuple[tuple[Tensor, ...], dict[str, Any]]:
    """Takes what feeds the node into it: reshapes of reshapes, transposes into matmul, broadcasts into elementwise."""
    name = node.op.name
    if name == "reshape" and inputs[0].node is not None and inputs[0].node.op.name == "reshape":
        return (inputs[0].node.inputs[0],), attrs
    if name == "matmul":
        a, flag_a = _untransposed(inputs[0])
        b, flag_b = _untransposed(inputs[1])
        if flag_a or flag_b:
            attrs = {
                **attrs,
                "transpose_a": attrs["transpose_a"] ^ flag_a,
                "transpose_b": attrs["transpose_b"] ^ flag_b,
            }
            return (a, b), attrs
    if isinstance(node.op, Elementwise):
        narrow = tuple(_unbroadcast(t) for t in inputs)
        if not _same(narrow, inputs) and np.broadcast_shapes(*(t.shape for t in narrow)) == node.outputs[0].shape:  # type: ignore[arg-type]
            return narrow, attrs
    return inputs, attrs


def _untransposed(t: Tensor) -> tuple[Tensor, bool]:
    node = t.node
    if node is None or node.op.name != "transpose":
        return t, False
    n = len(t.shape)
    swap = (*range(n - 2), n - 1, n - 2)
    return (node.inputs[0], True) if node.attrs["axes"] == swap else (t, False)


def _unbroadcast(t: Tensor) -> Tensor:
    return t.node.inputs[0] if t.node is not None and t.node.op.name == "broadcast_to" else t
