"""Regularizers: functions of a weight, or of outputs, whose values are added to the loss."""

from __future__ import annotations

import math
from typing import Any, Literal

from pronghorn import ops
from pronghorn.configurable import Configurable
from pronghorn.tensor import Tensor, convert_to_tensor


class Regularizer(Configurable):
    """A penalty. A subclass writes `__call__(x)`, which returns a scalar tensor."""

    def __call__(self, x: Any) -> Tensor:
        """The penalty of a tensor."""
        raise NotImplementedError(f"{type(self).__name__} has no __call__(x)")


class L1L2(Regularizer):
    """l1 sum(|x|) + l2 sum(x²)"""

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        self.l1 = _factor(type(self), "l1", l1)
        self.l2 = _factor(type(self), "l2", l2)

    def __call__(self, x: Any) -> Tensor:
        x = convert_to_tensor(x)
        penalties = []
        if self.l1:
            penalties.append(self.l1 * ops.sum(ops.abs(x)))
        if self.l2:
            penalties.append(self.l2 * ops.sum(ops.square(x)))
        return sum(penalties[1:], penalties[0]) if penalties else ops.zeros((), dtype=x.dtype)


class L1(Regularizer):
    """l1 sum(|x|)"""

    def __init__(self, l1: float = 0.01) -> None:
        self.l1 = _factor(type(self), "l1", l1)

    def __call__(self, x: Any) -> Tensor:
        return self.l1 * ops.sum(ops.abs(x))


class L2(Regularizer):
    """l2 sum(x²)"""

    def __init__(self, l2: float = 0.01) -> None:
        self.l2 = _factor(type(self), "l2", l2)

    def __call__(self, x: Any) -> Tensor:
        return self.l2 * ops.sum(ops.square(x))


class OrthogonalRegularizer(Regularizer):
    """factor times the mean of |cos| of the angles between the rows, or the columns, of a matrix."""

    def __init__(self, factor: float = 0.01, mode: Literal["rows", "columns"] = "rows") -> None:
        if mode not in ("rows", "columns"):
            raise ValueError(f"regularizer OrthogonalRegularizer: `mode` must be 'rows' or 'columns', got {mode!r}")
        self.factor = _factor(type(self), "factor", factor)
        self.mode = mode

    def __call__(self, x: Any) -> Tensor:
        x = convert_to_tensor(x)
        if len(x.shape) != 2:
            raise ValueError(f"regularizer OrthogonalRegularizer: takes matrices, got the shape {x.shape}")
        rows = x if self.mode == "rows" else ops.transpose(x)
        n = int(rows.shape[0] or 0)
        unit = rows * ops.rsqrt(ops.maximum(ops.sum(ops.square(rows), axis=1, keepdims=True), 1e-12))
        cosines = ops.matmul(unit, ops.transpose(unit))
        index = ops.arange(n)
        off_diagonal = ops.where(ops.expand_dims(index, 1) == index, 0.0, ops.abs(cosines))
        return self.factor * ops.sum(off_diagonal) / (n * (n - 1))


def _factor(cls: type, name: str, value: Any) -> float:
    """A factor as a float; None stands for none."""
    number = 0.0 if value is None else float(value)
    if not math.isfinite(number) or number < 0:
        raise ValueError(f"regularizer {cls.__name__}: argument `{name}` must be a finite number >= 0, got {value!r}")
    return number
