"""Softmax, cross-entropies, encodings of labels, moments."""

# mypy: disable-error-code="has-type,no-any-return"
# (rules name ops that are defined further down; what a primitive returns is only known at run time)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pronghorn import config, dtypes
from pronghorn.graph import Spec
from pronghorn.op import composed, primitive
from pronghorn.ops import elementwise as e
from pronghorn.ops.axes import canonical_axes, canonical_axis
from pronghorn.ops.reduction import mean, reduce_sum
from pronghorn.ops.shape import expand_dims, moveaxis, reshape, squeeze, transpose
from pronghorn.tensor import Tensor, constant, convert_to_tensor

__all__ = [
    "binary_crossentropy", "categorical_crossentropy", "log_softmax", "moments", "one_hot", "softmax",
    "sparse_categorical_crossentropy",
]  # fmt: skip

Array = np.ndarray[Any, Any]


def _row_sum(x: Any) -> Any:
    return reduce_sum(x, axis=(len(x.shape) - 1,), keepdims=True)


def _float_tensor(x: Any) -> Tensor:
    t = convert_to_tensor(x)
    return e.cast(t, dtypes.floating(t.dtype))


def _first(x: Spec, *rest: Spec, **attrs: Any) -> Spec:
    return Spec(x.shape, x.dtype)


def through(function: Callable[..., Any]) -> Callable[..., Any]:
    """The gradient rule of an op that computes what `function`, written in ops, computes."""

    def rule(g: Any, out: Any, *inputs: Tensor, **attrs: Any) -> Any:
        from pronghorn.autodiff import GradientTape

        with GradientTape(watch_accessed_variables=False) as tape:
            for t in inputs:
                if dtypes.is_float(t.dtype):
                    tape.watch(t)
            result = function(*inputs, **attrs)
        return tape.gradient(result, list(inputs), output_gradients=g)

    return rule


# ---------------------------------------------------------------------- softmax


@primitive(_first, through(lambda y, g: y * (g - _row_sum(g * y))))
def softmax_gradient(y: Array, g: Array) -> Array:
    """The gradient of softmax, from its result and the gradient that comes in."""
    return np.asarray(y * (g - (g * y).sum(axis=-1, keepdims=True)), dtype=y.dtype)


@primitive(_first, lambda g, out, x: (softmax_gradient(out, g),), name="softmax")
def softmax_rows(x: Array) -> Array:
    """exp(x) / sum(exp(x)) over the last axis."""
    with np.errstate(all="ignore"):
        powers = np.exp(x - x.max(axis=-1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=-1, keepdims=True), dtype=x.dtype)


@primitive(_first, through(lambda y, g: g - e.exp(y) * _row_sum(g)))
def log_softmax_gradient(y: Array, g: Array) -> Array:
    """The gradient of log_softmax, from its result and the gradient that comes in."""
    return np.asarray(g - np.exp(y) * g.sum(axis=-1, keepdims=True), dtype=y.dtype)


@primitive(_first, lambda g, out, x: (log_softmax_gradient(out, g),), name="log_softmax")
def log_softmax_rows(x: Array) -> Array:
    """x - log(sum(exp(x))) over the last axis."""
    with np.errstate(all="ignore"):
        shifted = x - x.max(axis=-1, keepdims=True)
        return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)), dtype=x.dtype)


def _over_axes(op: Any, x: Any, axis: Any, name: str) -> Any:
    """`op`, which works on the last axis, over one axis or over several (None: all) taken together."""
    x = _float_tensor(x)
    rank = len(x.shape)
    axes = canonical_axes(axis, rank, name)
    if axes == (rank - 1,):
        return op(x)
    kept = tuple(i for i in range(rank) if i not in axes)
    moved = transpose(x, kept + axes)
    rows = op(reshape(moved, (*(x.shape[i] for i in kept), -1)))
    return transpose(reshape(rows, moved.shape), tuple(int(i) for i in np.argsort(kept + axes)))


@composed
def softmax(x: Any, axis: Any = -1) -> Tensor:
    """exp(x) / sum(exp(x)) over `axis`, which may be several."""
    return _over_axes(softmax_rows, x, axis, "softmax")


@composed
def log_softmax(x: Any, axis: Any = -1) -> Tensor:
    """log(softmax(x)), without overflow."""
    return _over_axes(log_softmax_rows, x, axis, "log_softmax")


