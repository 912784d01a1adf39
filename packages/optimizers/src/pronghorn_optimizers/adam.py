"""Adam and the rules derived from it: AdamW, Adamax, Nadam."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Unpack

from pronghorn import ops
from pronghorn.tensor import Tensor, Variable
from pronghorn_optimizers.moments import Moments
from pronghorn_optimizers.options import OptimizerOptions, OptimizerOptionsWithoutDecay


class Adam(Moments):
    """Moving averages of the gradient and of its square (Kingma and Ba, "Adam", https://arxiv.org/abs/1412.6980).

    m += (1 - beta_1) · (g - m), v += (1 - beta_2) · (g² - v), and with
    a = learning_rate · sqrt(1 - beta_2^t) / (1 - beta_1^t) at step t: w -= a · m / (sqrt(v) + epsilon).

    Args:
        learning_rate: a number, schedule or function.
        beta_1: the share of its old value in the average of the gradient.
        beta_2: the same for its square.
        epsilon: the paper's "epsilon hat": added to the root, not corrected for the start. Weights that are float16
            themselves (policy "float16", not "mixed_float16") need 1e-3 or so: v of a small gradient is 0 there, and a
            step over 1e-7 is infinite, as in Keras.
        amsgrad: whether the largest v so far is used (Reddi et al., https://arxiv.org/abs/1904.09237).
        options: as in `pronghorn.optimizers.Optimizer`.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **options: Unpack[OptimizerOptions],
    ) -> None:
        super().__init__(learning_rate, beta_1, beta_2, epsilon, **options)
        self.amsgrad = amsgrad

    def build(self, var_list: Sequence[Variable]) -> None:
        if self.built:
            return
        super().build(var_list)
        self._largest = self.add_optimizer_variables(var_list, "velocity_hat") if self.amsgrad else []

    def update_step(self, gradient: Tensor, variable: Variable, learning_rate: Tensor) -> None:
        m, v = self.first(gradient, variable), self.second(gradient, variable)
        if self.amsgrad:
            largest = self._largest[self._get_variable_index(variable)]
            largest.assign(ops.maximum(largest, v))
            v = largest
        rate = self.once(self._corrected, learning_rate)
        variable.assign(variable - m * rate / (ops.sqrt(v) + self.epsilon))

    def _corrected(self, learning_rate: Tensor) -> Tensor:
        """The learning rate, corrected for averages that started at 0."""
        step = ops.cast(self.iterations + 1, learning_rate.dtype)
        return learning_rate * ops.sqrt(1 - ops.power(self.beta_2, step)) / (1 - ops.power(self.beta_1, step))  # type: ignore[no-any-return]


class AdamW(Adam):
    """Adam with weight decay apart from the gradient (Loshchilov and Hutter, https://arxiv.org/abs/1711.05101).

    Args:
        learning_rate: a number, schedule or function.
        weight_decay: w -= learning_rate · weight_decay · w before the update.
        beta_1, beta_2, epsilon, amsgrad: as in `Adam`.
        options: as in `pronghorn.optimizers.Optimizer`.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **options: Unpack[OptimizerOptionsWithoutDecay],
    ) -> None:
        if weight_decay is None:
            raise ValueError("AdamW: weight_decay must be a number; use Adam for no weight decay")
        super().__init__(learning_rate, beta_1, beta_2, epsilon, amsgrad, weight_decay=weight_decay, **options)


class Adamax(Moments):
    """Adam in the infinity norm.

    m as there, u = max(beta_2 · u, |g|), w -= learning_rate / (1 - beta_1^t) · m / (u + epsilon).

    Kingma and Ba, "Adam", section 7, https://arxiv.org/abs/1412.6980.

    Args:
        learning_rate: a number, schedule or function.
        beta_1, beta_2, epsilon: see above.
        options: as in `pronghorn.optimizers.Optimizer`.
    """

    slots: ClassVar[tuple[str, str]] = ("momentum", "norm")

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
        m, u = self.first(gradient, variable), self._velocities[self._get_variable_index(variable)]
        u.assign(ops.maximum(self.beta_2 * u, ops.absolute(gradient)))
        variable.assign(variable - m * self.once(self._corrected, learning_rate) / (u + self.epsilon))

    def _corrected(self, learning_rate: Tensor) -> Tensor:
        step = ops.cast(self.iterations + 1, learning_rate.dtype)
        return learning_rate / (1 - ops.power(self.beta_1, step))  # type: ignore[no-any-return]


class Nadam(Moments):
    """Adam with Nesterov momentum on a schedule (Dozat, "Incorporating Nesterov momentum into Adam", 2016).

    At step t the momentum is u(t) = beta_1 · (1 - ½ · 0.96^t), and U(t) the product of all up to t:
    w -= learning_rate · (u(t+1) · m / (1 - U(t+1)) + (1 - u(t)) · g / (1 - U(t))) / (sqrt(v / (1 - beta_2^t))
    + epsilon).

    Args:
        learning_rate: a number, schedule or function.
        beta_1, beta_2, epsilon: m, v and the rest as in `Adam`.
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

    def build(self, var_list: Sequence[Variable]) -> None:
        if self.built:
            return
        super().build(var_list)
        self._product = self.add_variable((), "ones", var_list[0].dtype if var_list else None, name="u_product")

    def update_step(self, gradient: Tensor, variable: Variable, learning_rate: Tensor) -> None:
        m, v = self.first(gradient, variable), self.second(gradient, variable)
        of_m, of_gradient, of_v = (self.once(ops.cast, x, variable.dtype) for x in self.once(self._factors))
        direction = m * of_m + gradient * of_gradient
        variable.assign(variable - direction * learning_rate / (ops.sqrt(v * of_v) + self.epsilon))

    def _factors(self) -> tuple[Tensor, Tensor, Tensor]:
        """Of m, of the gradient and of v; advances the product of the momentums."""
        step = ops.cast(self.iterations + 1, self._product.dtype)
        now, following = (self.beta_1 * (1.0 - 0.5 * ops.power(0.96, t)) for t in (step, step + 1))
        product = self._product * now
        self._product.assign(product)
        return (
            following / (1 - product * following),
            (1 - now) / (1 - product),
            1 / (1 - ops.power(self.beta_2, step)),
        )
