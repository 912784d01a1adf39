"""What a node costs: bytes read and written, floating-point operations."""

from __future__ import annotations

from pronghorn import dtypes
from pronghorn.graph import Node
from pronghorn.passes.access import elements
from pronghorn.tensor import Tensor


def _bytes(t: Tensor) -> int:
    return 0 if None in t.shape else elements(t.shape) * dtypes.itemsize(t.dtype)


def traffic(node: Node) -> int:
    """Bytes that the node must read and write, each operand once."""
    if node.op.name in ("reshape", "stop_gradient"):
        return 0
    return sum(_bytes(t) for t in dict.fromkeys(node.inputs)) + sum(_bytes(t) for t in node.outputs)


def _steps(node: Node) -> int:
    body = node.attrs.get("body")
    return len(getattr(body, "steps", ())) or 1


def _convolution(node: Node) -> tuple[int, int]:
    """Elements of the kernel, and places it is applied at, for a convolution or one of its gradients."""
    if node.op.name == "convolution_kernel_gradient":
        return elements(node.outputs[0].shape), elements(node.inputs[1].shape[:-1])
    image = node.inputs[0] if node.op.name == "convolution_input_gradient" else node.outputs[0]
    return elements(node.inputs[1].shape), elements(image.shape[:-1])


def _attention(node: Node) -> int:
    """The products of attention, or of its gradient, over all heads."""
    axes, last = node.attrs["axes"], len(node.attrs["axes"][0]) - 1
    k, v = node.inputs[1:3]
    size, width = (int(t.shape[own.index(last)] or 0) for t, own in ((k, axes[1]), (v, axes[2])))
    keys = int(k.shape[axes[1].index(last - 1)] or 0)
    forward = node.op.name == "attention"
    statistic = node.outputs[1] if forward else node.inputs[4]
    per_score = size + width if forward else 3 * size + 2 * width  # the gradient computes the scores again
    return 2 * elements(statistic.shape) * keys * per_score


def flops(node: Node) -> int:
    """Floating-point operations: two per multiply-add of a matmul, one per scalar step elsewhere; an estimate."""
    name = node.op.name
    if name in ("matmul", "fused_matmul"):
        a, c = node.inputs[0], node.outputs[0]
        inner = a.shape[-2] if node.attrs["transpose_a"] else a.shape[-1]
        product = 2 * elements(c.shape) * int(inner or 0)
        return product + (_steps(node) * elements(c.shape) if name == "fused_matmul" else 0)
    if "convolution" in name:  # the kernel's cells times the positions: of the gradients too
        window, positions = _convolution(node)
        map_steps = _steps(node) * elements(node.outputs[0].shape) if name == "fused_convolution" else 0
        return 2 * window * positions + map_steps
    if name in ("attention", "attention_gradient"):
        return _attention(node)
    if name in ("recurrence", "recurrence_gradient"):
        kernel = node.inputs[1 if name == "recurrence" else 0]
        return 2 * elements(node.outputs[0].shape[:2]) * elements(kernel.shape)
    if name in ("reshape", "stop_gradient", "batch_rows", "transpose", "concatenate", "slice", "gather"):
        return 0
    if name == "table":
        per_member = len(node.outputs) // len(node.attrs["members"])
        steps = [len(getattr(m.get("body"), "steps", ())) or 1 for m in node.attrs["members"]]
        return sum(s * elements(node.outputs[k * per_member].shape) for k, s in enumerate(steps))
    if name == "fused_reduce":
        return _steps(node) * elements(node.attrs["shape"])
    return _steps(node) * max(
        (elements(t.shape) for t in (*node.outputs, *node.inputs) if None not in t.shape), default=0
    )
