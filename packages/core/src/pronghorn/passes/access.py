"""How the operands of a fused kernel are read: the declared broadcast pattern, collapsed to as few dimensions as
possible."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

Bits = tuple[bool, ...]


class Pattern(NamedTuple):
    """Per collapsed dimension, which operands run along it (the others stay: stride 0).

    Kernel source depends on it and on nothing else of the shapes.
    """

    dims: tuple[Bits, ...]


class Space(NamedTuple):
    """The iteration space of a fused kernel: collapsed sizes, and the operands' element strides per dimension."""

    pattern: Pattern
    sizes: tuple[int, ...]
    strides: tuple[tuple[int, ...], ...]


def collapse(shape: Sequence[int], operands: Sequence[Sequence[int]], fixed: Sequence[int] = ()) -> Space:
    """The space of a map over `shape` whose operands are dense arrays of the shapes `operands`.

    Adjacent dimensions along which the operands behave alike become one; a dimension in `fixed` (reduced axes, say)
    merges only with dimensions that are in it as well.
    """
    rank = len(shape)
    padded = [(*[0] * (rank - len(s)), *s) for s in operands]  # 0: the operand has no such dimension
    sizes: list[int] = []
    dims: list[Bits] = []
    marks: list[bool] = []
    for axis, n in enumerate(shape):
        bits = tuple(p[axis] == n for p in padded)
        mark = axis in fixed
        if dims and dims[-1] == bits and marks[-1] == mark:
            sizes[-1] *= n
        else:
            sizes.append(n)
            dims.append(bits)
            marks.append(mark)
    strides = []
    for k in range(len(padded)):
        step, own = 1, []
        for n, bits in zip(reversed(sizes), reversed(dims), strict=True):
            own.append(step if bits[k] else 0)
            step *= n if bits[k] else 1
        strides.append(tuple(reversed(own)))
    return Space(Pattern(tuple(dims)), tuple(sizes), tuple(strides))


def elements(shape: Sequence[int | None]) -> int:
    """The number of elements of a known shape."""
    return math.prod(shape)  # type: ignore[arg-type]


@lru_cache(maxsize=1024)
def as_matrix(shape: tuple[int, ...], whole: tuple[int, ...], columns: int) -> tuple[int, int] | None:
    """The shape of an operand that broadcasts to `whole`, where that is seen as a matrix of so many columns.

    It is a matrix, row, column or single element; None for an operand that is none of them.
    """
    split = next((k for k in range(len(whole) + 1) if elements(whole[k:]) == columns), None)
    if split is None:
        return None
    padded = (*[1] * (len(whole) - len(shape)), *shape)
    parts = [(tuple(padded[s]), tuple(whole[s])) for s in (slice(split), slice(split, None))]
    if any(own != full and elements(own) != 1 for own, full in parts):
        return None
    return elements(padded[:split]), elements(padded[split:])
