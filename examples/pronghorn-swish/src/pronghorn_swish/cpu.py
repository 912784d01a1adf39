"""Connects the op with its kernel on the CPU accelerator."""

from __future__ import annotations

from pronghorn.graph import Node
from pronghorn_cpu.launch import Launch
from pronghorn_cpu.lowering import numba_kernel

_float32 = numba_kernel("pronghorn_swish.kernels:scaled_sigmoid_product")


def scaled_sigmoid_product(node: Node) -> tuple[Launch, ...] | None:
    """The launches for a node of the op; None leaves other dtypes to the reference."""
    return _float32(node) if node.inputs[0].dtype == "float32" else None
