from collections.abc import Callable
from typing import Any

from pronghorn.optimizer import LearningRateSchedule as LearningRateSchedule
from pronghorn_optimizers.schedules import CosineDecay as CosineDecay
from pronghorn_optimizers.schedules import CosineDecayRestarts as CosineDecayRestarts
from pronghorn_optimizers.schedules import ExponentialDecay as ExponentialDecay
from pronghorn_optimizers.schedules import InverseTimeDecay as InverseTimeDecay
from pronghorn_optimizers.schedules import PiecewiseConstantDecay as PiecewiseConstantDecay
from pronghorn_optimizers.schedules import PolynomialDecay as PolynomialDecay

serialize: Callable[..., Any]
deserialize: Callable[..., Any]
