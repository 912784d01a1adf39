"""Layers that disturb their inputs in training, and pass them on otherwise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from pronghorn import config, ops, random
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
    """Drops whole channels: one draw for each sample and channel.

    Args:
        rate: in [0, 1].
        data_format: "channels_last" or "channels_first"; by default that of the configuration.
        seed: an integer, for the same draws in each process.
        name, dtype: as of every layer.
    """

    rank: ClassVar[int]

    def __init__(
        self,
        rate: float,
        data_format: str | None = None,
        seed: int | None = None,
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(rate, seed=seed, name=name, dtype=dtype, **kwargs)
        self.data_format = config.standardize_data_format(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def _noise_shape(self, inputs: Tensor) -> tuple[int | None, ...]:
        ones = (1,) * self.rank
        return (None, *ones, None) if self.data_format == "channels_last" else (None, None, *ones)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments as plain values; Keras's has no `trainable`, and the policy's name."""
        config = {key: value for key, value in super().get_config().items() if key != "trainable"}
        return {**config, "dtype": self.dtype_policy.name}


class SpatialDropout1D(_SpatialDropout):
    """In training, drops whole channels of (batch, steps, channels) (Tompson et al., 2014).

    Args:
        rate: in [0, 1].
        seed: an integer, for the same draws in each process.
        name, dtype: as of every layer.
    """

    rank = 1

    def __init__(
        self, rate: float, seed: int | None = None, name: str | None = None, dtype: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(rate, "channels_last", seed, name, dtype, **kwargs)


class SpatialDropout2D(_SpatialDropout):
    """In training, drops whole channels of images (Tompson et al., 2014); arguments as of `SpatialDropout3D`."""

    rank = 2


class SpatialDropout3D(_SpatialDropout):
    """In training, drops whole channels of volumes (Tompson et al., 2014).

    Args:
        rate: in [0, 1].
        data_format: "channels_last" or "channels_first"; by default that of the configuration.
        seed: an integer, for the same draws in each process.
        name, dtype: as of every layer.
    """

    rank = 3


class AlphaDropout(Dropout):
    """In training, elements take the value that selu tends to with probability `rate`; an affine function then gives
    inputs of mean 0 and variance 1 these moments again (Klambauer et al., 2017).

    Args:
        rate: in [0, 1).
        noise_shape: the shape in which is drawn, and which broadcasts against the inputs; None in it takes their size.
        seed: an integer, for the same draws in each process.
    """

    def __init__(
        self, rate: float, noise_shape: Sequence[int | None] | None = None, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(rate, noise_shape, seed, **kwargs)
        _rate(self, rate, less_than_one=True)

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        if not training or self.rate == 0:
            return inputs
        kept = random.dropout(ops.ones_like(inputs), self.rate, self.noise_shape, self.seed_generator) > 0
        scale = ((1 - self.rate) * (1 + self.rate * _SELU_LIMIT**2)) ** -0.5
        return scale * ops.where(kept, inputs, _SELU_LIMIT) - scale * _SELU_LIMIT * self.rate  # type: ignore[no-any-return]


_SELU_LIMIT = -1.6732632423543772 * 1.0507009873554805
"""selu(x) for x to minus infinity."""


class GaussianDropout(Layer):
    """In training, multiplies by normal draws of mean 1 and variance rate / (1 - rate) (Srivastava et al., 2014).

    Args:
        rate: in [0, 1).
        seed: an integer, for the same draws in each process.
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = _rate(self, rate, less_than_one=True)
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


def _rate(layer: Layer, rate: Any, less_than_one: bool = False) -> float:
    if not isinstance(rate, (int, float)) or not 0 <= rate <= 1 or (less_than_one and rate == 1):
        interval = "[0, 1)" if less_than_one else "[0, 1]"
        raise ValueError(f"layer {layer.name!r} ({type(layer).__name__}): `rate` must be in {interval}, got {rate!r}")
    return rate
