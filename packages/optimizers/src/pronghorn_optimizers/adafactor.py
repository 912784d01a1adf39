"""Adafactor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from pronghorn import ops
from pronghorn.optimizer import Optimizer
from pronghorn.tensor import Tensor, Variable
from pronghorn_optimizers.options import OptimizerOptions


class Adafactor(Optimizer):
    """Divides by the root of an average of g² that is kept by rows and columns (Shazeer and Stern, https://arxiv.org/abs/1804.04235).

    Of a variable with two or more dimensions the averages r over the last and c over the last but one give
    v = r · c / mean(r); of others v is the average itself. With u = g / sqrt(v), divided by its root mean square over
    `clip_threshold` where that is above 1, w -= max(epsilon_2, rms(w)) · min(learning_rate, 1 / sqrt(t)) · u.

    Args:
        learning_rate: a number, schedule or function.
        beta_2_decay: the share of their old value in the averages at step t is 1 - t^beta_2_decay.
        epsilon_1: added to g².
        epsilon_2: the least scale of a variable.
        clip_threshold: see above.
        relative_step: whether the learning rate is at most 1 / sqrt(t). (In Keras 3.15 it always is.)
        options: as in `pronghorn.optimizers.Optimizer`.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_2_decay: float = -0.8,
        epsilon_1: float = 1e-30,
        epsilon_2: float = 1e-3,
        clip_threshold: float = 1.0,
        relative_step: bool = True,
        **options: Unpack[OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, **options)
        self.beta_2_decay = beta_2_decay
        self.epsilon_1 = epsilon_1
        self.epsilon_2 = epsilon_2
        self.clip_threshold = clip_threshold
        self.relative_step = relative_step

    def build(self, var_list: Sequence[Variable]) -> None:
        if self.built:
            return
        super().build(var_list)
        self._factors: list[tuple[Variable, Variable]] = []
        self._velocities: list[Variable] = []
        for v in var_list:
            if v.ndim > 1:
                rows, columns = (self.add_variable(n, dtype=v.dtype, name=v.name) for n in _factor_shapes(v))
            else:  # not used; they have their places in Keras's files
                rows, columns = (self.add_variable((), dtype="int32", name=v.name) for _ in range(2))
            self._factors.append((rows, columns))
            self._velocities.append(self.add_variable_from_reference(v, "velocity"))

    def update_step(self, gradient: Tensor, variable: Variable, learning_rate: Tensor) -> None:
        index = self._get_variable_index(variable)
        factors, v = self._factors[index], self._velocities[index]
        rate, share = self.once(self._schedule, learning_rate)
        square = ops.square(gradient) + self.epsilon_1
        if variable.ndim < 2:
            v.assign(v * share + square * (1 - share))
        else:
            r, c = factors
            r.assign(r * share + ops.mean(square, axis=-1) * (1 - share))
            c.assign(c * share + ops.mean(square, axis=-2) * (1 - share))
            rows = r / ops.mean(r, axis=-1, keepdims=True)
            v.assign(ops.expand_dims(rows, -1) * ops.expand_dims(c, -2))
        update = gradient / ops.sqrt(v)
        scale = ops.maximum(_root_mean_square(variable), self.epsilon_2) * rate
        variable.assign(variable - update * (scale / ops.maximum(_root_mean_square(update) / self.clip_threshold, 1)))

    def _schedule(self, learning_rate: Tensor) -> tuple[Tensor, Tensor]:
        """The learning rate of this step, and the share of their old value in the averages."""
        step = ops.cast(self.iterations + 1, learning_rate.dtype)
        rate = ops.minimum(learning_rate, 1 / ops.sqrt(step)) if self.relative_step else learning_rate
        return rate, 1 - ops.power(step, self.beta_2_decay)


def _factor_shapes(variable: Variable) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Of the averages over the last dimension and over the last but one."""
    return variable.shape[:-1], (*variable.shape[:-2], variable.shape[-1])


def _root_mean_square(x: Any) -> Tensor:
    return ops.sqrt(ops.mean(ops.square(x)))  # type: ignore[no-any-return]
