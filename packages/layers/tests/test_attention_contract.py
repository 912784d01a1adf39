"""Attention, EinsumDense, the normalizations and the layers of numbers keep the contract."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pronghorn import ops
from pronghorn.autodiff import check_gradients
from pronghorn.layer import Layer
from pronghorn.testing import LayerContract
from pronghorn_layers.attention import AdditiveAttention, Attention
from pronghorn_layers.dense import Dense
from pronghorn_layers.einsum_dense import EinsumDense
from pronghorn_layers.multi_head_attention import GroupedQueryAttention, MultiHeadAttention
from pronghorn_layers.normalization import (
    BatchNormalization,
    GroupNormalization,
    LayerNormalization,
    RMSNormalization,
    UnitNormalization,
)
from pronghorn_layers.preprocessing import CategoryEncoding, Discretization, Normalization, Rescaling
from pronghorn_layers.spectral_normalization import SpectralNormalization


class TestBatchNormalization(LayerContract):
    input_shape = (4, 3, 5)
    unknown = (1,)

    def make(self, **options: Any) -> Layer:
        return BatchNormalization(gamma_initializer="random_uniform", **options)

    def test_gradients_through_the_moments_of_the_batch(self) -> None:
        layer = self.make(dtype="float64")
        check_gradients(lambda x: layer(x, training=True), [self.arrays("float64")])


class TestBatchNormalizationOfTheFirstAxis(LayerContract):
    input_shape = (4, 3, 5, 2)

    def make(self, **options: Any) -> Layer:
        return BatchNormalization(axis=1, center=False, **options)


class TestLayerNormalization(LayerContract):
    input_shape = (2, 3, 5)
    unknown = (1,)

    def make(self, **options: Any) -> Layer:
        return LayerNormalization(**options)


class TestLayerNormalizationOverTwoAxes(LayerContract):
    input_shape = (2, 3, 5, 4)
    unknown = (3,)

    def make(self, **options: Any) -> Layer:
        return LayerNormalization(axis=[1, 2], **options)


class TestLayerNormalizationByRootMeanSquare(LayerContract):
    def make(self, **options: Any) -> Layer:
        return LayerNormalization(rms_scaling=True, **options)


class TestGroupNormalization(LayerContract):
    input_shape = (2, 3, 4, 6)
    unknown = (1, 2)

    def make(self, **options: Any) -> Layer:
        return GroupNormalization(groups=3, **options)


class TestInstanceNormalization(LayerContract):
    input_shape = (2, 4, 5)

    def make(self, **options: Any) -> Layer:
        return GroupNormalization(groups=-1, axis=1, **options)


class TestRMSNormalization(LayerContract):
    input_shape = (2, 3, 5)
    unknown = (1,)

    def make(self, **options: Any) -> Layer:
        return RMSNormalization(**options)


class TestUnitNormalization(LayerContract):
    input_shape = (2, 3, 5)
    unknown = (1, 2)

    def make(self, **options: Any) -> Layer:
        return UnitNormalization(axis=(1, 2), **options)


class TestSpectralNormalization(LayerContract):
    def make(self, **options: Any) -> Layer:
        return SpectralNormalization(Dense(4, dtype=options.get("dtype")), power_iterations=2, **options)


class TestEinsumDense(LayerContract):
    input_shape = (2, 3, 5)
    unknown = (1,)

    def make(self, **options: Any) -> Layer:
        return EinsumDense("abc,cde->abde", (None, 2, 3), bias_axes="de", activation="tanh", **options)


class TestEinsumDenseOverFirstAxes(LayerContract):
    input_shape = (2, 3, 5)

    def make(self, **options: Any) -> Layer:
        return EinsumDense("ab...,bc->ac...", 4, bias_axes="c", **options)


class TestAttention(LayerContract):
    input_shape = [(2, 3, 5), (2, 4, 5)]
    unknown = (1,)

    def make(self, **options: Any) -> Layer:
        return Attention(use_scale=True, **options)


class TestAttentionByConcatenation(LayerContract):
    input_shape = [(2, 3, 5), (2, 4, 6), (2, 4, 5)]

    def make(self, **options: Any) -> Layer:
        return Attention(score_mode="concat", **options)


class TestAdditiveAttention(LayerContract):
    input_shape = [(2, 3, 5), (2, 4, 5)]

    def make(self, **options: Any) -> Layer:
        return AdditiveAttention(**options)


class SelfAttention(Layer):
    """Makes a layer of one input of a layer of query and value."""

    def __init__(self, attention: Layer, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.attention = attention
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        self.attention.build(input_shape, input_shape)

    def call(self, inputs: Any, mask: Any = None) -> Any:
        return self.attention(inputs, inputs, query_mask=mask, value_mask=mask)

    def get_config(self) -> dict[str, Any]:
        from pronghorn.saving.registry import serialize_keras_object

        return super().get_config() | {"attention": serialize_keras_object(self.attention)}

    @classmethod
    def from_config(cls, config: Any) -> Any:
        from pronghorn.saving.registry import deserialize_keras_object

        return cls(**{name: deserialize_keras_object(value) for name, value in config.items()})


class TestMultiHeadAttention(LayerContract):
    input_shape = (2, 3, 4)
    unknown = (1,)

    def make(self, **options: Any) -> Layer:
        attention = MultiHeadAttention(2, 3, value_dim=2, output_shape=5, use_gate=True, dtype=options.get("dtype"))
        return SelfAttention(attention, **options)


class TestMultiHeadAttentionOverTwoAxes(LayerContract):
    input_shape = (2, 2, 3, 4)

    def make(self, **options: Any) -> Layer:
        return SelfAttention(MultiHeadAttention(2, 3, sliding_window=None, dtype=options.get("dtype")), **options)

    def test_masks(self) -> None:
        """A mask of steps is none of places."""


class TestGroupQueryAttention(LayerContract):
    input_shape = (2, 3, 4)

    def make(self, **options: Any) -> Layer:
        return SelfAttention(GroupedQueryAttention(3, 4, 2, use_gate=True, dtype=options.get("dtype")), **options)


class TestRescaling(LayerContract):
    input_shape = (2, 3, 5)
    unknown = (1, 2)

    def make(self, **options: Any) -> Layer:
        return Rescaling(1 / 127.5, offset=-1, **options)


class TestNormalization(LayerContract):
    input_shape = (2, 3, 5)
    unknown = (1,)

    def make(self, **options: Any) -> Layer:
        return Normalization(mean=[1.0, 2, 3, 4, 5], variance=2.0 * np.ones(5), **options)


class TestAdaptedNormalization(LayerContract):
    input_shape = (2, 3, 5)

    def make(self, **options: Any) -> Layer:
        layer = Normalization(axis=(1, 2), **options)
        layer.adapt(3 * self.arrays() + 1)
        return layer


class TestCategoryEncoding(LayerContract):
    input_shape = (3, 5)
    input_dtype = "int32"

    def make(self, **options: Any) -> Layer:
        return CategoryEncoding(4, "count", **options)


class TestDiscretization(LayerContract):
    input_shape = (3, 5)
    differentiable = False

    def make(self, **options: Any) -> Layer:
        options.pop("trainable", None)
        return Discretization([-0.5, 0.1, 1.0], **options)


@pytest.mark.parametrize("attention", [MultiHeadAttention(2, 3), GroupedQueryAttention(3, 4, 2)])
def test_gradients_with_respect_to_query_value_and_key(attention: Any) -> None:
    attention.dtype_policy = "float64"
    rng = np.random.default_rng(0)
    inputs = [rng.normal(size=shape) for shape in ((2, 3, 4), (2, 5, 4), (2, 5, 2))]
    check_gradients(lambda q, v, k: attention(q, v, k, use_causal_mask=True), inputs)


def test_a_masked_batch_attends_as_a_trimmed_one() -> None:
    from pronghorn.layer import set_mask
    from pronghorn.tensor import convert_to_tensor

    x = np.random.default_rng(0).normal(size=(2, 5, 4)).astype("float32")
    attention = MultiHeadAttention(2, 3)
    trimmed = attention(x[:, :3], x[:, :3])
    masked = convert_to_tensor(x)
    set_mask(masked, ops.tile(np.arange(5)[None] < 3, (2, 1)))
    np.testing.assert_allclose(attention(masked, masked).numpy()[:, :3], trimmed.numpy(), rtol=1e-5, atol=1e-6)


def test_dropout_of_attention_is_for_training_only() -> None:
    x = np.random.default_rng(0).normal(size=(2, 5, 4)).astype("float32")
    for layer, inputs in (
        (MultiHeadAttention(2, 3, dropout=0.5, seed=1), (x, x)),
        (GroupedQueryAttention(3, 2, 1, dropout=0.5, seed=1), (x, x)),
        (Attention(dropout=0.5, seed=1), ([x, x],)),
        (AdditiveAttention(dropout=0.5, seed=1), ([x, x],)),
    ):
        plain = layer(*inputs).numpy()
        np.testing.assert_array_equal(layer(*inputs).numpy(), plain)
        assert not np.allclose(layer(*inputs, training=True).numpy(), plain)
