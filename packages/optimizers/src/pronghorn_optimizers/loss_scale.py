"""LossScaleOptimizer: keeps small gradients from becoming 0 in float16."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

from pronghorn import ops
from pronghorn.optimizer import Optimizer
from pronghorn.saving.registry import deserialize_keras_object
from pronghorn.tensor import Tensor, Variable


class LossScaleOptimizer(Optimizer):
    """Scales the loss up and the gradients down again, by a factor that adapts.

    A step whose gradients are not finite changes nothing but halves the factor; after many finite steps it doubles.
    Micikevicius et al., "Mixed precision training", https://arxiv.org/abs/1710.03740.

    Args:
        inner_optimizer: makes the updates; clipping, weight decay and the like are its options.
        initial_scale: the first factor.
        dynamic_growth_steps: finite steps in a row after which the factor doubles.
        name: of the optimizer.
    """

    def __init__(
        self,
        inner_optimizer: Optimizer,
        initial_scale: float = 2.0**15,
        dynamic_growth_steps: int = 2000,
        name: str | None = None,
    ) -> None:
        super().__init__(0.0, name=name)
        if inner_optimizer.loss_scale_factor is not None:
            raise ValueError(
                f"LossScaleOptimizer: {inner_optimizer.name!r} has a loss_scale_factor of its own, "
                f"{inner_optimizer.loss_scale_factor!r}; create it without"
            )
        self.inner_optimizer = inner_optimizer
        self.initial_scale = initial_scale
        self.dynamic_growth_steps = dynamic_growth_steps

    def build(self, var_list: Sequence[Variable]) -> None:
        if self.built:
            return
        self.step_counter = self.add_variable((), dtype="int64", name="step_counter")
        self.dynamic_scale = self.add_variable((), "ones", "float32", name="dynamic_scale")
        self.dynamic_scale.assign(self.initial_scale)
        self.inner_optimizer.build(var_list)
        super().build(var_list)

    @property
    def variables(self) -> list[Variable]:
        """The own state, then that of the inner optimizer."""
        return [*self._variables, *self.inner_optimizer.variables]

    @property
    def iterations(self) -> Any:
        """How many updates the inner optimizer made."""
        return self.inner_optimizer.iterations

    @property
    def learning_rate(self) -> Any:
        """That of the inner optimizer."""
        return self.inner_optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        self.inner_optimizer.learning_rate = value

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Variable] | None = None) -> None:
        """One step of the inner optimizer, unless a gradient is not finite."""
        grads = list(grads)
        variables = self._targets(grads, trainable_variables)
        self.note_settings()
        self.inner_optimizer.note_settings()

        def update() -> tuple[()]:
            factor = 1.0 / self.dynamic_scale
            unscaled = [None if g is None else g * ops.cast(factor, g.dtype) for g in grads]
            self.inner_optimizer.apply(unscaled, variables)
            grown = ops.equal(self.step_counter, self.dynamic_growth_steps - 1)
            self.step_counter.assign(ops.where(grown, 0, self.step_counter + 1))
            self.dynamic_scale.assign(ops.where(grown, self.dynamic_scale * 2.0, self.dynamic_scale))
            return ()

        def skip() -> tuple[()]:
            self.step_counter.assign(0)
            self.dynamic_scale.assign(self.dynamic_scale * 0.5)
            return ()

        ops.cond(self.check_finite(grads), update, skip)

    def check_finite(self, grads: Sequence[Any]) -> Tensor:
        """Whether no gradient holds NaN or infinity, a boolean scalar."""
        return ops.all(ops.stack([ops.all(ops.isfinite(g)) for g in grads if g is not None]))

    def scale_loss(self, loss: Any) -> Any:
        """The loss times the present factor."""
        factor: Tensor | float = self.dynamic_scale.value if self.built else self.initial_scale
        return loss * (factor if isinstance(factor, float) else ops.cast(factor, loss.dtype))

    def finalize_variable_values(self, var_list: Sequence[Variable]) -> None:
        """Replaces variables by the inner optimizer's moving averages, where it keeps them."""
        self.inner_optimizer.finalize_variable_values(var_list)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"name": self.name, **self._argument_config("name")}

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Self:
        """The optimizer that a config describes, without state."""
        inner = deserialize_keras_object(config["inner_optimizer"], custom_objects=custom_objects)
        return cls(**{**config, "inner_optimizer": inner})
