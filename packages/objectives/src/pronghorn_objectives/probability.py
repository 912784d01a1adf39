"""Losses on probabilities: cross-entropies, their focal and generalized forms, and divergences."""

from __future__ import annotations

import warnings
from typing import Any

from pronghorn import config, ops
from pronghorn.loss import Loss, Reduction, same_shape
from pronghorn.requirement import Within, require
from pronghorn.tensor import Tensor, convert_to_tensor


def categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> Tensor:
    """-sum(y_true · log(y_pred)) over the classes.

    Args:
        y_true: one-hot labels or probabilities, the shape of `y_pred`.
        y_pred: probabilities, made to sum to 1 and clipped to [epsilon, 1 - epsilon]; or logits.
        from_logits: whether `y_pred` goes through softmax first.
        label_smoothing: the share of each label that is spread evenly over the classes.
        axis: of the classes.
    """
    y_true, y_pred = _classes("categorical_crossentropy", y_true, y_pred, label_smoothing)
    return ops.categorical_crossentropy(y_true, y_pred, from_logits=from_logits, axis=axis)  # type: ignore[no-any-return]


def _one_of(classes: int, ignore_class: int | None) -> Within:
    """That labels are classes of the predictions: the loss of others would be 0, or NaN."""
    return Within(
        classes,
        "sparse_categorical_crossentropy: label",
        f"since the predictions have {classes} classes; change the labels, give the output layer more units, or pass "
        f"ignore_class for entries that shall not count",
        ignore_class,
    )


def sparse_categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, ignore_class: int | None = None, axis: int = -1
) -> Tensor:
    """-log of the probability of the labelled class.

    Args:
        y_true: class indices, the shape of `y_pred` without `axis`, or with a size of 1 there.
        y_pred: probabilities or logits.
        from_logits: whether `y_pred` goes through softmax first.
        ignore_class: label of entries that do not count: their loss is 0, and they do not enter a mean.
        axis: of the classes.

    Raises:
        ValueError: a label is no class, which compiled steps find out too: see `pronghorn.requirement`.
    """
    y_true, y_pred = convert_to_tensor(y_true), convert_to_tensor(y_pred)
    if (classes := y_pred.shape[axis] if y_pred.shape else None) is not None:
        require(y_true, _one_of(classes, ignore_class))
    if y_true.ndim == y_pred.ndim and y_true.ndim and y_true.shape[axis] == 1:
        y_true = ops.squeeze(y_true, axis)
    if ignore_class is None:
        return ops.sparse_categorical_crossentropy(y_true, y_pred, from_logits=from_logits, axis=axis)  # type: ignore[no-any-return]
    counts = ops.not_equal(y_true, ignore_class)
    labels = ops.where(counts, y_true, 0)
    values = ops.sparse_categorical_crossentropy(labels, y_pred, from_logits=from_logits, axis=axis)
    values = ops.where(counts, values, 0)
    values._keras_mask = counts
    return values  # type: ignore[no-any-return]


def binary_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> Tensor:
    """Mean over `axis` of -(y_true · log(y_pred) + (1 - y_true) · log(1 - y_pred)).

    Args:
        y_true: labels in [0, 1], the shape of `y_pred`.
        y_pred: probabilities, clipped to [epsilon, 1 - epsilon]; or logits.
        from_logits: whether `y_pred` goes through the sigmoid first.
        label_smoothing: the share of each label that is replaced by ½.
        axis: over which the mean is taken.
    """
    y_true, y_pred = same_shape(y_true, y_pred, "binary_crossentropy")
    target = _smooth(y_true, label_smoothing, 2)
    return ops.mean(ops.binary_crossentropy(target, y_pred, from_logits=from_logits), axis=axis)


def categorical_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    alpha: Any = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Tensor:
    """-sum(alpha · (1 - y_pred)^gamma · y_true · log(y_pred)): well classified samples count less.

    Lin et al., "Focal loss for dense object detection", 2017. Arguments as in `categorical_crossentropy`, and

    Args:
        alpha: weight, a number or one per class.
        gamma: focusing exponent.
    """
    y_true, y_pred = _classes("categorical_focal_crossentropy", y_true, y_pred, label_smoothing)
    if from_logits:
        y_pred = ops.softmax(y_pred, axis=axis)
    epsilon = config.epsilon()
    shares = ops.clip(y_pred / ops.sum(y_pred, axis=axis, keepdims=True), epsilon, 1.0 - epsilon)
    weights = ops.power(1.0 - shares, gamma) * convert_to_tensor(alpha, dtype=shares.dtype)
    return -ops.sum(weights * y_true * ops.log(shares), axis=axis)


