"""Initializer, the base of what gives variables their first values, and the three that layers cannot do without."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

from pronghorn.configurable import Configurable
from pronghorn.dtypes import standardize
from pronghorn.tensor import Tensor


class Initializer(Configurable):
    """Makes a tensor of a given shape. A subclass writes `__call__`."""

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        """A tensor of `shape` and `dtype` (floatx by default)."""
        raise NotImplementedError(f"{type(self).__name__} has no __call__(shape, dtype)")

    def clone(self) -> Self:
        """Another one, made with the same arguments."""
        return type(self).from_config(self.get_config())


class RandomInitializer(Initializer):
    """Base of the initializers that draw.

    Args:
        seed: an int, or None for one drawn at construction: either way each call gives the same values for the same
            shape. A `SeedGenerator` (or its config) advances from call to call.
    """

    def __init__(self, seed: Any = None) -> None:
        if isinstance(seed, Mapping):
            from pronghorn.saving.registry import deserialize_keras_object

            seed = deserialize_keras_object(seed)
        from pronghorn import random

        self.seed = seed
        self._seed = random.make_default_seed() if seed is None else seed


class Zeros(Initializer):
    """All zeros."""

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        from pronghorn import ops

        return ops.zeros(shape, dtype=standardize(dtype))


class Ones(Initializer):
    """All ones."""

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        from pronghorn import ops

        return ops.ones(shape, dtype=standardize(dtype))


class GlorotUniform(RandomInitializer):
    """Uniform in ±sqrt(6 / (fan_in + fan_out)).

    Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS 2010.

    Args:
        seed: see `RandomInitializer`.
        input_axes, output_axes: the axes of the shape that make the fans; by default see `compute_fans`.
    """

    def __init__(
        self, seed: Any = None, input_axes: Sequence[int] | None = None, output_axes: Sequence[int] | None = None
    ) -> None:
        super().__init__(seed)
        self.input_axes = input_axes
        self.output_axes = output_axes

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        from pronghorn import random

        fan_in, fan_out = compute_fans(shape, self.input_axes, self.output_axes)
        limit = (6 / max(1, fan_in + fan_out)) ** 0.5
        return random.uniform(shape, -limit, limit, dtype=standardize(dtype), seed=self._seed)


def compute_fans(
    shape: Sequence[int], input_axes: Sequence[int] | None = None, output_axes: Sequence[int] | None = None
) -> tuple[int, int]:
    """The numbers of inputs and outputs of one unit (fan_in, fan_out) of a weight.

    A matrix is (in, out); with more dimensions it is a convolution kernel (…, in, out), whose leading
    dimensions are the receptive field. Given axes win.
    """
    shape = tuple(shape)
    if input_axes is not None and output_axes is not None:
        return _product(shape[axis] for axis in input_axes), _product(shape[axis] for axis in output_axes)
    if len(shape) < 2:
        return (shape[0], shape[0]) if shape else (1, 1)
    receptive_field = _product(shape[:-2])
    return shape[-2] * receptive_field, shape[-1] * receptive_field


def _product(sizes: Any) -> int:
    total = 1
    for size in sizes:
        total *= int(size)
    return total
