"""Learning rates that depend on the step, each a formula of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pronghorn import config, ops
from pronghorn.optimizer import LearningRateSchedule
from pronghorn.tensor import Tensor, convert_to_tensor


def _positive(owner: LearningRateSchedule, name: str, value: float) -> float:
    if not value > 0:
        raise ValueError(f"{type(owner).__name__}: {name} must be above 0, got {value!r}")
    return value


def _progress(step: Any, steps: float, staircase: bool = False) -> Tensor:
    """step / steps, rounded down for a staircase."""
    done = ops.cast(step, config.floatx()) / steps
    return ops.floor(done) if staircase else done


class ExponentialDecay(LearningRateSchedule):
    """initial_learning_rate · decay_rate^(step / decay_steps)

    Args:
        initial_learning_rate, decay_steps, decay_rate: see above.
        staircase: whether step / decay_steps is rounded down.
        name: of the schedule.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        decay_rate: float,
        staircase: bool = False,
        name: str = "ExponentialDecay",
    ) -> None:
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = _positive(self, "decay_steps", decay_steps)
        self.decay_rate = decay_rate
        self.staircase = staircase
        self.name = name

    def __call__(self, step: Any) -> Tensor:
        return self.initial_learning_rate * ops.power(  # type: ignore[no-any-return]
            self.decay_rate, _progress(step, self.decay_steps, self.staircase)
        )


class InverseTimeDecay(LearningRateSchedule):
    """initial_learning_rate / (1 + decay_rate · step / decay_steps)

    Args:
        initial_learning_rate, decay_steps, decay_rate: see above.
        staircase: whether step / decay_steps is rounded down.
        name: of the schedule.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        decay_rate: float,
        staircase: bool = False,
        name: str = "InverseTimeDecay",
    ) -> None:
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = _positive(self, "decay_steps", decay_steps)
        self.decay_rate = decay_rate
        self.staircase = staircase
        self.name = name

    def __call__(self, step: Any) -> Tensor:
        return self.initial_learning_rate / (1 + self.decay_rate * _progress(step, self.decay_steps, self.staircase))


class PiecewiseConstantDecay(LearningRateSchedule):
    """values[i] up to and including step boundaries[i], the last value after the last boundary.

    Args:
        boundaries: steps, rising.
        values: one more than boundaries.
        name: of the schedule.
    """

    def __init__(self, boundaries: Sequence[float], values: Sequence[float], name: str = "PiecewiseConstant") -> None:
        if len(boundaries) != len(values) - 1:
            raise ValueError(
                f"PiecewiseConstantDecay: {len(boundaries)} boundaries need {len(boundaries) + 1} values, "
                f"got {len(values)}"
            )
        if any(a >= b for a, b in zip(boundaries, boundaries[1:], strict=False)):
            raise ValueError(f"PiecewiseConstantDecay: boundaries must rise, got {list(boundaries)}")
        self.boundaries = list(boundaries)
        self.values = list(values)
        self.name = name

    def __call__(self, step: Any) -> Tensor:
        step = convert_to_tensor(step)
        rate = convert_to_tensor(self.values[-1], dtype=config.floatx())
        for boundary, value in reversed(list(zip(self.boundaries, self.values, strict=False))):
            rate = ops.where(step <= boundary, value, rate)
        return rate


class PolynomialDecay(LearningRateSchedule):
    """(initial_learning_rate - end_learning_rate) · (1 - step / decay_steps)^power + end_learning_rate

    Args:
        initial_learning_rate, decay_steps, end_learning_rate, power: see above.
        cycle: whether it starts again after `decay_steps`, over twice, three times … as many steps; otherwise
            it stays.
        name: of the schedule.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
        name: str = "PolynomialDecay",
    ) -> None:
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = _positive(self, "decay_steps", decay_steps)
        self.end_learning_rate = end_learning_rate
        self.power = power
        self.cycle = cycle
        self.name = name

    def __call__(self, step: Any) -> Tensor:
        done = _progress(step, self.decay_steps)
        done = done / ops.maximum(ops.ceil(done), 1.0) if self.cycle else ops.minimum(done, 1.0)
        span = self.initial_learning_rate - self.end_learning_rate
        return span * ops.power(1 - done, self.power) + self.end_learning_rate  # type: ignore[no-any-return]


class CosineDecay(LearningRateSchedule):
    """From a rate down to its share `alpha` along half a cosine (Loshchilov and Hutter, https://arxiv.org/abs/1608.03983).

    Args:
        initial_learning_rate: at step 0.
        decay_steps: length of the decay, after the warm-up.
        alpha: the last rate's share of the first.
        name: of the schedule.
        warmup_target: if given, the rate rises to it linearly over `warmup_steps` and decays from there.
        warmup_steps: see there.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        alpha: float = 0.0,
        name: str = "CosineDecay",
        warmup_target: float | None = None,
        warmup_steps: int = 0,
    ) -> None:
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = _positive(self, "decay_steps", decay_steps)
        self.alpha = alpha
        self.name = name
        self.warmup_target = warmup_target
        self.warmup_steps = warmup_steps

    def __call__(self, step: Any) -> Tensor:
        if self.warmup_target is None:
            return self.initial_learning_rate * self._share(_progress(step, self.decay_steps))
        after = ops.cast(step, config.floatx()) - self.warmup_steps
        decayed = self.warmup_target * self._share(after / self.decay_steps)
        if not self.warmup_steps:
            return decayed
        rise = (self.warmup_target - self.initial_learning_rate) * _progress(step, self.warmup_steps)
        return ops.where(after < 0, rise + self.initial_learning_rate, decayed)  # type: ignore[no-any-return]

    def _share(self, done: Tensor) -> Tensor:
        cosine = 0.5 * (1.0 + ops.cos(math.pi * ops.minimum(done, 1.0)))
        return (1 - self.alpha) * cosine + self.alpha  # type: ignore[no-any-return]


class CosineDecayRestarts(LearningRateSchedule):
    """Cosine decay that starts again (SGDR, Loshchilov and Hutter, https://arxiv.org/abs/1608.03983).

    Args:
        initial_learning_rate: at step 0.
        first_decay_steps: length of the first period.
        t_mul: each period's length over that of the one before.
        m_mul: each period's first rate over that of the one before.
        alpha: the lowest rate's share of `initial_learning_rate`.
        name: of the schedule.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: int,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
        name: str = "SGDRDecay",
    ) -> None:
        self.initial_learning_rate = initial_learning_rate
        self.first_decay_steps = _positive(self, "first_decay_steps", first_decay_steps)
        self.t_mul = t_mul
        self.m_mul = m_mul
        self.alpha = alpha
        self.name = name

    def __call__(self, step: Any) -> Tensor:
        done = _progress(step, self.first_decay_steps)
        if self.t_mul == 1:
            period = ops.floor(done)
            within = done - period
        else:
            period = ops.floor(ops.log(1.0 - done * (1.0 - self.t_mul)) / math.log(self.t_mul))
            stretch = ops.power(self.t_mul, period)
            within = (done - (1.0 - stretch) / (1.0 - self.t_mul)) / stretch
        cosine = 0.5 * ops.power(self.m_mul, period) * (1.0 + ops.cos(math.pi * within))
        return self.initial_learning_rate * ((1 - self.alpha) * cosine + self.alpha)  # type: ignore[no-any-return]