def binary_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Tensor:
    """Mean over `axis` of (1 - p)^gamma times the binary cross-entropy, p the probability given to the label.

    Lin et al., "Focal loss for dense object detection", 2017. Arguments as in `binary_crossentropy`, and

    Args:
        apply_class_balancing: whether labels 1 weigh `alpha` and labels 0 weigh 1 - alpha.
        alpha: see there.
        gamma: focusing exponent.
    """
    y_true, y_pred = same_shape(y_true, y_pred, "binary_focal_crossentropy")
    target = _smooth(y_true, label_smoothing, 2)
    if from_logits:
        y_pred = ops.sigmoid(y_pred)
    hit = target * y_pred + (1 - target) * (1 - y_pred)
    values = ops.power(1.0 - hit, gamma) * ops.binary_crossentropy(target, y_pred)
    if apply_class_balancing:
        values = values * (target * alpha + (1 - target) * (1 - alpha))
    return ops.mean(values, axis=axis)


def categorical_generalized_cross_entropy(y_true: Any, y_pred: Any, q: float) -> Tensor:
    """(1 - p^q) / q, p the probability of the labelled class: cross-entropy for q -> 0, absolute error for 1.

    Zhang and Sabuncu, "Generalized cross entropy loss for training deep neural networks with noisy labels",
    2018.

    Args:
        y_true: class indices, the shape of `y_pred` without its last axis, or with a size of 1 there.
        y_pred: probabilities.
        q: between 0 and 1.
    """
    y_true, y_pred = convert_to_tensor(y_true), convert_to_tensor(y_pred)
    if y_true.ndim == y_pred.ndim and y_true.shape[-1] == 1:
        y_true = ops.squeeze(y_true, -1)
    if y_true.shape != y_pred.shape[:-1]:
        raise ValueError(
            f"categorical_generalized_cross_entropy: the class indices have shape {y_true.shape}, "
            "predictions of shape "
            f"{y_pred.shape} need {y_pred.shape[:-1]}; for one-hot targets take ops.argmax(y_true, axis=-1)"
        )
    chosen = ops.one_hot(ops.cast(y_true, "int32"), y_pred.shape[-1], dtype=y_pred.dtype)
    return (1 - ops.power(ops.sum(y_pred * chosen, axis=-1), q)) / q  # type: ignore[no-any-return]


def kl_divergence(y_true: Any, y_pred: Any) -> Tensor:
    """sum(y_true · log(y_true / y_pred)) over the last axis, both clipped to [epsilon, 1]."""
    y_true, y_pred = same_shape(y_true, y_pred, "kl_divergence")
    y_true, y_pred = (ops.clip(y, config.epsilon(), 1.0) for y in (y_true, y_pred))
    return ops.sum(y_true * ops.log(y_true / y_pred), axis=-1)


def poisson(y_true: Any, y_pred: Any) -> Tensor:
    """mean(y_pred - y_true · log(y_pred + epsilon)): the negative log-likelihood of counts."""
    y_true, y_pred = same_shape(y_true, y_pred, "poisson")
    return ops.mean(y_pred - y_true * ops.log(y_pred + config.epsilon()), axis=-1)


def _classes(name: str, y_true: Any, y_pred: Any, label_smoothing: float) -> tuple[Tensor, Tensor]:
    """Targets with a probability for each class, smoothed, and predictions."""
    y_true, y_pred = convert_to_tensor(y_true), convert_to_tensor(y_pred)
    mend = ""
    if y_true.ndim < y_pred.ndim or y_true.shape[-1:] == (1,) != y_pred.shape[-1:]:
        mend = "for class indices use the sparse loss, or make them one-hot with utils.to_categorical"
    y_true, y_pred = same_shape(y_true, y_pred, name, mend)
    if y_pred.shape[-1:] == (1,):
        warnings.warn(
            f"{name}: one class only (predictions of shape {y_pred.shape}) always gives a loss of 0; "
            f"use binary_crossentropy for two classes in one unit",
            SyntaxWarning,
            stacklevel=3,
        )
    return _smooth(y_true, label_smoothing, y_true.shape[-1]), y_pred


def _smooth(y_true: Tensor, share: float, classes: int | None) -> Tensor:
    """Labels of which a share is spread evenly over the classes."""
    if not share:
        return y_true
    assert classes is not None
    return y_true * (1.0 - share) + share / classes