# ---------------------------------------------------------------------- cross-entropy primitives
# Each gives one loss for each row (the last axis) and has a backward primitive. What the backward primitives
# compute is also written in ops, for second derivatives.


def _row_spec(x: Spec, labels: Spec, **attrs: Any) -> Spec:
    return Spec(x.shape[:-1], x.dtype)


@primitive(
    _row_spec,
    lambda g, out, logits, labels: (
        softmax_crossentropy_gradient(logits, labels, g),
        e.negative(e.multiply(expand_dims(g, -1), log_softmax(logits))),
    ),
)
def softmax_crossentropy(logits: Array, labels: Array) -> Array:
    """-sum(labels * log_softmax(logits)) of each row."""
    with np.errstate(all="ignore"):
        shifted = logits - logits.max(axis=-1, keepdims=True)
        log_total = np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
        return np.asarray(((log_total - shifted) * labels).sum(axis=-1), dtype=logits.dtype)


def _softmax_crossentropy_slope(logits: Any, labels: Any, g: Any) -> Any:
    return expand_dims(g, -1) * (softmax(logits) * _row_sum(labels) - labels)


@primitive(_first, through(_softmax_crossentropy_slope))
def softmax_crossentropy_gradient(logits: Array, labels: Array, g: Array) -> Array:
    """g * (softmax(logits) * sum(labels) - labels)."""
    with np.errstate(all="ignore"):
        total = labels.sum(axis=-1, keepdims=True)
        return np.asarray(g[..., None] * (softmax_rows.reference(logits) * total - labels), dtype=logits.dtype)


@primitive(
    _row_spec, lambda g, out, logits, labels: (sparse_softmax_crossentropy_gradient(logits, labels, g), None)
)
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
    return _softmax_crossentropy_slope(logits, one_hot(labels, logits.shape[-1], dtype=logits.dtype), g)


@primitive(_first, through(_sparse_softmax_crossentropy_slope))
def sparse_softmax_crossentropy_gradient(logits: Array, labels: Array, g: Array) -> Array:
    """g * (softmax(logits) - one_hot(labels))."""
    with np.errstate(all="ignore"):
        known, label = _known(labels, logits.shape[-1])
        slope = softmax_rows.reference(logits)
        picked = np.take_along_axis(slope, label[..., None], axis=-1)
        np.put_along_axis(slope, label[..., None], picked - 1, axis=-1)
        return np.asarray(np.where(known[..., None], g[..., None] * slope, 0), dtype=logits.dtype)


def _probability_crossentropy(target: Any, output: Any, epsilon: float) -> Any:
    shares = e.clip(output / _row_sum(output), epsilon, 1 - epsilon)
    return e.negative(reduce_sum(target * e.log(shares), axis=(len(output.shape) - 1,), keepdims=False))


def _probability_crossentropy_slope(target: Any, output: Any, g: Any, epsilon: float) -> Any:
    total = _row_sum(output)
    shares = output / total
    inside = e.logical_and(e.greater_equal(shares, epsilon), e.less_equal(shares, 1 - epsilon))
    slope = e.choose(inside, e.negative(target / shares), 0)
    return expand_dims(g, -1) * (slope - _row_sum(slope * shares)) / total


@primitive(
    _row_spec,
    lambda g, out, target, output, epsilon: (
        e.negative(expand_dims(g, -1) * e.log(e.clip(output / _row_sum(output), epsilon, 1 - epsilon))),
        probability_crossentropy_gradient(target, output, g, epsilon=epsilon),
    ),
)
def probability_crossentropy(target: Array, output: Array, epsilon: float) -> Array:
    """-sum(target * log(p)) of each row, p = output / sum(output) clipped to [epsilon, 1 - epsilon]."""
    with np.errstate(all="ignore"):
        low, high = (output.dtype.type(v) for v in (epsilon, 1 - epsilon))
        shares = np.clip(output / output.sum(axis=-1, keepdims=True), low, high)
        return np.asarray(-(target * np.log(shares)).sum(axis=-1), dtype=output.dtype)


@primitive(_first, through(_probability_crossentropy_slope))
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


