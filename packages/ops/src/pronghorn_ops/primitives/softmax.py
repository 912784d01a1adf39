"""Softmax, which has kernels of its own in both directions."""

# mypy: disable-error-code="has-type,no-any-return"
# (rules name ops that are defined further down; what a primitive returns is only known at run time)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pronghorn import dtypes, tree
from pronghorn.graph import Spec
from pronghorn.op import composed, primitive
from pronghorn.ops import elementwise as e
from pronghorn.ops.axes import canonical_axes, inverse
from pronghorn.ops.reduction import reduce_sum
from pronghorn.ops.shape import reshape, transpose
from pronghorn.tensor import Tensor, convert_to_tensor
from pronghorn_ops.primitives import rounded_once

Array = np.ndarray[Any, Any]


def first(x: Spec, *rest: Spec, **attrs: Any) -> Spec:
    """The spec of an op whose result is like its first operand."""
    return x


def row_sum(x: Any) -> Any:
    """Sums over the last axis, which is kept."""
    return reduce_sum(x, axis=(len(x.shape) - 1,), keepdims=True)


def through(function: Callable[..., Any]) -> Callable[..., Any]:
    """The gradient rule of an op that computes what `function`, written in ops, computes: a result or several."""

    def rule(g: Any, out: Any, *inputs: Tensor, **attrs: Any) -> Any:
        from pronghorn.autodiff import GradientTape

        with GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([t for t in inputs if dtypes.is_float(t.dtype)])
            results = tree.flatten(function(*inputs, **attrs))
        arrived = [pair for pair in zip(results, tree.flatten(g), strict=True) if pair[1] is not None]
        results, seeds = map(list, zip(*arrived, strict=True))
        return tape.gradient(results, list(inputs), output_gradients=seeds)

    return rule


@primitive(first, through(lambda y, g: y * (g - row_sum(g * y))))
@rounded_once
def softmax_gradient(y: Array, g: Array) -> Array:
    """The gradient of softmax, from its result and the gradient that comes in."""
    return np.asarray(y * (g - (g * y).sum(axis=-1, keepdims=True)), dtype=y.dtype)


@primitive(first, lambda g, out, x: (softmax_gradient(out, g),), name="softmax")
@rounded_once
def softmax_rows(x: Array) -> Array:
    """exp(x) / sum(exp(x)) over the last axis."""
    with np.errstate(all="ignore"):
        powers = np.exp(x - x.max(axis=-1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=-1, keepdims=True), dtype=x.dtype)


def over_axes(op: Any, x: Any, axis: Any, name: str) -> Any:
    """`op`, which works on the last axis, over one axis or over several (None: all) taken together."""
    x = convert_to_tensor(x)
    x = e.cast(x, dtypes.floating(x.dtype))
    rank = len(x.shape)
    axes = canonical_axes(axis, rank, name)
    if axes == (rank - 1,):
        return op(x)
    kept = tuple(i for i in range(rank) if i not in axes)
    moved = transpose(x, kept + axes)
    rows = op(reshape(moved, (*(x.shape[i] for i in kept), -1)))
    return transpose(reshape(rows, moved.shape), inverse(kept + axes))


@composed
def softmax(x: Any, axis: Any = -1) -> Tensor:
    """exp(x) / sum(exp(x)) over `axis`, which may be several."""
    return over_axes(softmax_rows, x, axis, "softmax")
