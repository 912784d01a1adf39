"""Computing in 16 bits with variables in 32: `mixed_precision.set_global_policy("mixed_float16")`."""

from __future__ import annotations

from typing import Any

from pronghorn.policy import DTypePolicy as DTypePolicy
from pronghorn.policy import dtype_policy as dtype_policy
from pronghorn.policy import set_dtype_policy as set_dtype_policy

Policy = DTypePolicy
global_policy = dtype_policy
set_global_policy = set_dtype_policy


def __getattr__(name: str) -> Any:
    if name == "LossScaleOptimizer":
        from pronghorn import optimizers

        return optimizers.LossScaleOptimizer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
