"""Spatial: the base of the layers over one to three spatial dimensions."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Sequence
from typing import Any, ClassVar

from pronghorn import config
from pronghorn.graph import Spec
from pronghorn.layer import InputSpec, Layer
from pronghorn.tensor import Shape, Tensor

_FOR_EACH = ("strides", "dilation_rate", "pool_size")
"""Arguments that have a value for each dimension."""


class Spatial(Layer):
    """Inputs are (batch, *spatial, channels), or (batch, channels, *spatial) with data_format "channels_first".

    A subclass says by `output_sizes` and `output_channels` what becomes of the shape.
    """

    rank: ClassVar[int]
    """The number of spatial dimensions."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """A default that is the same for all dimensions becomes one for each, as in Keras."""
        super().__init_subclass__(**kwargs)
        rank, shared = getattr(cls, "rank", 1), cls.__init__
        signature = inspect.signature(shared)
        parameters = [
            parameter.replace(default=(parameter.default,) * rank)
            if rank > 1 and name in _FOR_EACH and isinstance(parameter.default, int)
            else parameter
            for name, parameter in signature.parameters.items()
        ]
        if parameters != list(signature.parameters.values()):

            @functools.wraps(shared)
            def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
                shared(self, *args, **kwargs)

            __init__.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
            cls.__init__ = __init__  # type: ignore[method-assign]

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = config.standardize_data_format(data_format)
        self.input_spec = InputSpec(ndim=self.rank + 2)

    @property
    def channel_axis(self) -> int:
        """The axis of the channels: 1, or the last."""
        return 1 if self.data_format == "channels_first" else self.rank + 1

    @property
    def spatial_axes(self) -> tuple[int, ...]:
        """The axes between the batch and the channels, or after both."""
        first = 2 if self.data_format == "channels_first" else 1
        return tuple(range(first, first + self.rank))

    def arranged(self, batch: Any, sizes: Sequence[Any], channels: Any) -> tuple[Any, ...]:
        """One value for each axis, in the order of the data format."""
        return (batch, channels, *sizes) if self.data_format == "channels_first" else (batch, *sizes, channels)

    def output_sizes(self, sizes: Shape) -> Shape:
        """Spatial sizes of the outputs; unknown ones are None."""
        return sizes

    def output_channels(self, channels: int | None) -> int | None:
        """Channels of the outputs."""
        return channels

    def compute_output_shape(self, input_shape: Any) -> Shape:
        if len(input_shape) != self.rank + 2:
            raise ValueError(
                f"layer {self.name!r} ({type(self).__name__}): expected inputs of rank {self.rank + 2} (batch, "
                f"{self.rank} spatial dimensions, channels), got the shape {tuple(input_shape)}; reshape them"
            )
        sizes = self.output_sizes(tuple(input_shape[axis] for axis in self.spatial_axes))
        return self.arranged(input_shape[0], sizes, self.output_channels(input_shape[self.channel_axis]))

    def compute_output_spec(self, inputs: Tensor, mask: Any = None) -> Spec:
        return Spec(self.compute_output_shape(inputs.shape), self.compute_dtype)

    def complaint(self, text: str) -> ValueError:
        """An error that says which layer it is about."""
        return ValueError(f"layer {self.name!r} ({type(self).__name__}): {text}")

    def windows_over(self, sizes: Shape, extent: Sequence[int], strides: Sequence[int], padding: str) -> Shape:
        """How many windows there are along each dimension.

        Raises:
            ValueError: a dimension is smaller than a window.
        """
        if padding != "valid":
            return tuple(None if n is None else -(-n // s) for n, s in zip(sizes, strides, strict=True))
        if any(n is not None and n < k for n, k in zip(sizes, extent, strict=True)):
            raise self.complaint(
                f"the spatial sizes {sizes} are smaller than the windows, which extend over {tuple(extent)}; make the "
                f"windows smaller or pass padding='same'"
            )
        return tuple(None if n is None else (n - k) // s + 1 for n, k, s in zip(sizes, extent, strides, strict=True))
