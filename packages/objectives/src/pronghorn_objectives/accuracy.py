"""Accuracies: the share of predictions that are right."""

from __future__ import annotations

from typing import Any

from pronghorn import config, ops
from pronghorn.loss import same_shape
from pronghorn.metric import MeanMetricWrapper
from pronghorn.tensor import Tensor, convert_to_tensor


def accuracy(y_true: Any, y_pred: Any) -> Tensor:
    """1 where the prediction equals the target, elementwise."""
    y_true, y_pred = same_shape(y_true, y_pred, "accuracy")
    return _matches(y_true, y_pred)


def binary_accuracy(y_true: Any, y_pred: Any, threshold: float = 0.5) -> Tensor:
    """1 where "y_pred > threshold" is what the label 0 or 1 says, elementwise."""
    y_true, y_pred = same_shape(y_true, y_pred, "binary_accuracy")
    return _matches(y_true, ops.cast(y_pred > threshold, y_true.dtype))


def categorical_accuracy(y_true: Any, y_pred: Any) -> Tensor:
    """1 where the most probable class is that of the one-hot label, for each row."""
    y_true, y_pred = same_shape(
        y_true, y_pred, "categorical_accuracy", "for class indices use sparse_categorical_accuracy"
    )
    return _matches(ops.argmax(y_true, axis=-1), ops.argmax(y_pred, axis=-1))


def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> Tensor:
    """1 where the most probable class is the labelled one, for each row."""
    y_true, y_pred = _indices("sparse_categorical_accuracy", y_true, y_pred)
    return _matches(y_true, ops.cast(ops.argmax(y_pred, axis=-1), y_true.dtype))


def top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Tensor:
    """1 where the class of the one-hot label is among the `k` most probable ones, for each row."""
    mend = "for class indices use sparse_top_k_categorical_accuracy"
    y_true, y_pred = same_shape(y_true, y_pred, "top_k_categorical_accuracy", mend)
    return _in_top(ops.argmax(y_true, axis=-1), y_pred, k)


def sparse_top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5, from_sorted_ids: bool = False) -> Tensor:
    """1 where the labelled class is among the `k` most probable ones, for each row.

    Args:
        y_true: class indices.
        y_pred: scores, shape (…, classes); or class indices in order of falling score, where
            `from_sorted_ids`.
        k: how many.
        from_sorted_ids: see there.
    """
    y_true, y_pred = _indices("sparse_top_k_categorical_accuracy", y_true, y_pred)
    if from_sorted_ids:
        label = ops.expand_dims(ops.cast(y_true, y_pred.dtype), -1)
        return ops.cast(ops.any(ops.equal(label, y_pred[..., :k]), axis=-1), config.floatx())
    return _in_top(ops.cast(y_true, "int32"), y_pred, k)


def _matches(x: Tensor, y: Tensor) -> Tensor:
    return ops.cast(ops.equal(x, y), config.floatx())


def _indices(name: str, y_true: Any, y_pred: Any) -> tuple[Tensor, Tensor]:
    """Class indices of the shape of `y_pred` without its last axis."""
    y_true, y_pred = convert_to_tensor(y_true), convert_to_tensor(y_pred)
    if y_true.ndim == y_pred.ndim and y_true.shape[-1] == 1:
        y_true = ops.squeeze(y_true, -1)
    if y_true.shape != y_pred.shape[:-1]:
        raise ValueError(
            f"{name}: the class indices have shape {y_true.shape}, predictions of shape {y_pred.shape} need "
            f"{y_pred.shape[:-1]}; for one-hot targets use {name.removeprefix('sparse_')}"
        )
    return y_true, y_pred


def _in_top(label: Tensor, scores: Tensor, k: int) -> Tensor:
    """1 where fewer than `k` scores are above that of the label: ties count as right, what is no class as wrong."""
    is_class = ops.logical_and(ops.greater_equal(label, 0), ops.less(label, scores.shape[-1]))
    label = ops.where(is_class, label, 0)
    own = ops.take_along_axis(scores, ops.expand_dims(label, -1), axis=-1)
    above = ops.sum(ops.cast(scores > own, "int32"), axis=-1)
    return ops.cast(ops.logical_and(above < k, is_class), config.floatx())


class Accuracy(MeanMetricWrapper):
    """How often predictions equal targets. Arguments as in `pronghorn.metrics.Metric`."""

    _direction = "up"

    def __init__(self, name: str = "accuracy", dtype: Any = None) -> None:
        super().__init__(accuracy, name, dtype)


class BinaryAccuracy(MeanMetricWrapper):
    """How often "y_pred > threshold" is what the label 0 or 1 says.

    Args:
        name, dtype: as in `pronghorn.metrics.Metric`.
        threshold: from 0 to 1.
    """

    _direction = "up"

    def __init__(self, name: str = "binary_accuracy", dtype: Any = None, threshold: float = 0.5) -> None:
        super().__init__(binary_accuracy, name, dtype, threshold=threshold)
        if not 0 <= threshold <= 1:
            raise ValueError(f"BinaryAccuracy: threshold must be from 0 to 1, got {threshold!r}")
        self.threshold = threshold


class CategoricalAccuracy(MeanMetricWrapper):
    """How often the most probable class is right, for one-hot labels.

    Arguments as in `pronghorn.metrics.Metric`.
    """

    _direction = "up"

    def __init__(self, name: str = "categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(categorical_accuracy, name, dtype)


class SparseCategoricalAccuracy(MeanMetricWrapper):
    """How often the most probable class is right, for integer labels.

    Arguments as in `pronghorn.metrics.Metric`.
    """

    _direction = "up"

    def __init__(self, name: str = "sparse_categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(sparse_categorical_accuracy, name, dtype)


class TopKCategoricalAccuracy(MeanMetricWrapper):
    """How often the right class is among the `k` most probable, for one-hot labels.

    Args:
        k: how many.
        name, dtype: as in `pronghorn.metrics.Metric`.
    """

    _direction = "up"

    def __init__(self, k: int = 5, name: str = "top_k_categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(top_k_categorical_accuracy, name, dtype, k=k)
        self.k = k


class SparseTopKCategoricalAccuracy(MeanMetricWrapper):
    """How often the right class is among the `k` most probable, for integer labels.

    Args:
        k: how many.
        name, dtype: as in `pronghorn.metrics.Metric`.
        from_sorted_ids: whether predictions are class indices in order of falling score.
    """

    _direction = "up"

    def __init__(
        self,
        k: int = 5,
        name: str = "sparse_top_k_categorical_accuracy",
        dtype: Any = None,
        from_sorted_ids: bool = False,
    ) -> None:
        super().__init__(sparse_top_k_categorical_accuracy, name, dtype, k=k, from_sorted_ids=from_sorted_ids)
        self.k = k
        self.from_sorted_ids = from_sorted_ids
