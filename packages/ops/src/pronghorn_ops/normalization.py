"""Normalization by moments: of batches, of layers, and by the root mean square."""

# mypy: disable-error-code="no-any-return"
# (what a primitive returns is only known at run time)

from __future__ import annotations

from typing import Any

import numpy as np

from pronghorn import config, dtypes, ops
from pronghorn.op import composed, primitive
from pronghorn.ops.axes import canonical_axes
from pronghorn.tensor import Tensor, convert_to_tensor
from pronghorn_ops.primitives.softmax import first, row_sum, through
from pronghorn_ops.statistics import in_rows

Array = np.ndarray[Any, Any]


@composed
def batch_normalization(
    x: Any, mean: Any, variance: Any, axis: int, offset: Any = None, scale: Any = None, epsilon: float = 1e-3
) -> Any:
    """(x - mean) / sqrt(variance + epsilon) * scale + offset, of vectors along `axis` (Ioffe and Szegedy, 2015)."""
    x = convert_to_tensor(x)
    wide = _wide(x)
    factor = ops.rsqrt(_along(variance, wide, axis) + epsilon)
    if scale is not None:
        factor = factor * _along(scale, wide, axis)
    shift = ops.negative(_along(mean, wide, axis)) * factor
    if offset is not None:
        shift = shift + _along(offset, wide, axis)
    return _finished(wide * factor + shift, None, x, axis)


@composed
def layer_normalization(
    x: Any, gamma: Any = None, beta: Any = None, axis: Any = -1, epsilon: float | None = None, rms_scaling: bool = False
) -> Any:
    """(x - mean) / sqrt(variance + epsilon) * gamma + beta, with the moments over `axis` (Ba et al., 2016).

    Args:
        gamma, beta: of the sizes of `axis`, None for 1 and 0.
        axis: one axis or several.
        epsilon: by default `config.epsilon()`.
        rms_scaling: x takes the place of x - mean, and beta is left out.
    """
    x = convert_to_tensor(x)
    wide = _wide(x)
    axes = canonical_axes(axis, len(x.shape), "layer_normalization")
    if gamma is not None and beta is not None and not rms_scaling and wide.size and in_rows(wide, axes):
        vectors = [ops.cast(convert_to_tensor(t), wide.dtype) for t in (gamma, beta)]
        if all(t.shape == wide.shape[axes[0] :] for t in vectors):  # others broadcast, or are refused
            rows = ops.reshape(wide, (*wide.shape[: axes[0]], -1))
            flat = (ops.reshape(t, (-1,)) for t in vectors)
            return _finished(ops.reshape(normalized_rows(rows, *flat, epsilon=_least(epsilon)), x.shape), None, x, axes)
    mean, variance = ops.moments(wide, axes, keepdims=True)
    factor: Any = ops.rsqrt(variance + _least(epsilon))
    shift = ops.negative(mean) * factor
    normal = wide * factor if rms_scaling else wide * factor + shift
    if gamma is not None:
        normal = normal * _along(gamma, wide, axes)
    return _finished(normal, None if rms_scaling else beta, x, axes)


def _row_gradients(g: Any, x: Any, gamma: Any, epsilon: float) -> tuple[Any, Any, Any]:
    """What `normalized_rows_gradient` computes, written in ops."""
    count, leading = x.shape[-1], tuple(range(len(x.shape) - 1))
    distance = x - row_sum(x) / count
    factor = ops.rsqrt(row_sum(ops.square(distance)) / count + epsilon)
    normal, slope = distance * factor, g * gamma
    dx = factor * (slope - row_sum(slope) / count - normal * (row_sum(slope * normal) / count))
    return dx, ops.sum(g * normal, leading), ops.sum(g, leading)


@primitive(lambda g, x, gamma, epsilon: (x, gamma, gamma), through(_row_gradients))
def normalized_rows_gradient(g: Array, x: Array, gamma: Array, epsilon: float) -> tuple[Array, Array, Array]:
    """The gradients of `normalized_rows` with respect to x, gamma and beta."""
    count, leading = x.shape[-1], tuple(range(x.ndim - 1))
    distance = x - x.mean(-1, keepdims=True)
    factor = 1 / np.sqrt(np.square(distance).mean(-1, keepdims=True) + epsilon)
    normal, slope = distance * factor, g * gamma
    along = (slope * normal).sum(-1, keepdims=True) / count
    dx = factor * (slope - slope.mean(-1, keepdims=True) - normal * along)
    results = dx, (g * normal).sum(leading), g.sum(leading)
    return tuple(np.asarray(value, x.dtype) for value in results)  # type: ignore[return-value]


def _gradient(g: Any, out: Any, x: Any, gamma: Any, beta: Any, epsilon: float) -> Any:
    return normalized_rows_gradient(g, x, gamma, epsilon=epsilon)


@primitive(first, _gradient)
def normalized_rows(x: Array, gamma: Array, beta: Array, epsilon: float) -> Array:
    """(x - mean) / sqrt(variance + epsilon) * gamma + beta, with the moments over the last axis; of one float dtype."""
    distance = x - x.mean(-1, keepdims=True)
    normal = distance / np.sqrt(np.square(distance).mean(-1, keepdims=True) + epsilon)
    return np.asarray(normal * gamma + beta, x.dtype)


@composed
def rms_normalization(x: Any, scale: Any = None, axis: Any = -1, epsilon: float | None = None) -> Any:
    """x / sqrt(mean(x²) + epsilon) * scale, with the mean over `axis` (Zhang and Sennrich, 2019)."""
    x = convert_to_tensor(x)
    wide = _wide(x)
    axes = canonical_axes(axis, len(x.shape), "rms_normalization")
    normal = wide * ops.rsqrt(ops.mean(ops.square(wide), axes, True) + _least(epsilon))
    if scale is not None:
        normal = normal * _along(scale, wide, axes)
    return _finished(normal, None, x, axes)


def _wide(x: Tensor) -> Any:
    """`x` in at least float32: squares of float16 overflow."""
    return ops.cast(x, dtypes.result_type(x.dtype, "float32"))


def _least(epsilon: float | None) -> float:
    return config.epsilon() if epsilon is None else epsilon


def _along(parameter: Any, x: Tensor, axis: Any) -> Any:
    """A parameter of the sizes of `axis`, so that it broadcasts against `x`.

    It gets no axes in front: those of size 1 would be taken for the batch's where that is of one sample, and need
    kernels of their own.
    """
    parameter = ops.cast(convert_to_tensor(parameter), x.dtype)
    rank = len(x.shape)
    if len(parameter.shape) == rank:
        return parameter
    axes = canonical_axes(axis, rank, "normalization")
    return ops.reshape(parameter, [x.shape[i] if i in axes else 1 for i in range(min(axes, default=0), rank)])


def _finished(normal: Any, offset: Any, x: Tensor, axis: Any) -> Any:
    if offset is not None:
        normal = normal + _along(offset, normal, axis)
    return ops.cast(normal, x.dtype) if dtypes.is_float(x.dtype) else normal
