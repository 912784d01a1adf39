"""Every installed regularizer, by name: `from pronghorn.regularizers import L2`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pronghorn.identifiers import lookup
from pronghorn.plugins import facade

if TYPE_CHECKING:
    from pronghorn_layers.regularizers import L1 as L1
    from pronghorn_layers.regularizers import L1 as l1
    from pronghorn_layers.regularizers import L1L2 as L1L2
    from pronghorn_layers.regularizers import L1L2 as l1_l2
    from pronghorn_layers.regularizers import L2 as L2
    from pronghorn_layers.regularizers import L2 as l2
    from pronghorn_layers.regularizers import OrthogonalRegularizer as OrthogonalRegularizer
    from pronghorn_layers.regularizers import OrthogonalRegularizer as orthogonal_regularizer
    from pronghorn_layers.regularizers import Regularizer as Regularizer

__getattr__, __dir__ = facade(__name__, "regularizers")
get, serialize, deserialize = lookup("regularizers")
