from collections.abc import Callable
from typing import Any

from pronghorn_layers.regularizers import L1 as L1
from pronghorn_layers.regularizers import L1 as l1
from pronghorn_layers.regularizers import L1L2 as L1L2
from pronghorn_layers.regularizers import L1L2 as l1_l2
from pronghorn_layers.regularizers import L2 as L2
from pronghorn_layers.regularizers import L2 as l2
from pronghorn_layers.regularizers import OrthogonalRegularizer as OrthogonalRegularizer
from pronghorn_layers.regularizers import OrthogonalRegularizer as orthogonal_regularizer
from pronghorn_layers.regularizers import Regularizer as Regularizer

get: Callable[..., Any]
serialize: Callable[..., Any]
deserialize: Callable[..., Any]
