"""Activation functions as layers."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from pronghorn import activations, constraints, initializers, ops, regularizers
from pronghorn.layer import InputSpec, Layer
from pronghorn.ops.axes import canonical_axes
from pronghorn.tensor import Tensor


class Activation(Layer):
    """activation(inputs), `activation` being a name or a function."""

    def __init__(self, activation: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = activations.get(activation)
        self.supports_masking = True
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        return self.activation(inputs)  # type: ignore[no-any-return]


class ReLU(Layer):
    """x where x >= threshold, else negative_slope (x - threshold); at most max_value."""

    def __init__(
        self, max_value: float | None = None, negative_slope: float = 0.0, threshold: float = 0.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if (
            max_value is not None
            and max_value < 0
            or negative_slope is None
            or negative_slope < 0
            or (threshold or -1) < -1
        ):
            raise ValueError(
                f"layer {self.name!r} (ReLU): max_value, negative_slope and threshold must not be negative, "
                f"got {max_value}, {negative_slope} and {threshold}"
            )
        self.max_value = max_value
        self.negative_slope = negative_slope
        self.threshold = threshold
        self.supports_masking = True
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        return activations.relu(inputs, self.negative_slope, self.max_value, self.threshold)


class LeakyReLU(Layer):
    """x if x > 0 else negative_slope x; `alpha` is Keras 2's name of `negative_slope`."""

    def __init__(self, negative_slope: float = 0.3, **kwargs: Any) -> None:
        if "alpha" in kwargs:
            warnings.warn("LeakyReLU: argument `alpha` is deprecated; say `negative_slope`", stacklevel=2)
            negative_slope = kwargs.pop("alpha")
        super().__init__(**kwargs)
        if negative_slope is None or negative_slope < 0:
            raise ValueError(
                f"layer {self.name!r} (LeakyReLU): negative_slope must be a number >= 0, got {negative_slope!r}"
            )
        self.negative_slope = negative_slope
        self.supports_masking = True
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        return ops.leaky_relu(inputs, self.negative_slope)  # type: ignore[no-any-return]

    def get_config(self) -> dict[str, Any]:
        return {key: value for key, value in super().get_config().items() if key != "alpha"}


class ELU(Layer):
    """x if x > 0 else alpha (exp(x) - 1)"""

    def __init__(self, alpha: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.alpha = alpha
        self.supports_masking = True
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        return ops.elu(inputs, self.alpha)  # type: ignore[no-any-return]


class PReLU(Layer):
    """x if x > 0 else alpha x, with a learned alpha for each element of a sample (He et al., 2015).

    Args:
        alpha_initializer, alpha_regularizer, alpha_constraint: of alpha.
        shared_axes: axes along which one alpha is shared, for example (1, 2) for one per channel of an image.
    """

    def __init__(
        self,
        alpha_initializer: Any = "Zeros",
        alpha_regularizer: Any = None,
        alpha_constraint: Any = None,
        shared_axes: int | Sequence[int] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.alpha_initializer = initializers.get(alpha_initializer)
        self.alpha_regularizer = regularizers.get(alpha_regularizer)
        self.alpha_constraint = constraints.get(alpha_constraint)
        self.shared_axes = shared_axes if shared_axes is None else list(_axes(shared_axes))
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        shared = canonical_axes(
            self.shared_axes or (), len(input_shape), f"layer {self.name!r}: argument `shared_axes`"
        )
        self.alpha = self.add_weight(
            shape=[1 if axis in shared else n for axis, n in enumerate(input_shape)][1:],
            initializer=self.alpha_initializer,
            regularizer=self.alpha_regularizer,
            constraint=self.alpha_constraint,
            name="alpha",
        )
        self.input_spec = InputSpec(ndim=len(input_shape))

    def call(self, inputs: Tensor) -> Tensor:
        return ops.relu(inputs) - self.alpha * ops.relu(-inputs)  # type: ignore[no-any-return]


class Softmax(Layer):
    """exp(x) / sum(exp(x)) along `axis`, over the elements where the mask is True; the others are 0."""

    def __init__(self, axis: int | Sequence[int] = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis
        self.supports_masking = True
        self.built = True

    def call(self, inputs: Tensor, mask: Any = None) -> Tensor:
        if mask is not None:
            rank = len(mask.shape)
            fits = all(m in (1, n) for m, n in zip(mask.shape, inputs.shape, strict=False))
            check_mask(self, mask, mask.shape if fits else inputs.shape[:rank], inputs)
            mask = ops.reshape(mask, mask.shape + (1,) * (len(inputs.shape) - rank))
            inputs = masked(inputs, mask)
        if isinstance(self.axis, int):
            outputs = ops.softmax(inputs, axis=self.axis)
        else:
            outputs = ops.exp(inputs - ops.logsumexp(inputs, axis=tuple(self.axis), keepdims=True))
        return outputs if mask is None else ops.where(mask, outputs, 0.0)  # type: ignore[no-any-return]


def check_mask(layer: Layer, mask: Any, expected: tuple[int | None, ...], inputs: Tensor) -> None:
    """Raises ValueError where a mask has not the shape that fits the inputs."""
    if mask.shape != expected:
        raise ValueError(
            f"layer {layer.name!r} ({type(layer).__name__}): a mask of shape {mask.shape} does not fit inputs of shape "
            f"{inputs.shape}; its shape must be {expected}"
        )


def masked(logits: Tensor, mask: Any) -> Tensor:
    """Logits for a softmax: so low where `mask` is False that nothing is left of them."""
    return ops.where(mask, logits, _LOWEST[logits.dtype])  # type: ignore[no-any-return]


_LOWEST = {"float16": -3e4, "bfloat16": -3e38, "float32": -3e38, "float64": -3e38}
"""What masked logits become, by dtype: finite, so that a row that is masked everywhere is uniform and not NaN."""


def _axes(axes: int | Sequence[int]) -> Sequence[int]:
    return (axes,) if isinstance(axes, int) else tuple(axes)
