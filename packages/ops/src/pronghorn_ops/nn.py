"""Activations that few networks use, and encodings of labels."""

from __future__ import annotations

from typing import Any

from pronghorn import ops
from pronghorn.op import composed
from pronghorn.ops.axes import canonical_axis
from pronghorn.tensor import convert_to_tensor


@composed
def celu(x: Any, alpha: float = 1.0) -> Any:
    """max(0, x) + min(0, alpha * (exp(x / alpha) - 1)) (Barron, 2017)."""
    return ops.maximum(x, 0) + alpha * ops.expm1(ops.divide(ops.minimum(x, 0), alpha))


@composed
def glu(x: Any, axis: int = -1) -> Any:
    """a * sigmoid(b) for the halves a, b of `axis` (Dauphin et al., 2017)."""
    x = convert_to_tensor(x)
    if x.shape[canonical_axis(axis, len(x.shape), "glu")] % 2:
        raise ValueError(f"glu: axis {axis} of shape {x.shape} cannot be halved")
    a, b = ops.split(x, 2, axis)
    return ops.multiply(a, ops.sigmoid(b))


@composed
def hard_shrink(x: Any, threshold: float = 0.5) -> Any:
    """x where |x| > threshold, else 0."""
    return ops.where(ops.greater(ops.absolute(x), threshold), x, 0.0)


@composed
def soft_shrink(x: Any, threshold: float = 0.5) -> Any:
    """x moved towards 0 by `threshold`, and 0 where it would cross."""
    return ops.where(
        ops.greater(x, threshold),
        ops.subtract(x, threshold),
        ops.where(ops.less(x, -threshold), ops.add(x, threshold), 0.0),
    )


@composed
def threshold(x: Any, threshold: Any, default_value: Any) -> Any:
    """x where x > threshold, else `default_value`."""
    return ops.where(ops.greater(x, threshold), x, default_value)


@composed
def squareplus(x: Any, b: float = 4) -> Any:
    """(x + sqrt(x² + b)) / 2 (Barron, 2021)."""
    return ops.add(x, ops.sqrt(ops.square(x) + b)) / 2


@composed
def sparse_plus(x: Any) -> Any:
    """0 up to -1, (x + 1)² / 4 up to 1, x above."""
    middle = ops.square(ops.add(x, 1)) / 4
    return ops.where(ops.less_equal(x, -1), 0.0, ops.where(ops.greater_equal(x, 1), x, middle))


@composed
def sparse_sigmoid(x: Any) -> Any:
    """0 up to -1, (x + 1) / 2 up to 1, 1 above."""
    return ops.clip(ops.add(x, 1) / 2, 0.0, 1.0)


@composed
def sparsemax(x: Any, axis: int = -1) -> Any:
    """The projection of `x` onto the probability simplex (Martins and Astudillo, 2016)."""
    x = ops.moveaxis(x, axis, -1)
    n = x.shape[-1]
    ordered: Any = ops.flip(ops.sort(x, -1), -1)
    rank: Any = ops.arange(1, n + 1, dtype=x.dtype)
    total: Any = ops.cumsum(ordered, -1)
    support = ops.greater(1 + rank * ordered, total)
    count = ops.sum(ops.cast(support, "int32"), -1, True)
    last: Any = ops.take_along_axis(total, ops.subtract(count, 1), -1)
    shift = (last - 1) / ops.cast(count, x.dtype)
    return ops.moveaxis(ops.maximum(ops.subtract(x, shift), 0), -1, axis)


@composed
def multi_hot(
    inputs: Any, num_classes: int | None = None, axis: int = -1, dtype: Any = None, sparse: bool = False
) -> Any:
    """1 at the place of each integer on the last axis, 0 elsewhere; samples go along the first."""
    if num_classes is None:
        raise ValueError("multi_hot: argument `num_classes` is missing")
    labels = convert_to_tensor(inputs)
    over = 1 if len(labels.shape) > 1 else 0
    return ops.max(ops.one_hot(labels, num_classes, axis, dtype, sparse), axis=over)
