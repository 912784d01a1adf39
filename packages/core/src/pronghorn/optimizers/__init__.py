"""Every installed optimizer, by name: `from pronghorn.optimizers import Adam`."""

from pronghorn.identifiers import lookup
from pronghorn.optimizers import schedules as schedules
from pronghorn.plugins import facade

__getattr__, __dir__ = facade(__name__, "optimizers", {"pronghorn.optimizer": "Optimizer"})
get, serialize, deserialize = lookup("optimizers")