class CategoricalCrossentropy(Loss):
    """-sum(y_true · log(y_pred)) over the classes, for one-hot labels.

    Args:
        from_logits, label_smoothing, axis: as in `categorical_crossentropy`.
        reduction, name, dtype: as in `pronghorn.losses.Loss`.
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: Reduction = "sum_over_batch_size",
        name: str = "categorical_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing
        self.axis = axis

    def call(self, y_true: Any, y_pred: Any) -> Tensor:
        return categorical_crossentropy(y_true, y_pred, self.from_logits, self.label_smoothing, self.axis)


class SparseCategoricalCrossentropy(Loss):
    """-log of the probability of the labelled class, for integer labels.

    Args:
        from_logits, ignore_class, axis: as in `sparse_categorical_crossentropy`.
        reduction, name, dtype: as in `pronghorn.losses.Loss`.
    """

    omitted_defaults = Loss.omitted_defaults | {"axis": -1}

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        reduction: Reduction = "sum_over_batch_size",
        axis: int = -1,
        name: str = "sparse_categorical_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)
        self.from_logits = from_logits
        self.ignore_class = ignore_class
        self.axis = axis

    def call(self, y_true: Any, y_pred: Any) -> Tensor:
        return sparse_categorical_crossentropy(y_true, y_pred, self.from_logits, self.ignore_class, self.axis)


class BinaryCrossentropy(Loss):
    """-(y_true · log(y_pred) + (1 - y_true) · log(1 - y_pred)), for labels in [0, 1].

    Args:
        from_logits, label_smoothing, axis: as in `binary_crossentropy`.
        reduction, name, dtype: as in `pronghorn.losses.Loss`.
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: Reduction = "sum_over_batch_size",
        name: str = "binary_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing
        self.axis = axis

    def call(self, y_true: Any, y_pred: Any) -> Tensor:
        return binary_crossentropy(y_true, y_pred, self.from_logits, self.label_smoothing, self.axis)


class CategoricalFocalCrossentropy(Loss):
    """Cross-entropy in which well classified samples count less, for one-hot labels.

    Args:
        alpha, gamma, from_logits, label_smoothing, axis: as in `categorical_focal_crossentropy`.
        reduction, name, dtype: as in `pronghorn.losses.Loss`.
    """

    def __init__(
        self,
        alpha: Any = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: Reduction = "sum_over_batch_size",
        name: str = "categorical_focal_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)
        self.alpha = alpha
        self.gamma = gamma
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing
        self.axis = axis

    def call(self, y_true: Any, y_pred: Any) -> Tensor:
        return categorical_focal_crossentropy(
            y_true, y_pred, self.alpha, self.gamma, self.from_logits, self.label_smoothing, self.axis
        )


class BinaryFocalCrossentropy(Loss):
    """Binary cross-entropy in which well classified samples count less.

    Args:
        apply_class_balancing, alpha, gamma, from_logits, label_smoothing, axis: as in
            `binary_focal_crossentropy`.
        reduction, name, dtype: as in `pronghorn.losses.Loss`.
    """

    def __init__(
        self,
        apply_class_balancing: bool = False,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: Reduction = "sum_over_batch_size",
        name: str = "binary_focal_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)
        self.apply_class_balancing = apply_class_balancing
        self.alpha = alpha
        self.gamma = gamma
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing
        self.axis = axis

    def call(self, y_true: Any, y_pred: Any) -> Tensor:
        return binary_focal_crossentropy(
            y_true,
            y_pred,
            self.apply_class_balancing,
            self.alpha,
            self.gamma,
            self.from_logits,
            self.label_smoothing,
            self.axis,
        )


class CategoricalGeneralizedCrossEntropy(Loss):
    """(1 - p^q) / q, p the probability of the labelled class: robust against wrong labels.

    Args:
        q: between 0 and 1, both excluded.
        reduction, name, dtype: as in `pronghorn.losses.Loss`.
    """

    def __init__(
        self,
        q: float = 0.5,
        reduction: Reduction = "sum_over_batch_size",
        name: str = "categorical_generalized_cross_entropy",
        dtype: Any = None,
    ) -> None:
        if not 0 < q < 1:
            raise ValueError(f"CategoricalGeneralizedCrossEntropy: q must be between 0 and 1, got {q!r}")
        super().__init__(name, reduction, dtype)
        self.q = q

    def call(self, y_true: Any, y_pred: Any) -> Tensor:
        return categorical_generalized_cross_entropy(y_true, y_pred, self.q)


class KLDivergence(Loss):
    """sum(y_true · log(y_true / y_pred)). Arguments as in `pronghorn.losses.Loss`."""

    def __init__(
        self, reduction: Reduction = "sum_over_batch_size", name: str = "kl_divergence", dtype: Any = None
    ) -> None:
        super().__init__(name, reduction, dtype)

    def call(self, y_true: Any, y_pred: Any) -> Tensor:
        return kl_divergence(y_true, y_pred)


class Poisson(Loss):
    """mean(y_pred - y_true · log(y_pred)), for counts. Arguments as in `pronghorn.losses.Loss`."""

    def __init__(self, reduction: Reduction = "sum_over_batch_size", name: str = "poisson", dtype: Any = None) -> None:
        super().__init__(name, reduction, dtype)

    def call(self, y_true: Any, y_pred: Any) -> Tensor:
        return poisson(y_true, y_pred)
