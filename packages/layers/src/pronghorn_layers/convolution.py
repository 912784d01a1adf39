"""Convolutional layers: dense, depthwise, separable and transposed, over one to three spatial dimensions."""

from __future__ import annotations

from typing import Any, ClassVar

from pronghorn import activations, constraints, initializers, ops, plugins, regularizers
from pronghorn.arguments import as_integer, per_dimension
from pronghorn.layer import InputSpec
from pronghorn.tensor import Shape, Tensor, Variable
from pronghorn_layers.lora import LowRank
from pronghorn_layers.spatial import Spatial


class _Convolution(Spatial):
    """What all of them have: windows, weights for each role ("kernel", "bias"), a bias and an activation."""

    paddings: ClassVar[tuple[str, ...]] = ("valid", "same")
    bias: Variable | None

    def __init__(
        self,
        kernel_size: Any,
        strides: Any,
        padding: str,
        data_format: str | None,
        dilation_rate: Any,
        activation: Any,
        use_bias: bool,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        title = f"layer {self.name!r} ({type(self).__name__}): argument"
        self.kernel_size = per_dimension(kernel_size, self.rank, f"{title} `kernel_size`")
        self.strides = per_dimension(strides, self.rank, f"{title} `strides`")
        self.dilation_rate = per_dimension(dilation_rate, self.rank, f"{title} `dilation_rate`")
        self.padding = str(padding).lower()
        if self.padding not in self.paddings:
            raise self.complaint(f"`padding` must be one of {', '.join(self.paddings)}, got {padding!r}")
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise self.complaint(
                f"strides {self.strides} and dilation_rate {self.dilation_rate} cannot both exceed 1; set one to 1"
            )
        self.activation = activations.get(activation)
        self.use_bias = use_bias

    def roles(self, **given: Any) -> None:
        """Sets ROLE_initializer, ROLE_regularizer and ROLE_constraint."""
        kinds = {"initializer": initializers, "regularizer": regularizers, "constraint": constraints}
        for name, value in given.items():
            setattr(self, name, kinds[name.rpartition("_")[2]].get(value))

    def weight(self, name: str, shape: tuple[int, ...], role: str) -> Variable:
        """A weight with what is set for its role."""
        return self.add_weight(
            shape=shape,
            initializer=getattr(self, f"{role}_initializer"),
            regularizer=getattr(self, f"{role}_regularizer"),
            constraint=getattr(self, f"{role}_constraint"),
            name=name,
        )

    def build(self, input_shape: Any) -> None:
        self.compute_output_shape(input_shape)
        channels = input_shape[self.channel_axis]
        if channels is None:
            raise self.complaint(
                f"the number of channels must be known, got the shape {tuple(input_shape)}; give Input a number there"
            )
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={self.channel_axis: channels})
        self.build_kernels(channels)
        filters = self.output_channels(channels)
        assert filters is not None
        self.bias = self.weight("bias", (filters,), "bias") if self.use_bias else None

    def build_kernels(self, channels: int) -> None:
        """Makes the weights before the bias."""
        raise NotImplementedError

    def convolve(self, inputs: Tensor, padding: str) -> Any:
        """The outputs without bias and activation."""
        raise NotImplementedError

    def call(self, inputs: Tensor) -> Any:
        padding = self.padding
        if padding == "causal":
            missing = (self.kernel_size[0] - 1) * self.dilation_rate[0]
            inputs, padding = ops.pad(inputs, self.arranged((0, 0), [(missing, 0)], (0, 0))), "valid"
        outputs = self.convolve(inputs, padding)
        if self.bias is not None:
            first = self.channel_axis == 1
            outputs = outputs + (ops.reshape(self.bias, (-1,) + (1,) * self.rank) if first else self.bias)
        return (self.activation or activations.linear)(outputs)

    def get_config(self) -> dict[str, Any]:
        return {"activity_regularizer": None, **super().get_config()}

    @property
    def extent(self) -> tuple[int, ...]:
        """From the first to the last cell of a window."""
        return tuple((k - 1) * d + 1 for k, d in zip(self.kernel_size, self.dilation_rate, strict=True))

    def output_sizes(self, sizes: Shape) -> Shape:
        return self.windows_over(sizes, self.extent, self.strides, self.padding)


