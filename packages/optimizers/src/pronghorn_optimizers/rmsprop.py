"""RMSprop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from pronghorn import ops
from pronghorn.optimizer import Optimizer
from pronghorn.tensor import Tensor, Variable
from pronghorn_optimizers.options import OptimizerOptions


class RMSprop(Optimizer):
    """Divides the gradient by the root of a moving average of its square (Hinton, "Lecture 6e", 2012).

    v = rho · v + (1 - rho) · g², w -= learning_rate · g / sqrt(v + epsilon).

    Args:
        learning_rate: a number, schedule or function.
        rho: the share of its old value in the moving average.
        momentum: if above 0, the steps are accumulated: m = momentum · m + step, w -= m.
        epsilon: under the root, for stability.
        centered: whether the square of the gradient's moving average is subtracted: v is then its variance.
        options: as in `pronghorn.optimizers.Optimizer`.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        **options: Unpack[OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, **options)
        self.rho = rho
        self.momentum = momentum
        self.epsilon = epsilon
        self.centered = centered

    def build(self, var_list: Sequence[Variable]) -> None:
        if self.built:
            return
        super().build(var_list)
        self._velocities = self.add_optimizer_variables(var_list, "velocity")
        self._momentums = self.add_optimizer_variables(var_list, "momentum") if self.momentum > 0 else []
        self._means = self.add_optimizer_variables(var_list, "average_gradient") if self.centered else []

    def update_step(self, gradient: Tensor, variable: Variable, learning_rate: Tensor) -> None:
        index = self._get_variable_index(variable)
        v = self._velocities[index]
        v.assign(self.rho * v + (1 - self.rho) * ops.square(gradient))
        variance = v.value
        if self.centered:
            mean = self._means[index]
            mean.assign(self.rho * mean + (1 - self.rho) * gradient)
            variance = variance - ops.square(mean)
        step = learning_rate * gradient / ops.sqrt(variance + self.epsilon)
        if self.momentum > 0:
            m = self._momentums[index]
            m.assign(self.momentum * m + step)
            step = m.value
        variable.assign(variable - step)
