"""Cross-entropies: their primitives, one for each direction, and the public functions."""

# mypy: disable-error-code="has-type,no-any-return"
# (rules name ops that are defined further down; what a primitive returns is only known at run time)

from __future__ import annotations

from typing import Any

import numpy as np

from pronghorn import config, dtypes, ops
from pronghorn.graph import Spec
from pronghorn.op import composed, primitive
from pronghorn.ops.axes import canonical_axis
from pronghorn.tensor import Tensor, convert_to_tensor
from pronghorn_ops.primitives import rounded_once
from pronghorn_ops.primitives.softmax import first, row_sum, softmax_rows, through

Array = np.ndarray[Any, Any]


def _float_tensor(x: Any) -> Tensor:
    t = convert_to_tensor(x)
    return ops.cast(t, dtypes.floating(t.dtype))


# ------------------------------------------------------------------------------ cross-entropy primitives
# Each gives one loss for each row (the last axis) and has a backward primitive. What the backward primitives
# compute is also written in ops, for second derivatives.


def _row_spec(x: Spec, labels: Spec, **attrs: Any) -> Spec:
    return Spec(x.shape[:-1], x.dtype)


@primitive(
    _row_spec,
    lambda g, out, logits, labels: (
        softmax_crossentropy_gradient(logits, labels, g),
        ops.negative(ops.multiply(ops.expand_dims(g, -1), ops.log_softmax(logits))),
    ),
)
@rounded_once
def softmax_crossentropy(logits: Array, labels: Array) -> Array:
    """-sum(labels * log_softmax(logits)) of each row."""
    with np.errstate(all="ignore"):
        shifted = logits - logits.max(axis=-1, keepdims=True)
        log_total = np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
        return np.asarray(((log_total - shifted) * labels).sum(axis=-1), dtype=logits.dtype)


def _softmax_crossentropy_slope(logits: Any, labels: Any, g: Any) -> Any:
    return ops.expand_dims(g, -1) * (ops.softmax(logits) * row_sum(labels) - labels)


@primitive(first, through(_softmax_crossentropy_slope))
@rounded_once
def softmax_crossentropy_gradient(logits: Array, labels: Array, g: Array) -> Array:
    """g * (softmax(logits) * sum(labels) - labels)."""
    with np.errstate(all="ignore"):
        total = labels.sum(axis=-1, keepdims=True)
        return np.asarray(g[..., None] * (softmax_rows.reference(logits) * total - labels), dtype=logits.dtype)


@primitive(_row_spec, lambda g, out, logits, labels: (sparse_softmax_crossentropy_gradient(logits, labels, g), None))
@rounded_once
def sparse_softmax_crossentropy(logits: Array, labels: Array) -> Array:
    """-log_softmax(logits)[label] of each row; 0 for a label that is no class."""
    with np.errstate(all="ignore"):
        shifted = logits - logits.max(axis=-1, keepdims=True)
        log_total = np.log(np.exp(shifted).sum(axis=-1))
        known, label = _known(labels, logits.shape[-1])
        picked = np.take_along_axis(shifted, label[..., None], axis=-1)[..., 0]
        return np.asarray(np.where(known, log_total - picked, 0), dtype=logits.dtype)


def _known(labels: Array, classes: int) -> tuple[Array, Array]:
    known = (labels >= 0) & (labels < classes)
    return known, np.where(known, labels, 0).astype(np.int64)


def _sparse_softmax_crossentropy_slope(logits: Any, labels: Any, g: Any) -> Any:
    return _softmax_crossentropy_slope(logits, ops.one_hot(labels, logits.shape[-1], dtype=logits.dtype), g)


@primitive(first, through(_sparse_softmax_crossentropy_slope))
@rounded_once
def sparse_softmax_crossentropy_gradient(logits: Array, labels: Array, g: Array) -> Array:
    """g * (softmax(logits) - one_hot(labels))."""
    with np.errstate(all="ignore"):
        known, label = _known(labels, logits.shape[-1])
        slope = softmax_rows.reference(logits)
        picked = np.take_along_axis(slope, label[..., None], axis=-1)
        np.put_along_axis(slope, label[..., None], picked - 1, axis=-1)
        return np.asarray(np.where(known[..., None], g[..., None] * slope, 0), dtype=logits.dtype)


def _probability_crossentropy_slope(target: Any, output: Any, g: Any, epsilon: float) -> Any:
    total = row_sum(output)
    shares = output / total
    inside = ops.logical_and(ops.greater_equal(shares, epsilon), ops.less_equal(shares, 1 - epsilon))
    slope = ops.where(inside, ops.negative(target / shares), 0)
    return ops.expand_dims(g, -1) * (slope - row_sum(slope * shares)) / total


