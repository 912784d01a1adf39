"""The contracts, and what is special about Swish."""

from __future__ import annotations

from typing import Any

import numpy as np

import pronghorn as keras
from pronghorn import Layer, ops
from pronghorn.autodiff import check_gradients
from pronghorn.testing import KernelContract, LayerContract
from pronghorn_swish.swish import Swish, scaled_sigmoid_product


class TestLayer(LayerContract):
    input_shape = (4, 6)

    def make(self, **options: Any) -> Layer:
        return Swish(beta=1.5, **options)


class TestTrainableLayer(LayerContract):
    input_shape = (4, 6)

    def make(self, **options: Any) -> Layer:
        return Swish(trainable_beta=True, **options)


class TestKernel(KernelContract):
    op = scaled_sigmoid_product
    shapes = [((n,), ()) for n in (0, 1, 7, 16, 1000)] + [((3, 5), ()), ((2, 3, 4), ())]
    dtypes = ("float32",)
    rtol = 1e-6


def test_installed_is_all_it_takes() -> None:
    assert keras.layers.Swish(beta=2.0).get_config()["beta"] == 2.0
    assert "Swish" in dir(keras.layers)


def test_beta_one_is_silu() -> None:
    x = np.linspace(-4, 4, 9, dtype="float32")
    np.testing.assert_allclose(keras.layers.Swish()(x), ops.silu(x), rtol=1e-6)


def test_gradients() -> None:
    check_gradients(scaled_sigmoid_product, [np.linspace(-3, 3, 7), 1.3], order=2)
