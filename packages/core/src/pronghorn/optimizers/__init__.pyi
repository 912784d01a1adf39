from collections.abc import Callable
from typing import Any

from pronghorn.optimizer import Optimizer as Optimizer
from pronghorn.optimizers import schedules as schedules
from pronghorn_optimizers.adafactor import Adafactor as Adafactor
from pronghorn_optimizers.adam import Adam as Adam
from pronghorn_optimizers.adam import AdamW as AdamW
from pronghorn_optimizers.adam import Adamax as Adamax
from pronghorn_optimizers.adam import Nadam as Nadam
from pronghorn_optimizers.adaptive import Adadelta as Adadelta
from pronghorn_optimizers.adaptive import Adagrad as Adagrad
from pronghorn_optimizers.adaptive import Ftrl as Ftrl
from pronghorn_optimizers.lamb import Lamb as Lamb
from pronghorn_optimizers.lion import Lion as Lion
from pronghorn_optimizers.loss_scale import LossScaleOptimizer as LossScaleOptimizer
from pronghorn_optimizers.multi import MultiOptimizer as MultiOptimizer
from pronghorn_optimizers.multi import OptimizerMap as OptimizerMap
from pronghorn_optimizers.muon import Muon as Muon
from pronghorn_optimizers.rmsprop import RMSprop as RMSprop
from pronghorn_optimizers.schedule_free import ScheduleFreeAdamW as ScheduleFreeAdamW
from pronghorn_optimizers.sgd import SGD as SGD

get: Callable[..., Any]
serialize: Callable[..., Any]
deserialize: Callable[..., Any]
