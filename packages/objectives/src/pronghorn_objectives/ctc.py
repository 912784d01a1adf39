"""Connectionist temporal classification."""

from __future__ import annotations

from typing import Any

from pronghorn import ops
from pronghorn.loss import Loss, Reduction
from pronghorn.tensor import Tensor, convert_to_tensor


def ctc(y_true: Any, y_pred: Any) -> Tensor:
    """-log of the probability of all alignments of a label sequence (Graves et al., ICML 2006).

    Args:
        y_true: class numbers from 1, shape (samples, labels); 0 fills up shorter sequences and is the blank.
        y_pred: logits, shape (samples, steps, classes).

    Raises:
        ValueError: a shape is another.
    """
    y_true, y_pred = convert_to_tensor(y_true), convert_to_tensor(y_pred)
    if y_true.ndim != 2 or y_pred.ndim != 3 or y_true.shape[0] != y_pred.shape[0]:
        raise ValueError(
            f"ctc: expected labels of shape (samples, labels) and logits of shape (samples, steps, classes), got "
            f"{y_true.shape} and {y_pred.shape}"
        )
    samples, steps = y_pred.shape[:2]
    labels = ops.sum(ops.cast(ops.not_equal(y_true, 0), "int32"), axis=-1)
    return ops.ctc_loss(  # type: ignore[no-any-return]
        ops.cast(y_true, "int32"), y_pred, labels, ops.full((samples,), steps, dtype="int32"), mask_index=0
    )


class CTC(Loss):
    """-log of the probability of all alignments of a label sequence. Arguments as in `pronghorn.losses.Loss`."""

    def __init__(self, reduction: Reduction = "sum_over_batch_size", name: str = "ctc", dtype: Any = None) -> None:
        super().__init__(name, reduction, dtype)

    def call(self, y_true: Any, y_pred: Any) -> Tensor:
        return ctc(y_true, y_pred)
