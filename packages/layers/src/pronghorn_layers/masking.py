"""Masking: marks the steps of sequences that do not count."""

from __future__ import annotations

from typing import Any

from pronghorn import ops
from pronghorn.layer import Layer, set_mask
from pronghorn.tensor import Tensor


class Masking(Layer):
    """Masks, and zeroes, the steps all of whose features equal `mask_value`: inputs (batch, steps, features)."""

    def __init__(self, mask_value: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mask_value = mask_value
        self.supports_masking = True
        self.built = True

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Tensor:
        return ops.any(ops.not_equal(inputs, self.mask_value), axis=-1)

    def call(self, inputs: Tensor) -> Tensor:
        mask = self.compute_mask(inputs, None)
        outputs = ops.where(ops.expand_dims(mask, -1), inputs, 0.0)
        set_mask(outputs, mask)
        return outputs  # type: ignore[no-any-return]
