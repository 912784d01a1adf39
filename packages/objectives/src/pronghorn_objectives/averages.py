"""Sum, and the metrics that are means of a loss function over samples."""

from __future__ import annotations

from typing import Any

from pronghorn import ops
from pronghorn.loss import same_shape
from pronghorn.metric import Mean, MeanMetricWrapper, Metric, masked_weights, per_sample
from pronghorn.tensor import Tensor
from pronghorn_objectives import margin, probability, regression


class Sum(Metric):
    """The weighted sum of values.

    Args:
        name: the key in logs.
        dtype: of the state and the result.
    """

    def __init__(self, name: str = "sum", dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self.total = self.add_variable((), "zeros", self.dtype, name="total")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """Adds values of any shape; the axes of `sample_weight` are the leading ones of `values`."""
        values, _ = per_sample(values, sample_weight, self.dtype, ops.sum, self.name)
        self.total.assign(self.total + ops.sum(values))

    def result(self) -> Tensor:
        return self.total.value


class MeanSquaredError(MeanMetricWrapper):
    """Mean of (y_true - y_pred)². Arguments as in `pronghorn.metrics.Metric`."""

    _direction = "down"

    def __init__(self, name: str = "mean_squared_error", dtype: Any = None) -> None:
        super().__init__(regression.mean_squared_error, name, dtype)


class RootMeanSquaredError(Mean):
    """Square root of the mean of (y_true - y_pred)². Arguments as in `pronghorn.metrics.Metric`."""

    _direction = "down"

    def __init__(self, name: str = "root_mean_squared_error", dtype: Any = None) -> None:
        super().__init__(name, dtype)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:  # type: ignore[override]
        """Adds a batch of targets and predictions."""
        mask = getattr(y_pred, "_keras_mask", None)
        y_true, y_pred = same_shape(y_true, y_pred, self.name)
        squares = ops.square(ops.cast(y_pred, self.dtype) - ops.cast(y_true, self.dtype))
        if mask is not None:
            sample_weight = masked_weights(sample_weight, mask, squares, self.dtype, self.name)
        super().update_state(squares, sample_weight)

    def result(self) -> Tensor:
        return ops.sqrt(super().result())  # type: ignore[no-any-return]


class MeanAbsoluteError(MeanMetricWrapper):
    """Mean of |y_true - y_pred|. Arguments as in `pronghorn.metrics.Metric`."""

    _direction = "down"

    def __init__(self, name: str = "mean_absolute_error", dtype: Any = None) -> None:
        super().__init__(regression.mean_absolute_error, name, dtype)


class MeanAbsolutePercentageError(MeanMetricWrapper):
    """100 times the mean of |y_true - y_pred| / |y_true|. Arguments as in `pronghorn.metrics.Metric`."""

    _direction = "down"

    def __init__(self, name: str = "mean_absolute_percentage_error", dtype: Any = None) -> None:
        super().__init__(regression.mean_absolute_percentage_error, name, dtype)


class MeanSquaredLogarithmicError(MeanMetricWrapper):
    """Mean of (log(y_true + 1) - log(y_pred + 1))². Arguments as in `pronghorn.metrics.Metric`."""

    _direction = "down"

    def __init__(self, name: str = "mean_squared_logarithmic_error", dtype: Any = None) -> None:
        super().__init__(regression.mean_squared_logarithmic_error, name, dtype)


class LogCoshError(MeanMetricWrapper):
    """Mean of log(cosh(y_pred - y_true)). Arguments as in `pronghorn.metrics.Metric`."""

    _direction = "down"

    def __init__(self, name: str = "logcosh", dtype: Any = None) -> None:
        super().__init__(regression.log_cosh, name, dtype)


def _cosine(y_true: Any, y_pred: Any, axis: int) -> Tensor:
    return -regression.cosine_similarity(y_true, y_pred, axis)


class CosineSimilarity(MeanMetricWrapper):
    """Mean cosine of the angle between target and prediction: 1 where the loss of this name gives -1.

    Args:
        name, dtype: as in `pronghorn.metrics.Metric`.
        axis: along which they are vectors.
    """

    _direction = "up"

    def __init__(self, name: str = "cosine_similarity", dtype: Any = None, axis: int = -1) -> None:
        super().__init__(_cosine, name, dtype, axis=axis)
        self.axis = axis


class BinaryCrossentropy(MeanMetricWrapper):
    """Mean binary cross-entropy.

    Args:
        name, dtype: as in `pronghorn.metrics.Metric`.
        from_logits, label_smoothing: as in `pronghorn.losses.binary_crossentropy`.
    """

    _direction = "down"

    def __init__(
        self,
        name: str = "binary_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
    ) -> None:
        options: dict[str, Any] = {"from_logits": from_logits, "label_smoothing": label_smoothing}
        super().__init__(probability.binary_crossentropy, name, dtype, **options)
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing


class CategoricalCrossentropy(MeanMetricWrapper):
    """Mean cross-entropy, for one-hot labels.

    Args:
        name, dtype: as in `pronghorn.metrics.Metric`.
        from_logits, label_smoothing, axis: as in `pronghorn.losses.categorical_crossentropy`.
    """

    _direction = "down"

    def __init__(
        self,
        name: str = "categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
        axis: int = -1,
    ) -> None:
        options: dict[str, Any] = {
            "from_logits": from_logits,
            "label_smoothing": label_smoothing,
            "axis": axis,
        }
        super().__init__(probability.categorical_crossentropy, name, dtype, **options)
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing
        self.axis = axis


class SparseCategoricalCrossentropy(MeanMetricWrapper):
    """Mean cross-entropy, for integer labels.

    Args:
        name, dtype: as in `pronghorn.metrics.Metric`.
        from_logits, ignore_class, axis: as in `pronghorn.losses.sparse_categorical_crossentropy`.
    """

    _direction = "down"

    def __init__(
        self,
        name: str = "sparse_categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
    ) -> None:
        options: dict[str, Any] = {"from_logits": from_logits, "ignore_class": ignore_class, "axis": axis}
        super().__init__(probability.sparse_categorical_crossentropy, name, dtype, **options)
        self.from_logits = from_logits
        self.ignore_class = ignore_class
        self.axis = axis


class KLDivergence(MeanMetricWrapper):
    """Mean of sum(y_true · log(y_true / y_pred)). Arguments as in `pronghorn.metrics.Metric`."""

    _direction = "down"

    def __init__(self, name: str = "kl_divergence", dtype: Any = None) -> None:
        super().__init__(probability.kl_divergence, name, dtype)


class Poisson(MeanMetricWrapper):
    """Mean of y_pred - y_true · log(y_pred). Arguments as in `pronghorn.metrics.Metric`."""

    _direction = "down"

    def __init__(self, name: str = "poisson", dtype: Any = None) -> None:
        super().__init__(probability.poisson, name, dtype)


class Hinge(MeanMetricWrapper):
    """Mean of max(1 - y_true · y_pred, 0). Arguments as in `pronghorn.metrics.Metric`."""

    _direction = "down"

    def __init__(self, name: str = "hinge", dtype: Any = None) -> None:
        super().__init__(margin.hinge, name, dtype)


class SquaredHinge(MeanMetricWrapper):
    """Mean of max(1 - y_true · y_pred, 0)². Arguments as in `pronghorn.metrics.Metric`."""

    _direction = "down"

    def __init__(self, name: str = "squared_hinge", dtype: Any = None) -> None:
        super().__init__(margin.squared_hinge, name, dtype)


class CategoricalHinge(MeanMetricWrapper):
    """Mean of max(wrong - right + 1, 0), for one-hot labels. Arguments as in `pronghorn.metrics.Metric`."""

    _direction = "down"

    def __init__(self, name: str = "categorical_hinge", dtype: Any = None) -> None:
        super().__init__(margin.categorical_hinge, name, dtype)
