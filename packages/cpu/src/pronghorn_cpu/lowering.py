"""From a node of a fused graph to kernel launches: one function per op, found by the op's name.

A lowering numbers operands as the node does: its inputs, then its outputs. Ops without one run on the host.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from pronghorn.graph import Node
from pronghorn.tensor import Tensor
from pronghorn_cpu.elementwise import plan_map
from pronghorn_cpu.emit import supports
from pronghorn_cpu.launch import Launch
from pronghorn_cpu.linear import Epilogue, View, fusable, plan_matmul
from pronghorn_cpu.spaces import Space, broadcast_strides

Lowering = Callable[[Node], "tuple[Launch, ...] | None"]
"""Launches for a node, or None where the kernels do not cover its dtypes or attributes."""


def _sizes(t: Tensor) -> tuple[int, ...]:
    return t.shape  # type: ignore[return-value]


def _space(shape: tuple[int, ...], inputs: Sequence[Tensor]) -> Space:
    return Space(shape, tuple(broadcast_strides(_sizes(t), shape) for t in inputs))


def _fused(node: Node) -> tuple[Launch, ...] | None:
    body = node.attrs["body"]
    return (plan_map(body, [_space(node.attrs["shape"], node.inputs)]),) if supports(body) else None


def _matmul_views(node: Node) -> tuple[View, View]:
    views = []
    for t, flag in zip(node.inputs[:2], (node.attrs["transpose_a"], node.attrs["transpose_b"]), strict=True):
        view = View.dense(_sizes(t))
        if flag:
            shape, strides = view.shape, view.strides
            view = View((*shape[:-2], shape[-1], shape[-2]), (*strides[:-2], strides[-1], strides[-2]))
        views.append(view)
    return views[0], views[1]


def _matmul(node: Node) -> tuple[Launch, ...] | None:
    dtype = node.outputs[0].dtype
    if dtype not in ("float32", "float64"):
        return None
    a, b = _matmul_views(node)
    return plan_matmul(dtype, a, b)


def _fused_matmul(node: Node) -> tuple[Launch, ...] | None:
    body, dtype = node.attrs["body"], node.outputs[0].dtype
    views = tuple(View.dense(_sizes(t)) for t in node.inputs[2:])
    if dtype not in ("float32", "float64") or not supports(body) or not all(fusable(v, node.attrs["shape"]) for v in views):
        return None
    a, b = _matmul_views(node)
    return plan_matmul(dtype, a, b, Epilogue(body, views))


LOWERINGS: dict[str, Lowering] = {
    "fused": _fused,
    "matmul": _matmul,
    "fused_matmul": _fused_matmul,
}


@cache
def _plugin_lowerings() -> dict[str, Lowering]:
    from pronghorn import plugins

    return {name.removeprefix("cpu:"): plugins.load("kernels", name) for name in plugins.references("kernels") if name.startswith("cpu:")}


def lower(node: Node) -> tuple[Launch, ...] | None:
    """The launches of a node, or None where it must run on the host."""
    lowering = LOWERINGS.get(node.op.name) or _plugin_lowerings().get(node.op.name)
    return None if lowering is None else lowering(node)
