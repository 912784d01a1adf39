"""Iteration spaces: a shape, and for each operand its element stride along every dimension (0: it is broadcast)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple


class Space(NamedTuple):
    """`strides` has one tuple for each operand, `offsets` the element at which each begins."""

    shape: tuple[int, ...]
    strides: tuple[tuple[int, ...], ...]
    offsets: tuple[int, ...] = ()

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def collapsed(self, kinds: Sequence[bool] = ()) -> tuple[Space, tuple[bool, ...]]:
        """With neighbouring dimensions merged that all operands walk through in one stride; and the kinds left.

        Where dimensions have kinds, only those of one kind merge. A size of 1 merges like any other, so that the rank
        does not depend on it.
        """
        shape: list[int] = []
        columns: list[tuple[int, ...]] = []  # strides of all operands, by dimension
        left: list[bool] = []
        for k, size in enumerate(self.shape):
            column = tuple(s[k] for s in self.strides)
            kind = kinds[k] if kinds else False
            if shape and left[-1] == kind and all(a == b * size for a, b in zip(columns[-1], column, strict=True)):
                shape[-1] *= size
                columns[-1] = column
            else:
                shape.append(size)
                columns.append(column)
                left.append(kind)
        if not shape:
            return Space((1,), tuple((0,) for _ in self.strides), self.offsets), (False,)
        return Space(tuple(shape), tuple(zip(*columns, strict=True)), self.offsets), tuple(left)


def dense_strides(shape: Sequence[int]) -> tuple[int, ...]:
    """Row-major element strides."""
    return tuple(math.prod(shape[k + 1 :]) for k in range(len(shape)))


def broadcast_strides(operand: Sequence[int], shape: Sequence[int]) -> tuple[int, ...]:
    """Strides of a dense array of shape `operand` that is broadcast to `shape`: 0 along what it does not have, and
    where its size is 1 and the other's is not."""
    own = dense_strides(operand)
    missing = len(shape) - len(operand)
    return (*[0] * missing, *(s if m == n else 0 for s, m, n in zip(own, operand, shape[missing:], strict=True)))


def dense(shape: Sequence[int], operands: Sequence[Sequence[int]], outputs: int) -> Space:
    """The space of a map over `shape`: operands of these shapes, then so many dense outputs."""
    shape = tuple(shape)
    strides = [broadcast_strides(s, shape) for s in operands] + [dense_strides(shape)] * outputs
    return Space(shape, tuple(strides))
