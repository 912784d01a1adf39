"""Stochastic gradient descent, with momentum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from pronghorn.optimizer import Optimizer
from pronghorn.tensor import Tensor, Variable
from pronghorn_optimizers.options import OptimizerOptions


class SGD(Optimizer):
    """w -= learning_rate · g; with momentum m = momentum · m - learning_rate · g and w += m.

    With `nesterov` w += momentum · m - learning_rate · g (Sutskever et al., "On the importance of
    initialization and momentum in deep learning", 2013).

    Args:
        learning_rate: a number, schedule or function.
        momentum: from 0 to 1.
        nesterov: see above.
        options: as in `pronghorn.optimizers.Optimizer`.
    """

    def __init__(
        self,
        learning_rate: Any = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        **options: Unpack[OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, **options)
        if isinstance(momentum, bool) or not 0 <= momentum <= 1:
            raise ValueError(f"SGD: momentum must be a number from 0 to 1, got {momentum!r}")
        self.momentum = float(momentum)
        self.nesterov = nesterov

    def build(self, variables: Sequence[Variable]) -> None:
        if self.built:
            return
        super().build(variables)
        self.momentums = self.add_optimizer_variables(variables, "momentum") if self.momentum else []

    def update_step(self, gradient: Tensor, variable: Variable, learning_rate: Tensor) -> None:
        step = learning_rate * gradient
        if not self.momentum:
            variable.assign(variable - step)
            return
        m = self.momentums[self._get_variable_index(variable)]
        m.assign(m * self.momentum - step)
        variable.assign(variable + (m * self.momentum - step if self.nesterov else m))