class _Dense(LowRank, _Convolution):
    """Every filter sees all channels of its group: kernel (*kernel_size, channels / groups, filters)."""

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        adaptation = kwargs.pop("lora_rank", None), kwargs.pop("lora_alpha", None)
        super().__init__(
            kernel_size,
            strides,
            padding,
            data_format,
            dilation_rate,
            activation,
            use_bias,
            activity_regularizer=activity_regularizer,
            **kwargs,
        )
        self._adapt(*adaptation)
        title = f"layer {self.name!r} ({type(self).__name__}): argument"
        self.filters = as_integer(filters, f"{title} `filters`")
        self.groups = as_integer(groups, f"{title} `groups`")
        if self.filters % self.groups:
            raise self.complaint(f"`groups` {self.groups} must divide `filters` {self.filters}; change one of them")
        self.roles(
            kernel_initializer=kernel_initializer,
            kernel_regularizer=kernel_regularizer,
            kernel_constraint=kernel_constraint,
            bias_initializer=bias_initializer,
            bias_regularizer=bias_regularizer,
            bias_constraint=bias_constraint,
        )

    def output_channels(self, channels: int | None) -> int:
        return self.filters

    def build_kernels(self, channels: int) -> None:
        if channels % self.groups:
            raise self.complaint(f"`groups` {self.groups} must divide the {channels} channels of the inputs")
        self._kernel = self.weight("kernel", (*self.kernel_size, channels // self.groups, self.filters), "kernel")

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        self._begin_adapted()

    @property
    def kernel(self) -> Any:
        """The kernel: a variable, or the sum that LoRA puts in its place."""
        return self._adapted_weight()

    def convolve(self, inputs: Tensor, padding: str) -> Any:
        return ops.conv(inputs, self.kernel, self.strides, padding, self.data_format, self.dilation_rate)


class Conv1D(_Dense):
    """activation(conv(inputs, kernel) + bias) over sequences.

    Inputs (batch, steps, channels), outputs (batch, windows, filters); with data_format "channels_first" the channels
    come second.

    Args:
        filters: the number of outputs at each place.
        kernel_size: the cells of a window.
        strides: from one window to the next.
        padding: "valid" for none; "same" for ceil(steps / strides) windows; "causal" for as many, none of which sees
            later steps.
        data_format: "channels_last" or "channels_first"; by default that of the configuration.
        dilation_rate: from one cell of a window to the next.
        groups: into how many parts channels and filters are divided, each with a convolution of its own.
        activation: a name or function, None for none.
        use_bias: whether there is a bias.
        kernel_initializer, bias_initializer: of the kernel (kernel_size, channels / groups, filters) and the
            bias (filters,).
        kernel_regularizer, bias_regularizer, activity_regularizer: penalties on them, and on the outputs.
        kernel_constraint, bias_constraint: projections after each update.
        lora_rank, lora_alpha: the kernel is frozen and adapted, see `enable_lora`.
    """

    rank = 1
    paddings = ("valid", "same", "causal")


class Conv2D(_Dense):
    """activation(conv(inputs, kernel) + bias) over images (batch, height, width, channels), as in `Conv1D`.

    Sizes, strides and dilations are a number for both dimensions, or one for each; no padding "causal".
    """

    rank = 2


class Conv3D(_Dense):
    """activation(conv(inputs, kernel) + bias) over volumes (batch, depth, height, width, channels); see `Conv2D`."""

    rank = 3


class _Depthwise(_Convolution):
    """Each channel has filters of its own: kernel (*kernel_size, channels, depth_multiplier)."""

    kernel: Variable

    def __init__(
        self,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            kernel_size,
            strides,
            padding,
            data_format,
            dilation_rate,
            activation,
            use_bias,
            activity_regularizer=activity_regularizer,
            **kwargs,
        )
        title = f"layer {self.name!r} ({type(self).__name__}): argument"
        self.depth_multiplier = as_integer(depth_multiplier, f"{title} `depth_multiplier`")
        self.roles(
            depthwise_initializer=depthwise_initializer,
            depthwise_regularizer=depthwise_regularizer,
            depthwise_constraint=depthwise_constraint,
            bias_initializer=bias_initializer,
            bias_regularizer=bias_regularizer,
            bias_constraint=bias_constraint,
        )

    def output_channels(self, channels: int | None) -> int | None:
        return None if channels is None else channels * self.depth_multiplier

    def build_kernels(self, channels: int) -> None:
        self.kernel = self.weight("kernel", (*self.kernel_size, channels, self.depth_multiplier), "depthwise")

    def convolve(self, inputs: Tensor, padding: str) -> Any:
        return ops.depthwise_conv(inputs, self.kernel, self.strides, padding, self.data_format, self.dilation_rate)


class DepthwiseConv1D(_Depthwise):
    """Convolves each channel alone, with `depth_multiplier` filters: output c * depth_multiplier + m is of channel c.

    Other arguments as in `Conv1D`; the kernel's are called depthwise_initializer, depthwise_regularizer and
    depthwise_constraint.
    """

    rank = 1


class DepthwiseConv2D(_Depthwise):
    """`DepthwiseConv1D` over images."""

    rank = 2


class _Separable(_Convolution):
    """A depthwise convolution, then one of window 1 that mixes the channels (Chollet, 2017)."""

    depthwise_kernel: Variable
    pointwise_kernel: Variable

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        pointwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            kernel_size,
            strides,
            padding,
            data_format,
            dilation_rate,
            activation,
            use_bias,
            activity_regularizer=activity_regularizer,
            **kwargs,
        )
        title = f"layer {self.name!r} ({type(self).__name__}): argument"
        self.filters = as_integer(filters, f"{title} `filters`")
        self.depth_multiplier = as_integer(depth_multiplier, f"{title} `depth_multiplier`")
        self.roles(
            depthwise_initializer=depthwise_initializer,
            depthwise_regularizer=depthwise_regularizer,
            depthwise_constraint=depthwise_constraint,
            pointwise_initializer=pointwise_initializer,
            pointwise_regularizer=pointwise_regularizer,
            pointwise_constraint=pointwise_constraint,
            bias_initializer=bias_initializer,
            bias_regularizer=bias_regularizer,
            bias_constraint=bias_constraint,
        )

    def output_channels(self, channels: int | None) -> int:
        return self.filters

    def build_kernels(self, channels: int) -> None:
        depthwise = (*self.kernel_size, channels, self.depth_multiplier)
        pointwise = (*[1] * self.rank, channels * self.depth_multiplier, self.filters)
        self.depthwise_kernel = self.weight("depthwise_kernel", depthwise, "depthwise")
        self.pointwise_kernel = self.weight("pointwise_kernel", pointwise, "pointwise")

    def convolve(self, inputs: Tensor, padding: str) -> Any:
        kernels = self.depthwise_kernel, self.pointwise_kernel
        return ops.separable_conv(inputs, *kernels, self.strides, padding, self.data_format, self.dilation_rate)


class SeparableConv1D(_Separable):
    """A depthwise convolution with `depth_multiplier` filters for each channel, then `filters` mixtures of all of them.

    Weights are the depthwise kernel, the pointwise kernel and the bias. Other arguments as in `Conv1D`, with an
    initializer, regularizer and constraint for each kernel.
    """

    rank = 1


class SeparableConv2D(_Separable):
    """`SeparableConv1D` over images."""

    rank = 2


class _Transposed(_Convolution):
    """The gradient of a convolution as a layer: kernel (*kernel_size, filters, channels)."""

    kernel: Variable

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        output_padding: Any = None,
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            kernel_size,
            strides,
            padding,
            data_format,
            dilation_rate,
            activation,
            use_bias,
            activity_regularizer=activity_regularizer,
            **kwargs,
        )
        title = f"layer {self.name!r} ({type(self).__name__}): argument"
        self.filters = as_integer(filters, f"{title} `filters`")
        self.output_padding = output_padding
        if output_padding is not None:
            self.output_padding = per_dimension(output_padding, self.rank, f"{title} `output_padding`", 0)
            if any(p >= s for p, s in zip(self.output_padding, self.strides, strict=True)):
                raise self.complaint(
                    f"`output_padding` {self.output_padding} must be smaller than `strides` {self.strides}"
                )
        self.roles(
            kernel_initializer=kernel_initializer,
            kernel_regularizer=kernel_regularizer,
            kernel_constraint=kernel_constraint,
            bias_initializer=bias_initializer,
            bias_regularizer=bias_regularizer,
            bias_constraint=bias_constraint,
        )

    def output_channels(self, channels: int | None) -> int:
        return self.filters

    def output_sizes(self, sizes: Shape) -> Shape:
        transposed_sizes = plugins.load("utils", "primitives.transposed_sizes")
        return transposed_sizes(sizes, self.extent, self.strides, self.padding, self.output_padding)  # type: ignore[no-any-return]

    def build_kernels(self, channels: int) -> None:
        self.kernel = self.weight("kernel", (*self.kernel_size, self.filters, channels), "kernel")

    def convolve(self, inputs: Tensor, padding: str) -> Any:
        places = self.strides, padding, self.output_padding, self.data_format, self.dilation_rate
        return ops.conv_transpose(inputs, self.kernel, *places)


class Conv1DTranspose(_Transposed):
    """Spreads each step over a window: what a `Conv1D` of the same arguments does to gradients of its outputs.

    Args:
        output_padding: cells added at the end of the outputs, fewer than the strides; None for as many as make
            strides * steps with padding "same", and with "valid" all that windows cover.

    Others as in `Conv1D`; the kernel is (kernel_size, filters, channels).
    """

    rank = 1


class Conv2DTranspose(_Transposed):
    """`Conv1DTranspose` over images."""

    rank = 2


class Conv3DTranspose(_Transposed):
    """`Conv1DTranspose` over volumes; `data_format` comes before `output_padding` here."""

    rank = 3

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        output_padding: Any = None,
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            filters,
            kernel_size,
            strides,
            padding,
            output_padding,
            data_format,
            dilation_rate,
            activation,
            use_bias,
            kernel_initializer,
            bias_initializer,
            kernel_regularizer,
            bias_regularizer,
            activity_regularizer,
            kernel_constraint,
            bias_constraint,
            **kwargs,
        )
