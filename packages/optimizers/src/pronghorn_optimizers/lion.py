"""Lion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from pronghorn import ops
from pronghorn.optimizer import Optimizer
from pronghorn.tensor import Tensor, Variable
from pronghorn_optimizers.options import OptimizerOptions


class Lion(Optimizer):
    """w -= learning_rate · sign(beta_1 · m + (1 - beta_1) · g), then m = beta_2 · m + (1 - beta_2) · g.

    Chen et al., "Symbolic discovery of optimization algorithms", https://arxiv.org/abs/2302.06675.

    Args:
        learning_rate: a number, schedule or function; a third to a tenth of Adam's.
        beta_1: above 0, at most 1.
        beta_2: see above.
        options: as in `pronghorn.optimizers.Optimizer`.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.99,
        **options: Unpack[OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, **options)
        if not 0 < beta_1 <= 1:
            raise ValueError(f"Lion: beta_1 must be above 0 and at most 1, got {beta_1!r}")
        self.beta_1 = beta_1
        self.beta_2 = beta_2

    def build(self, var_list: Sequence[Variable]) -> None:
        if self.built:
            return
        super().build(var_list)
        self._momentums = self.add_optimizer_variables(var_list, "momentum")

    def update_step(self, gradient: Tensor, variable: Variable, learning_rate: Tensor) -> None:
        m = self._momentums[self._get_variable_index(variable)]
        direction = ops.sign(self.beta_1 * m + (1 - self.beta_1) * gradient)
        variable.assign(variable - learning_rate * direction)
        m.assign(self.beta_2 * m + (1 - self.beta_2) * gradient)
