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
        inputs = node.inputs if new.keys().isdisjoint(node.inputs) else tuple(map(new.get, node.inputs, node.inputs))
        bodies = node.bodies() and {k: simplify(v) for k, v in node.attrs.items() if isinstance(v, Graph)}
        inputs, attrs = _absorb(node, inputs, {**node.attrs, **bodies} if bodies else node.attrs)
        replacement = _identity(node, inputs, attrs) or _fold(node, inputs, attrs)
        if replacement is None:
            key = _key(node, inputs, attrs)
            if key is not None and key in table:
                replacement = table[key]
            else:
                same = attrs is node.attrs and inputs is node.inputs
                nodes.append(node if same else _instead(node, inputs, attrs))
                if key is not None:
                    table[key] = node.outputs
                continue
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
    copy = Tensor(t.shape, t.dtype, scope=t.scope, name=t.name)
    copy.node = Node(cast_op, (t,), {"dtype": t.dtype}, (copy,))
    nodes.append(copy.node)
    return copy


def live_nodes(nodes: list[Node], results: list[Tensor]) -> list[Node]:
    """Those that `results` depend on, in their order."""
    used = set(results)
    live = []
    for node in reversed(nodes):
        if not used.isdisjoint(node.outputs):
            used.update(node.inputs)
            live.append(node)
    return live[::-1]


def _instead(node: Node, inputs: tuple[Tensor, ...], attrs: dict[str, Any]) -> Node:
    """A node that makes the outputs of `node`, so that what reads them stays as it is."""
    fresh = Node(node.op, inputs, attrs, node.outputs, layer=node.layer)
    for t in fresh.outputs:
        t.node = fresh
    return fresh


def _key(node: Node, inputs: tuple[Tensor, ...], attrs: dict[str, Any]) -> Any:
    if node.op.name in _IMPURE or node.bodies():
        return None
    identities = tuple([t if t.scope is not None else _identify(t) for t in inputs])
    # Zeros are told apart by how they are written: 0.0 is no -0.0.
    settings = tuple([(k, v if v else repr(v)) for k, v in sorted(attrs.items())]) if attrs else ()
    return (node.op, identities, settings)


def _identify(t: Tensor) -> Any:
    if t.size is not None and t.size <= _COMPARED_SIZE:
        return (t.dtype, t.shape, to_numpy(t.buffer).tobytes())
    return t


def _fold(node: Node, inputs: tuple[Tensor, ...], attrs: dict[str, Any]) -> tuple[Tensor, ...] | None:
    if [t for t in inputs if t.scope is not None] or not inputs:
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
    same = rule(node, inputs, attrs) if rule is not None else None
    return None if same is None else (same,)


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
        narrow = tuple([_unbroadcast(t) for t in inputs])
        changed = not all(map(is_, narrow, inputs))
        if changed and np.broadcast_shapes(*[t.shape for t in narrow]) == node.outputs[0].shape:  # type: ignore[arg-type]
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
