"""Every installed schedule, by name: `from pronghorn.optimizers.schedules import CosineDecay`."""

from pronghorn.identifiers import lookup
from pronghorn.plugins import facade

__getattr__, __dir__ = facade(__name__, "schedules", {"pronghorn.optimizer": "LearningRateSchedule"})
_, serialize, deserialize = lookup("schedules")
