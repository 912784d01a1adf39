"""Layers that Keras 1 and 2 had and Keras 3 has not: old models need them."""

from __future__ import annotations

import itertools
from typing import Any

from pronghorn import activations, constraints, initializers, ops, regularizers
from pronghorn.arguments import as_integer
from pronghorn.layer import InputSpec, Layer
from pronghorn.tensor import Tensor


class ThresholdedReLU(Layer):
    """x where x > theta, else 0."""

    def __init__(self, theta: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if theta is None or theta < 0:
            raise ValueError(f"layer {self.name!r} (ThresholdedReLU): theta must be at least 0, got {theta!r}")
        self.theta = float(theta)
        self.supports_masking = True
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        return inputs * ops.cast(inputs > self.theta, inputs.dtype)


class _WithKernel(Layer):
    """The arguments that these layers have of a kernel and a bias."""

    def __init__(
        self,
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
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)

    def _weight(self, part: str, shape: tuple[int, ...], name: str | None = None) -> Any:
        options = {key: getattr(self, f"{part}_{key}") for key in ("initializer", "regularizer", "constraint")}
        return self.add_weight(shape, name=name or part, **options)


class MaxoutDense(_WithKernel):
    """The largest of several affine functions of the inputs (https://arxiv.org/abs/1302.4389).

    Inputs (batch, features), outputs (batch, units).

    Args:
        units: the number of outputs.
        nb_feature: the number of affine functions for each.
    """

    def __init__(self, units: int, nb_feature: int = 4, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = as_integer(units, f"layer {self.name!r} (MaxoutDense): argument `units`")
        self.nb_feature = as_integer(nb_feature, f"layer {self.name!r} (MaxoutDense): argument `nb_feature`")
        self.input_spec = InputSpec(ndim=2)

    def build(self, input_shape: Any) -> None:
        self.kernel = self._weight("kernel", (self.nb_feature, input_shape[-1], self.units))
        self.bias = self._weight("bias", (self.nb_feature, self.units)) if self.use_bias else None

    def call(self, inputs: Tensor) -> Tensor:
        y = ops.matmul(ops.expand_dims(inputs, 0), self.kernel)
        if self.bias is not None:
            y = y + ops.expand_dims(self.bias, 1)
        return self.activation(ops.max(y, axis=0))  # type: ignore[no-any-return]


class Highway(_WithKernel):
    """t * activation(x @ kernel + bias) + (1 - t) * x, where t = sigmoid(x @ carry_kernel + carry_bias)
    (https://arxiv.org/abs/1505.00387).

    Inputs and outputs (batch, features).
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.input_spec = InputSpec(ndim=2)

    def build(self, input_shape: Any) -> None:
        features = input_shape[-1]
        self.kernel = self._weight("kernel", (features, features))
        self.carry_kernel = self._weight("kernel", (features, features), "carry_kernel")
        self.bias = self._weight("bias", (features,)) if self.use_bias else None
        self.carry_bias = self._weight("bias", (features,), "carry_bias") if self.use_bias else None

    def call(self, inputs: Tensor) -> Tensor:
        y, t = ops.matmul(inputs, self.kernel), ops.matmul(inputs, self.carry_kernel)
        if self.bias is not None:
            y, t = y + self.bias, t + self.carry_bias
        t = ops.sigmoid(t)
        return t * self.activation(y) + (1 - t) * inputs  # type: ignore[no-any-return]


class _LocallyConnected(_WithKernel):
    """A convolution whose kernel is another at each place: (places, window * channels, filters)."""

    rank: int

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        implementation: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        where = f"layer {self.name!r} ({type(self).__name__})"
        self.filters = as_integer(filters, f"{where}: argument `filters`")
        self.kernel_size, self.strides = (
            tuple(n) if isinstance(n, (tuple, list)) else (n,) * self.rank for n in (kernel_size, strides)
        )
        if padding != "valid" or data_format not in (None, "channels_last") or implementation != 1:
            raise NotImplementedError(
                f"{where}: only padding='valid', data_format='channels_last' and implementation=1 are supported, got "
                f"{padding!r}, {data_format!r} and {implementation!r}"
            )
        self.padding, self.data_format, self.implementation = padding, "channels_last", implementation
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def _places(self, shape: Any) -> tuple[int, ...]:
        sizes = zip(shape[1:-1], self.kernel_size, self.strides, strict=True)
        return tuple((n - k) // s + 1 for n, k, s in sizes)

    def build(self, input_shape: Any) -> None:
        if None in input_shape[1:]:
            raise ValueError(f"layer {self.name!r} ({type(self).__name__}) needs to know all sizes, got {input_shape}")
        places, window = self._places(input_shape), 1
        for n in (*self.kernel_size, input_shape[-1]):
            window *= n
        count = 1
        for n in places:
            count *= n
        self.kernel = self._weight("kernel", (count, window, self.filters))
        self.bias = self._weight("bias", (*places, self.filters)) if self.use_bias else None

    def call(self, inputs: Tensor) -> Tensor:
        places = self._places(inputs.shape)
        parts = []
        for offsets in itertools.product(*map(range, self.kernel_size)):
            ends = (a + (n - 1) * s + 1 for a, n, s in zip(offsets, places, self.strides, strict=True))
            index = tuple(slice(a, b, s) for a, b, s in zip(offsets, ends, self.strides, strict=True))
            parts.append(inputs[(slice(None), *index)])
        windows = ops.stack(parts, axis=self.rank + 1)  # (batch, *places, window, channels)
        windows = ops.reshape(windows, (inputs.shape[0], self.kernel.shape[0], 1, self.kernel.shape[1]))
        y = ops.reshape(ops.matmul(windows, self.kernel), (inputs.shape[0], *places, self.filters))
        return self.activation(y if self.bias is None else y + self.bias)  # type: ignore[no-any-return]

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (input_shape[0], *self._places(input_shape), self.filters)


class LocallyConnected1D(_LocallyConnected):
    """A convolution of sequences (batch, steps, channels) whose kernel is another at each step."""

    rank = 1


class LocallyConnected2D(_LocallyConnected):
    """A convolution of images (batch, rows, columns, channels) whose kernel is another at each place."""

    rank = 2
