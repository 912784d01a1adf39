"""Training in 16 bits on the cpu accelerator: no step waits for the host, and the numbers are the reference's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import pronghorn as keras
from pronghorn import layers, ops
from pronghorn.testing.kernels import using_accelerator

rng = np.random.default_rng(0)
IDS = rng.integers(0, 50, (48, 7))
LABELS = rng.integers(0, 3, 48)


@pytest.fixture(autouse=True)
def _global_policy() -> Iterator[None]:
    before = keras.config.dtype_policy()
    yield
    keras.config.set_dtype_policy(before)


def dense() -> tuple[Any, Any, Any]:
    x = inputs = keras.Input((20,))
    for layer in (layers.Dense(33, activation="relu"), layers.BatchNormalization(), layers.Dropout(0.1)):
        x = layer(x)
    return inputs, x, rng.normal(size=(48, 20))


def convolutional() -> tuple[Any, Any, Any]:
    x = inputs = keras.Input((12, 12, 3))
    for layer in (
        layers.Conv2D(8, 3, activation="relu", padding="same"), layers.BatchNormalization(), layers.MaxPooling2D(),
        layers.DepthwiseConv2D(3), layers.AveragePooling2D(2, strides=1), layers.Conv2D(8, 2, strides=2),
        layers.Conv2DTranspose(4, 2), layers.GlobalAveragePooling2D(),
    ):  # fmt: skip
        x = layer(x)
    return inputs, x, rng.normal(size=(48, 12, 12, 3))


def recurrent() -> tuple[Any, Any, Any]:
    inputs = keras.Input((7,), dtype="int32")
    x = layers.Embedding(50, 16, mask_zero=True)(inputs)
    x = layers.Bidirectional(layers.LSTM(8, return_sequences=True))(x)
    return inputs, layers.GRU(8)(x), IDS


def attention() -> tuple[Any, Any, Any]:
    inputs = keras.Input((7,), dtype="int32")
    x = layers.Embedding(50, 16)(inputs)
    x = layers.LayerNormalization()(x + layers.MultiHeadAttention(2, 8)(x, x))
    x = layers.LayerNormalization()(x + layers.Dense(16)(layers.Dense(32, activation="gelu")(x)))
    return inputs, layers.GlobalAveragePooling1D()(x), IDS


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float16"])
@pytest.mark.parametrize("build", [dense, convolutional, recurrent, attention])
def test_training(build: Callable[[], tuple[Any, Any, Any]], policy: str) -> None:
    pytest.importorskip("ml_dtypes")
    keras.config.set_dtype_policy(policy)
    rounding = 8 if policy == "float16" else 1  # of the weights, which are rounded after each step
    found = {}
    for accelerator in ("cpu", "numpy"):
        with using_accelerator(accelerator):
            keras.utils.set_random_seed(1)
            inputs, x, data = build()
            model = keras.Model(inputs, layers.Dense(3, activation="softmax", dtype="float32")(x))
            model.compile(
                keras.optimizers.Adam(epsilon=1e-7 if rounding == 1 else 1e-3), "sparse_categorical_crossentropy"
            )
            run = model.fit(data if found == {} else found["data"], LABELS, batch_size=16, epochs=2, verbose=0)
            found.setdefault("data", data)
            found[accelerator] = run.history["loss"], model.get_weights()
            if accelerator == "cpu":
                waits = [each.name for each in model.train_program.instructions() if each.kind == "host"]
                assert waits == []
    # Sums are taken in another order, which now and then rounds to the neighbour.
    np.testing.assert_allclose(found["cpu"][0], found["numpy"][0], rtol=3e-4 * rounding)
    for ours, reference in zip(found["cpu"][1], found["numpy"][1], strict=True):
        np.testing.assert_allclose(ours, reference, atol=2e-4 * rounding)


def test_host_calls_in_loops_read_variables() -> None:
    matrix = keras.Variable(np.array([[4.0, 2.0], [2.0, 5.0]], "float32"))

    class Factored(layers.Layer):
        def build(self, shape: Any) -> None:
            self.matrix = matrix

        def call(self, x: Any) -> Any:
            def step(carry: Any, row: Any) -> Any:
                carry = carry + ops.matmul(row, ops.linalg.cholesky(self.matrix))
                return carry, carry

            return ops.scan(step, ops.zeros_like(x[:, 0]), ops.transpose(x, (1, 0, 2)))[0]

    x = np.ones((2, 3, 2), "float32")
    model = keras.Sequential([keras.Input((3, 2)), Factored()])
    with pytest.warns(UserWarning, match="cholesky"):
        found = model.predict(x, verbose=0)
    np.testing.assert_allclose(found, [[9, 6], [9, 6]], rtol=1e-6)
