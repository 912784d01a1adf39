from collections.abc import Callable
from typing import Any

from pronghorn_layers.constraints import Constraint as Constraint
from pronghorn_layers.constraints import MaxNorm as MaxNorm
from pronghorn_layers.constraints import MaxNorm as max_norm
from pronghorn_layers.constraints import MinMaxNorm as MinMaxNorm
from pronghorn_layers.constraints import MinMaxNorm as min_max_norm
from pronghorn_layers.constraints import NonNeg as NonNeg
from pronghorn_layers.constraints import NonNeg as non_neg
from pronghorn_layers.constraints import UnitNorm as UnitNorm
from pronghorn_layers.constraints import UnitNorm as unit_norm

get: Callable[..., Any]
serialize: Callable[..., Any]
deserialize: Callable[..., Any]