# ---------------------------------------------------------------------- cross-entropies


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
    target = e.cast(target, output.dtype)
    if target.shape != output.shape or not output.shape:
        raise ValueError(
            f"categorical_crossentropy: `target` of shape {target.shape} must have the shape {output.shape} "
            f"of `output`, of at least one axis; for integer labels use sparse_categorical_crossentropy"
        )
    axis = canonical_axis(axis, len(output.shape), "categorical_crossentropy")
    target, output = moveaxis(target, axis, -1), moveaxis(output, axis, -1)
    if from_logits:
        return softmax_crossentropy(output, target)
    return probability_crossentropy(target, output, epsilon=config.epsilon())


@composed
def sparse_categorical_crossentropy(
    target: Any, output: Any, from_logits: bool = False, axis: int = -1
) -> Tensor:
    """Cross-entropy of integer labels `target` against `output`; a label that is no class gives 0.

    Args:
        target: the shape of `output` without `axis`, or with a last axis of size 1.
        output: probabilities (made to sum to 1 and clipped), or logits; classes along `axis`.

    Returns:
        A loss for each row: the shape of `output` without `axis`.
    """
    output = _float_tensor(output)
    target = e.cast(target, "int32")
    if not output.shape:
        raise ValueError(
            "sparse_categorical_crossentropy: `output` must have at least one axis, got a scalar"
        )
    if len(target.shape) == len(output.shape) and target.shape[-1] == 1:
        target = squeeze(target, -1)
    axis = canonical_axis(axis, len(output.shape), "sparse_categorical_crossentropy")
    output = moveaxis(output, axis, -1)
    if target.shape != output.shape[:-1]:
        raise ValueError(
            f"sparse_categorical_crossentropy: `target` of shape {target.shape} must have the shape of "
            f"`output` without classes, {output.shape[:-1]}; for one-hot labels use categorical_crossentropy"
        )
    if from_logits:
        return sparse_softmax_crossentropy(output, target)
    labels = one_hot(target, output.shape[-1], dtype=output.dtype)
    return probability_crossentropy(labels, output, epsilon=config.epsilon())


@composed
def binary_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Tensor:
    """Cross-entropy of each element of `output` (a probability, clipped, or a logit) against `target`."""
    output = _float_tensor(output)
    target = e.cast(target, output.dtype)
    if target.shape != output.shape:
        raise ValueError(
            f"binary_crossentropy: `target` of shape {target.shape} must have the shape {output.shape}"
        )
    if from_logits:
        yes, no = e.log_sigmoid(output), e.log_sigmoid(e.negative(output))
    else:
        output = e.clip(output, config.epsilon(), 1 - config.epsilon())
        yes, no = e.log(output), e.log(e.subtract(1, output))
    return e.negative(e.add(e.multiply(target, yes), e.multiply(e.subtract(1, target), no)))


# ---------------------------------------------------------------------- labels and moments


@composed
def one_hot(x: Any, num_classes: int, axis: int = -1, dtype: Any = None, sparse: bool = False) -> Tensor:
    """1 at the place of each integer along a new axis of size `num_classes`; only 0 for one outside."""
    if sparse:
        raise NotImplementedError("one_hot: sparse tensors are not supported; use sparse=False")
    labels = convert_to_tensor(x)
    if not dtypes.is_integer(labels.dtype) and labels.dtype != "bool":
        labels = e.cast(labels, "int32")
    axis = canonical_axis(axis, len(labels.shape) + 1, "one_hot")
    classes = np.arange(num_classes).reshape([-1 if i == axis else 1 for i in range(len(labels.shape) + 1)])
    hit = e.equal(expand_dims(labels, axis), constant(classes, "int32"))
    return e.cast(hit, dtypes.standardize(dtype))


@composed
def moments(x: Any, axes: Any, keepdims: bool = False, synchronized: bool = False) -> tuple[Tensor, Tensor]:
    """Mean and variance over `axes`; float16 is computed in float32."""
    if synchronized:
        raise NotImplementedError("moments: synchronized=True needs several devices, which are not supported")
    x = convert_to_tensor(x)
    narrow = x.dtype in ("float16", "bfloat16")
    wide = e.cast(x, "float32") if narrow else x
    center = mean(wide, axes, True)
    spread = mean(e.square(e.subtract(wide, center)), axes, keepdims)
    if not keepdims:
        center = reshape(center, spread.shape)
    return (e.cast(center, x.dtype), e.cast(spread, x.dtype)) if narrow else (center, spread)
