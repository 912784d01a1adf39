"""Layers that bring activations to mean 0 and variance 1, or to length 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pronghorn import constraints, dtypes, initializers, ops, regularizers
from pronghorn.arguments import as_integer
from pronghorn.layer import InputSpec, Layer
from pronghorn.ops.axes import many
from pronghorn.tensor import Tensor, Variable
from pronghorn_layers.activation_layers import check_mask


class _Normalization(Layer):
    """Base of layers that normalize and then scale by gamma and shift by beta.

    gamma and beta are read in their own dtype: the layer computes in at least float32 under any policy.
    """

    def __init__(
        self,
        axis: Any,
        epsilon: float,
        center: bool,
        scale: bool,
        beta_initializer: Any,
        gamma_initializer: Any,
        beta_regularizer: Any,
        gamma_regularizer: Any,
        beta_constraint: Any,
        gamma_constraint: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.axis = axis
        self.epsilon = epsilon
        self.center = center
        self.scale = scale
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.beta_regularizer = regularizers.get(beta_regularizer)
        self.gamma_regularizer = regularizers.get(gamma_regularizer)
        self.beta_constraint = constraints.get(beta_constraint)
        self.gamma_constraint = constraints.get(gamma_constraint)
        self.gamma: Variable | None = None
        self.beta: Variable | None = None
        self.supports_masking = True

    def _add_gamma_and_beta(self, shape: tuple[int, ...], scale: bool, center: bool) -> None:
        if scale:
            self.gamma = self.add_weight(
                shape=shape,
                initializer=self.gamma_initializer,
                regularizer=self.gamma_regularizer,
                constraint=self.gamma_constraint,
                autocast=False,
                name="gamma",
            )
        if center:
            self.beta = self.add_weight(
                shape=shape,
                initializer=self.beta_initializer,
                regularizer=self.beta_regularizer,
                constraint=self.beta_constraint,
                autocast=False,
                name="beta",
            )

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape


class BatchNormalization(_Normalization):
    """(inputs - mean) / sqrt(variance + epsilon) * gamma + beta, per channel (Ioffe and Szegedy, 2015).

    In training, mean and variance are those of the batch, and the moving statistics follow them:
    moving = momentum * moving + (1 - momentum) * batch, with the biased variance. Otherwise, also in training when the
    layer's `trainable` is False, they are the moving statistics. Steps that are masked do not count.

    Args:
        axis: the channels.
        momentum: of the moving statistics.
        epsilon: added to the variance.
        center, scale: whether there are beta and gamma.
        beta_initializer, gamma_initializer, moving_mean_initializer, moving_variance_initializer: first values.
        beta_regularizer, gamma_regularizer, beta_constraint, gamma_constraint: of the trained variables.
        renorm, renorm_clipping, renorm_momentum, synchronized: not supported.
    """

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        renorm: bool = False,
        renorm_clipping: Any = None,
        renorm_momentum: float = 0.99,
        synchronized: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            _axis(axis, "BatchNormalization"),
            epsilon,
            center,
            scale,
            beta_initializer,
            gamma_initializer,
            beta_regularizer,
            gamma_regularizer,
            beta_constraint,
            gamma_constraint,
            **kwargs,
        )
        if renorm or renorm_clipping is not None or renorm_momentum != 0.99 or synchronized:
            raise NotImplementedError(
                f"layer {self.name!r} (BatchNormalization): renorm and synchronized are not supported; leave out "
                f"renorm, renorm_clipping, renorm_momentum and synchronized"
            )
        self.momentum = momentum
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)

    def build(self, input_shape: Any) -> None:
        channels = _sizes(self, input_shape, self.axis)
        self._add_gamma_and_beta(channels, self.scale, self.center)
        self.moving_mean = self.add_weight(
            shape=channels,
            initializer=self.moving_mean_initializer,
            trainable=False,
            autocast=False,
            name="moving_mean",
        )
        self.moving_variance = self.add_weight(
            shape=channels,
            initializer=self.moving_variance_initializer,
            trainable=False,
            autocast=False,
            name="moving_variance",
        )
        self.input_spec = InputSpec(ndim=len(input_shape), axes={self.axis: channels[0]})

    def call(self, inputs: Tensor, training: bool | None = None, mask: Any = None) -> Tensor:
        x = ops.cast(inputs, dtypes.result_type(inputs.dtype, "float32"))
        if training and self.trainable and 0 not in x.shape:  # an empty batch has no moments
            mean, variance = self._moments(x, mask)
            for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
                moving.assign(moving * self.momentum + ops.cast(batch, moving.dtype) * (1 - self.momentum))
        else:
            mean, variance = self.moving_mean, self.moving_variance
        spread = (self._spread(vector, x) for vector in (mean, variance, self.gamma, self.beta))
        return ops.cast(_scaled(x, self.epsilon, *spread), self.compute_dtype)

    def _spread(self, vector: Any, x: Tensor) -> Any:
        """A number for each channel, to go with `x`."""
        rank = len(x.shape)
        return None if vector is None else _trailing(ops.cast(vector, x.dtype), x.shape, (self.axis % rank,))

    def _moments(self, x: Tensor, mask: Any) -> tuple[Any, Any]:
        """The mean and the variance of each channel over the unmasked places."""
        rank = len(x.shape)
        axes = tuple(i for i in range(rank) if i != self.axis % rank)
        if mask is None:
            return ops.moments(x, axes)  # type: ignore[no-any-return]
        check_mask(self, mask, x.shape[: len(mask.shape)], x)
        weights = ops.cast(ops.reshape(mask, mask.shape + (1,) * (rank - len(mask.shape))), x.dtype)
        weights = ops.broadcast_to(weights, x.shape)
        count = ops.maximum(ops.sum(weights, axes), 1)  # a batch that is masked everywhere is no NaN
        mean = ops.sum(x * weights, axes) / count
        return mean, ops.sum(ops.square(x - self._spread(mean, x)) * weights, axes) / count


class LayerNormalization(_Normalization):
    """(inputs - mean) / sqrt(variance + epsilon) * gamma + beta, each sample by itself (Ba et al., 2016).

    Args:
        axis: over which the moments are taken, and for whose places there are gamma and beta; one or several.
        epsilon: added to the variance.
        center, scale: whether there are beta and gamma.
        beta_initializer, gamma_initializer, beta_regularizer, gamma_regularizer, beta_constraint,
            gamma_constraint: of the variables.
        rms_scaling: inputs / sqrt(variance + epsilon) * gamma instead.
    """

    def __init__(
        self,
        axis: int | Sequence[int] = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        rms_scaling: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            _axes(axis, "LayerNormalization"),
            epsilon,
            center,
            scale,
            beta_initializer,
            gamma_initializer,
            beta_regularizer,
            gamma_regularizer,
            beta_constraint,
            gamma_constraint,
            **kwargs,
        )
        self.rms_scaling = rms_scaling

    def build(self, input_shape: Any) -> None:
        self.axis = list(many(self.axis))  # as Keras saves it
        sizes = _sizes(self, input_shape, self.axis)
        self._add_gamma_and_beta(sizes, self.scale or self.rms_scaling, self.center and not self.rms_scaling)

    def call(self, inputs: Tensor) -> Tensor:
        outputs = ops.layer_normalization(inputs, self.gamma, self.beta, self.axis, self.epsilon, self.rms_scaling)
        return ops.cast(outputs, self.compute_dtype)


class GroupNormalization(_Normalization):
    """Normalizes each sample over groups of channels and all places (Wu and He, 2018).

    Args:
        groups: how many; it must divide the number of channels. -1: as many as channels, which is instance
            normalization; 1 is layer normalization over all axes.
        axis: the channels.
        epsilon: added to the variance.
        center, scale: whether there are beta and gamma, one for each channel.
        beta_initializer, gamma_initializer, beta_regularizer, gamma_regularizer, beta_constraint,
            gamma_constraint: of the variables.
    """

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            _axis(axis, "GroupNormalization"),
            epsilon,
            center,
            scale,
            beta_initializer,
            gamma_initializer,
            beta_regularizer,
            gamma_regularizer,
            beta_constraint,
            gamma_constraint,
            **kwargs,
        )
        where = f"layer {self.name!r} (GroupNormalization): argument `groups`"
        self.groups = -1 if groups == -1 else as_integer(groups, where)

    def build(self, input_shape: Any) -> None:
        (channels,) = _sizes(self, input_shape, self.axis)
        if self.axis % len(input_shape) == 0:
            raise ValueError(
                f"layer {self.name!r} (GroupNormalization): argument `axis` is that of the batch in inputs of shape "
                f"{tuple(input_shape)}; choose the axis of the channels"
            )
        if self.groups == -1:
            self.groups = channels
        if channels % self.groups:
            raise ValueError(
                f"layer {self.name!r} (GroupNormalization): argument `groups` must divide the number of channels, got "
                f"{self.groups} for inputs with {channels}; choose a divisor of {channels}"
            )
        self._add_gamma_and_beta((channels,), self.scale, self.center)
        self.input_spec = InputSpec(ndim=len(input_shape), axes={self.axis: channels})

    def call(self, inputs: Tensor) -> Tensor:
        shape, channels = inputs.shape, self.axis % len(inputs.shape)
        grouped = (*shape[:channels], self.groups, shape[channels] // self.groups, *shape[channels + 1 :])
        places = tuple(i for i in range(1, len(grouped)) if i != channels)

        def split(parameter: Any) -> Any:
            if parameter is None:
                return None
            return _trailing(ops.cast(parameter, x.dtype), grouped, (channels, channels + 1))

        x = ops.cast(ops.reshape(inputs, grouped), dtypes.result_type(inputs.dtype, "float32"))
        mean, variance = ops.moments(x, places, keepdims=True)
        outputs = _scaled(x, self.epsilon, mean, variance, split(self.gamma), split(self.beta))
        return ops.cast(ops.reshape(outputs, shape), self.compute_dtype)


class RMSNormalization(Layer):
    """inputs / sqrt(mean(inputs²) + epsilon) * scale (Zhang and Sennrich, 2019).

    Args:
        axis: over which the mean is taken, and for whose places there is a scale; one or several.
        epsilon: added to the mean.
    """

    def __init__(self, axis: int | Sequence[int] = -1, epsilon: float = 1e-6, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = _axes(axis, "RMSNormalization")
        self.epsilon = epsilon

    def build(self, input_shape: Any) -> None:
        self.axis = list(many(self.axis))  # as Keras saves it
        self.scale = self.add_weight(shape=_sizes(self, input_shape, self.axis), initializer="ones", name="scale")

    def call(self, x: Tensor) -> Tensor:
        return ops.rms_normalization(x, self.scale, self.axis, self.epsilon)  # type: ignore[no-any-return]

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape


class UnitNormalization(Layer):
    """inputs / sqrt(sum(inputs²)), summed over `axis`, one or several."""

    def __init__(self, axis: int | Sequence[int] = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = _axes(axis, "UnitNormalization")
        self.supports_masking = True
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        return ops.normalize(inputs, axis=self.axis, order=2, epsilon=1e-12)  # type: ignore[no-any-return]

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape


def _trailing(parameter: Any, shape: Sequence[int | None], axes: tuple[int, ...]) -> Any:
    """A parameter of the sizes of `axes`, so that it broadcasts against `shape`.

    It gets no axes in front: those of size 1 would be taken for the batch's where that is of one sample, and need
    kernels of their own.
    """
    return ops.reshape(parameter, [shape[i] if i in axes else 1 for i in range(axes[0], len(shape))])


def _scaled(x: Any, epsilon: float, mean: Any, variance: Any, gamma: Any, beta: Any) -> Any:
    """(x - mean) / sqrt(variance + epsilon) * gamma + beta, without gamma or beta where they are None.

    As a product and a sum, each of one number for all places: their gradients are two sums over the places.
    """
    factor = ops.rsqrt(variance + epsilon)
    factor = factor if gamma is None else factor * gamma
    shift = ops.negative(mean) * factor
    return x * factor + (shift if beta is None else shift + beta)


def _axis(axis: Any, layer: str) -> int:
    if isinstance(axis, bool) or not isinstance(axis, (int, float)) or axis != int(axis):
        raise TypeError(f"{layer}: argument `axis` must be a whole number, got {axis!r}")
    return int(axis)


def _axes(axis: Any, layer: str) -> Any:
    """`axis` as a number, or as a sorted list of numbers."""
    return sorted(_axis(i, layer) for i in axis) if isinstance(axis, (list, tuple)) else _axis(axis, layer)


def _sizes(layer: Layer, shape: Any, axis: Any) -> tuple[int, ...]:
    """The sizes of a shape along one axis or several.

    Raises:
        ValueError: the shape has no such axis, or its size is not known.
    """
    axes = many(axis)
    for i in axes:
        if not -len(shape) <= i < len(shape) or shape[i] is None:
            problem = "has no known size" if -len(shape) <= i < len(shape) else "does not exist"
            raise ValueError(
                f"layer {layer.name!r} ({type(layer).__name__}): axis {i} {problem} in inputs of shape {tuple(shape)}; "
                f"choose another `axis`, or give Input a shape with a number there"
            )
    return tuple(shape[i] for i in axes)
