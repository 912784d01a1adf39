"""ScheduleFreeAdamW."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from pronghorn import ops
from pronghorn.optimizer import Optimizer
from pronghorn.tensor import Tensor, Variable
from pronghorn_optimizers.options import OptimizerOptions


class ScheduleFreeAdamW(Optimizer):
    """AdamW that averages its iterates instead of following a schedule (Defazio et al., https://arxiv.org/abs/2405.15682).

    At step t, with v the average of g² corrected for its start: z -= learning_rate · g / (sqrt(v) + epsilon), x is the
    mean of all z, and the weights are w = (1 - beta_1) · z + beta_1 · x.

    Args:
        learning_rate: a number, schedule or function.
        beta_1: the share of the mean in the weights, above 0.
        beta_2: the share of its old value in the average of the squared gradient.
        epsilon: see above.
        warmup_steps: steps over which the learning rate rises linearly.
        options: as in `pronghorn.optimizers.Optimizer`.
    """

    def __init__(
        self,
        learning_rate: Any = 0.0025,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        warmup_steps: int = 0,
        **options: Unpack[OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, **options)
        if not 0 < beta_1 <= 1:
            raise ValueError(f"ScheduleFreeAdamW: beta_1 must be above 0 and at most 1, got {beta_1!r}")
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.warmup_steps = warmup_steps

    def build(self, var_list: Sequence[Variable]) -> None:
        if self.built:
            return
        super().build(var_list)
        self._momentums, self._velocities = self.add_optimizer_variables(var_list, ["momentum", "velocity"])
        for momentum, variable in zip(self._momentums, var_list, strict=True):
            momentum.assign(variable)

    def update_step(self, gradient: Tensor, variable: Variable, learning_rate: Tensor) -> None:
        index = self._get_variable_index(variable)
        z, v = self._momentums[index], self._velocities[index]
        rate, of_v, weight = self.once(self._factors, learning_rate)
        v.assign(v + (ops.square(gradient) - v) * (1 - self.beta_2))
        mean = (variable - z * (1 - self.beta_1)) / self.beta_1
        z.assign(z - gradient * rate / (ops.sqrt(v * of_v) + self.epsilon))
        mean = mean * (1 - weight) + z * weight
        variable.assign(z * (1 - self.beta_1) + mean * self.beta_1)

    def _factors(self, learning_rate: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The learning rate of this step, the correction of v, and the share of z in the mean."""
        step = ops.cast(self.iterations + 1, learning_rate.dtype)
        if self.warmup_steps > 0:
            learning_rate = learning_rate * ops.minimum(step / self.warmup_steps, 1)
        return learning_rate, 1 / (1 - ops.power(self.beta_2, step)), 1 / step
