"""Embedding: a vector for each id."""

from __future__ import annotations

import warnings
from typing import Any

from pronghorn import constraints, dtypes, initializers, ops, regularizers
from pronghorn.arguments import as_integer
from pronghorn.layer import Layer
from pronghorn.tensor import Shape, Tensor


class Embedding(Layer):
    """embeddings[inputs]

    Inputs: ids of any shape, integers in [0, input_dim); outputs (…, output_dim).

    Args:
        input_dim: the number of ids.
        output_dim: the size of a vector.
        embeddings_initializer, embeddings_regularizer, embeddings_constraint: of the table (input_dim, output_dim).
        mask_zero: whether id 0 is padding, which is masked.
        weights: the table's first value, instead of the initializer's.
        lora_rank, lora_alpha, quantization_config: not supported.
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        weights: Any = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        quantization_config: Any = None,
        **kwargs: Any,
    ) -> None:
        if kwargs.pop("input_length", None) is not None:
            warnings.warn("Embedding: argument `input_length` is not needed; leave it out", stacklevel=2)
        super().__init__(**kwargs)
        if lora_rank is not None or lora_alpha is not None or quantization_config is not None:
            raise NotImplementedError(
                f"layer {self.name!r}: lora_rank, lora_alpha and quantization_config are not supported"
            )
        self.input_dim = as_integer(input_dim, f"layer {self.name!r} (Embedding): argument `input_dim`")
        self.output_dim = as_integer(output_dim, f"layer {self.name!r} (Embedding): argument `output_dim`")
        self.embeddings_initializer = initializers.get(embeddings_initializer)
        self.embeddings_regularizer = regularizers.get(embeddings_regularizer)
        self.embeddings_constraint = constraints.get(embeddings_constraint)
        self.mask_zero = mask_zero
        self.supports_masking = mask_zero
        self.autocast = False
        self.quantization_config = quantization_config
        if weights is not None:
            self.build(None)
            self.set_weights(weights if isinstance(weights, list) and len(weights) == 1 else [weights])

    def build(self, input_shape: Any = None) -> None:
        if self.built:  # its table was given
            return
        self.embeddings = self.add_weight(
            shape=(self.input_dim, self.output_dim),
            initializer=self.embeddings_initializer,
            regularizer=self.embeddings_regularizer,
            constraint=self.embeddings_constraint,
            name="embeddings",
        )

    def call(self, inputs: Tensor) -> Tensor:
        ids = inputs if dtypes.is_integer(inputs.dtype) else ops.cast(inputs, "int32")
        return ops.cast(ops.take(self.embeddings, ids, axis=0), self.compute_dtype)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Tensor | None:
        return ops.not_equal(inputs, 0) if self.mask_zero else None

    def compute_output_shape(self, input_shape: Any) -> Shape:
        return (*input_shape, self.output_dim)

    def get_config(self) -> dict[str, Any]:
        left_out = ("weights", "lora_rank", "lora_alpha", "input_length")
        config = {"activity_regularizer": None, **super().get_config(), "input_dim": self.input_dim}
        return {key: value for key, value in config.items() if key not in left_out}
