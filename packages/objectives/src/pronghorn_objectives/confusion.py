"""Metrics on confusion matrices of yes/no predictions at thresholds: counts, precision, recall, AUC."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from pronghorn import config, ops
from pronghorn.loss import align_weights, ratio, same_shape
from pronghorn.metric import Metric
from pronghorn.tensor import Tensor, Variable, constant, convert_to_tensor

OUTSIDE = -1e10
"""The score of a class that is not among the top k: below every threshold."""


class ConfusionMetric(Metric):
    """Base of metrics that add up the cells of confusion matrices, one matrix per threshold.

    Args:
        thresholds: a prediction above one is a yes.
        shape: of the state after its axis of thresholds: () or one entry per label.
        name, dtype: as in `pronghorn.metrics.Metric`.
    """

    cells: ClassVar[tuple[str, ...]] = (
        "true_positives",
        "false_positives",
        "true_negatives",
        "false_negatives",
    )
    """The cells that the metric needs; each is an attribute."""

    def __init__(
        self,
        thresholds: Sequence[float],
        shape: tuple[int, ...] = (),
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self._thresholds = [float(t) for t in thresholds]
        self._add_cells(shape)

    def _add_cells(self, shape: tuple[int, ...]) -> None:
        for cell in self.cells:
            setattr(self, cell, self.add_variable((len(self._thresholds), *shape), "zeros", self.dtype, name=cell))

    @property
    def thresholds(self) -> list[float]:
        """The thresholds."""
        return list(self._thresholds)

    def cell(self, name: str) -> Tensor:
        """What is in a cell, for each threshold."""
        variable: Variable = getattr(self, name)
        return variable.value

    def add_batch(
        self,
        y_true: Any,
        y_pred: Any,
        sample_weight: Any = None,
        top_k: int | None = None,
        class_id: int | None = None,
        label_weights: Any = None,
        by_label: bool = False,
    ) -> None:
        """Adds a batch to the cells.

        Args:
            y_true: labels; anything but 0 is a yes.
            y_pred: scores, the shape of `y_true`.
            sample_weight: its axes are the leading ones of the scores.
            top_k: whether only the k highest scores of a row count as they are, the others as no.
            class_id: the only entry of the last axis that is looked at.
            label_weights: weighs the entries of the last axis.
            by_label: whether the entries of the last axis have cells of their own.
        """
        y_true, y_pred = same_shape(y_true, convert_to_tensor(y_pred, dtype=self.dtype), self.name)
        weights = constant(1.0, self.dtype)
        if sample_weight is not None:
            given = convert_to_tensor(sample_weight, dtype=self.dtype)
            weights = align_weights(given, y_pred, f"{self.name}: sample_weight")
        if label_weights is not None:
            weights = weights * convert_to_tensor(label_weights, dtype=self.dtype)
        weights = ops.broadcast_to(weights, y_pred.shape)
        if top_k is not None:
            y_pred = _only_top(y_pred, top_k)
        if class_id is not None:
            y_true, y_pred, weights = (_pick(x, class_id, self.name) for x in (y_true, y_pred, weights))
        if not by_label:
            y_true, y_pred, weights = (ops.reshape(x, (-1,)) for x in (y_true, y_pred, weights))
        thresholds = ops.reshape(constant(self._thresholds, self.dtype), (-1, *(1,) * y_pred.ndim))
        said = y_pred > thresholds
        label = ops.not_equal(y_true, 0)
        for name in self.cells:
            says, holds = _CELLS[name]
            counted = ops.where(label if holds else ops.logical_not(label), weights, 0.0)
            total = ops.sum(ops.where(said if says else ops.logical_not(said), counted, 0.0), axis=1)
            variable: Variable = getattr(self, name)
            variable.assign(variable + total)


_CELLS = {
    "true_positives": (True, True),
    "false_positives": (True, False),
    "false_negatives": (False, True),
    "true_negatives": (False, False),
}
"""Cell -> (what the prediction says, what the label is)."""


def _only_top(scores: Tensor, k: int) -> Tensor:
    _, places = ops.top_k(scores, k)
    chosen = ops.sum(ops.one_hot(places, scores.shape[-1], dtype="int32"), axis=-2)
    return ops.where(chosen > 0, scores, OUTSIDE)  # type: ignore[no-any-return]


def _pick(x: Tensor, class_id: int, name: str) -> Tensor:
    if x.ndim < 2:
        raise ValueError(f"{name}: class_id needs predictions of shape (samples, classes), got {x.shape}")
    return x[..., class_id]


def _threshold_list(name: str, thresholds: Any, default: float) -> list[float]:
    """The thresholds of an argument: None, a number or several."""
    if thresholds is None:
        return [default]
    values = list(thresholds) if isinstance(thresholds, (list, tuple)) else [thresholds]
    if not values or not all(isinstance(t, (int, float)) and 0 <= t <= 1 for t in values):
        raise ValueError(f"{name}: thresholds must be numbers from 0 to 1, got {thresholds!r}")
    return [float(t) for t in values]


# ------------------------------------------------------------------------------------ counts


class _Count(ConfusionMetric):
    """Base of the metrics that are one cell."""

    def __init__(self, thresholds: Any = None, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(_threshold_list(type(self).__name__, thresholds, 0.5), name=name, dtype=dtype)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Adds a batch of labels and scores of one shape."""
        self.add_batch(y_true, y_pred, sample_weight)

    def result(self) -> Tensor:
        return _one_or_all(self.cell(self.cells[0]))


