"""Normalization by moments: of batches, of layers, and by the root mean square."""

from __future__ import annotations

from typing import Any

from pronghorn import config, dtypes, ops
from pronghorn.op import composed
from pronghorn.ops.axes import canonical_axes
from pronghorn.tensor import Tensor, convert_to_tensor


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
    mean, variance = ops.moments(wide, axes, keepdims=True)
    factor: Any = ops.rsqrt(variance + _least(epsilon))
    shift = ops.negative(mean) * factor
    normal = wide * factor if rms_scaling else wide * factor + shift
    if gamma is not None:
        normal = normal * _along(gamma, wide, axes)
    return _finished(normal, None if rms_scaling else beta, x, axes)


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
