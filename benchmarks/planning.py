"""How long the passes take: `python benchmarks/planning.py`. Time per node should not grow with the number of nodes."""

from __future__ import annotations

import time

import numpy as np

from pronghorn import ops
from pronghorn.passes import memory
from pronghorn.passes.fuse import fuse
from pronghorn.passes.simplify import simplify
from pronghorn.program import Program
from pronghorn.tensor import Tensor


def chain(layers: int) -> Program:
    """Elementwise ops, reductions and matmuls in turn, six nodes to a layer."""

    def function(x: Tensor) -> Tensor:
        for k in range(layers):
            y = ops.tanh(x) * 0.5
            x = ops.matmul(y, x) if k % 10 == 0 else ops.sum(y, axis=0, keepdims=True) + x
            x = x - 0.1 * y
        return x

    return Program(function)


def main() -> None:
    """Prints a line for each size."""
    for layers in (200, 500, 1000, 2000, 4000):
        start = time.perf_counter()
        graph = chain(layers).trace((np.ones((4, 4)),), {})[0]
        traced = time.perf_counter()
        memory.plan(fuse(simplify(graph)))
        planned = time.perf_counter()
        nodes = len(graph.nodes)
        print(
            f"{nodes:6d} nodes: traced in {traced - start:.2f} s, simplified, fused and planned in "
            f"{planned - traced:.2f} s, {1e6 * (planned - traced) / nodes:.0f} µs per node"
        )


if __name__ == "__main__":
    main()
