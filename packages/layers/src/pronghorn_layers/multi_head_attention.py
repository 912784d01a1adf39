"""Attention with several heads: MultiHeadAttention and GroupQueryAttention."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pronghorn import constraints, initializers, ops, regularizers
from pronghorn.arguments import as_integer, as_shape
from pronghorn.layer import Layer
from pronghorn.ops.axes import canonical_axis, inverse, many
from pronghorn.tensor import Tensor
from pronghorn_layers.activation_layers import Softmax
from pronghorn_layers.attention import causal_mask
from pronghorn_layers.dropout import Dropout
from pronghorn_layers.einsum_dense import EinsumDense


class _Heads(Layer):
    """Base of attention with heads: the projections, the mask, and attention over axes.

    A subclass sets `_query_heads`, `_key_heads` (a divisor of it), `_query_size` and `_value_size` before `build`.
    """

    _query_heads: int
    _key_heads: int
    _query_size: int
    _value_size: int
    _output_sizes: tuple[Any, ...] | None = None
    _axes: tuple[int, ...] = (1,)

    def __init__(
        self,
        dropout: float,
        use_bias: bool,
        sliding_window: int | None,
        flash_attention: bool | None,
        kernel_initializer: Any,
        bias_initializer: Any,
        kernel_regularizer: Any,
        bias_regularizer: Any,
        activity_regularizer: Any,
        kernel_constraint: Any,
        bias_constraint: Any,
        use_gate: bool,
        seed: int | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if flash_attention:
            raise NotImplementedError(
                f"layer {self.name!r}: flash_attention=True is not supported; leave it out, the outputs are the same"
            )
        self.dropout = dropout
        self.use_bias = use_bias
        self.sliding_window = sliding_window
        if sliding_window is not None:
            self.sliding_window = as_integer(sliding_window, f"layer {self.name!r}: argument `sliding_window`")
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self._activity_regularizer = regularizers.get(activity_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.use_gate = use_gate
        self.seed = seed
        self.supports_masking = True

    def build(self, query_shape: Any, value_shape: Any, key_shape: Any = None) -> None:
        key_shape = value_shape if key_shape is None else key_shape
        sizes = list(zip(value_shape[1:-1], key_shape[1:-1], strict=False))
        if len(value_shape) != len(key_shape) or any(None not in pair and pair[0] != pair[1] for pair in sizes):
            raise ValueError(
                f"layer {self.name!r}: value and key must have the same sizes but for the last, got the shapes "
                f"{value_shape} and {key_shape}"
            )
        if len(query_shape) < 3 or len(query_shape) != len(value_shape):
            raise ValueError(
                f"layer {self.name!r}: query and value must be (batch, steps, features), or have further axes of "
                f"places both, got the shapes {query_shape} and {value_shape}"
            )
        rank = len(query_shape)
        heads, key_heads, size = self._query_heads, self._key_heads, self._query_size
        self._query_dense = self._projection("query", rank, heads, size)
        self._query_dense.build(query_shape)
        self._key_dense = self._projection("key", len(key_shape), key_heads, size)
        self._key_dense.build(key_shape)
        if self.use_gate:
            self._gate_dense = self._projection("gate", rank, heads, self._value_size, activation="sigmoid")
            self._gate_dense.build(query_shape)
        self._value_dense = self._projection("value", len(value_shape), key_heads, self._value_size)
        self._value_dense.build(value_shape)
        self._softmax = Softmax(dtype=self.dtype_policy)
        self._dropout_layer = Dropout(self.dropout, seed=self.seed, dtype=self.dtype_policy)
        self._output_dense = self._output_projection(rank, self._output_sizes or (query_shape[-1],))
        self._output_dense.build((*query_shape[:-1], heads, self._value_size))

    def _projection(self, name: str, rank: int, heads: int, size: int, activation: Any = None) -> EinsumDense:
        """(…, dim) -> (…, heads, size)"""
        free = _LABELS[: rank - 1]
        sizes = (*(None,) * (rank - 2), heads, size)
        return self._dense(f"{free}x,xyz->{free}yz", sizes, "yz", name, activation)

    def _output_projection(self, rank: int, sizes: tuple[Any, ...]) -> EinsumDense:
        """(…, heads, size) -> (…, *sizes)"""
        free, last = _LABELS[: rank - 1], _LABELS[rank - 1 :][: len(sizes)]
        equation = f"{free}xy,xy{last}->{free}{last}"
        return self._dense(equation, (*(None,) * (rank - 2), *sizes), last, "attention_output", None)

    def _dense(self, equation: str, sizes: Any, bias_axes: str, name: str, activation: Any) -> EinsumDense:
        dense = EinsumDense(
            equation,
            sizes,
            activation=activation,
            bias_axes=bias_axes if self.use_bias else None,
            kernel_initializer=self.kernel_initializer.clone(),
            bias_initializer=self.bias_initializer.clone(),
            kernel_regularizer=self.kernel_regularizer,
            bias_regularizer=self.bias_regularizer,
            activity_regularizer=self._activity_regularizer,
            kernel_constraint=self.kernel_constraint,
            bias_constraint=self.bias_constraint,
            dtype=self.dtype_policy,
            name=name,
        )
        dense.supports_masking = True  # it works on each place by itself
        return dense

    def call(
        self,
        query: Tensor,
        value: Tensor,
        key: Tensor | None = None,
        query_mask: Any = None,
        value_mask: Any = None,
        key_mask: Any = None,
        attention_mask: Any = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
        use_causal_mask: bool = False,
    ) -> Any:
        key = value if key is None else key
        if not query.shape[0] == value.shape[0] == key.shape[0]:
            raise ValueError(
                f"layer {self.name!r} ({type(self).__name__}): query, value and key must have one batch size, got "
                f"the shapes {query.shape}, {value.shape} and {key.shape}"
            )
        allowed = self._allowed(query, value, query_mask, value_mask, key_mask, attention_mask, use_causal_mask)
        heads = self._query_dense(query)
        outputs, weights = self._attend(heads, self._key_dense(key), self._value_dense(value), allowed)
        if self.use_gate:
            outputs = outputs * self._gate_dense(query)
        outputs = self._output_dense(outputs)
        return (outputs, weights) if return_attention_scores else outputs

    def _allowed(
        self, query: Any, value: Any, query_mask: Any, value_mask: Any, key_mask: Any, given: Any, causal: bool
    ) -> Any:
        """Which query may look at which key: (batch, Tq, Tk) or what broadcasts to it; None for all."""
        masks = []
        if query_mask is not None:
            masks.append(ops.expand_dims(query_mask, -1))
        masks += [ops.expand_dims(mask, -2) for mask in (value_mask, key_mask) if mask is not None]
        if causal:
            masks.append(ops.expand_dims(causal_mask(query.shape[1], value.shape[1]), 0))
        if self.sliding_window is not None:
            rows = ops.reshape(ops.arange(query.shape[1]), (1, -1, 1))
            masks.append(ops.less(ops.absolute(rows - ops.arange(value.shape[1])), self.sliding_window))
        if given is not None:
            masks.append(ops.cast(given, "bool"))
        allowed = None
        for mask in masks:
            allowed = mask if allowed is None else ops.logical_and(allowed, mask)
        return allowed

    def _attend(self, query: Any, key: Any, value: Any, allowed: Any) -> tuple[Any, Any]:
        """softmax(query @ keyᵀ / sqrt(size)) @ value for each head, and the softmax.

        query is (batch, …, heads, size). The attention axes are taken for one; heads that share their keys are
        rows of one product, so that no key is repeated.
        """
        axes, rank = self._axes, len(query.shape)
        order = tuple(i for i in range(rank - 1) if i not in axes) + axes + (rank - 1,)
        moved: Any = ops.transpose(query * (1 / math.sqrt(self._query_size)), order)
        batch, places = moved.shape[: -len(axes) - 1], moved.shape[-len(axes) - 1 : -1]
        keys = tuple(key.shape[i] for i in axes)
        queries = math.prod(places)
        shared = (*batch[:-1], self._key_heads)
        together = queries * (self._query_heads // self._key_heads)

        def rows(x: Any) -> Any:
            """(batch, key heads, keys, size)"""
            return ops.reshape(ops.transpose(x, order), (*shared, math.prod(keys), x.shape[-1]))

        scores = ops.matmul(ops.reshape(moved, (*shared, together, moved.shape[-1])), ops.swapaxes(rows(key), -1, -2))
        scores = ops.reshape(scores, (*batch, queries, math.prod(keys)))
        weights = self._softmax(scores, mask=self._for_heads(allowed, len(batch), places, keys))
        dropped = self._dropout_layer(weights) if self.dropout > 0 else weights
        context = ops.matmul(ops.reshape(dropped, (*shared, together, math.prod(keys))), rows(value))
        context = ops.transpose(ops.reshape(context, (*batch, *places, value.shape[-1])), inverse(order))
        return context, ops.reshape(weights, (*batch, *places, *keys))

    def get_config(self) -> dict[str, Any]:
        config = super().get_config() | {"activity_regularizer": regularizers.serialize(self._activity_regularizer)}
        return {name: value for name, value in config.items() if name != "flash_attention"}

    def _for_heads(self, allowed: Any, batch: int, places: tuple[int, ...], keys: tuple[int, ...]) -> Any:
        """A mask in the axes of the scores: one for the heads, and the attention axes as two."""
        if allowed is None:
            return None
        sizes, n = places + keys, len(allowed.shape)
        leading, ends = allowed.shape[: max(n - len(sizes), 0)], allowed.shape[-len(sizes) :]
        fits = len(sizes) <= n <= len(sizes) + batch
        if not fits or any(m not in (1, size) for m, size in zip(ends, sizes, strict=True)):
            raise ValueError(
                f"layer {self.name!r}: a mask of shape {allowed.shape} does not fit scores whose last sizes are "
                f"{sizes}; expected (batch, {', '.join(map(str, sizes))})"
            )
        if len(places) > 1:  # axes that are to be one cannot broadcast by themselves
            allowed, ends = ops.broadcast_to(allowed, (*leading, *sizes)), sizes
        flat = (math.prod(ends[: len(places)]), math.prod(ends[len(places) :]))
        return ops.reshape(allowed, (*leading, *(1,) * (batch - len(leading)), *flat))


class MultiHeadAttention(_Heads):
    """Attention in several heads, each over its own projections (Vaswani et al., 2017).

    Called on query (batch, Tq, dim), value (batch, Tv, dim) and key (value by default); outputs (batch, Tq,
    output_shape), with `return_attention_scores=True` also the weights (batch, heads, Tq, Tv). The masks of the inputs,
    `attention_mask` (batch, Tq, Tv) and, with `use_causal_mask=True`, the order in time say which query may look at
    which key.

    Args:
        num_heads: the number of heads.
        key_dim: the size of the projected queries and keys of each head.
        value_dim: that of the values, `key_dim` by default.
        dropout: of the weights, in training.
        use_bias: whether the projections have biases.
        output_shape: the sizes of the outputs after the places, by default those of query.
        attention_axes: the axes that attention goes over, by default all but the batch and the features.
        sliding_window: how near a key must be: less than this number of steps away. None for everywhere.
        flash_attention: not supported.
        kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer, activity_regularizer,
            kernel_constraint, bias_constraint: of each projection.
        use_gate: whether sigmoid(projection of query) multiplies what the heads found.
        seed: of the dropout.
    """

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        output_shape: Any = None,
        attention_axes: int | Sequence[int] | None = None,
        sliding_window: int | None = None,
        flash_attention: bool | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        use_gate: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            dropout,
            use_bias,
            sliding_window,
            flash_attention,
            kernel_initializer,
            bias_initializer,
            kernel_regularizer,
            bias_regularizer,
            activity_regularizer,
            kernel_constraint,
            bias_constraint,
            use_gate,
            seed,
            **kwargs,
        )
        where = f"layer {self.name!r} (MultiHeadAttention): argument"
        self.num_heads = self._query_heads = self._key_heads = as_integer(num_heads, f"{where} `num_heads`")
        self.key_dim = self._query_size = as_integer(key_dim, f"{where} `key_dim`")
        self.value_dim = self._value_size = as_integer(value_dim or key_dim, f"{where} `value_dim`")
        self._output_sizes = as_shape(output_shape, f"{where} `output_shape`") if output_shape else None
        self.attention_axes = None if attention_axes is None else tuple(many(attention_axes))

    def build(self, query_shape: Any, value_shape: Any, key_shape: Any = None) -> None:
        rank = len(query_shape)
        axes = range(1, rank - 1) if self.attention_axes is None else self.attention_axes
        self._axes = self.attention_axes = tuple(canonical_axis(axis, rank, f"layer {self.name!r}") for axis in axes)
        super().build(query_shape, value_shape, key_shape)

    @property
    def query_dense(self) -> EinsumDense:
        """The projection of queries."""
        return self._query_dense

    @property
    def key_dense(self) -> EinsumDense:
        """The projection of keys."""
        return self._key_dense

    @property
    def value_dense(self) -> EinsumDense:
        """The projection of values."""
        return self._value_dense

    @property
    def output_dense(self) -> EinsumDense:
        """The projection of what the heads found."""
        return self._output_dense

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"output_shape": self._output_sizes}


class GroupedQueryAttention(_Heads):
    """Attention in which several heads of queries share one head of keys and values (Ainslie et al., 2023).

    Called as `MultiHeadAttention`.

    Args:
        head_dim: the size of each head.
        num_query_heads: the number of heads of queries.
        num_key_value_heads: that of keys and values, a divisor of it.
        dropout: of the weights, in training.
        use_bias: whether the projections have biases.
        sliding_window: how near a key must be: less than this number of steps away. None for everywhere.
        flash_attention: not supported.
        kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer, activity_regularizer,
            kernel_constraint, bias_constraint: of each projection.
        use_gate: whether sigmoid(projection of query) multiplies what the heads found.
        seed: of the dropout.
    """

    def __init__(
        self,
        head_dim: int,
        num_query_heads: int,
        num_key_value_heads: int,
        dropout: float = 0.0,
        use_bias: bool = True,
        sliding_window: int | None = None,
        flash_attention: bool | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        use_gate: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            dropout,
            use_bias,
            sliding_window,
            flash_attention,
            kernel_initializer,
            bias_initializer,
            kernel_regularizer,
            bias_regularizer,
            activity_regularizer,
            kernel_constraint,
            bias_constraint,
            use_gate,
            seed,
            **kwargs,
        )
        where = f"layer {self.name!r} (GroupQueryAttention): argument"
        self.head_dim = self._query_size = self._value_size = as_integer(head_dim, f"{where} `head_dim`")
        self.num_query_heads = self._query_heads = as_integer(num_query_heads, f"{where} `num_query_heads`")
        self.num_key_value_heads = self._key_heads = as_integer(num_key_value_heads, f"{where} `num_key_value_heads`")
        if self.num_query_heads % self.num_key_value_heads:
            raise ValueError(
                f"layer {self.name!r} (GroupQueryAttention): argument `num_query_heads` must be a multiple of "
                f"`num_key_value_heads`, got {self.num_query_heads} and {self.num_key_value_heads}"
            )


_LABELS = "abcdefghijklmnopqrstuvw"
