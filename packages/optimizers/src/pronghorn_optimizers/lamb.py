"""Lamb."""

from __future__ import annotations

from typing import Any, Unpack

from pronghorn import ops
from pronghorn.tensor import Tensor, Variable
from pronghorn_optimizers.moments import Moments
from pronghorn_optimizers.options import OptimizerOptions


class Lamb(Moments):
    """Adam whose step is as long as the weights it changes (You et al., https://arxiv.org/abs/1904.00962).

    With m and v as in `Adam`, both corrected for their start, u = m / (sqrt(v) + epsilon) and
    w -= learning_rate · (|w| / |u|) · u; the ratio of the norms is 1 where one of them is 0.

    Args:
        learning_rate: a number, schedule or function.
        beta_1, beta_2: the share of their old value in the averages of the gradient and of its square.
        epsilon: see above.
        options: as in `pronghorn.optimizers.Optimizer`.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **options: Unpack[OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, beta_1, beta_2, epsilon, **options)

    def update_step(self, gradient: Tensor, variable: Variable, learning_rate: Tensor) -> None:
        m, v = self.first(gradient, variable), self.second(gradient, variable)
        of_m, of_v = self.once(self._corrections, variable.dtype)
        update = m * of_m / (ops.sqrt(v * of_v) + self.epsilon)
        length, step = (ops.sqrt(ops.sum(ops.square(x))) for x in (variable, update))
        both = ops.logical_and(length > 0, step > 0)
        ratio = ops.where(both, length / ops.where(both, step, 1), 1)
        variable.assign(variable - update * (ratio * learning_rate))

    def _corrections(self, dtype: str) -> tuple[Tensor, Tensor]:
        """Of averages that started at 0."""
        step = ops.cast(self.iterations + 1, dtype)
        first, second = (1 / (1 - ops.power(beta, step)) for beta in (self.beta_1, self.beta_2))
        return first, second
