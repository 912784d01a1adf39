"""A layer, a loss and optimizers for suites that have none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pronghorn import ops
from pronghorn.layer import Layer
from pronghorn.optimizer import Optimizer
from pronghorn.tensor import Tensor, Variable


class Affine(Layer):
    """inputs @ kernel + bias: a layer for tests."""

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape: Any) -> None:
        self.kernel = self.add_weight(shape=(input_shape[-1], self.units), name="kernel")
        self.bias = self.add_weight(shape=(self.units,), initializer="zeros", name="bias")

    def call(self, inputs: Tensor) -> Tensor:
        return ops.matmul(inputs, self.kernel) + self.bias


def squared_error(y_true: Any, y_pred: Any) -> Any:
    """A loss for suites that have core alone: the mean of the squares over the last axis."""
    return ops.mean(ops.square(y_pred - y_true), axis=-1)


class Descent(Optimizer):
    """variable - learning_rate gradient: an optimizer for tests."""

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        variable.assign(variable - ops.cast(learning_rate, variable.dtype) * gradient)


class Momentum(Optimizer):
    """m = 0.9 m - learning_rate gradient, variable + m: an optimizer with slots for tests."""

    def build(self, variables: Sequence[Variable]) -> None:
        super().build(variables)
        self.momentums = self.add_optimizer_variables(variables, "momentum")

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        m = self.momentums[self._get_variable_index(variable)]
        m.assign(0.9 * m - learning_rate * gradient)
        variable.assign(variable + m)
