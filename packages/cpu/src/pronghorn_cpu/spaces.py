"""Iteration spaces: a shape with the element strides of every operand, and how dimensions collapse.

A stride of 0 says that the operand is broadcast along a dimension, declared so by the program and not found
by looking at sizes: a dimension that merely has size 1 today (a batch of one) keeps the stride it would have
at any other size. So the kernel that a program needs does not depend on its sizes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple


class Space(NamedTuple):
    """`shape`, and for each operand its element stride along every dimension."""

    shape: tuple[int, ...]
    strides: tuple[tuple[int, ...], ...]

    @property
    def size(self) -> int:
        return math.prod(self.shape)


def dense_strides(shape: Sequence[int], broadcast: Sequence[bool] | None = None) -> tuple[int, ...]:
    """Row-major strides of an operand of `shape`, 0 along its `broadcast` dimensions (which have size 1 in
    memory).
    """
    strides, step = [], 1
    for k in reversed(range(len(shape))):
        repeated = broadcast is not None and broadcast[k]
        strides.append(0 if repeated else step)
        step *= 1 if repeated else shape[k]
    return tuple(reversed(strides))


def broadcast_strides(operand: Sequence[int], shape: Sequence[int]) -> tuple[int, ...]:
    """Strides of a dense array of shape `operand` that is broadcast to `shape`.

    Missing leading dimensions are broadcast, and those of size 1 where `shape` has another size.
    """
    missing = len(shape) - len(operand)
    padded = (1,) * missing + tuple(operand)
    return dense_strides(shape, [k < missing or padded[k] != shape[k] for k in range(len(shape))])


def runs_of(space: Space, kinds: Sequence[object] | None = None) -> tuple[int, ...]:
    """How many neighbouring dimensions each dimension of the collapsed space takes in.

    Neighbours merge if every operand walks through both in one stride (and they are of one kind, where
    `kinds` are given).
    """
    runs: list[int] = []
    for k, size in enumerate(space.shape):
        merges = (
            k > 0
            and all(s[k - 1] == s[k] * size for s in space.strides)
            and (kinds is None or kinds[k] == kinds[k - 1])
        )
        if merges:
            runs[-1] += 1
        else:
            runs.append(1)
    return tuple(runs)


def collapse(space: Space, runs: Sequence[int]) -> Space:
    """The same space with `runs` of dimensions merged; a scalar space gets one dimension of size 1."""
    if not space.shape:
        return Space((1,), tuple((0,) for _ in space.strides))
    starts = [sum(runs[:k]) for k in range(len(runs))]
    shape = tuple(math.prod(space.shape[a : a + n]) for a, n in zip(starts, runs, strict=True))
    strides = tuple(tuple(s[a + n - 1] for a, n in zip(starts, runs, strict=True)) for s in space.strides)
    return Space(shape, strides)


def pattern(stride: int) -> str:
    """How an operand is read along the innermost dimension: "contiguous", "broadcast" or "strided"."""
    return {0: "broadcast", 1: "contiguous"}.get(stride, "strided")
