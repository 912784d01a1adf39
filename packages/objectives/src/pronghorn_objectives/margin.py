"""Losses that want a margin between right and wrong: the hinge family, and circle loss on embeddings."""

from __future__ import annotations

from typing import Any

from pronghorn import ops
from pronghorn.loss import Loss, Reduction, same_shape
from pronghorn.tensor import Tensor, convert_to_tensor


def hinge(y_true: Any, y_pred: Any) -> Tensor:
    """mean(max(1 - y_true · y_pred, 0)), for labels -1 and 1; if all are 0 or 1 they are taken as these."""
    y_true, y_pred = same_shape(y_true, y_pred, "hinge")
    return ops.mean(ops.maximum(1.0 - _signs(y_true) * y_pred, 0.0), axis=-1)


def squared_hinge(y_true: Any, y_pred: Any) -> Tensor:
    """mean(max(1 - y_true · y_pred, 0)²), for labels -1 and 1; if all are 0 or 1 they are taken as these."""
    y_true, y_pred = same_shape(y_true, y_pred, "squared_hinge")
    return ops.mean(ops.square(ops.maximum(1.0 - _signs(y_true) * y_pred, 0.0)), axis=-1)


def categorical_hinge(y_true: Any, y_pred: Any) -> Tensor:
    """max(highest score of a wrong class - score of the right class + 1, 0), for one-hot labels."""
    mend = "make class indices one-hot with utils.to_categorical"
    y_true, y_pred = same_shape(y_true, y_pred, "categorical_hinge", mend)
    right = ops.sum(y_true * y_pred, axis=-1)
    wrong = ops.max((1.0 - y_true) * y_pred, axis=-1)
    return ops.maximum(wrong - right + 1.0, 0.0)  # type: ignore[no-any-return]


def circle(
    y_true: Any,
    y_pred: Any,
    ref_labels: Any = None,
    ref_embeddings: Any = None,
    remove_diagonal: bool = True,
    gamma: float = 80,
    margin: float = 0.4,
) -> Tensor:
    """Circle loss of each embedding against reference embeddings (Sun et al., "Circle loss", CVPR 2020).

    Args:
        y_true: class indices, shape (samples,) or (samples, 1).
        y_pred: embeddings of length 1, shape (samples, dim).
        ref_labels, ref_embeddings: the references, by default the samples themselves.
        remove_diagonal: whether a sample does not count as its own positive.
        gamma: scale.
        margin: relaxation.
    """
    y_pred = convert_to_tensor(y_pred)
    labels = ops.reshape(ops.cast(y_true, "int32"), (-1,))
    others = labels if ref_labels is None else ops.reshape(ops.cast(ref_labels, "int32"), (-1,))
    embeddings = y_pred if ref_embeddings is None else convert_to_tensor(ref_embeddings, dtype=y_pred.dtype)
    distance = ops.maximum(1 - ops.matmul(y_pred, ops.transpose(embeddings)), 0.0)
    positive = ops.equal(ops.expand_dims(labels, 1), ops.expand_dims(others, 0))
    negative = ops.logical_not(positive)
    if remove_diagonal:
        itself = ops.equal(ops.expand_dims(ops.arange(labels.shape[0]), 1), ops.arange(others.shape[0]))
        positive = ops.logical_and(positive, ops.logical_not(itself))
    attract = -gamma * ops.maximum(margin + distance, 0.0) * (margin - distance)
    repel = gamma * ops.maximum(1 + margin - distance, 0.0) * (1 - margin - distance)
    values = ops.softplus(_log_sum_exp(attract, positive) + _log_sum_exp(repel, negative))
    values._keras_mask = ops.greater(values, 0)
    return values  # type: ignore[no-any-return]


def _signs(y_true: Tensor) -> Tensor:
    binary = ops.all(ops.logical_or(ops.equal(y_true, 0), ops.equal(y_true, 1)))
    return ops.where(binary, 2.0 * y_true - 1.0, y_true)  # type: ignore[no-any-return]


def _log_sum_exp(x: Tensor, chosen: Tensor) -> Tensor:
    """Log of the sum of exponentials of the chosen elements of each row; -inf where there are none."""
    lowest = ops.stop_gradient(ops.max(ops.where(chosen, x, -1e30), axis=1, keepdims=True))
    powers = ops.where(chosen, ops.exp(ops.where(chosen, x, lowest) - lowest), 0.0)
    total = ops.sum(powers, axis=1)
    empty = ops.equal(total, 0)
    found = ops.log(ops.where(empty, 1.0, total)) + ops.squeeze(lowest, 1)
    return ops.where(empty, -float("inf"), found)  # type: ignore[no-any-return]


class Hinge(Loss):
    """mean(max(1 - y_true · y_pred, 0)). Arguments as in `pronghorn.losses.Loss`."""

    def __init__(self, reduction: Reduction = "sum_over_batch_size", name: str = "hinge", dtype: Any = None) -> None:
        super().__init__(name, reduction, dtype)

    def call(self, y_true: Any, y_pred: Any) -> Tensor:
        return hinge(y_true, y_pred)


class SquaredHinge(Loss):
    """mean(max(1 - y_true · y_pred, 0)²). Arguments as in `pronghorn.losses.Loss`."""

    def __init__(
        self, reduction: Reduction = "sum_over_batch_size", name: str = "squared_hinge", dtype: Any = None
    ) -> None:
        super().__init__(name, reduction, dtype)

    def call(self, y_true: Any, y_pred: Any) -> Tensor:
        return squared_hinge(y_true, y_pred)


class CategoricalHinge(Loss):
    """max(wrong - right + 1, 0), for one-hot labels. Arguments as in `pronghorn.losses.Loss`."""

    def __init__(
        self, reduction: Reduction = "sum_over_batch_size", name: str = "categorical_hinge", dtype: Any = None
    ) -> None:
        super().__init__(name, reduction, dtype)

    def call(self, y_true: Any, y_pred: Any) -> Tensor:
        return categorical_hinge(y_true, y_pred)


class Circle(Loss):
    """Circle loss of the embeddings of a batch against each other.

    Args:
        gamma, margin, remove_diagonal: as in `circle`.
        reduction, name, dtype: as in `pronghorn.losses.Loss`.
    """

    def __init__(
        self,
        gamma: float = 80.0,
        margin: float = 0.4,
        remove_diagonal: bool = True,
        reduction: Reduction = "sum_over_batch_size",
        name: str = "circle",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)
        self.gamma = gamma
        self.margin = margin
        self.remove_diagonal = remove_diagonal

    def call(self, y_true: Any, y_pred: Any) -> Tensor:
        return circle(y_true, y_pred, remove_diagonal=self.remove_diagonal, gamma=self.gamma, margin=self.margin)
