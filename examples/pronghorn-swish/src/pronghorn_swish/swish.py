"""The op x · sigmoid(beta · x) and the layer Swish (Ramachandran, Zoph, Le: Searching for Activation Functions,
2017)."""

from __future__ import annotations

from typing import Any

import numpy as np

from pronghorn import Layer, Tensor, ops
from pronghorn.graph import Spec
from pronghorn.op import primitive


def _gradient(g: Tensor, out: Tensor, x: Tensor, beta: Tensor) -> tuple[Tensor, Tensor]:
    s = ops.sigmoid(beta * x)
    slope = s * (1 - s)
    return g * (s + beta * x * slope), ops.sum(g * x * x * slope)


@primitive(lambda x, beta: Spec(x.shape, x.dtype), _gradient)
def scaled_sigmoid_product(x: np.ndarray[Any, Any], beta: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """x · sigmoid(beta · x), with a scalar beta. Shapes: x any, beta (); both of one float dtype."""
    with np.errstate(over="ignore"):
        return np.asarray(x / (1 + np.exp(-beta * x)), dtype=x.dtype)


class Swish(Layer):
    """x · sigmoid(beta · x), elementwise.

    Args:
        beta: the scale before the sigmoid; 1 gives SiLU.
        trainable_beta: learns beta from there.
    """

    def __init__(self, beta: float = 1.0, trainable_beta: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.beta = float(beta)
        self.trainable_beta = trainable_beta
        self.supports_masking = True

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if self.trainable_beta:
            self.scale = self.add_weight(
                name="beta", shape=(), initializer=lambda shape, dtype: np.full(shape, self.beta, dtype)
            )

    def call(self, x: Tensor) -> Tensor:
        beta = self.scale if self.trainable_beta else self.beta
        return scaled_sigmoid_product(x, ops.cast(beta, x.dtype))  # type: ignore[no-any-return]

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape
