"""EinsumDense: a dense layer over any axes."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from typing import Any

from pronghorn import activations, constraints, initializers, ops, regularizers
from pronghorn.arguments import as_shape
from pronghorn.tensor import Tensor
from pronghorn_layers.lora import LowRank


class EinsumDense(LowRank):
    """activation(einsum(equation, inputs, kernel) + bias)

    Args:
        equation: of inputs, kernel and outputs, such as "abc,cd->abd"; "..." stands for further axes of the inputs.
        output_shape: the sizes of the outputs without the batch (and without what "..." stands for), None where they
            are those of the inputs. A number for one size.
        activation: a name or function, None for none.
        bias_axes: the labels of the outputs along which there is a bias, such as "d"; None for no bias.
        kernel_initializer, bias_initializer: of the kernel and the bias.
        kernel_regularizer, bias_regularizer, activity_regularizer: penalties on them, and on the outputs.
        kernel_constraint, bias_constraint: projections after each update.
        lora_rank, lora_alpha: the kernel is frozen and adapted, see `enable_lora`.
        gptq_unpacked_column_size, quantization_config: not supported.
    """

    def __init__(
        self,
        equation: str,
        output_shape: int | Sequence[int | None],
        activation: Any = None,
        bias_axes: str | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        gptq_unpacked_column_size: int | None = None,
        quantization_config: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if gptq_unpacked_column_size is not None or quantization_config is not None:
            raise NotImplementedError(
                f"layer {self.name!r}: gptq_unpacked_column_size and quantization_config are not supported"
            )
        self._adapt(lora_rank, lora_alpha)
        self.equation = equation
        self.output_shape = as_shape(output_shape, f"layer {self.name!r} (EinsumDense): argument `output_shape`")
        self.activation = activations.get(activation)
        self.bias_axes = bias_axes
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.quantization_config = quantization_config

    def build(self, input_shape: Any) -> None:
        kernel_shape, bias_shape = self._shapes(input_shape)
        self._kernel = self.add_weight(
            shape=kernel_shape,
            initializer=self._with_axes(self.kernel_initializer),
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
            name="kernel",
        )
        self.bias = None
        if bias_shape is not None:
            self.bias = self.add_weight(
                shape=bias_shape,
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
                name="bias",
            )
        self._begin_adapted()

    @property
    def kernel(self) -> Any:
        """The kernel: a variable, or the sum that LoRA puts in its place."""
        return self._adapted_weight()

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        outputs = ops.einsum(self.equation, inputs, self.kernel)
        if self.bias is not None:
            outputs = outputs + self.bias
        return (self.activation or activations.linear)(outputs)  # type: ignore[no-any-return]

    def _with_axes(self, initializer: Any) -> Any:
        """The initializer, its fans counted along the kernel's axes that are summed over and those that are new."""
        if getattr(initializer, "input_axes", 0) is not None and getattr(initializer, "output_axes", 0) is not None:
            return initializer  # it has its own, or no fans
        _, _, rest = self.equation.replace(" ", "").partition(",")
        kernel, _, outputs = rest.partition("->")
        counted = copy.copy(initializer)
        counted.input_axes = [axis for axis, label in enumerate(kernel) if label not in outputs]
        counted.output_axes = [axis for axis, label in enumerate(kernel) if label in outputs]
        return counted

    def _shapes(self, input_shape: Any) -> tuple[tuple[int, ...], tuple[int, ...] | None]:
        """The shapes of kernel and bias, by the sizes of the labels in inputs and outputs."""
        match = _EQUATION.fullmatch(self.equation.replace(" ", ""))
        if match is None or match["inputs"].count("...") != match["outputs"].count("..."):
            raise self._error(
                "argument `equation` must have the form 'ab,bc->ac', with '...' in inputs and outputs or in neither"
            )
        inputs, kernel, outputs = match["inputs"], match["kernel"], match["outputs"]
        sizes = self._labelled(inputs, input_shape, "the inputs' shape")
        first_elided = outputs.startswith("...")
        batch = (None,) if not first_elided else ()
        for label, n in self._labelled(
            outputs, (*batch, *self.output_shape), "`output_shape` (with the batch)"
        ).items():
            if sizes.get(label) is None:
                sizes[label] = n
            elif n not in (None, sizes[label]):
                raise self._error(f"label {label!r} has size {sizes[label]} in the inputs and {n} in `output_shape`")
        if missing := [label for label in kernel if sizes.get(label) is None]:
            raise self._error(f"the size of {missing[0]!r} in the kernel is not known; give it in `output_shape`")
        kernel_shape: Any = tuple(sizes[label] for label in kernel)
        if self.bias_axes is None:
            return kernel_shape, None
        if not self.bias_axes or not set(self.bias_axes) <= set(outputs) - {"."}:
            raise self._error(f"argument `bias_axes` {self.bias_axes!r} must name labels of the outputs {outputs!r}")
        from_bias = outputs[min(map(outputs.index, self.bias_axes)) :]
        elided = len(input_shape) - len(inputs.replace("...", "")) if "..." in from_bias else 0
        labels = from_bias.replace("...", " " * elided)
        bias_shape: Any = tuple(sizes[label] if label in self.bias_axes else 1 for label in labels)
        if None in bias_shape:
            raise self._error(f"the sizes along `bias_axes` {self.bias_axes!r} must be known, got {bias_shape}")
        return kernel_shape, bias_shape

    def _labelled(self, labels: str, shape: Any, what: str) -> dict[str, int | None]:
        """Label -> size; what "..." stands for is left out."""
        before, dots, after = labels.partition("...")
        if len(shape) < len(before + after) or (not dots and len(shape) != len(before)):
            raise self._error(f"{what} {tuple(shape)} does not fit the labels {labels!r}")
        ends = shape[len(shape) - len(after) :] if after else ()
        return dict(zip(before + after, (*shape[: len(before)], *ends), strict=True))

    def _error(self, problem: str) -> ValueError:
        return ValueError(f"layer {self.name!r} (EinsumDense), equation {self.equation!r}: {problem}")

    def get_config(self) -> dict[str, Any]:
        config = {"activity_regularizer": None, **super().get_config()}
        return {key: value for key, value in config.items() if key != "gptq_unpacked_column_size"}


_EQUATION = re.compile(
    r"(?P<inputs>[a-zA-Z]*(\.\.\.)?[a-zA-Z]*),(?P<kernel>[a-zA-Z]+)->(?P<outputs>[a-zA-Z]*(\.\.\.)?[a-zA-Z]*)"
)
