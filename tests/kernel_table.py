"""The table of the CPU's kernels, packages/cpu/OPS.md, from programs of every op: `python tests/kernel_table.py`.

A test compares it with what programs have now, so that no op loses its kernel unseen.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from pronghorn import autodiff, dtypes, tree
from pronghorn.graph import Graph
from pronghorn.interpreter import Tracer, using
from pronghorn.tensor import Tensor, convert_to_tensor

PATH = Path(__file__).parents[1] / "packages" / "cpu" / "OPS.md"
EAGER = {"convert_to_numpy", "dtype", "is_tensor", "ndim", "shape", "size"}
"""They answer at once, whatever they are given."""

HEAD = """# Ops on the CPU

How each op of `keras.ops`, `keras.ops.image` and `keras.random` runs in a program on the CPU, and its gradient: in
Numba-compiled **kernels**, or with parts on the **host**, where NumPy computes them in every step. Written by
`python tests/kernel_table.py`.

| Op | Forward | Gradient |
|----|---------|----------|
"""


def traced(name: str, gradient: bool) -> Graph | None:
    """The program of the table's call of an op, or of its gradient with respect to its float inputs."""
    import op_calls

    tracer = Tracer()
    arrays = {key: op_calls.INPUTS[key] for key in op_calls.names_in(name)}
    symbols = {key: tracer.argument(a.shape, dtypes.standardize(a.dtype)) for key, a in arrays.items()}
    with using(tracer):
        floats = [t for t in symbols.values() if dtypes.is_float(t.dtype)]
        with autodiff.GradientTape() as tape:
            tape.watch(floats)
            found = tree.flatten(op_calls.call(name, **symbols))
            results = [convert_to_tensor(t) for t in found if isinstance(t, (Tensor, np.ndarray))]
        if gradient:
            smooth = [t for t in results if t.dtype in dtypes.FLOATS]
            seeds = [tracer.argument(t.shape, t.dtype) for t in smooth]
            given: Any = tape.gradient(smooth, floats, output_gradients=seeds) if floats and smooth else []
            results = [g for g in given if g is not None]
            if not results:
                return None
    return tracer.finish(results)


def host_parts(graph: Graph) -> list[str]:
    """The primitives of a program that have no kernel, by name."""
    from pronghorn.passes.fuse import fuse
    from pronghorn.passes.simplify import simplify
    from pronghorn_cpu.lowered import LoweredGraph

    def hosts(lowered: LoweredGraph) -> set[str]:
        own = {item.node.op.name for item in lowered.nodes if item.host}
        return own.union(*(hosts(body) for item in lowered.nodes for body in item.bodies.values()))

    return sorted(hosts(LoweredGraph(fuse(simplify(graph)))))


def entry(name: str, gradient: bool) -> str:
    """A cell of the table."""
    try:
        graph = traced(name, gradient)
    except (TypeError, NotImplementedError) as error:
        if isinstance(error, TypeError) and "depends on values" not in str(error):
            raise
        return "eager only" if isinstance(error, TypeError) else "none"
    if graph is None:
        return "–"
    parts = host_parts(graph)
    return f"**host**: {', '.join(parts)}" if parts else "kernels"


def table() -> str:
    """The text of the table."""
    import op_calls

    lines = []
    for name in sorted(set(op_calls.CALLS) - EAGER):
        if op_calls.CALLS[name] is not None:
            lines.append(f"| {name} | {entry(name, False)} | {entry(name, True)} |\n")
    return HEAD + "".join(lines)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    PATH.write_text(table(), encoding="utf-8")
    print(PATH, file=sys.stderr)
