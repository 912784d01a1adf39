"""Every installed weight constraint, by name: `from pronghorn.constraints import MaxNorm`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pronghorn.identifiers import lookup
from pronghorn.plugins import facade

if TYPE_CHECKING:
    from pronghorn_layers.constraints import Constraint as Constraint
    from pronghorn_layers.constraints import MaxNorm as MaxNorm
    from pronghorn_layers.constraints import MaxNorm as max_norm
    from pronghorn_layers.constraints import MinMaxNorm as MinMaxNorm
    from pronghorn_layers.constraints import MinMaxNorm as min_max_norm
    from pronghorn_layers.constraints import NonNeg as NonNeg
    from pronghorn_layers.constraints import NonNeg as non_neg
    from pronghorn_layers.constraints import UnitNorm as UnitNorm
    from pronghorn_layers.constraints import UnitNorm as unit_norm

__getattr__, __dir__ = facade(__name__, "constraints")
get, serialize, deserialize = lookup("constraints")
