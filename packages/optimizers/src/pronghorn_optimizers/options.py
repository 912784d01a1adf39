"""What every optimizer accepts besides its own arguments, and does: clipping, accumulation, a moving average."""

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


def check_options(optimizer: Optimizer) -> None:
    """Raises ValueError where an option has no meaning, or two exclude each other."""
    name = type(optimizer).__name__
    clips = {key: getattr(optimizer, key) for key in ("clipnorm", "clipvalue", "global_clipnorm")}
    if len(given := {key: value for key, value in clips.items() if value is not None}) > 1:
        raise ValueError(f"{name}: only one of clipnorm, clipvalue and global_clipnorm can be set, got {given}")
    for key, value in given.items():
        if not value > 0:
            raise ValueError(f"{name}: {key} must be above 0, got {value!r}; leave it out for no clipping")
    if not 0 <= optimizer.ema_momentum <= 1:
        raise ValueError(f"{name}: ema_momentum must be from 0 to 1, got {optimizer.ema_momentum!r}")
    counts = {"ema_overwrite_frequency": 1, "gradient_accumulation_steps": 2}
    for key, least in counts.items():
        value = getattr(optimizer, key)
        if value is not None and (value != int(value) or value < least):
            raise ValueError(f"{name}: {key} must be None or a whole number of at least {least}, got {value!r}")


def clip(optimizer: Optimizer, grads: Sequence[Tensor]) -> list[Tensor]:
    """The gradients, limited as the optimizer's options say."""
    if optimizer.clipvalue is not None:
        return [ops.clip(g, -optimizer.clipvalue, optimizer.clipvalue) for g in grads]
    if optimizer.clipnorm is not None:
        return [g * _shrink(ops.sum(ops.square(g)), optimizer.clipnorm) for g in grads]
    if optimizer.global_clipnorm is not None:
        squares = [ops.cast(ops.sum(ops.square(g)), "float32") for g in grads]
        factor = _shrink(sum(squares[1:], squares[0]), optimizer.global_clipnorm)
        return [g * ops.cast(factor, g.dtype) for g in grads]
    return list(grads)


def _shrink(square: Tensor, largest: float) -> Tensor:
    """The factor that makes a norm, given its square, at most `largest`; NaN where the norm is not finite."""
    norm = ops.sqrt(square)
    return largest / ops.maximum(norm, largest) + (norm - norm)  # type: ignore[no-any-return]


def average(optimizer: Optimizer) -> None:
    """The moving average of the variables; the first step starts it at their values."""
    step = optimizer.iterations
    momentum = ops.where(ops.equal(step, 0), 0.0, optimizer.ema_momentum)
    overwrite = optimizer.ema_overwrite_frequency
    due = ops.equal((step + 1) % overwrite, 0) if overwrite else None
    for v, average in optimizer.moving_average_pairs():
        share = ops.cast(momentum, v.dtype)
        average.assign(share * average + (1 - share) * v)
        if due is not None:
            v.assign(ops.where(due, average, v))


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
