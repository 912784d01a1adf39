from collections.abc import Callable
from typing import Any

from pronghorn.policy import DTypePolicy as DTypePolicy
from pronghorn.policy import FloatDTypePolicy as FloatDTypePolicy
from pronghorn_layers.dtype_policies import DTypePolicyMap as DTypePolicyMap
from pronghorn_layers.dtype_policies import QuantizedDTypePolicy as AWQDTypePolicy
from pronghorn_layers.dtype_policies import QuantizedDTypePolicy as GPTQDTypePolicy
from pronghorn_layers.dtype_policies import QuantizedDTypePolicy as Int4DTypePolicy
from pronghorn_layers.dtype_policies import QuantizedDTypePolicy as QuantizedDTypePolicy
from pronghorn_layers.dtype_policies import QuantizedDTypePolicy as QuantizedFloat8DTypePolicy

get: Callable[..., Any]
serialize: Callable[..., Any]
deserialize: Callable[..., Any]
