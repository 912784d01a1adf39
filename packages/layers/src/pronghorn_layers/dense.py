"""Dense: the fully connected layer."""

from __future__ import annotations

from typing import Any

from pronghorn import activations, constraints, initializers, ops, regularizers
from pronghorn.arguments import as_integer
from pronghorn.layer import InputSpec
from pronghorn.tensor import Tensor
from pronghorn_layers.lora import LowRank


class Dense(LowRank):
    """activation(inputs @ kernel + bias)

    Inputs (…, features), outputs (…, units).

    Args:
        units: the number of outputs.
        activation: a name or function, None for none.
        use_bias: whether there is a bias.
        kernel_initializer, bias_initializer: of the kernel (features, units) and the bias (units,).
        kernel_regularizer, bias_regularizer, activity_regularizer: penalties on them, and on the outputs.
        kernel_constraint, bias_constraint: projections after each update.
        lora_rank, lora_alpha: the kernel is frozen and adapted, see `enable_lora`.
        quantization_config: not supported.
    """

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        quantization_config: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        if quantization_config is not None:
            raise NotImplementedError(f"layer {self.name!r}: quantization_config is not supported")
        self._adapt(lora_rank, lora_alpha)
        self.units = as_integer(units, f"layer {self.name!r} (Dense): argument `units`")
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.quantization_config = quantization_config
        self.input_spec = InputSpec(min_ndim=2)
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        features = input_shape[-1]
        if features is None:
            raise ValueError(
                f"layer {self.name!r} (Dense): the last dimension of the inputs must be known, got the shape "
                f"{input_shape}; "
                f"give Input a shape with a number there"
            )
        self._kernel = self.add_weight(
            shape=(features, self.units),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
            name="kernel",
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                shape=(self.units,),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
                name="bias",
            )
        self.input_spec = InputSpec(min_ndim=2, axes={-1: features})
        self._begin_adapted()

    @property
    def kernel(self) -> Any:
        """The kernel: a variable, or the sum that LoRA puts in its place."""
        return self._adapted_weight()

    def call(self, inputs: Tensor) -> Tensor:
        outputs = ops.matmul(inputs, self.kernel)
        if self.bias is not None:
            outputs = outputs + self.bias
        return (self.activation or activations.linear)(outputs)  # type: ignore[no-any-return]
