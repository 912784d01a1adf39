"""Embedding: a vector for each id."""

from __future__ import annotations

import warnings
from typing import Any

from pronghorn import constraints, dtypes, initializers, ops, regularizers
from pronghorn.arguments import as_integer
from pronghorn.graph import Spec
from pronghorn.layer import set_mask
from pronghorn.requirement import Within, require
from pronghorn.tensor import Shape, Tensor
from pronghorn_layers.lora import LowRank


class Embedding(LowRank):
    """embeddings[inputs]

    Inputs: ids of any shape, integers in [0, input_dim); outputs (…, output_dim). Other ids are an error, also in
    compiled steps: before the step where they are an input of the model, after it where they are computed. Within the
    body of a loop (`ops.scan`, `ops.while_loop`) they become the nearest.

    Args:
        input_dim: the number of ids.
        output_dim: the size of a vector.
        embeddings_initializer, embeddings_regularizer, embeddings_constraint: of the table (input_dim, output_dim).
        mask_zero: whether id 0 is padding, which is masked.
        weights: the table's first value, instead of the initializer's.
        lora_rank, lora_alpha: the table is frozen and adapted, see `enable_lora`.
        quantization_config: not supported.
    """

    adapted = "embeddings"

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
        if quantization_config is not None:
            raise NotImplementedError(f"layer {self.name!r}: quantization_config is not supported")
        self._adapt(lora_rank, lora_alpha)
        self.input_dim = as_integer(input_dim, f"layer {self.name!r} (Embedding): argument `input_dim`")
        self.output_dim = as_integer(output_dim, f"layer {self.name!r} (Embedding): argument `output_dim`")
        self.embeddings_initializer = initializers.get(embeddings_initializer)
        self.embeddings_regularizer = regularizers.get(embeddings_regularizer)
        self.embeddings_constraint = constraints.get(embeddings_constraint)
        self.mask_zero = mask_zero
        self.supports_masking = mask_zero
        self.autocast = False
        self.quantization_config = quantization_config
        self._begin_with(weights)

    def _begin_with(self, weights: Any) -> None:
        """Builds at once where the first values are given."""
        if weights is not None:
            self.build(None)
            self.set_weights(weights if isinstance(weights, list) else [weights])

    def build(self, input_shape: Any = None) -> None:
        if self.built:  # its table was given
            return
        self._embeddings = self.add_weight(
            shape=(self.input_dim, self.output_dim),
            initializer=self.embeddings_initializer,
            regularizer=self.embeddings_regularizer,
            constraint=self.embeddings_constraint,
            name="embeddings",
        )
        self._begin_adapted()

    @property
    def embeddings(self) -> Any:
        """The table: a variable, or the sum that LoRA puts in its place."""
        return self._adapted_weight()

    def call(self, inputs: Tensor) -> Tensor:
        ids = inputs if dtypes.is_integer(inputs.dtype) else ops.cast(inputs, "int32")
        what = f"layer {self.name!r} ({type(self).__name__}): id"
        require(ids, Within(self.input_dim, what, "the ids below `input_dim`; correct the ids or raise `input_dim`"))
        return ops.cast(ops.take(self.embeddings, ids, axis=0), self.compute_dtype)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Tensor | None:
        return ops.not_equal(inputs, 0) if self.mask_zero else None

    def compute_output_shape(self, input_shape: Any) -> Shape:
        return (*input_shape, self.output_dim)

    def get_config(self) -> dict[str, Any]:
        left_out = ("weights", "input_length")
        config = {"activity_regularizer": None, **super().get_config(), "input_dim": self.input_dim}
        return {key: value for key, value in config.items() if key not in left_out}


class ReversibleEmbedding(Embedding):
    """An embedding that can be called the other way round: from vectors to a score for each id (Press and Wolf, 2017).

    `layer(ids)` gives embeddings[ids], `layer(vectors, reverse=True)` gives vectors @ transpose(embeddings): vectors
    (…, output_dim), scores (…, input_dim).

    Args:
        input_dim, output_dim, embeddings_initializer, embeddings_regularizer, embeddings_constraint, mask_zero: see
            `Embedding`.
        tie_weights: whether both directions share one table; else the other has its own, (output_dim, input_dim).
        reverse_dtype: the dtype of the scores and of their computation, by default the layer's.
        logit_soft_cap: a number c: the scores become c tanh(scores / c).
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        tie_weights: bool = True,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        reverse_dtype: Any = None,
        logit_soft_cap: float | None = None,
        **kwargs: Any,
    ) -> None:
        weights = kwargs.pop("weights", None)
        super().__init__(
            input_dim,
            output_dim,
            embeddings_initializer,
            embeddings_regularizer,
            embeddings_constraint,
            mask_zero,
            **kwargs,
        )
        self.tie_weights = tie_weights
        self.reverse_dtype = None if reverse_dtype is None else dtypes.standardize(reverse_dtype)
        self.logit_soft_cap = logit_soft_cap
        self._begin_with(weights)

    def build(self, input_shape: Any = None) -> None:
        super().build(input_shape)
        if not self.tie_weights:
            self.reverse_embeddings = self.add_weight(
                shape=(self.output_dim, self.input_dim),
                initializer=self.embeddings_initializer,
                name="reverse_embeddings",
            )

    def call(self, inputs: Tensor, reverse: bool = False) -> Tensor:
        if not reverse:
            outputs = super().call(inputs)
            if self.mask_zero:
                set_mask(outputs, ops.not_equal(inputs, 0))
            return outputs
        dtype = self.reverse_dtype or self.compute_dtype
        kernel = ops.transpose(self.embeddings) if self.tie_weights else self.reverse_embeddings
        scores = ops.matmul(ops.cast(inputs, dtype), ops.cast(kernel, dtype))
        if self.logit_soft_cap is not None:
            scores = self.logit_soft_cap * ops.tanh(scores / self.logit_soft_cap)
        return scores

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        return None  # of ids, `call` sets it; scores have none

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"quantization_config": self.quantization_config}

    def compute_output_spec(self, inputs: Tensor, reverse: bool = False) -> Spec:
        if not reverse:
            return Spec((*inputs.shape, self.output_dim), self.compute_dtype)
        return Spec((*inputs.shape[:-1], self.input_dim), self.reverse_dtype or self.compute_dtype)

    def compute_output_shape(self, input_shape: Any, reverse: bool = False) -> Shape:
        return (*input_shape[:-1], self.input_dim) if reverse else (*input_shape, self.output_dim)
