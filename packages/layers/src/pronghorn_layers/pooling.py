"""Pooling layers: over windows, and over all places at once."""

from __future__ import annotations

from typing import Any

from pronghorn import ops
from pronghorn.arguments import per_dimension
from pronghorn.tensor import Shape, Tensor
from pronghorn_layers.activation_layers import check_mask
from pronghorn_layers.spatial import Spatial


class _Pooling(Spatial):
    """A value for each window and channel."""

    def __init__(
        self,
        pool_size: Any = 2,
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, name=name, **kwargs)
        title = f"layer {self.name!r} ({type(self).__name__}): argument"
        self.pool_size = per_dimension(pool_size, self.rank, f"{title} `pool_size`")
        self.strides = self.pool_size if strides is None else per_dimension(strides, self.rank, f"{title} `strides`")
        self.padding = str(padding).lower()
        if self.padding not in ("valid", "same"):
            raise self.complaint(f"`padding` must be valid or same, got {padding!r}")
        self.built = True

    def output_sizes(self, sizes: Shape) -> Shape:
        return self.windows_over(sizes, self.pool_size, self.strides, self.padding)


class _MaxPooling(_Pooling):
    def call(self, inputs: Tensor) -> Any:
        return ops.max_pool(inputs, self.pool_size, self.strides, self.padding, self.data_format)


class _AveragePooling(_Pooling):
    def call(self, inputs: Tensor) -> Any:
        return ops.average_pool(inputs, self.pool_size, self.strides, self.padding, self.data_format)


class MaxPooling1D(_MaxPooling):
    """The maximum of each window.

    Inputs (batch, steps, channels), outputs (batch, windows, channels); with data_format "channels_first" the channels
    come second.

    Args:
        pool_size: the cells of a window.
        strides: from one window to the next, by default `pool_size`.
        padding: "valid" for whole windows only, "same" for ceil(steps / strides) of them; padding is never a maximum.
        data_format: "channels_last" or "channels_first"; by default that of the configuration.
    """

    rank = 1


class MaxPooling2D(_MaxPooling):
    """`MaxPooling1D` over images (batch, height, width, channels)."""

    rank = 2


class MaxPooling3D(_MaxPooling):
    """`MaxPooling1D` over volumes (batch, depth, height, width, channels)."""

    rank = 3


class AveragePooling1D(_AveragePooling):
    """The mean of each window, over the cells that are no padding. Arguments as in `MaxPooling1D`."""

    rank = 1


class AveragePooling2D(_AveragePooling):
    """`AveragePooling1D` over images."""

    rank = 2


class AveragePooling3D(_AveragePooling):
    """`AveragePooling1D` over volumes."""

    rank = 3


class _AdaptivePooling(Spatial):
    """A value for each of `output_size` bins along each dimension, which cover it and may overlap by one cell."""

    def __init__(self, output_size: Any, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format=data_format, **kwargs)
        title = f"layer {self.name!r} ({type(self).__name__}): argument `output_size`"
        self.output_size = per_dimension(output_size, self.rank, title)
        self.built = True

    def output_sizes(self, sizes: Shape) -> Shape:
        return self.output_size


class _AdaptiveAveragePooling(_AdaptivePooling):
    def call(self, inputs: Tensor) -> Any:
        return ops.adaptive_average_pool(inputs, self.output_size, self.data_format)


class _AdaptiveMaxPooling(_AdaptivePooling):
    def call(self, inputs: Tensor) -> Any:
        return ops.adaptive_max_pool(inputs, self.output_size, self.data_format)


class AdaptiveAveragePooling1D(_AdaptiveAveragePooling):
    """The mean of each of `output_size` bins of (batch, steps, channels): (batch, output_size, channels).

    Bin i goes from step i * steps // output_size to the ceiling of (i + 1) * steps / output_size.
    """

    rank = 1


class AdaptiveAveragePooling2D(_AdaptiveAveragePooling):
    """`AdaptiveAveragePooling1D` over images."""

    rank = 2


class AdaptiveAveragePooling3D(_AdaptiveAveragePooling):
    """`AdaptiveAveragePooling1D` over volumes."""

    rank = 3


class AdaptiveMaxPooling1D(_AdaptiveMaxPooling):
    """The maximum of each bin; bins as in `AdaptiveAveragePooling1D`."""

    rank = 1


class AdaptiveMaxPooling2D(_AdaptiveMaxPooling):
    """`AdaptiveMaxPooling1D` over images."""

    rank = 2


class AdaptiveMaxPooling3D(_AdaptiveMaxPooling):
    """`AdaptiveMaxPooling1D` over volumes."""

    rank = 3


class _GlobalPooling(Spatial):
    """One value for each channel: (batch, channels), or with `keepdims` spatial sizes of 1."""

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.keepdims = keepdims
        self.built = True

    def output_sizes(self, sizes: Shape) -> Shape:
        return (1,) * self.rank

    def compute_output_shape(self, input_shape: Any) -> Shape:
        shape = super().compute_output_shape(input_shape)
        return shape if self.keepdims else (shape[0], shape[self.channel_axis])


class _GlobalMaxPooling(_GlobalPooling):
    def call(self, inputs: Tensor) -> Any:
        return ops.max(inputs, axis=self.spatial_axes, keepdims=self.keepdims)


class _GlobalAveragePooling(_GlobalPooling):
    def call(self, inputs: Tensor) -> Any:
        return ops.mean(inputs, axis=self.spatial_axes, keepdims=self.keepdims)


class GlobalMaxPooling1D(_GlobalMaxPooling):
    """The maximum of each channel of (batch, steps, channels): (batch, channels), or (batch, 1, channels).

    `keepdims` keeps the steps, as one.
    """

    rank = 1


class GlobalMaxPooling2D(_GlobalMaxPooling):
    """`GlobalMaxPooling1D` over images."""

    rank = 2


class GlobalMaxPooling3D(_GlobalMaxPooling):
    """`GlobalMaxPooling1D` over volumes."""

    rank = 3


class GlobalAveragePooling1D(_GlobalAveragePooling):
    """The mean of each channel of (batch, steps, channels): (batch, channels), or (batch, 1, channels) with `keepdims`.

    Steps that a mask (batch, steps) leaves out do not count.
    """

    rank = 1

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any) -> None:
        super().__init__(data_format, keepdims, **kwargs)
        self.supports_masking = True

    def call(self, inputs: Tensor, mask: Any = None) -> Any:
        if mask is None:
            return super().call(inputs)
        check_mask(self, mask, (inputs.shape[0], *(inputs.shape[axis] for axis in self.spatial_axes)), inputs)
        kept = ops.expand_dims(ops.cast(mask, "bool"), self.channel_axis)
        total = ops.sum(ops.where(kept, inputs, 0), axis=self.spatial_axes, keepdims=self.keepdims)
        return total / ops.sum(ops.cast(kept, inputs.dtype), axis=self.spatial_axes, keepdims=self.keepdims)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        return None


class GlobalAveragePooling2D(_GlobalAveragePooling):
    """The mean of each channel of images (batch, height, width, channels)."""

    rank = 2


class GlobalAveragePooling3D(_GlobalAveragePooling):
    """`GlobalAveragePooling2D` over volumes."""

    rank = 3
