"""Layers that disturb their inputs in training, and pass them on otherwise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pronghorn import random
from pronghorn.layer import InputSpec, Layer
from pronghorn.random import SeedGenerator
from pronghorn.tensor import Tensor


class Dropout(Layer):
    """In training, elements are zero with probability `rate` and else divided by 1 - rate (Srivastava et al., 2014).

    Args:
        rate: in [0, 1].
        noise_shape: the shape in which is drawn, and which broadcasts against the inputs; None in it takes their size.
        seed: an integer, for the same draws in each process.
    """

    def __init__(
        self, rate: float, noise_shape: Sequence[int | None] | None = None, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.rate = _rate(self, rate)
        self.noise_shape = noise_shape if noise_shape is None else tuple(noise_shape)
        self.seed = seed
        if self.rate > 0:
            self.seed_generator = SeedGenerator(seed)
        self.supports_masking = True
        self.built = True

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        if training and self.rate > 0:
            return random.dropout(inputs, self.rate, self._noise_shape(inputs), self.seed_generator)  # type: ignore[no-any-return]
        return inputs

    def _noise_shape(self, inputs: Tensor) -> tuple[int | None, ...] | None:
        return self.noise_shape


class _SpatialDropout(Dropout):
    """Drops whole channels."""

    rank: int

    def __init__(self, rate: float, data_format: str | None = None, seed: int | None = None, **kwargs: Any) -> None:
        from pronghorn import config

        super().__init__(rate, seed=seed, **kwargs)
        self.data_format = config.standardize_data_format(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def _noise_shape(self, inputs: Tensor) -> tuple[int | None, ...]:
        ones = (1,) * self.rank
        return (None, *ones, None) if self.data_format == "channels_last" else (None, None, *ones)


class SpatialDropout1D(_SpatialDropout):
    """Drops whole channels of (batch, steps, channels) (Tompson et al., 2014)."""

    rank = 1

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(rate, "channels_last", seed, **kwargs)


class SpatialDropout2D(_SpatialDropout):
    """Drops whole channels of images (Tompson et al., 2014)."""

    rank = 2


class SpatialDropout3D(_SpatialDropout):
    """Drops whole channels of volumes (Tompson et al., 2014)."""

    rank = 3


class GaussianDropout(Layer):
    """In training, multiplies by normal draws of mean 1 and variance rate / (1 - rate) (Srivastava et al., 2014)."""

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = _rate(self, rate)
        self.seed = seed
        if self.rate > 0:
            self.seed_generator = SeedGenerator(seed)
        self.supports_masking = True
        self.built = True

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        if training and self.rate > 0:
            stddev = math.sqrt(self.rate / (1 - self.rate))
            return inputs * random.normal(inputs.shape, 1.0, stddev, self.compute_dtype, self.seed_generator)
        return inputs


class GaussianNoise(Layer):
    """In training, adds normal draws of mean 0 and standard deviation `stddev`."""

    def __init__(self, stddev: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if stddev < 0:
            raise ValueError(f"layer {self.name!r} (GaussianNoise): `stddev` must not be negative, got {stddev}")
        self.stddev = stddev
        self.seed = seed
        if stddev > 0:
            self.seed_generator = SeedGenerator(seed)
        self.supports_masking = True
        self.built = True

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        if training and self.stddev > 0:
            return inputs + random.normal(inputs.shape, 0.0, self.stddev, self.compute_dtype, self.seed_generator)
        return inputs


def _rate(layer: Layer, rate: Any) -> float:
    if not isinstance(rate, (int, float)) or not 0 <= rate <= 1:
        raise ValueError(f"layer {layer.name!r} ({type(layer).__name__}): `rate` must be in [0, 1], got {rate!r}")
    return rate
