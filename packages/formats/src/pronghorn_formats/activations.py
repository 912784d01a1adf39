"""Activations that only earlier versions of Keras had."""

from __future__ import annotations

from typing import Any

from pronghorn import ops
from pronghorn.tensor import Tensor


def keras2_hard_sigmoid(x: Any) -> Tensor:
    """The `hard_sigmoid` of Keras 1 and 2, 0.2 x + 0.5 between 0 and 1; Keras 3's rises with x / 6."""
    return ops.clip(ops.add(ops.multiply(x, 0.2), 0.5), 0.0, 1.0)
