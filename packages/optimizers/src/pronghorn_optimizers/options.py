"""What every optimizer accepts besides its own arguments, and the accumulation of gradients over steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from pronghorn import ops
from pronghorn.optimizer import Optimizer
from pronghorn.tensor import Tensor, Variable


class OptimizerOptionsWithoutDecay(TypedDict, total=False):
    """What every optimizer accepts besides weight decay and its own; `Optimizer` explains them."""

    clipnorm: float | None
    clipvalue: float | None
    global_clipnorm: float | None
    use_ema: bool
    ema_momentum: float
    ema_overwrite_frequency: int | None
    loss_scale_factor: float | None
    gradient_accumulation_steps: int | None
    name: str | None


class OptimizerOptions(OptimizerOptionsWithoutDecay, total=False):
    """What every optimizer accepts besides its own; `Optimizer` explains them."""

    weight_decay: float | None


def accumulate(optimizer: Optimizer, grads: Sequence[Tensor], variables: Sequence[Variable]) -> None:
    """Adds gradients up; every `gradient_accumulation_steps`-th time updates by their mean."""
    steps = optimizer.gradient_accumulation_steps or 1
    sums = [optimizer._accumulators[optimizer._get_variable_index(v)] for v in variables]

    def update() -> tuple[()]:
        optimizer._update([(g + total) * (1 / steps) for g, total in zip(grads, sums, strict=True)], variables)
        for total in sums:
            total.assign(ops.zeros_like(total))
        return ()

    def add() -> tuple[()]:
        for g, total in zip(grads, sums, strict=True):
            total.assign(total + g)
        return ()

    ops.cond(ops.equal((optimizer._iterations + 1) % steps, 0), update, add)
