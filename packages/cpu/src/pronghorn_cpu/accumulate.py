"""How values are reduced: the identity, the combination and the accumulator's dtype of every kind of
reduction.

Every sum has 16 lanes on every machine. Lane k takes the elements k, k + 16, … of a row; the lanes are then
added in a fixed tree (k with k + 8, then k + 4, …). NaN wins in max and min; argmax and argmin name the first
extreme, or the first NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir

from pronghorn_cpu.emit import Emitter
from pronghorn_cpu.loops import Frame, integer
from pronghorn_cpu.vectors import INT32, Typed, element

COMBINE = {
    "sum": "x + y",
    "prod": "x * y",
    "max": "x if x > y or x != x else y",
    "min": "x if x < y or x != x else y",
    "any": "x or y",
    "all": "x and y",
}
_BETTER = "y {0} x or (y != y and x == x)"
_FIRST = "(y == x or (y != y and x != x)) and j < i"
ARGUMENTS = {"argmax": _BETTER.format(">"), "argmin": _BETTER.format("<")}
KINDS = (*COMBINE, *ARGUMENTS)
_LAST = (1 << 63) - 1


def accumulator_dtype(kind: str, dtype: str) -> str:
    """The dtype in which values of `dtype` are accumulated: sums of integers in int64, of 16-bit floats in
    float32.
    """
    if kind in ("any", "all"):
        return "bool"
    if kind not in ("sum", "prod"):
        return dtype
    return ("float64" if dtype == "float64" else "float32") if element(dtype).kind == "f" else "int64"


def identity(kind: str, dtype: str) -> int | float:
    """What an empty reduction gives (an extreme of nothing is the other end of the dtype)."""
    if kind in ("sum", "any"):
        return 0
    if kind in ("prod", "all"):
        return 1
    lowest = kind in ("max", "argmax")
    held = element(dtype)
    if held.kind == "f":
        return float("-inf") if lowest else float("inf")
    if held.kind == "i":
        return -(1 << (8 * held.size - 1)) if lowest else (1 << (8 * held.size - 1)) - 1
    return 0 if lowest else (1 if held.kind == "b" else (1 << (8 * held.size)) - 1)


class Accumulator:
    """A reduction under way: `width` lanes of values and, for argmax and argmin, of their positions."""

    def __init__(self, frame: Frame, kind: str, dtype: str) -> None:
        self.frame = frame
        self.emitter: Emitter = frame.emitter
        self.kind = kind
        self.dtype = accumulator_dtype(kind, dtype)
        self.start = [self.emitter.constant(self.dtype, identity(kind, dtype))]
        if kind in ARGUMENTS:
            self.start.append(self.emitter.splat(integer(_LAST)))
        self.cells = [frame.variable(value.type) for value in self.start]

    def reset(self) -> None:
        """Back to the identity."""
        for value, cell in zip(self.start, self.cells, strict=True):
            self.frame.builder.store(value, cell)

    def values(self) -> list[Any]:
        """What the lanes hold."""
        return [self.frame.builder.load(cell) for cell in self.cells]

    def add(self, value: Any, dtype: str, position: Any = None, mask: Any = None) -> None:
        """Takes in a vector of values of `dtype`; `position` (lanes of int64) says where they stood."""
        new = [self.emitter.cast(value, dtype, self.dtype)]
        if self.kind in ARGUMENTS:
            new.append(position)
        if mask is not None:
            new = [self.frame.builder.select(mask, v, none) for v, none in zip(new, self.start, strict=True)]
        self.merge(new)

    def merge(self, new: Sequence[Any]) -> None:
        """Takes in the values of another accumulator."""
        for value, cell in zip(self._combined(self.values(), new), self.cells, strict=True):
            self.frame.builder.store(value, cell)

    def _combined(self, old: Sequence[Any], new: Sequence[Any], ordered: bool = True) -> list[Any]:
        """`ordered` says that the new positions are later ones, so that a tie leaves the old."""
        x, y = Typed(old[0], self.dtype), Typed(new[0], self.dtype)
        if self.kind in COMBINE:
            return [self.emitter.expression(COMBINE[self.kind], {"x": x, "y": y}, self.dtype).value]
        names = {"x": x, "y": y, "i": Typed(old[1], "int64"), "j": Typed(new[1], "int64")}
        source = ARGUMENTS[self.kind] if ordered else f"{ARGUMENTS[self.kind]} or ({_FIRST})"
        better = self.emitter.expression(source, names, "bool").value
        return [self.frame.builder.select(better, n, o) for o, n in zip(old, new, strict=True)]

    def across(self) -> list[Any]:
        """The lanes combined by the fixed tree, as scalars."""
        builder, values = self.frame.builder, self.values()
        width = self.emitter.width
        half = width // 2
        while half:
            order = ir.Constant(ir.VectorType(INT32, width), [(lane + half) % width for lane in range(width)])
            values = self._combined(values, [builder.shuffle_vector(v, v, order) for v in values], ordered=False)
            half //= 2
        return [builder.extract_element(v, ir.Constant(INT32, 0)) for v in values]

    def result(self, emitter: Emitter, values: Sequence[Any], dtype: str) -> Any:
        """The outcome as `dtype`: the value, or the position (0 if no element ever beat the identity)."""
        if self.kind in COMBINE:
            return emitter.cast(values[0], self.dtype, dtype)
        position = emitter.expression(f"0 if i == {_LAST} else i", {"i": Typed(values[1], "int64")}, "int64")
        return emitter.cast(position.value, "int64", dtype)
