"""F-scores: the weighted harmonic mean of precision and recall."""

from __future__ import annotations

from typing import Any, Literal

from pronghorn import config, ops
from pronghorn.loss import align_weights, same_shape
from pronghorn.metric import Metric
from pronghorn.tensor import Tensor, Variable, convert_to_tensor


class FBetaScore(Metric):
    """(1 + beta²) · precision · recall / (beta² · precision + recall), of predictions of shape (samples, classes).

    Args:
        average: None gives a score per class, "macro" their mean, "weighted" their mean by the number of labels,
            "micro" the score over all classes together.
        beta: how many times as important recall is.
        threshold: a score above it is a yes; None takes the highest score of each row.
        name, dtype: as in `pronghorn.metrics.Metric`.
    """

    _direction = "up"

    def __init__(
        self,
        average: Literal["micro", "macro", "weighted"] | None = None,
        beta: float = 1.0,
        threshold: float | None = None,
        name: str = "fbeta_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        if average not in (None, "micro", "macro", "weighted"):
            raise ValueError(f"{name}: average must be None, 'micro', 'macro' or 'weighted', got {average!r}")
        if not beta > 0:
            raise ValueError(f"{name}: beta must be above 0, got {beta!r}")
        if threshold is not None and not 0 < threshold <= 1:
            raise ValueError(f"{name}: threshold must be above 0 and at most 1, got {threshold!r}")
        self.average = average
        self.beta = beta
        self.threshold = threshold
        self._sums: list[Variable] = []

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Adds a batch of labels 0 and 1, and of scores, both of shape (samples, classes)."""
        y_true, y_pred = same_shape(y_true, convert_to_tensor(y_pred, dtype=self.dtype), self.name)
        if y_pred.ndim != 2:
            raise ValueError(f"{self.name}: predictions must have shape (samples, classes), got {y_pred.shape}")
        shape = () if self.average == "micro" else y_pred.shape[1:]
        if not self._sums:
            names = ("true_positives", "false_positives", "false_negatives", "intermediate_weights")
            self._sums = [self.add_variable(shape, "zeros", self.dtype, name=n) for n in names]
        if self.threshold is None:
            highest = ops.max(y_pred, axis=-1, keepdims=True)
            said = ops.logical_and(y_pred >= highest, ops.absolute(y_pred) > 1e-9)
        else:
            said = y_pred > self.threshold
        said = ops.cast(said, self.dtype)
        axis = None if self.average == "micro" else 0
        parts = (said * y_true, said * (1 - y_true), (1 - said) * y_true, y_true)
        for total, part in zip(self._sums, parts, strict=True):
            if sample_weight is not None:
                weights = convert_to_tensor(sample_weight, dtype=self.dtype)
                part = part * align_weights(weights, part, f"{self.name}: sample_weight")
            total.assign(total + ops.sum(part, axis=axis))

    def result(self) -> Tensor:
        if not self._sums:
            return ops.zeros((), dtype=self.dtype)
        hits, alarms, misses, labels = (v.value for v in self._sums)
        epsilon = config.epsilon()
        precision, recall = hits / (hits + alarms + epsilon), hits / (hits + misses + epsilon)
        square = self.beta**2
        score = precision * recall / (square * precision + recall + epsilon) * (1 + square)
        if self.average == "weighted":
            return ops.sum(score * (labels / (ops.sum(labels) + epsilon)))
        return score if self.average is None else ops.mean(score)


class F1Score(FBetaScore):
    """2 · precision · recall / (precision + recall).

    Args:
        average, threshold, name, dtype: as in `FBetaScore`.
    """

    def __init__(
        self,
        average: Literal["micro", "macro", "weighted"] | None = None,
        threshold: float | None = None,
        name: str = "f1_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(average, 1.0, threshold, name, dtype)
