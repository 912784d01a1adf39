"""Losses on real numbers: each a formula of targets and predictions, as a function and as a `Loss`.

Targets and predictions have one shape (samples, …, values); a value of the loss is the mean over the last
axis.
"""

from __future__ import annotations

import math
from typing import Any

from pronghorn import config, ops
from pronghorn.loss import Loss, Reduction, same_shape
from pronghorn.tensor import Tensor


def mean_squared_error(y_true: Any, y_pred: Any) -> Tensor:
    """mean((y_true - y_pred)²)"""
    y_true, y_pred = same_shape(y_true, y_pred, "mean_squared_error")
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


def mean_absolute_error(y_true: Any, y_pred: Any) -> Tensor:
    """mean(|y_true - y_pred|)"""
    y_true, y_pred = same_shape(y_true, y_pred, "mean_absolute_error")
    return ops.mean(ops.absolute(y_true - y_pred), axis=-1)


def mean_absolute_percentage_error(y_true: Any, y_pred: Any) -> Tensor:
    """100 · mean(|y_true - y_pred| / |y_true|), the divisor at least epsilon."""
    y_true, y_pred = same_shape(y_true, y_pred, "mean_absolute_percentage_error")
    size = ops.maximum(ops.absolute(y_true), config.epsilon())
    return 100.0 * ops.mean(ops.absolute((y_true - y_pred) / size), axis=-1)


def mean_squared_logarithmic_error(y_true: Any, y_pred: Any) -> Tensor:
    """mean((log(y_true + 1) - log(y_pred + 1))²), both at least epsilon."""
    y_true, y_pred = same_shape(y_true, y_pred, "mean_squared_logarithmic_error")
    logs = [ops.log(ops.maximum(y, config.epsilon()) + 1.0) for y in (y_true, y_pred)]
    return ops.mean(ops.square(logs[0] - logs[1]), axis=-1)


def huber(y_true: Any, y_pred: Any, delta: float = 1.0) -> Tensor:
    """Mean of ½e² where the error |e| is at most `delta`, of delta·(|e| - ½delta) beyond (Huber, 1964)."""
    y_true, y_pred = same_shape(y_true, y_pred, "huber")
    size = ops.absolute(y_pred - y_true)
    return ops.mean(ops.where(size <= delta, 0.5 * ops.square(size), delta * size - 0.5 * delta * delta), axis=-1)


def log_cosh(y_true: Any, y_pred: Any) -> Tensor:
    """mean(log(cosh(y_pred - y_true))), computed so that it does not overflow."""
    y_true, y_pred = same_shape(y_true, y_pred, "log_cosh")
    error = y_pred - y_true
    return ops.mean(error + ops.softplus(-2.0 * error) - math.log(2.0), axis=-1)


def cosine_similarity(y_true: Any, y_pred: Any, axis: int = -1) -> Tensor:
    """Minus the cosine of the angle between target and prediction along `axis`: -1 for the same direction."""
    y_true, y_pred = same_shape(y_true, y_pred, "cosine_similarity")
    return -ops.sum(_unit_vectors(y_true, axis) * _unit_vectors(y_pred, axis), axis=axis)


def _unit_vectors(x: Tensor, axis: int) -> Tensor:
    square = ops.sum(ops.square(x), axis=axis, keepdims=True)
    return x * ops.rsqrt(ops.maximum(square, config.epsilon() ** 2))  # type: ignore[no-any-return]


class MeanSquaredError(Loss):
    """mean((y_true - y_pred)²). Arguments as in `pronghorn.losses.Loss`."""

    def __init__(
        self,
        reduction: Reduction = "sum_over_batch_size",
        name: str = "mean_squared_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)

    def call(self, y_true: Any, y_pred: Any) -> Tensor:
        return mean_squared_error(y_true, y_pred)


class MeanAbsoluteError(Loss):
    """mean(|y_true - y_pred|). Arguments as in `pronghorn.losses.Loss`."""

    def __init__(
        self,
        reduction: Reduction = "sum_over_batch_size",
        name: str = "mean_absolute_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)

    def call(self, y_true: Any, y_pred: Any) -> Tensor:
        return mean_absolute_error(y_true, y_pred)


class MeanAbsolutePercentageError(Loss):
    """100 · mean(|y_true - y_pred| / |y_true|). Arguments as in `pronghorn.losses.Loss`."""

    def __init__(
        self,
        reduction: Reduction = "sum_over_batch_size",
        name: str = "mean_absolute_percentage_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)

    def call(self, y_true: Any, y_pred: Any) -> Tensor:
        return mean_absolute_percentage_error(y_true, y_pred)


class MeanSquaredLogarithmicError(Loss):
    """mean((log(y_true + 1) - log(y_pred + 1))²). Arguments as in `pronghorn.losses.Loss`."""

    def __init__(
        self,
        reduction: Reduction = "sum_over_batch_size",
        name: str = "mean_squared_logarithmic_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)

    def call(self, y_true: Any, y_pred: Any) -> Tensor:
        return mean_squared_logarithmic_error(y_true, y_pred)


class Huber(Loss):
    """Squared for small errors, absolute for large ones.

    Huber, "Robust estimation of a location parameter", 1964.

    Args:
        delta: the error from which on the loss is linear.
        reduction, name, dtype: as in `pronghorn.losses.Loss`.
    """

    omitted_defaults = Loss.omitted_defaults | {"delta": 1.0}

    def __init__(
        self,
        delta: float = 1.0,
        reduction: Reduction = "sum_over_batch_size",
        name: str = "huber_loss",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)
        self.delta = delta

    def call(self, y_true: Any, y_pred: Any) -> Tensor:
        return huber(y_true, y_pred, self.delta)


class LogCosh(Loss):
    """mean(log(cosh(y_pred - y_true))): like Huber, but smooth. Arguments as in `pronghorn.losses.Loss`."""

    def __init__(self, reduction: Reduction = "sum_over_batch_size", name: str = "log_cosh", dtype: Any = None) -> None:
        super().__init__(name, reduction, dtype)

    def call(self, y_true: Any, y_pred: Any) -> Tensor:
        return log_cosh(y_true, y_pred)


class CosineSimilarity(Loss):
    """Minus the cosine of the angle between target and prediction.

    Args:
        axis: along which they are vectors.
        reduction, name, dtype: as in `pronghorn.losses.Loss`.
    """

    omitted_defaults = Loss.omitted_defaults | {"axis": -1}

    def __init__(
        self,
        axis: int = -1,
        reduction: Reduction = "sum_over_batch_size",
        name: str = "cosine_similarity",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)
        self.axis = axis

    def call(self, y_true: Any, y_pred: Any) -> Tensor:
        return cosine_similarity(y_true, y_pred, self.axis)
