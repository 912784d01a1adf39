"""Rules that adapt the rate of each weight to the sum of its squared gradients: Adagrad, Adadelta, Ftrl."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

import numpy as np

from pronghorn import ops
from pronghorn.dtypes import numpy_dtype
from pronghorn.optimizer import Optimizer
from pronghorn.tensor import Tensor, Variable
from pronghorn_optimizers.options import OptimizerOptions


def _filled(value: float) -> Any:
    """An initializer: `value` everywhere."""
    return lambda shape, dtype: np.full(shape, value, numpy_dtype(dtype))


class Adagrad(Optimizer):
    """s += g², w -= learning_rate · g / sqrt(s + epsilon).

    Duchi et al., "Adaptive subgradient methods for online learning and stochastic optimization", JMLR 2011.

    Args:
        learning_rate: a number, schedule or function.
        initial_accumulator_value: of s.
        epsilon: see above.
        options: as in `pronghorn.optimizers.Optimizer`.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        **options: Unpack[OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, **options)
        self.initial_accumulator_value = initial_accumulator_value
        self.epsilon = epsilon

    def build(self, var_list: Sequence[Variable]) -> None:
        if self.built:
            return
        super().build(var_list)
        self._sums = self.add_optimizer_variables(var_list, "accumulator", _filled(self.initial_accumulator_value))

    def update_step(self, gradient: Tensor, variable: Variable, learning_rate: Tensor) -> None:
        s = self._sums[self._get_variable_index(variable)]
        s.assign(s + ops.square(gradient))
        variable.assign(variable - learning_rate * gradient / ops.sqrt(s + self.epsilon))


class Adadelta(Optimizer):
    """Steps like earlier ones: d = -g · sqrt(x + epsilon) / sqrt(s + epsilon), w += learning_rate · d.

    s and x are the moving averages of g² and d². Zeiler, "ADADELTA", https://arxiv.org/abs/1212.5701.

    Args:
        learning_rate: a number, schedule or function; the paper has 1.
        rho: the share of their old value in the averages.
        epsilon: see above.
        options: as in `pronghorn.optimizers.Optimizer`.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.95,
        epsilon: float = 1e-7,
        **options: Unpack[OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, **options)
        self.rho = rho
        self.epsilon = epsilon

    def build(self, var_list: Sequence[Variable]) -> None:
        if self.built:
            return
        super().build(var_list)
        names = ["accumulated_grad", "accumulated_delta_var"]
        self._squares, self._steps = self.add_optimizer_variables(var_list, names)

    def update_step(self, grad: Tensor, variable: Variable, learning_rate: Tensor) -> None:
        index = self._get_variable_index(variable)
        s, x = self._squares[index], self._steps[index]
        s.assign(self.rho * s + (1 - self.rho) * ops.square(grad))
        d = -ops.sqrt(x + self.epsilon) * grad / ops.sqrt(s + self.epsilon)
        x.assign(self.rho * x + (1 - self.rho) * ops.square(d))
        variable.assign(variable + learning_rate * d)


class Ftrl(Optimizer):
    """Follow the regularized leader: sparse weights by L1 (McMahan et al., "Ad click prediction", KDD 2013).

    Args:
        learning_rate: a number, schedule or function.
        learning_rate_power: at most 0; how the rate falls with the sum of squared gradients, -0.5 being its
            root.
        initial_accumulator_value: of that sum, at least 0.
        l1_regularization_strength, l2_regularization_strength: at least 0; penalties of the weights.
        l2_shrinkage_regularization_strength: at least 0; a penalty of the size only, kept out of the sum.
        beta: the paper's β.
        options: as in `pronghorn.optimizers.Optimizer`.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        l2_shrinkage_regularization_strength: float = 0.0,
        beta: float = 0.0,
        **options: Unpack[OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, **options)
        self.learning_rate_power = learning_rate_power
        self.initial_accumulator_value = initial_accumulator_value
        self.l1_regularization_strength = l1_regularization_strength
        self.l2_regularization_strength = l2_regularization_strength
        self.l2_shrinkage_regularization_strength = l2_shrinkage_regularization_strength
        self.beta = beta
        if learning_rate_power > 0:
            raise ValueError(f"Ftrl: learning_rate_power must be at most 0, got {learning_rate_power!r}")
        for name in (
            "initial_accumulator_value",
            "l1_regularization_strength",
            "l2_regularization_strength",
            "l2_shrinkage_regularization_strength",
        ):
            if getattr(self, name) < 0:
                raise ValueError(f"Ftrl: {name} must be at least 0, got {getattr(self, name)!r}")

    def build(self, var_list: Sequence[Variable]) -> None:
        if self.built:
            return
        super().build(var_list)
        initial = [_filled(self.initial_accumulator_value), "zeros"]
        self._sums, self._linears = self.add_optimizer_variables(var_list, ["accumulator", "linear"], initial)

    def update_step(self, gradient: Tensor, variable: Variable, learning_rate: Tensor) -> None:
        index = self._get_variable_index(variable)
        s, z = self._sums[index], self._linears[index]
        l1, l2 = self.l1_regularization_strength, self.l2_regularization_strength
        total = s + ops.square(gradient)
        before, after = (ops.power(x, -self.learning_rate_power) for x in (s, total))
        shrunk = gradient + 2 * self.l2_shrinkage_regularization_strength * variable
        z.assign(z + shrunk - (after - before) / learning_rate * variable)
        curvature = after / learning_rate + 2 * l2 + self.beta / learning_rate
        variable.assign((ops.clip(z, -l1, l1) - z) / curvature)
        s.assign(total)
