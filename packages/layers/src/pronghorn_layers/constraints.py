"""Constraints: functions that the optimizer applies to a weight after each update."""

from __future__ import annotations

from typing import Any

from pronghorn import config, ops
from pronghorn.configurable import Configurable
from pronghorn.tensor import Tensor, convert_to_tensor


class Constraint(Configurable):
    """A projection. A subclass writes `__call__(w)`, which returns the weight that is kept."""

    def __call__(self, w: Any) -> Tensor:
        """The weight, constrained."""
        raise NotImplementedError(f"{type(self).__name__} has no __call__(w)")


class NonNeg(Constraint):
    """max(w, 0)"""

    def __call__(self, w: Any) -> Tensor:
        return ops.maximum(w, 0.0)  # type: ignore[no-any-return]


class UnitNorm(Constraint):
    """w / |w|, norms taken along `axis`."""

    def __init__(self, axis: int = 0) -> None:
        self.axis = axis

    def __call__(self, w: Any) -> Tensor:
        return w / (config.epsilon() + _norms(w, self.axis))  # type: ignore[no-any-return]


class MaxNorm(Constraint):
    """w scaled down where its norm along `axis` is above `max_value` (Srivastava et al., 2014)."""

    def __init__(self, max_value: float = 2, axis: int = 0) -> None:
        self.max_value = max_value
        self.axis = axis

    def __call__(self, w: Any) -> Tensor:
        norms = _norms(w, self.axis)
        return w * (ops.clip(norms, 0.0, self.max_value) / (config.epsilon() + norms))  # type: ignore[no-any-return]


class MinMaxNorm(Constraint):
    """w scaled so that its norm along `axis` moves the share `rate` of the way into [min_value, max_value]."""

    def __init__(self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: int = 0) -> None:
        self.min_value = min_value
        self.max_value = max_value
        self.rate = rate
        self.axis = axis

    def __call__(self, w: Any) -> Tensor:
        norms = _norms(w, self.axis)
        desired = self.rate * ops.clip(norms, self.min_value, self.max_value) + (1 - self.rate) * norms
        return w * (desired / (config.epsilon() + norms))  # type: ignore[no-any-return]


def _norms(w: Any, axis: Any) -> Any:
    axes = tuple(axis) if isinstance(axis, (list, tuple)) else axis
    return ops.sqrt(ops.sum(ops.square(convert_to_tensor(w)), axis=axes, keepdims=True))
