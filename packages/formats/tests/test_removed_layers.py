"""Layers that Keras 3 does not have any more, against NumPy, and by the contract of layers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pronghorn import layers
from pronghorn.layer import Layer
from pronghorn.testing import LayerContract

RANDOM = np.random.default_rng(0)


def normal(*shape: int) -> Any:
    return RANDOM.normal(size=shape).astype("float32")


class TestThresholdedReLU(LayerContract):
    def make(self, **options: Any) -> Layer:
        return layers.ThresholdedReLU(0.3, **options)


class TestMaxoutDense(LayerContract):
    def make(self, **options: Any) -> Layer:
        return layers.MaxoutDense(3, nb_feature=2, **options)


class TestHighway(LayerContract):
    def make(self, **options: Any) -> Layer:
        return layers.Highway(activation="tanh", **options)


class TestLocallyConnected1D(LayerContract):
    input_shape = (2, 7, 2)

    def make(self, **options: Any) -> Layer:
        return layers.LocallyConnected1D(2, 3, strides=2, activation="tanh", **options)


class TestLocallyConnected2D(LayerContract):
    input_shape = (2, 4, 5, 2)

    def make(self, **options: Any) -> Layer:
        return layers.LocallyConnected2D(2, (2, 3), **options)


def test_values() -> None:
    x = normal(2, 4)
    np.testing.assert_array_equal(layers.ThresholdedReLU(0.3)(x).numpy(), np.where(x > 0.3, x, 0))

    maxout = layers.MaxoutDense(3, nb_feature=2)
    maxout.build((None, 4))
    kernel, bias = normal(2, 4, 3), normal(2, 3)
    maxout.set_weights([kernel, bias])
    np.testing.assert_allclose(maxout(x).numpy(), (x @ kernel + bias[:, None]).max(0), rtol=1e-5)

    highway = layers.Highway(activation="tanh")
    highway.build((None, 4))
    kernel, carry, bias, carry_bias = weights = [normal(4, 4), normal(4, 4), normal(4), normal(4)]
    highway.set_weights(weights)
    t = 1 / (1 + np.exp(-(x @ carry + carry_bias)))
    np.testing.assert_allclose(highway(x).numpy(), t * np.tanh(x @ kernel + bias) + (1 - t) * x, rtol=1e-5, atol=1e-6)


def test_values_of_local_connections() -> None:
    local = layers.LocallyConnected2D(3, (2, 3), strides=(1, 2))
    local.build((None, 4, 7, 2))
    kernel, bias = normal(9, 12, 3), normal(3, 3, 3)
    local.set_weights([kernel, bias])
    x = normal(2, 4, 7, 2)
    expected = np.stack(
        [x[:, i : i + 2, 2 * j : 2 * j + 3].reshape(2, -1) @ kernel[3 * i + j] for i in range(3) for j in range(3)], 1
    )
    np.testing.assert_allclose(local(x).numpy(), expected.reshape(2, 3, 3, 3) + bias, rtol=1e-4, atol=1e-5)
    with pytest.raises(NotImplementedError, match="implementation=1"):
        layers.LocallyConnected1D(2, 3, implementation=2)