def _one_or_all(by_threshold: Tensor) -> Tensor:
    return by_threshold[0] if by_threshold.shape[0] == 1 else by_threshold


class TruePositives(_Count):
    """The number of predictions above the threshold whose label is 1.

    Args:
        thresholds: a number, or several, which give a result each; 0.5 by default.
        name, dtype: as in `pronghorn.metrics.Metric`.
    """

    cells = ("true_positives",)


class FalsePositives(_Count):
    """The number of predictions above the threshold whose label is 0. Arguments as in `TruePositives`."""

    cells = ("false_positives",)


class TrueNegatives(_Count):
    """The number of predictions not above the threshold whose label is 0. Arguments as in `TruePositives`."""

    cells = ("true_negatives",)


class FalseNegatives(_Count):
    """The number of predictions not above the threshold whose label is 1. Arguments as in `TruePositives`."""

    cells = ("false_negatives",)


# ------------------------------------------------------------------------------------ precision and recall


class _Share(ConfusionMetric):
    """Base of the metrics that are the true positives' share of something."""

    _direction = "up"

    def __init__(
        self,
        thresholds: Any = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        default = 0.5 if top_k is None else OUTSIDE
        super().__init__(_threshold_list(type(self).__name__, thresholds, default), name=name, dtype=dtype)
        self.top_k = top_k
        self.class_id = class_id

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Adds a batch of labels and scores of one shape."""
        self.add_batch(y_true, y_pred, sample_weight, self.top_k, self.class_id)

    def result(self) -> Tensor:
        hits, others = (self.cell(name) for name in self.cells)
        return _one_or_all(ratio(hits, hits + others))


class Precision(_Share):
    """The share of the predictions above the threshold whose label is 1.

    Args:
        thresholds: a number, or several, which give a result each; 0.5 by default.
        top_k: only the k highest scores of a row can be a yes; without thresholds all of them are.
        class_id: the only entry of the last axis that is looked at.
        name, dtype: as in `pronghorn.metrics.Metric`.
    """

    cells = ("true_positives", "false_positives")


class Recall(_Share):
    """The share of the labels 1 whose prediction is above the threshold. Arguments as in `Precision`."""

    cells = ("true_positives", "false_negatives")


# ------------------------------------------------------------------------------------ one at a given other


def _sensitivity(metric: ConfusionMetric) -> Tensor:
    hits = metric.cell("true_positives")
    return ratio(hits, hits + metric.cell("false_negatives"))


def _specificity(metric: ConfusionMetric) -> Tensor:
    rejected = metric.cell("true_negatives")
    return ratio(rejected, rejected + metric.cell("false_positives"))


def _precision(metric: ConfusionMetric) -> Tensor:
    hits = metric.cell("true_positives")
    return ratio(hits, hits + metric.cell("false_positives"))


class _BestUnderConstraint(ConfusionMetric):
    """Base of the metrics "the best … of the thresholds at which … is at least a value"."""

    _direction = "up"
    best: ClassVar[Callable[[ConfusionMetric], Tensor]]
    constrained: ClassVar[Callable[[ConfusionMetric], Tensor]]

    def __init__(self, least: float, num_thresholds: int, class_id: int | None, name: str | None, dtype: Any) -> None:
        cls = type(self).__name__
        if not 0 <= least <= 1:
            raise ValueError(f"{cls}: the value asked for must be from 0 to 1, got {least!r}")
        if num_thresholds < 1:
            raise ValueError(f"{cls}: num_thresholds must be at least 1, got {num_thresholds!r}")
        even = [i / (num_thresholds - 1) for i in range(num_thresholds)] if num_thresholds > 1 else [0.5]
        super().__init__(even, name=name, dtype=dtype)
        self._least = least
        self.num_thresholds = num_thresholds
        self.class_id = class_id

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Adds a batch of labels and scores of one shape."""
        self.add_batch(y_true, y_pred, sample_weight, class_id=self.class_id)

    def result(self) -> Tensor:
        feasible = type(self).constrained(self) >= self._least
        return ops.max(ops.where(feasible, type(self).best(self), 0.0))


class SensitivityAtSpecificity(_BestUnderConstraint):
    """The best sensitivity (share of labels 1 found) of thresholds where the specificity is at least a value.

    Args:
        specificity: the least share of labels 0 that are rejected.
        num_thresholds: how many, evenly from 0 to 1.
        class_id: the only entry of the last axis that is looked at.
        name, dtype: as in `pronghorn.metrics.Metric`.
    """

    best = _sensitivity
    constrained = _specificity

    def __init__(
        self,
        specificity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(specificity, num_thresholds, class_id, name, dtype)


class SpecificityAtSensitivity(_BestUnderConstraint):
    """The best specificity among thresholds where the sensitivity is at least a value.

    Args:
        sensitivity: the least share of labels 1 that are found.
        num_thresholds, class_id, name, dtype: as in `SensitivityAtSpecificity`.
    """

    best = _specificity
    constrained = _sensitivity

    def __init__(
        self,
        sensitivity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(sensitivity, num_thresholds, class_id, name, dtype)


class PrecisionAtRecall(_BestUnderConstraint):
    """The best precision among thresholds where the recall is at least a value.

    Args:
        recall: the least share of labels 1 that are found.
        num_thresholds, class_id, name, dtype: as in `SensitivityAtSpecificity`.
    """

    best = _precision
    constrained = _sensitivity

    def __init__(
        self,
        recall: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(recall, num_thresholds, class_id, name, dtype)


class RecallAtPrecision(_BestUnderConstraint):
    """The best recall among thresholds where the precision is at least a value.

    Args:
        precision: the least share of the predictions above the threshold whose label is 1.
        num_thresholds, class_id, name, dtype: as in `SensitivityAtSpecificity`.
    """

    best = _sensitivity
    constrained = _precision

    def __init__(
        self,
        precision: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(precision, num_thresholds, class_id, name, dtype)


# ------------------------------------------------------------------------------------ area under the curve


class AUC(ConfusionMetric):
    """The area under a curve of two shares of the confusion matrix, approximated at thresholds.

    Args:
        num_thresholds: how many, evenly from 0 to 1.
        curve: "ROC" (true positive rate over false positive rate), "PR" (precision over recall) or "PRGAIN"
            (Flach and Kull, "Precision-recall-gain curves", 2015).
        summation_method: "interpolation" between points ("PR" after Davis and Goadrich, 2006), "minoring" or
            "majoring".
        name, dtype: as in `pronghorn.metrics.Metric`.
        thresholds: others than the even ones, from 0 to 1.
        multi_label: whether each entry of the last axis has its own curve; the result is their mean.
        num_labels: how many there are, where it is known before the first batch.
        label_weights: weighs the entries of the last axis, or their curves.
        from_logits: whether predictions go through the sigmoid first.
    """

    _direction = "up"
    _curves = ("ROC", "PR", "PRGAIN")
    _methods = ("interpolation", "minoring", "majoring")

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: str = "ROC",
        summation_method: str = "interpolation",
        name: str | None = None,
        dtype: Any = None,
        thresholds: Sequence[float] | None = None,
        multi_label: bool = False,
        num_labels: int | None = None,
        label_weights: Any = None,
        from_logits: bool = False,
    ) -> None:
        if str(curve).upper() not in self._curves or str(summation_method).lower() not in self._methods:
            raise ValueError(
                f"AUC: curve must be one of {self._curves} and summation_method one of {self._methods}, "
                f"got {curve!r} and {summation_method!r}"
            )
        if num_labels and not multi_label:
            raise ValueError("AUC: num_labels is for multi_label=True only")
        if thresholds is None and num_thresholds < 2:
            raise ValueError(f"AUC: num_thresholds must be at least 2, got {num_thresholds!r}")
        inner = [i / (num_thresholds - 1) for i in range(1, num_thresholds - 1)]
        if thresholds is not None:
            inner = sorted(_threshold_list("AUC", list(thresholds), 0.5))
        self._given = thresholds is not None
        self._by_label = bool(multi_label)
        self._num_labels = num_labels
        super().__init__([-config.epsilon(), *inner, 1 + config.epsilon()], name=name, dtype=dtype)
        self.num_thresholds = len(self._thresholds)
        self.curve = str(curve).upper()
        self.summation_method = str(summation_method).lower()
        self.multi_label = self._by_label
        self.label_weights = label_weights
        self.from_logits = from_logits

    def _add_cells(self, shape: tuple[int, ...]) -> None:
        if not self._by_label or self._num_labels:
            super()._add_cells((self._num_labels,) if self._num_labels else ())

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Adds a batch of labels and scores of one shape."""
        y_pred = convert_to_tensor(y_pred)
        if self._by_label and not self._num_labels:
            if y_pred.ndim != 2:
                raise ValueError(
                    f"{self.name}: multi_label needs predictions of shape (samples, labels), got {y_pred.shape}"
                )
            self._num_labels = y_pred.shape[1]
            self._add_cells(())
        if self.from_logits:
            y_pred = ops.sigmoid(y_pred)
        weights = None if self._by_label else self.label_weights
        self.add_batch(y_true, y_pred, sample_weight, label_weights=weights, by_label=self._by_label)

    def result(self) -> Tensor:
        return self._mean_over_labels(self._slices())

    def interpolate_pr_auc(self) -> Tensor:
        """The area under the precision-recall curve, interpolated after Davis and Goadrich, whatever the `curve`."""
        hits, alarms, misses = map(self.cell, ("true_positives", "false_positives", "false_negatives"))
        return self._mean_over_labels(_interpolated_precision_recall(hits, alarms, misses))

    def _mean_over_labels(self, slices: Tensor) -> Tensor:
        areas = ops.sum(slices, axis=0)
        if not self._by_label:
            return areas
        if self.label_weights is None:
            return ops.mean(areas)
        weights = convert_to_tensor(self.label_weights, dtype=self.dtype)
        return ratio(ops.sum(areas * weights), ops.sum(weights))

    def _slices(self) -> Tensor:
        """The area between each pair of neighbouring thresholds."""
        hits, alarms = self.cell("true_positives"), self.cell("false_positives")
        misses, rejected = self.cell("false_negatives"), self.cell("true_negatives")
        if self.curve == "PR" and self.summation_method == "interpolation":
            return _interpolated_precision_recall(hits, alarms, misses)
        if self.curve == "ROC":
            x, y = ratio(alarms, alarms + rejected), ratio(hits, hits + misses)
        elif self.curve == "PR":
            x, y = ratio(hits, hits + misses), ratio(hits, hits + alarms)
        else:
            odds = ratio(hits + misses, rejected + alarms)
            x = ops.maximum(ops.where(hits > 0, 1.0 - odds * ratio(misses, hits), 0.0), 0.0)
            y = ops.where(hits > 0, 1.0 - odds * ratio(alarms, hits), 1.0)
        left, right = y[:-1], y[1:]
        height = (left + right) / 2.0
        if self.summation_method != "interpolation":
            height = (ops.minimum if self.summation_method == "minoring" else ops.maximum)(left, right)
        return (x[:-1] - x[1:]) * height

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments; thresholds only where they were given."""
        settings = super().get_config()
        if not self._given:
            del settings["thresholds"]
        return settings


def _interpolated_precision_recall(hits: Tensor, alarms: Tensor, misses: Tensor) -> Tensor:
    """Areas under the precision-recall curve whose true positives are interpolated between thresholds.

    Davis and Goadrich, "The relationship between precision-recall and ROC curves", 2006.
    """
    gained = hits[:-1] - hits[1:]
    said = hits + alarms
    slope = ratio(gained, ops.maximum(said[:-1] - said[1:], 0.0))
    intercept = hits[1:] - slope * said[1:]
    both = ops.logical_and(said[:-1] > 0, said[1:] > 0)
    growth = ops.where(both, ratio(said[:-1], said[1:]), 1.0)
    return ratio(slope * (gained + intercept * ops.log(growth)), hits[1:] + misses[1:])
