"""Muon."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pronghorn import ops
from pronghorn.optimizer import Optimizer
from pronghorn.tensor import Tensor, Variable


class Muon(Optimizer):
    """Momentum made orthogonal for matrices, AdamW for everything else (Jordan et al., "Muon", 2024).

    Of a matrix m = momentum · m + g; the update is g + momentum · m (m without `nesterov`), brought near an orthogonal
    matrix by the Newton-Schulz iteration x -> a · x + (b · A + c · A²) · x with A = x · xᵀ, and scaled by
    rms_rate · sqrt(max(rows, columns)) (https://arxiv.org/abs/2502.16982).

    Args:
        learning_rate: a number, schedule or function.
        adam_beta_1, adam_beta_2, epsilon: as in `Adam`, for what is no matrix.
        adam_weight_decay: of those variables; None for none.
        weight_decay: of the matrices; None for none.
        clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum, ema_overwrite_frequency, loss_scale_factor,
            gradient_accumulation_steps, name: as in `pronghorn.optimizers.Optimizer`.
        exclude_layers: regular expressions; matrices with one of them in their path are trained by AdamW.
        exclude_embeddings: whether matrices with "embedding" in their path are.
        muon_a, muon_b, muon_c: of the iteration.
        adam_lr_ratio: AdamW's learning rate over Muon's.
        momentum: see above.
        ns_steps: how often the iteration runs.
        nesterov: see above.
        rms_rate: see above; None does not scale.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        adam_beta_1: float = 0.9,
        adam_beta_2: float = 0.999,
        adam_weight_decay: float | None = 0.004,
        epsilon: float = 1e-7,
        weight_decay: float | None = 0.004,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
        exclude_layers: Sequence[str] | None = None,
        exclude_embeddings: bool = True,
        muon_a: float = 3.4445,
        muon_b: float = -4.775,
        muon_c: float = 2.0315,
        adam_lr_ratio: float = 1,
        momentum: float = 0.95,
        ns_steps: int = 5,
        nesterov: bool = True,
        rms_rate: float | None = 0.2,
    ) -> None:
        super().__init__(
            learning_rate,
            weight_decay,
            clipnorm,
            clipvalue,
            global_clipnorm,
            use_ema,
            ema_momentum,
            ema_overwrite_frequency,
            loss_scale_factor,
            gradient_accumulation_steps,
            name,
        )
        self.adam_beta_1 = adam_beta_1
        self.adam_beta_2 = adam_beta_2
        self.adam_weight_decay = adam_weight_decay
        self.epsilon = epsilon
        self.exclude_layers = list(exclude_layers or ())
        self.exclude_embeddings = exclude_embeddings
        self.muon_a = muon_a
        self.muon_b = muon_b
        self.muon_c = muon_c
        self.adam_lr_ratio = adam_lr_ratio
        self.momentum = momentum
        self.ns_steps = ns_steps
        self.nesterov = nesterov
        self.rms_rate = rms_rate

    def build(self, var_list: Sequence[Variable]) -> None:
        if self.built:
            return
        super().build(var_list)
        self.momentums: list[Variable] = []
        self.adam_velocities: list[Variable | None] = []
        for v in var_list:
            self.momentums.append(self.add_variable_from_reference(v, "momentum"))
            by_adam = self._by_adam(v)
            self.adam_velocities.append(self.add_variable_from_reference(v, "velocity") if by_adam else None)

    def _by_adam(self, variable: Variable) -> bool:
        """Whether a variable is trained by AdamW."""
        if variable.ndim != 2 or (self.exclude_embeddings and "embedding" in variable.path.lower()):
            return True
        return any(re.search(pattern, variable.path) for pattern in self.exclude_layers)

    def _decay_of(self, variable: Variable) -> float | None:
        return (
            self.adam_weight_decay
            if self._decays(variable) and self._by_adam(variable)
            else super()._decay_of(variable)
        )

    def update_step(self, gradient: Tensor, variable: Variable, learning_rate: Tensor) -> None:
        index = self._get_variable_index(variable)
        m, v = self.momentums[index], self.adam_velocities[index]
        if v is not None:
            m.assign(m + (gradient - m) * (1 - self.adam_beta_1))
            v.assign(v + (ops.square(gradient) - v) * (1 - self.adam_beta_2))
            rate = self.once(self._adam_rate, learning_rate)
            variable.assign(variable - m * rate / (ops.sqrt(v) + self.epsilon))
            return
        m.assign(m * self.momentum + gradient)
        update = self._orthogonal(gradient + m * self.momentum if self.nesterov else m.value)
        scale = 1.0 if self.rms_rate is None else self.rms_rate * max(variable.shape) ** 0.5
        variable.assign(variable - update * (learning_rate * scale))

    def _adam_rate(self, learning_rate: Tensor) -> Tensor:
        """AdamW's learning rate, corrected for averages that started at 0."""
        step = ops.cast(self.iterations + 1, learning_rate.dtype)
        second, first = (1 - ops.power(beta, step) for beta in (self.adam_beta_2, self.adam_beta_1))
        return learning_rate * self.adam_lr_ratio * ops.sqrt(second) / first  # type: ignore[no-any-return]

    def _orthogonal(self, x: Tensor) -> Tensor:
        """`x` with all singular values brought near 1."""
        tall = x.shape[0] > x.shape[1]  # type: ignore[operator]
        x = ops.transpose(x) if tall else x
        x = x / (ops.sqrt(ops.sum(ops.square(x))) + 1e-7)
        for _ in range(self.ns_steps):
            square = ops.matmul(x, ops.transpose(x))
            x = self.muon_a * x + ops.matmul(self.muon_b * square + self.muon_c * ops.matmul(square, square), x)
        return ops.transpose(x) if tall else x
