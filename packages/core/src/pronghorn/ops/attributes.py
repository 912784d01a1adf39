"""Attributes of primitives that kernels read: how windows lie over space, and what a recurrent cell computes."""

from __future__ import annotations

import ast
import functools
from collections.abc import Sequence
from dataclasses import dataclass

from pronghorn.body import Body, Step

Ints = tuple[int, ...]


@dataclass(frozen=True)
class Windows:
    """How windows lie over the spatial dimensions; one entry per dimension."""

    size: Ints
    strides: Ints
    padding: tuple[tuple[int, int], ...]
    """Cells added before and after; a negative number after: so many cells at the end are in no window."""
    dilation: Ints

    def count(self, sizes: Ints) -> Ints:
        """How many windows there are along dimensions of these sizes."""
        cells = (n + sum(added) - extent for n, added, extent in zip(sizes, self.padding, self.extent, strict=True))
        return tuple(n // stride + 1 for n, stride in zip(cells, self.strides, strict=True))

    @property
    def extent(self) -> Ints:
        """From a window's first cell to its last, both counted."""
        return tuple((k - 1) * d + 1 for k, d in zip(self.size, self.dilation, strict=True))


@dataclass(frozen=True)
class Recurrence:
    """A cell whose state h is multiplied with a matrix (units, gates * units).

    Args:
        gates: the size of the product, in units.
        states: names of the states, h first.
        saved: names of the values that the way back needs.
        forward: assigns states and saved values, from the projected inputs p0, p1, …, the products r0, r1, …, the bias
            b0, b1, … and the states before, h_ and the like.
        backward: assigns dr0, dr1, …, the gradients of the products, and dh_ and the like, those of the states before
            (without the way through the product), from dh and the like, states and saved values.
        bias: whether a bias is added to the products; then `backward` assigns dp0, dp1, … as well, which else are dr.
    """

    name: str
    gates: int
    states: tuple[str, ...]
    saved: tuple[str, ...]
    forward: str
    backward: str
    bias: bool = False

    @property
    def results(self) -> tuple[str, ...]:
        """What a step forward assigns and keeps."""
        return self.states + self.saved

    def gradients(self) -> tuple[str, ...]:
        """What a step back keeps: dr, perhaps dp, the state before that was multiplied, and the states' gradients."""
        kinds = ("dr", "dp") if self.bias else ("dr",)
        return (*(f"{kind}{k}" for kind in kinds for k in range(self.gates)), "h_", *(f"d{s}_" for s in self.states))

    def body(self, program: str, inputs: Sequence[str], outputs: Sequence[str], dtype: str) -> Body:
        """`program` (forward or backward) for one unit; with "valid" among the inputs a step that is not valid changes
        no state and has no gradient.
        """
        ids = {name: k for k, name in enumerate(inputs)}
        steps: list[Step] = []

        def assign(name: str, expression: str, *names: str) -> None:
            steps.append(Step(name, expression, names, tuple(ids[n] for n in names), dtype))
            ids[name] = len(inputs) + len(steps) - 1

        for name, expression, names in program_lines(program):
            assign(name, expression, *names)
        if "valid" in ids:
            zero = [name for name in outputs if name[:2] in ("dr", "dp")]
            kept = {s: f"{s}_" for s in self.states} | {f"d{s}_": f"d{s}" for s in self.states}
            for name in outputs:
                if name in zero:
                    assign(name, f"{name} if valid else 0", name, "valid")
                elif name in kept:
                    assign(name, f"{name} if valid else {kept[name]}", name, "valid", kept[name])
        dtypes = ("bool" if name == "valid" else dtype for name in inputs)
        return Body(tuple(dtypes), tuple(steps), tuple(ids[name] for name in outputs))


@functools.cache
def program_lines(program: str) -> list[tuple[str, str, tuple[str, ...]]]:
    """Name, expression, and the names in it, of each assignment."""
    found = []
    for line in program.strip().splitlines():
        name, _, expression = line.partition(" = ")
        nodes = list(ast.walk(ast.parse(expression, mode="eval")))
        functions = {node.func.id for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
        names = dict.fromkeys(node.id for node in nodes if isinstance(node, ast.Name) and node.id not in functions)
        found.append((name, expression, tuple(names)))
    return found
