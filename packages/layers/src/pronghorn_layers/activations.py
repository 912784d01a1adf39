"""Activation functions: elementwise formulas, and softmax and its kin along an axis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pronghorn import ops
from pronghorn.tensor import Tensor, convert_to_tensor


def _from_op(name: str, formula: str, op: str | None = None) -> Callable[[Any], Tensor]:
    """The activation that is the op of the same name, or of another one."""

    def activation(x: Any) -> Tensor:
        return getattr(ops, op or name)(x)  # type: ignore[no-any-return]

    activation.__name__ = activation.__qualname__ = name
    activation.__doc__ = formula
    return activation


sigmoid = _from_op("sigmoid", "1 / (1 + exp(-x))")
tanh = _from_op("tanh", "(exp(x) - exp(-x)) / (exp(x) + exp(-x))")
exponential = _from_op("exponential", "exp(x)", op="exp")
softplus = _from_op("softplus", "log(1 + exp(x))")
softsign = _from_op("softsign", "x / (1 + |x|)")
log_sigmoid = _from_op("log_sigmoid", "log(sigmoid(x)) = -softplus(-x)")
silu = _from_op("silu", "x sigmoid(x) (Hendrycks and Gimpel, 2016), also called swish")
swish = silu
relu6 = _from_op("relu6", "min(max(x, 0), 6)")
selu = _from_op("selu", "1.0507 (x if x > 0 else 1.6733 (exp(x) - 1)) (Klambauer et al., 2017)")
hard_sigmoid = _from_op("hard_sigmoid", "relu6(x + 3) / 6")
hard_silu = _from_op("hard_silu", "x relu6(x + 3) / 6 (Howard et al., 2019), also called hard_swish")
hard_swish = hard_silu
hard_tanh = _from_op("hard_tanh", "min(max(x, -1), 1)")
tanh_shrink = _from_op("tanh_shrink", "x - tanh(x)")


def linear(x: Any) -> Any:
    """x"""
    return x


def relu(x: Any, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Tensor:
    """x where x >= threshold, else negative_slope (x - threshold); at most max_value."""
    if threshold == 0 and max_value is None:
        return ops.relu(x) if negative_slope == 0 else ops.leaky_relu(x, negative_slope)  # type: ignore[no-any-return]
    x = convert_to_tensor(x)
    y = x if threshold == 0 else ops.where(ops.greater(x, threshold), x, 0.0)
    y = ops.relu(y) if max_value is None else ops.clip(y, 0.0, max_value)
    return y if negative_slope == 0 else y - negative_slope * ops.relu(threshold - x)


def leaky_relu(x: Any, negative_slope: float = 0.2) -> Tensor:
    """x if x > 0 else negative_slope x"""
    return ops.leaky_relu(x, negative_slope)  # type: ignore[no-any-return]


def elu(x: Any, alpha: float = 1.0) -> Tensor:
    """x if x > 0 else alpha (exp(x) - 1) (Clevert et al., 2016)"""
    return ops.elu(x, alpha)  # type: ignore[no-any-return]


def celu(x: Any, alpha: float = 1.0) -> Tensor:
    """max(0, x) + min(0, alpha (exp(x / alpha) - 1)) (Barron, 2017)"""
    x = convert_to_tensor(x)
    return ops.maximum(x, 0.0) + alpha * ops.expm1(ops.minimum(x, 0.0) / alpha)  # type: ignore[no-any-return]


def gelu(x: Any, approximate: bool = False) -> Tensor:
    """x Φ(x), Φ the normal distribution function, or its approximation by tanh (Hendrycks and Gimpel, 2016)."""
    return ops.gelu(x, approximate)  # type: ignore[no-any-return]


def mish(x: Any) -> Tensor:
    """x tanh(softplus(x)) (Misra, 2019)"""
    x = convert_to_tensor(x)
    return x * ops.tanh(ops.softplus(x))  # type: ignore[no-any-return]


def glu(x: Any, axis: int = -1) -> Tensor:
    """a sigmoid(b), a and b the halves of x along `axis` (Dauphin et al., 2017)."""
    a, b = ops.split(x, 2, axis=axis)
    return a * ops.sigmoid(b)  # type: ignore[no-any-return]


def hard_shrink(x: Any, threshold: float = 0.5) -> Tensor:
    """x if |x| > threshold else 0"""
    x = convert_to_tensor(x)
    return ops.where(ops.abs(x) > threshold, x, 0.0)  # type: ignore[no-any-return]


def soft_shrink(x: Any, threshold: float = 0.5) -> Tensor:
    """x - threshold if x > threshold, x + threshold if x < -threshold, else 0"""
    x = convert_to_tensor(x)
    return ops.maximum(x - threshold, 0.0) + ops.minimum(x + threshold, 0.0)  # type: ignore[no-any-return]


def threshold(x: Any, threshold: float, default_value: float) -> Tensor:
    """x if x > threshold else default_value"""
    x = convert_to_tensor(x)
    return ops.where(x > threshold, x, default_value)  # type: ignore[no-any-return]


def squareplus(x: Any, b: float = 4) -> Tensor:
    """(x + sqrt(x² + b)) / 2 (Barron, 2021)"""
    x = convert_to_tensor(x)
    return (x + ops.sqrt(ops.square(x) + b)) / 2  # type: ignore[no-any-return]


def sparse_sigmoid(x: Any) -> Tensor:
    """min(max((x + 1) / 2, 0), 1)"""
    return ops.clip((convert_to_tensor(x) + 1) / 2, 0.0, 1.0)


def sparse_plus(x: Any) -> Tensor:
    """0 below -1, (x + 1)² / 4 up to 1, x above: the integral of sparse_sigmoid."""
    x = convert_to_tensor(x)
    return ops.square(ops.clip(x + 1, 0.0, 2.0)) / 4 + ops.maximum(x - 1, 0.0)  # type: ignore[no-any-return]


def softmax(x: Any, axis: int = -1) -> Tensor:
    """exp(x) / sum(exp(x)) along `axis`"""
    return ops.softmax(x, axis=axis)  # type: ignore[no-any-return]


def log_softmax(x: Any, axis: int = -1) -> Tensor:
    """log(softmax(x)), without overflow"""
    return ops.log_softmax(x, axis=axis)  # type: ignore[no-any-return]


def sparsemax(x: Any, axis: int = -1) -> Tensor:
    """The nearest point of the probability simplex: like softmax, with zeros (Martins and Astudillo, 2016)."""
    x = ops.moveaxis(convert_to_tensor(x), axis, -1)
    ordered = ops.flip(ops.sort(x, axis=-1), axis=-1)
    count = ops.arange(1, x.shape[-1] + 1, dtype=x.dtype)
    above = ops.cumsum(ordered, axis=-1) - 1
    support = ops.cast(ordered * count > above, x.dtype)
    size = ops.sum(support, axis=-1, keepdims=True)
    tau = ops.sum(ops.where(count == size, above, 0.0), axis=-1, keepdims=True) / size
    return ops.moveaxis(ops.maximum(x - tau, 0.0), -1, axis)
