"""Losses on the overlap of two sets, for segmentation: Dice and Tversky."""

from __future__ import annotations

from typing import Any

from pronghorn import config, ops
from pronghorn.loss import Loss, Reduction, same_shape
from pronghorn.tensor import Tensor


def dice(y_true: Any, y_pred: Any, axis: Any = None) -> Tensor:
    """1 - 2·|A ∩ B| / (|A| + |B|), summed over `axis`, all axes by default (Dice, 1945)."""
    y_true, y_pred = same_shape(y_true, y_pred, "dice")
    both = ops.sum(y_true * y_pred, axis=axis)
    return 1 - 2.0 * both / (ops.sum(y_true, axis=axis) + ops.sum(y_pred, axis=axis) + config.epsilon())


def tversky(y_true: Any, y_pred: Any, alpha: float = 0.5, beta: float = 0.5, axis: Any = None) -> Tensor:
    """1 - |A ∩ B| / (|A ∩ B| + alpha·|A - B| + beta·|B - A|), A the targets, B the predictions.

    Salehi et al., "Tversky loss function for image segmentation using 3D fully convolutional deep networks",
    2017.

    Args:
        y_true, y_pred: of one shape.
        alpha: weight of what is in the targets only.
        beta: weight of what is in the predictions only.
        axis: to sum over, all axes by default.
    """
    y_true, y_pred = same_shape(y_true, y_pred, "tversky")
    both = ops.sum(y_true * y_pred, axis=axis)
    missed = ops.sum((1 - y_pred) * y_true, axis=axis)
    extra = ops.sum(y_pred * (1 - y_true), axis=axis)
    return 1 - both / (both + missed * alpha + extra * beta + config.epsilon())


class Dice(Loss):
    """1 - 2·|A ∩ B| / (|A| + |B|).

    Args:
        reduction, name, dtype: as in `pronghorn.losses.Loss`.
        axis: to sum over, all axes by default.
    """

    def __init__(
        self,
        reduction: Reduction = "sum_over_batch_size",
        name: str = "dice",
        axis: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)
        self.axis = axis

    def call(self, y_true: Any, y_pred: Any) -> Tensor:
        return dice(y_true, y_pred, self.axis)


class Tversky(Loss):
    """Dice with weights for what is missed and for what is too much.

    Args:
        alpha, beta, axis: as in `tversky`.
        reduction, name, dtype: as in `pronghorn.losses.Loss`.
    """

    def __init__(
        self,
        alpha: float = 0.5,
        beta: float = 0.5,
        reduction: Reduction = "sum_over_batch_size",
        name: str = "tversky",
        axis: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)
        self.alpha = alpha
        self.beta = beta
        self.axis = axis

    def call(self, y_true: Any, y_pred: Any) -> Tensor:
        return tversky(y_true, y_pred, self.alpha, self.beta, self.axis)
