"""Activations: rows of the elementwise table with gradients of their own, and what is composed of others."""

# mypy: disable-error-code="has-type,no-any-return"
# (rules name ops that are defined further down; what a primitive returns is only known at run time)

from __future__ import annotations

from typing import Any

from pronghorn import ops
from pronghorn.op import composed
from pronghorn.ops.axes import canonical_axis
from pronghorn.ops.elementwise import number, real
from pronghorn.tensor import convert_to_tensor

# ------------------------------------------------------------------------------ rows

relu6 = real(
    "relu6",
    "0 if x <= 0 else (6 if x >= 6 else x)",
    lambda g, out, x: ops.where(ops.logical_and(ops.greater(out, 0), ops.less(out, 6)), g, 0),
)
log_sigmoid = real("log_sigmoid", "(x if x < 0 else 0) - log1p(exp(-abs(x)))", lambda g, out, x: g * ops.sigmoid(-x))
softsign = real("softsign", "x / (1 + abs(x))", lambda g, out, x: g / ops.square(1 + ops.absolute(x)))
hard_sigmoid = real(
    "hard_sigmoid",
    "0 if x <= -3 else (1 if x >= 3 else x / 6 + 0.5)",
    lambda g, out, x: ops.where(ops.logical_and(ops.greater(out, 0), ops.less(out, 1)), g / 6, 0),
)
hard_tanh = number(
    "hard_tanh",
    "-1 if x < 0 and x <= -1 else (1 if x >= 1 else x)",  # unsigned integers have no -1
    lambda g, out, x: ops.where(ops.less(ops.absolute(x), 1), g, 0),
)
tanh_shrink = real("tanh_shrink", "x - tanh(x)", lambda g, out, x: g * ops.square(ops.tanh(x)))


def _selu_gradient(g: Any, out: Any, x: Any) -> Any:
    slope = 1.7580993408473766 * ops.exp(ops.minimum(x, 0))
    return g * ops.where(ops.greater(x, 0), 1.0507009873554805, slope)


selu = real("selu", "1.0507009873554805 * (x if x > 0 else 1.6732632423543772 * expm1(x))", _selu_gradient)


def _elu_gradient(g: Any, out: Any, x: Any, y: Any) -> tuple[Any, Any]:
    positive, low = ops.greater(x, 0), ops.minimum(x, 0)
    return g * ops.where(positive, 1, y * ops.exp(low)), g * ops.where(positive, 0, ops.expm1(low))


def _leaky_gradient(g: Any, out: Any, x: Any, y: Any) -> tuple[Any, Any]:
    negative = ops.less(x, 0)
    return ops.where(negative, g * y, g), ops.where(negative, g * x, 0)


elu_alpha = real("elu", "x if x > 0 else y * expm1(x)", _elu_gradient)
leaky_relu_slope = real("leaky_relu", "y * x if x < 0 else x", _leaky_gradient)


# Slopes that take exponentials are rows of their own: a kernel that has x computes them beside the activation, which
# shares most of it, and they are kept instead of x.


def _silu_curvature(g: Any, out: Any, x: Any) -> Any:
    gate = ops.sigmoid(x)
    return g * gate * (1 - gate) * (2 + x * (1 - 2 * gate))


silu_slope = real("silu_slope", "(1 + x * (1 - 1 / (1 + exp(-x)))) / (1 + exp(-x))", _silu_curvature)
silu = swish = real("silu", "x / (1 + exp(-x))", lambda g, out, x: g * silu_slope(x))


def _gelu_erf_curvature(g: Any, out: Any, x: Any) -> Any:
    square = ops.square(x)
    return g * 0.3989422804014327 * ops.exp(-0.5 * square) * (2 - square)


gelu_erf_slope = real(
    "gelu_erf_slope",
    "0.5 * (1 + erf(x * 0.7071067811865476)) + 0.3989422804014327 * x * exp(-0.5 * x * x)",
    _gelu_erf_curvature,
)
gelu_erf = real("gelu_erf", "0.5 * x * (1 + erf(x * 0.7071067811865476))", lambda g, out, x: g * gelu_erf_slope(x))


def _gelu_tanh_curvature(g: Any, out: Any, x: Any) -> Any:
    gate = ops.tanh(0.7978845608028654 * x * (1 + 0.044715 * ops.square(x)))
    slope = 0.7978845608028654 * (1 + 0.134145 * ops.square(x))
    bend = 0.5 * x * (0.21406444881780073 * x - 2 * gate * ops.square(slope))
    return g * (1 - ops.square(gate)) * (slope + bend)


gelu_tanh_slope = real(
    "gelu_tanh_slope",
    "0.5 * (1 + tanh(0.7978845608028654 * x * (1 + 0.044715 * x * x))) + 0.3989422804014327 * x"
    " * (1 + 0.134145 * x * x) * (1 - tanh(0.7978845608028654 * x * (1 + 0.044715 * x * x))"
    " * tanh(0.7978845608028654 * x * (1 + 0.044715 * x * x)))",
    _gelu_tanh_curvature,
)
gelu_tanh = real(
    "gelu_tanh",
    "0.5 * x * (1 + tanh(0.7978845608028654 * x * (1 + 0.044715 * x * x)))",
    lambda g, out, x: g * gelu_tanh_slope(x),
)

# ------------------------------------------------------------------------------ with arguments


@composed
def leaky_relu(x: Any, negative_slope: Any = 0.2) -> Any:
    """x where x >= 0, else negative_slope * x."""
    return leaky_relu_slope(x, negative_slope)


@composed
def elu(x: Any, alpha: Any = 1.0) -> Any:
    """x where x > 0, else alpha * (exp(x) - 1)."""
    return elu_alpha(x, alpha)


@composed
def gelu(x: Any, approximate: bool = True) -> Any:
    """x * P(X <= x) for a standard normal X, or its approximation by tanh (Hendrycks and Gimpel, 2016)."""
    return gelu_tanh(x) if approximate else gelu_erf(x)


@composed
def hard_silu(x: Any) -> Any:
    """x * hard_sigmoid(x)."""
    x = convert_to_tensor(x)
    return ops.multiply(x, hard_sigmoid(x))


hard_swish = hard_silu


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
