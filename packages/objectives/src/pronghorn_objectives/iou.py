"""Intersection over union of predicted and labelled classes, for segmentation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pronghorn import config, dtypes, ops
from pronghorn.metric import Metric
from pronghorn.tensor import Tensor, constant, convert_to_tensor


class IoU(Metric):
    """The mean over classes of true positives / (true positives + false positives + false negatives).

    Args:
        num_classes: how many there are.
        target_class_ids: the classes that count.
        name: the key in logs.
        dtype: of the confusion matrix, int32 by default; float sample weights need a float dtype.
        ignore_class: label of entries that do not count; so do all that are no class.
        sparse_y_true, sparse_y_pred: whether labels and predictions are class indices, not scores along `axis`.
        axis: of the classes, where these are scores.
    """

    _direction = "up"

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        super().__init__(name=name, dtype=dtype or "int32")
        if not all(0 <= k < num_classes for k in target_class_ids):
            raise ValueError(
                f"{self.name}: target_class_ids must be from 0 to {num_classes - 1}, got {target_class_ids!r}"
            )
        self.num_classes = num_classes
        self.target_class_ids = list(target_class_ids)
        self.ignore_class = ignore_class
        self.sparse_y_true = sparse_y_true
        self.sparse_y_pred = sparse_y_pred
        self.axis = axis
        shape = (num_classes, num_classes)
        self.total_cm = self.add_variable(shape, "zeros", self.dtype, name="total_confusion_matrix")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Adds a batch of labels and predictions, and of weights of the labels' shape."""
        label, said = self._indices(y_true, self.sparse_y_true), self._indices(y_pred, self.sparse_y_pred)
        if label.shape != said.shape:
            raise ValueError(f"{self.name}: there are {label.size} labels and {said.size} predictions; give as many")
        counts = ops.logical_and(self._is_class(label), self._is_class(said))
        if self.ignore_class is not None:
            counts = ops.logical_and(counts, ops.not_equal(label, self.ignore_class))
        weights = ops.where(counts, self._weights(sample_weight, label), 0.0)
        rows, columns = (ops.one_hot(x, self.num_classes, dtype="float32") for x in (label, said))
        matrix = ops.matmul(ops.transpose(rows), columns * ops.expand_dims(weights, 1))
        self.total_cm.assign(self.total_cm + ops.cast(matrix, self.dtype))

    def _indices(self, x: Any, sparse: bool) -> Tensor:
        x = convert_to_tensor(x)
        return ops.reshape(ops.cast(x if sparse else ops.argmax(x, axis=self.axis), "int32"), (-1,))  # type: ignore[no-any-return]

    def _is_class(self, x: Tensor) -> Tensor:
        return ops.logical_and(x >= 0, x < self.num_classes)  # type: ignore[no-any-return]

    def _weights(self, sample_weight: Any, label: Tensor) -> Tensor:
        if sample_weight is None:
            return constant(1.0, "float32")
        weights = convert_to_tensor(sample_weight)
        if dtypes.is_float(weights.dtype) and not dtypes.is_float(self.dtype):
            raise ValueError(f"{self.name}: float sample weights need a float metric; create it with dtype='float32'")
        return ops.broadcast_to(ops.reshape(ops.cast(weights, "float32"), (-1,)), label.shape)

    def result(self) -> Tensor:
        matrix = ops.cast(self.total_cm, "float32")
        hits = ops.sum(matrix * ops.cast(_identity(self.num_classes), "float32"), axis=0)
        union = ops.sum(matrix, axis=0) + ops.sum(matrix, axis=1) - hits
        chosen = constant(self.target_class_ids, "int32")
        hits, union = ops.take(hits, chosen, axis=0), ops.take(union, chosen, axis=0)
        present = union > 1e-9
        share = ops.where(present, hits / (union + config.epsilon()), 0.0)
        return ops.sum(share) / (ops.sum(ops.cast(present, "float32")) + config.epsilon())


def _identity(n: int) -> Tensor:
    return ops.equal(ops.expand_dims(ops.arange(n), 1), ops.arange(n))  # type: ignore[no-any-return]


class BinaryIoU(IoU):
    """IoU of the classes "below the threshold" (0) and "from it on" (1).

    Args:
        target_class_ids: the classes that count.
        threshold: of the scores.
        name, dtype: as in `IoU`.
    """

    def __init__(
        self,
        target_class_ids: Sequence[int] = (0, 1),
        threshold: float = 0.5,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(2, target_class_ids, name, dtype)
        self.threshold = threshold

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Adds a batch of labels 0 and 1 and of scores."""
        said = convert_to_tensor(y_pred, dtype="float32") >= self.threshold
        super().update_state(y_true, said, sample_weight)


class MeanIoU(IoU):
    """IoU of all classes.

    Args:
        num_classes, name, dtype, ignore_class, sparse_y_true, sparse_y_pred, axis: as in `IoU`.
    """

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        every = range(num_classes)
        super().__init__(num_classes, every, name, dtype, ignore_class, sparse_y_true, sparse_y_pred, axis)


class OneHotIoU(IoU):
    """IoU of one-hot labels and scores.

    Args:
        num_classes, target_class_ids, name, dtype, ignore_class, axis: as in `IoU`.
        sparse_y_pred: whether predictions are class indices.
    """

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ) -> None:
        super().__init__(num_classes, target_class_ids, name, dtype, ignore_class, False, sparse_y_pred, axis)


class OneHotMeanIoU(MeanIoU):
    """IoU of all classes, of one-hot labels and scores.

    Args:
        num_classes, name, dtype, ignore_class, axis: as in `IoU`.
        sparse_y_pred: whether predictions are class indices.
    """

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ) -> None:
        super().__init__(num_classes, name, dtype, ignore_class, False, sparse_y_pred, axis)
