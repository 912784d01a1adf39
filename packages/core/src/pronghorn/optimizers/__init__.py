"""Every installed optimizer, by name: `from pronghorn.optimizers import Adam`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pronghorn.identifiers import lookup
from pronghorn.optimizers import schedules as schedules
from pronghorn.plugins import facade

if TYPE_CHECKING:
    from pronghorn.optimizer import Optimizer as Optimizer

__getattr__, __dir__ = facade(__name__, "optimizers", {"pronghorn.optimizer": "Optimizer"})
get, serialize, deserialize = lookup("optimizers")
