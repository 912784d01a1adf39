"""log_softmax and encodings of labels."""

# mypy: disable-error-code="has-type,no-any-return"
# (rules name ops that are defined further down; what a primitive returns is only known at run time)

from __future__ import annotations

from typing import Any

import numpy as np

from pronghorn import dtypes, ops
from pronghorn.op import composed, primitive
from pronghorn.ops.axes import canonical_axis
from pronghorn.tensor import Tensor, constant, convert_to_tensor
from pronghorn_ops.primitives import rounded_once
from pronghorn_ops.primitives.softmax import first, over_axes, row_sum, through

Array = np.ndarray[Any, Any]


@primitive(first, through(lambda y, g: g - ops.exp(y) * row_sum(g)))
@rounded_once
def log_softmax_gradient(y: Array, g: Array) -> Array:
    """The gradient of log_softmax, from its result and the gradient that comes in."""
    return np.asarray(g - np.exp(y) * g.sum(axis=-1, keepdims=True), dtype=y.dtype)


@primitive(first, lambda g, out, x: (log_softmax_gradient(out, g),), name="log_softmax")
@rounded_once
def log_softmax_rows(x: Array) -> Array:
    """x - log(sum(exp(x))) over the last axis."""
    with np.errstate(all="ignore"):
        shifted = x - x.max(axis=-1, keepdims=True)
        return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)), dtype=x.dtype)


@composed
def log_softmax(x: Any, axis: Any = -1) -> Tensor:
    """log(softmax(x)), without overflow."""
    return over_axes(log_softmax_rows, x, axis, "log_softmax")


@composed
def one_hot(x: Any, num_classes: int, axis: int = -1, dtype: Any = None, sparse: bool = False) -> Tensor:
    """1 at the place of each integer along a new axis of size `num_classes`; only 0 for one outside, as in Keras."""
    if sparse:
        raise NotImplementedError("one_hot: sparse tensors are not supported; use sparse=False")
    labels = convert_to_tensor(x)
    if not dtypes.is_integer(labels.dtype) and labels.dtype != "bool":
        labels = ops.cast(labels, "int32")
    axis = canonical_axis(axis, len(labels.shape) + 1, "one_hot")
    classes = np.arange(num_classes).reshape([-1 if i == axis else 1 for i in range(len(labels.shape) + 1)])
    hit = ops.equal(ops.expand_dims(labels, axis), constant(classes, "int32"))
    return ops.cast(hit, dtypes.standardize(dtype))


@composed
def multi_hot(
    inputs: Any, num_classes: int | None = None, axis: int = -1, dtype: Any = None, sparse: bool = False
) -> Any:
    """1 at the place of each integer on the last axis, 0 elsewhere; samples go along the first.

    An integer outside of 0 to `num_classes` - 1 counts for nothing.
    """
    if num_classes is None:
        raise ValueError("multi_hot: argument `num_classes` is missing")
    labels = convert_to_tensor(inputs)
    over = 1 if len(labels.shape) > 1 else 0
    return ops.max(one_hot(labels, num_classes, axis, dtype, sparse), axis=over)
