"""The base of the rules that follow averages of the gradient and of its square: Adam, Adamax, Nadam, Lamb."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Unpack

from pronghorn import ops
from pronghorn.optimizer import Optimizer
from pronghorn.tensor import Tensor, Variable
from pronghorn_optimizers.options import OptimizerOptions


class Moments(Optimizer):
    """Two slots for each variable, both 0 at first: m, the average of the gradient, and v, that of its square.

    m += (1 - beta_1) · (g - m), v += (1 - beta_2) · (g² - v). Subclasses define `update_step`.

    Args:
        learning_rate: a number, schedule or function.
        beta_1, beta_2: the share of their old value in the averages of the gradient and of its square.
        epsilon: what subclasses add to a divisor.
        options: as in `pronghorn.optimizers.Optimizer`.
    """

    slots: ClassVar[tuple[str, str]] = ("momentum", "velocity")

    def __init__(
        self, learning_rate: Any, beta_1: float, beta_2: float, epsilon: float, **options: Unpack[OptimizerOptions]
    ) -> None:
        super().__init__(learning_rate, **options)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon

    def build(self, var_list: Sequence[Variable]) -> None:
        if self.built:
            return
        super().build(var_list)
        self._momentums, self._velocities = self.add_optimizer_variables(var_list, self.slots)

    def first(self, gradient: Tensor, variable: Variable) -> Variable:
        """m, with the gradient in it."""
        m: Variable = self._momentums[self._get_variable_index(variable)]
        m.assign(m + (gradient - m) * (1 - self.beta_1))
        return m

    def second(self, gradient: Tensor, variable: Variable) -> Variable:
        """v, with the gradient's square in it."""
        v: Variable = self._velocities[self._get_variable_index(variable)]
        v.assign(v + (ops.square(gradient) - v) * (1 - self.beta_2))
        return v
