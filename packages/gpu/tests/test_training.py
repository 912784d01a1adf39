"""Training of small networks of every kind equals the reference's within rounding, and itself bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pronghorn as keras
from pronghorn.testing.kernels import using_accelerator

pytestmark = pytest.mark.gpu


def _mlp(layers: Any) -> Any:
    return [
        keras.Input((6,)),
        layers.Dense(5, activation="relu"),
        layers.Dropout(0.4),
        layers.Dense(4, activation="relu"),
        layers.Dropout(0.3),
        layers.Dense(3, activation="softmax"),
    ]


def _convolutions(layers: Any) -> Any:
    return [
        keras.Input((5, 5, 2)),
        layers.Conv2D(3, 3, padding="same", use_bias=False),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.MaxPooling2D(2),
        layers.DepthwiseConv2D(2),
        layers.GlobalAveragePooling2D(),
        layers.Dense(3, activation="softmax"),
    ]


def _reviews(layers: Any) -> Any:
    return [
        keras.Input((4,), dtype="int32"),
        layers.Embedding(7, 3, mask_zero=True),
        layers.LSTM(2),
        layers.Dense(3, activation="softmax"),
    ]


def _attention(layers: Any) -> Any:
    return [
        keras.Input((3, 4)),
        layers.LayerNormalization(),
        _SelfAttention(),
        layers.GlobalAveragePooling1D(),
        layers.Dense(3, activation="softmax"),
    ]


class _SelfAttention(keras.layers.Layer):
    def build(self, input_shape: Any) -> None:
        self.attention = keras.layers.MultiHeadAttention(2, 2)
        self.attention.build(input_shape, input_shape)

    def call(self, inputs: Any) -> Any:
        return inputs + self.attention(inputs, inputs)


NETWORKS = {"mlp": _mlp, "convolutions": _convolutions, "reviews": _reviews, "attention": _attention}
# (not Adam for attention: the gradient of the key's bias is rounding alone, which Adam makes a step of)
OPTIMIZERS = {"mlp": "rmsprop", "convolutions": "sgd", "reviews": "adam", "attention": "sgd"}


def train(accelerator: str, name: str) -> tuple[list[Any], Any, Any]:
    """Weights, losses and predictions after two steps."""
    with using_accelerator(accelerator):
        keras.utils.set_random_seed(1)
        model = keras.Sequential(NETWORKS[name](keras.layers))
        model.compile(optimizer=OPTIMIZERS[name], loss="categorical_crossentropy", metrics=["accuracy"])
        rng = np.random.default_rng(0)
        shape = (6, *model.input_shape[1:])
        x = rng.integers(0, 7, shape).astype("int32") if name == "reviews" else rng.random(shape, dtype=np.float32)
        y = np.eye(3, dtype=np.float32)[rng.integers(0, 3, 6)]
        history = model.fit(x, y, batch_size=3, epochs=1, verbose=0).history
        return model.get_weights(), history["loss"], model.predict(x, verbose=0)


@pytest.mark.parametrize("name", NETWORKS)
def test_training(name: str) -> None:
    weights, losses, predictions = train("gpu", name)
    again, *_ = train("gpu", name)
    wanted, wanted_losses, wanted_predictions = train("numpy", name)
    for a, b, c in zip(weights, again, wanted, strict=True):
        assert a.tobytes() == b.tobytes()
        np.testing.assert_allclose(a, c, rtol=1e-5, atol=2e-6)
    np.testing.assert_allclose(losses, wanted_losses, rtol=1e-5)
    np.testing.assert_allclose(predictions, wanted_predictions, rtol=1e-5, atol=1e-6)