@primitive(
    _row_spec,
    lambda g, out, target, output, epsilon: (
        ops.negative(ops.expand_dims(g, -1) * ops.log(ops.clip(output / row_sum(output), epsilon, 1 - epsilon))),
        probability_crossentropy_gradient(target, output, g, epsilon=epsilon),
    ),
)
@rounded_once
def probability_crossentropy(target: Array, output: Array, epsilon: float) -> Array:
    """-sum(target * log(p)) of each row, p = output / sum(output) clipped to [epsilon, 1 - epsilon]."""
    with np.errstate(all="ignore"):
        low, high = (output.dtype.type(v) for v in (epsilon, 1 - epsilon))
        shares = np.clip(output / output.sum(axis=-1, keepdims=True), low, high)
        return np.asarray(-(target * np.log(shares)).sum(axis=-1), dtype=output.dtype)


@primitive(first, through(_probability_crossentropy_slope))
@rounded_once
def probability_crossentropy_gradient(target: Array, output: Array, g: Array, epsilon: float) -> Array:
    """The gradient of `probability_crossentropy` with respect to `output`; 0 through clipped shares."""
    with np.errstate(all="ignore"):
        low, high = (output.dtype.type(v) for v in (epsilon, 1 - epsilon))
        total = output.sum(axis=-1, keepdims=True)
        shares = output / total
        slope = np.where((shares >= low) & (shares <= high), -target / shares, output.dtype.type(0))
        return np.asarray(
            g[..., None] * (slope - (slope * shares).sum(axis=-1, keepdims=True)) / total, dtype=output.dtype
        )


# ------------------------------------------------------------------------------ cross-entropies


@composed
def categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Tensor:
    """Cross-entropy of class probabilities `target` against `output`, which is made to sum to 1 and clipped.

    Args:
        target, output: of one shape, classes along `axis`.
        from_logits: whether `output` goes through softmax first.

    Returns:
        A loss for each row: the shape without `axis`.
    """
    output = _float_tensor(output)
    target = ops.cast(target, output.dtype)
    if target.shape != output.shape or not output.shape:
        raise ValueError(
            f"categorical_crossentropy: `target` of shape {target.shape} must have the shape {output.shape} "
            f"of `output`, of at least one axis; for integer labels use sparse_categorical_crossentropy"
        )
    axis = canonical_axis(axis, len(output.shape), "categorical_crossentropy")
    target, output = ops.moveaxis(target, axis, -1), ops.moveaxis(output, axis, -1)
    if from_logits:
        return softmax_crossentropy(output, target)
    return probability_crossentropy(target, output, epsilon=config.epsilon())


@composed
def sparse_categorical_crossentropy(target: Any, output: Any, from_logits: bool = False, axis: int = -1) -> Tensor:
    """Cross-entropy of integer labels `target` against `output`; a label that is no class gives 0.

    `losses.sparse_categorical_crossentropy` and what is made of it refuse such labels.

    Args:
        target: the shape of `output` without `axis`, or with a last axis of size 1.
        output: probabilities (made to sum to 1 and clipped), or logits; classes along `axis`.

    Returns:
        A loss for each row: the shape of `output` without `axis`.
    """
    output = _float_tensor(output)
    target = ops.cast(target, "int32")
    if not output.shape:
        raise ValueError("sparse_categorical_crossentropy: `output` must have at least one axis, got a scalar")
    if len(target.shape) == len(output.shape) and target.shape[-1] == 1:
        target = ops.squeeze(target, -1)
    axis = canonical_axis(axis, len(output.shape), "sparse_categorical_crossentropy")
    output = ops.moveaxis(output, axis, -1)
    if target.shape != output.shape[:-1]:
        raise ValueError(
            f"sparse_categorical_crossentropy: `target` of shape {target.shape} must have the shape of "
            f"`output` without classes, {output.shape[:-1]}; for one-hot labels use categorical_crossentropy"
        )
    if from_logits:
        return sparse_softmax_crossentropy(output, target)
    labels = ops.one_hot(target, output.shape[-1], dtype=output.dtype)
    return probability_crossentropy(labels, output, epsilon=config.epsilon())


@composed
def binary_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Tensor:
    """Cross-entropy of each element of `output` (a probability, clipped, or a logit) against `target`."""
    output = _float_tensor(output)
    target = ops.cast(target, output.dtype)
    if target.shape != output.shape:
        raise ValueError(f"binary_crossentropy: `target` of shape {target.shape} must have the shape {output.shape}")
    if from_logits:
        yes, no = ops.log_sigmoid(output), ops.log_sigmoid(ops.negative(output))
    else:
        output = ops.clip(output, config.epsilon(), 1 - config.epsilon())
        yes, no = ops.log(output), ops.log(ops.subtract(1, output))
    return ops.negative(ops.add(ops.multiply(target, yes), ops.multiply(ops.subtract(1, target), no)))
