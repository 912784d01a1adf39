"""How well predictions follow targets: correlations and the coefficient of determination."""

from __future__ import annotations

import warnings
from typing import Any, Literal

from pronghorn import config, ops
from pronghorn.loss import align_weights, same_shape
from pronghorn.metric import MeanMetricWrapper, Metric
from pronghorn.tensor import Tensor, Variable, convert_to_tensor


def pearson_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> Tensor:
    """Pearson's correlation along `axis`: covariance over the product of the standard deviations."""
    y_true, y_pred = same_shape(y_true, y_pred, "pearson_correlation")
    x, y = (z - ops.mean(z, axis=axis, keepdims=True) for z in (y_true, y_pred))
    x, y = (z / ops.std(z, axis=axis, keepdims=True) for z in (x, y))
    return ops.mean(x * y, axis=axis)


def concordance_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> Tensor:
    """Lin's concordance correlation along `axis`, which falls with differences of scale and mean too (Lin, 1989)."""
    y_true, y_pred = same_shape(y_true, y_pred, "concordance_correlation")
    mean, other = (ops.mean(y, axis=axis, keepdims=True) for y in (y_true, y_pred))
    spread = sum(ops.mean(ops.square(y - m), axis=axis, keepdims=True) for y, m in ((y_true, mean), (y_pred, other)))
    covariance = (y_true - other) * (y_pred - other)
    return ops.mean(2 * covariance / (spread + ops.square(mean - other) + config.epsilon()), axis=axis)


class PearsonCorrelation(MeanMetricWrapper):
    """Mean of Pearson's correlation of each sample.

    Args:
        name, dtype: as in `pronghorn.metrics.Metric`.
        axis: along which the values are correlated.
    """

    _direction = "up"

    def __init__(self, name: str = "pearson_correlation", dtype: Any = None, axis: int = -1) -> None:
        super().__init__(pearson_correlation, name, dtype, axis=axis)
        self.axis = axis


class ConcordanceCorrelation(MeanMetricWrapper):
    """Mean of the concordance correlation of each sample.

    Args:
        name, dtype: as in `pronghorn.metrics.Metric`.
        axis: along which the values are correlated.
    """

    _direction = "up"

    def __init__(self, name: str = "concordance_correlation", dtype: Any = None, axis: int = -1) -> None:
        super().__init__(concordance_correlation, name, dtype, axis=axis)
        self.axis = axis


class R2Score(Metric):
    """1 - sum((y_true - y_pred)²) / sum((y_true - mean(y_true))²), of targets of shape (samples, outputs).

    Args:
        class_aggregation: "uniform_average" is the mean over the outputs, "variance_weighted_average" their mean
            by the targets' variance, None gives a score for each.
        num_regressors: if above 0, the score is adjusted for so many independent variables.
        name, dtype: as in `pronghorn.metrics.Metric`.
    """

    _direction = "up"

    def __init__(
        self,
        class_aggregation: Literal["uniform_average", "variance_weighted_average"] | None = "uniform_average",
        num_regressors: int = 0,
        name: str = "r2_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        if class_aggregation not in (None, "uniform_average", "variance_weighted_average"):
            raise ValueError(
                f"{name}: class_aggregation must be None, 'uniform_average' or 'variance_weighted_average', "
                f"got {class_aggregation!r}"
            )
        if num_regressors < 0:
            raise ValueError(f"{name}: num_regressors must be at least 0, got {num_regressors!r}")
        self.class_aggregation = class_aggregation
        self.num_regressors = num_regressors
        self.num_samples = self.add_variable((), "zeros", self.dtype, name="num_samples")
        self._sums: list[Variable] = []

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Adds a batch of targets and predictions."""
        y_true, y_pred = same_shape(y_true, convert_to_tensor(y_pred, dtype=self.dtype), self.name)
        if y_pred.ndim != 2:
            raise ValueError(f"{self.name}: predictions must have shape (samples, outputs), got {y_pred.shape}")
        if not self._sums:
            names = ("squared_sum", "sum", "residual", "count")
            self._sums = [self.add_variable(y_pred.shape[1:], "zeros", self.dtype, name=n) for n in names]
        weights = ops.ones_like(y_true)
        if sample_weight is not None:
            given = convert_to_tensor(sample_weight, dtype=self.dtype)
            weights = ops.broadcast_to(align_weights(given, y_true, f"{self.name}: sample_weight"), y_true.shape)
        parts = (ops.square(y_true), y_true, ops.square(y_true - y_pred), ops.ones_like(y_true))
        for total, part in zip(self._sums, parts, strict=True):
            total.assign(total + ops.sum(part * weights, axis=0))
        self.num_samples.assign(self.num_samples + y_true.size)

    def result(self) -> Tensor:
        if not self._sums:
            return ops.zeros((), dtype=self.dtype)
        squares, total, residual, count = (v.value for v in self._sums)
        variance = squares - total * (total / count)
        score = 1 - residual / variance
        score = ops.where(ops.isinf(score), 0.0, score)
        if self.class_aggregation == "uniform_average":
            score = ops.mean(score)
        elif self.class_aggregation == "variance_weighted_average":
            score = ops.sum(variance * score) / ops.sum(variance)
        return self._adjusted(score) if self.num_regressors else score

    def _adjusted(self, score: Tensor) -> Tensor:
        free = self.num_samples - (self.num_regressors + 1)
        adjusted = 1 - (1 - score) * (self.num_samples - 1) / free
        if not free.symbolic and float(free) <= 0:
            warnings.warn(
                f"{self.name}: {self.num_regressors} regressors are too many for {int(self.num_samples)} values; "
                f"the score is not adjusted",
                stacklevel=3,
            )
        return ops.where(free > 0, adjusted, score)  # type: ignore[no-any-return]
