"""Every installed schedule, by name: `from pronghorn.optimizers.schedules import CosineDecay`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pronghorn.identifiers import lookup
from pronghorn.plugins import facade

if TYPE_CHECKING:
    from pronghorn.optimizer import LearningRateSchedule as LearningRateSchedule
    from pronghorn_optimizers.schedules import CosineDecay as CosineDecay
    from pronghorn_optimizers.schedules import CosineDecayRestarts as CosineDecayRestarts
    from pronghorn_optimizers.schedules import ExponentialDecay as ExponentialDecay
    from pronghorn_optimizers.schedules import InverseTimeDecay as InverseTimeDecay
    from pronghorn_optimizers.schedules import PiecewiseConstantDecay as PiecewiseConstantDecay
    from pronghorn_optimizers.schedules import PolynomialDecay as PolynomialDecay

__getattr__, __dir__ = facade(__name__, "schedules", {"pronghorn.optimizer": "LearningRateSchedule"})
_, serialize, deserialize = lookup("schedules")
