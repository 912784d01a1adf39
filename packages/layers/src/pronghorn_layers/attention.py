"""Attention over a list of inputs: by products, and additive."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pronghorn import ops, random
from pronghorn.layer import Layer
from pronghorn.random import SeedGenerator
from pronghorn.tensor import Tensor, Variable
from pronghorn_layers.activation_layers import check_mask, masked


class Attention(Layer):
    """softmax(query @ keyᵀ) @ value (Luong et al., 2015).

    Called on [query (batch, Tq, dim), value (batch, Tv, dim)] or [query, value, key]; the outputs are (batch, Tq, dim),
    with `return_attention_scores=True` also the weights (batch, Tq, Tv). Where the mask of value is False nothing is
    looked at; where that of query is False the outputs are 0. `use_causal_mask=True` lets step i look at steps up to i.

    Args:
        use_scale: whether a trained scalar multiplies the scores.
        score_mode: "dot", or "concat": the sum of tanh(query + key).
        dropout: of the weights, in training.
        seed: of the dropout.
    """

    def __init__(
        self,
        use_scale: bool = False,
        score_mode: str = "dot",
        dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if score_mode not in ("dot", "concat"):
            raise ValueError(
                f"layer {self.name!r}: argument `score_mode` must be 'dot' or 'concat', got {score_mode!r}"
            )
        self.use_scale = use_scale
        self.score_mode = score_mode
        self.dropout = dropout
        self.seed = seed
        if dropout > 0:
            self.seed_generator = SeedGenerator(seed)
        self.scale: Variable | None = None
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        self._check(input_shape)
        if self.use_scale:
            self.scale = self.add_weight(shape=(), initializer="ones", name="scale")
        if self.score_mode == "concat":
            self.concat_score_weight = self.add_weight(shape=(), initializer="ones", name="concat_score_weight")

    def _check(self, shapes: Any) -> None:
        if (
            not isinstance(shapes, (list, tuple))
            or not 2 <= len(shapes) <= 3
            or not isinstance(shapes[0], (list, tuple))
        ):
            raise ValueError(
                f"layer {self.name!r} ({type(self).__name__}): takes [query, value] or [query, value, key], got inputs "
                f"of shape {shapes}"
            )

    def call(
        self,
        inputs: Sequence[Tensor],
        mask: Any = None,
        training: bool = False,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> Any:
        query, value = inputs[:2]
        key = inputs[2] if len(inputs) > 2 else value
        query_mask, value_mask = (None, None) if mask is None else mask[:2]
        for given, masked_tensor in ((query_mask, query), (value_mask, value)):
            if given is not None:
                check_mask(self, given, masked_tensor.shape[:-1], masked_tensor)
        scores = self._scores(query, key)
        allowed = None if value_mask is None else ops.expand_dims(value_mask, -2)
        if use_causal_mask:
            causal = causal_mask(scores.shape[-2], scores.shape[-1])
            allowed = causal if allowed is None else ops.logical_and(allowed, causal)
        weights = ops.softmax(scores if allowed is None else masked(scores, allowed), axis=-1)
        dropped = weights
        if training and self.dropout > 0:
            dropped = random.dropout(weights, self.dropout, seed=self.seed_generator)
        outputs = ops.matmul(dropped, value)
        if query_mask is not None:
            outputs = ops.where(ops.expand_dims(query_mask, -1), outputs, 0)
        return (outputs, weights) if return_attention_scores else outputs

    def _scores(self, query: Tensor, key: Tensor) -> Any:
        """How much each query (rows) looks at each key (columns), before the softmax."""
        if self.score_mode == "dot":
            scores = ops.matmul(query, ops.swapaxes(key, -2, -1))
            return scores if self.scale is None else scores * self.scale
        pairs = _pairs(query, key)
        return self.concat_score_weight * ops.sum(
            ops.tanh(pairs if self.scale is None else self.scale * pairs), axis=-1
        )

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        return None if previous_mask is None else previous_mask[0]


class AdditiveAttention(Attention):
    """softmax(sum(scale * tanh(query + key))) @ value (Bahdanau et al., 2015).

    Called as `Attention`.

    Args:
        use_scale: whether there is a trained scale (dim,).
        dropout: of the weights, in training.
        seed: of the dropout.
    """

    def __init__(self, use_scale: bool = True, dropout: float = 0.0, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(use_scale, dropout=dropout, seed=seed, **kwargs)

    def build(self, input_shape: Any) -> None:
        self._check(input_shape)
        if self.use_scale:
            self.scale = self.add_weight(shape=(input_shape[0][-1],), initializer="glorot_uniform", name="scale")

    def _scores(self, query: Tensor, key: Tensor) -> Any:
        terms = ops.tanh(_pairs(query, key))
        return ops.sum(terms if self.scale is None else self.scale * terms, axis=-1)


def _pairs(query: Tensor, key: Tensor) -> Any:
    """The sum of each query and each key."""
    return ops.expand_dims(query, -2) + ops.expand_dims(key, -3)


def causal_mask(queries: int, keys: int) -> Any:
    """(queries, keys): True where the key is no later than the query."""
    return ops.greater_equal(ops.reshape(ops.arange(queries), (-1, 1)), ops.arange(keys))
