"""Listings and profiles of compiled programs, for people."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pronghorn import accelerator, dtypes
from pronghorn.accelerator import Executable, Instruction
from pronghorn.graph import Graph
from pronghorn.tensor import Tensor


def _bytes(n: float) -> str:
    for unit in ("B", "KB", "MB"):
        if n < 1024:
            return f"{n:.0f} {unit}" if unit == "B" else f"{n:.1f} {unit}"
        n /= 1024
    return f"{n:.2f} GB"


def _flops(n: int) -> str:
    return f"{n / 1e6:.2f} MFLOP" if n >= 1e4 else f"{n} FLOP"


def _tensors(tensors: Sequence[Tensor]) -> str:
    shown = [f"{t.dtype}[{','.join(str(n) for n in t.shape)}]" for t in tensors[:4]]
    return " ".join(shown) + (f" … {len(tensors) - 4} more" if len(tensors) > 4 else "")


def listing(name: str, executable: Executable) -> str:
    """One line per instruction: op, layer, shapes, buffers, bytes and FLOPs."""
    instructions = executable.instructions()
    lines = [
        f"program {name} on {accelerator.current().name}: {len(instructions)} instructions, "
        f"{_bytes(executable.activation_bytes)} of activations, "
        f"{_flops(sum(i.flops for i in instructions))}, {_bytes(sum(i.bytes for i in instructions))} of memory traffic"
    ]
    lines += _lines(instructions, "")
    return "\n".join(lines)


def _lines(instructions: Sequence[Instruction], indent: str) -> list[str]:
    lines = []
    for k, i in enumerate(instructions):
        kind = "" if i.kind == "kernel" else f"[{i.kind}] "
        layer = f"  ({i.layer})" if i.layer else ""
        where = f" @ {', '.join(i.buffers[:3])}{' …' if len(i.buffers) > 3 else ''}" if i.buffers else ""
        lines.append(
            f"{indent}{k:3d} {kind}{i.name}{layer}: {_tensors(i.inputs)} -> {_tensors(i.outputs)}{where}  "
            f"{_bytes(i.bytes)}, {_flops(i.flops)}"
        )
        for body in i.bodies:
            lines += _lines(body, indent + "      ")
    return lines


def nodes_of(graph: Graph) -> str:
    """One line per node of a graph: what it makes, its op, what it reads, its attributes."""
    names: dict[Tensor, str] = {t: f"%{i}" for i, t in enumerate(graph.placeholders)}
    lines = [f"graph({', '.join(f'{names[t]}: {t.dtype}{list(t.shape)}' for t in graph.placeholders)})"]
    for node in graph.nodes:
        for out in node.outputs:
            names[out] = f"%{len(names)}"
        attrs = {k: v for k, v in node.attrs.items() if not isinstance(v, Graph)}
        left = ", ".join(f"{names[o]}: {o.dtype}{list(o.shape)}" for o in node.outputs)
        right = ", ".join(names.get(t, "const") for t in node.inputs)
        lines.append(f"  {left} = {node.op.name}({right}){f' {attrs}' if attrs else ''}")
        for body in node.bodies():
            lines += ["    " + line for line in nodes_of(body).splitlines()]
    lines.append(f"  return {', '.join(names.get(t, 'const') for t in graph.results)}")
    return "\n".join(lines)


@dataclass
class Profile:
    """Time of each instruction of a program. `print` it for the tables."""

    name: str
    instructions: list[Instruction]
    seconds: list[float]
    peak_flops: float

    @property
    def total(self) -> float:
        """Seconds of one run."""
        return sum(self.seconds)

    def by_layer(self) -> dict[str, float]:
        """Seconds per layer path, largest first; "" is code outside of layers (loss, metrics, optimizer)."""
        totals: dict[str, float] = defaultdict(float)
        for i, s in zip(self.instructions, self.seconds, strict=True):
            totals[i.layer] += s
        return dict(sorted(totals.items(), key=lambda item: -item[1]))

    def __str__(self) -> str:
        total = self.total or 1e-12
        lines = [
            f"profile of {self.name}: {1e6 * self.total:.0f} µs, measured peak {self.peak_flops / 1e9:.0f} GFLOP/s"
        ]
        for k, (i, s) in enumerate(zip(self.instructions, self.seconds, strict=True)):
            rate = i.flops / s if s else 0.0
            lines.append(
                f"{k:3d} {1e6 * s:9.1f} µs {100 * s / total:5.1f} %  {100 * rate / self.peak_flops:5.1f} % of peak  "
                f"{i.bytes / s / 1e9 if s else 0:6.1f} GB/s  {i.name}{f'  ({i.layer})' if i.layer else ''}"
            )
        lines.append("per layer:")
        lines += [
            f"    {1e6 * s:9.1f} µs {100 * s / total:5.1f} %  {layer or '(outside of layers)'}"
            for layer, s in self.by_layer().items()
        ]
        return "\n".join(lines)


_ROWS = 1024
"""Rows of the data set of zeros that a program is measured on."""


def profile(name: str, executable: Executable, repeats: int) -> Profile:
    """Measures a program on zeros; its variables keep the values they had."""
    graph = executable.graph
    shapes = [tuple(_ROWS if n is None else n for n in t.shape) for t in graph.inputs]
    arguments = [np.zeros(shape, dtypes.numpy_dtype(t.dtype)) for shape, t in zip(shapes, graph.inputs, strict=True)]
    kept = {v: np.array(accelerator.to_numpy(v.buffer)) for v in graph.writes}
    try:
        seconds = executable.profile(arguments, repeats)
    finally:
        for variable, value in kept.items():
            variable.store(value)
    return Profile(name, executable.instructions(), seconds, accelerator.current().peak_flops())
