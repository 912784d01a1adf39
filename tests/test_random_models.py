"""Models of random layers: a training step on the CPU equals the reference's, and a saved model comes back whole.

What no list of cases holds: which layers meet. Fusion, memory plan and kernels see neighbours here that nobody
thought of.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pronghorn as keras
from pronghorn import layers

Tensor = Any
Rng = np.random.Generator
Step = Callable[[Rng, Tensor], Tensor]

few_or_many = pytest.mark.parametrize("seeds", [range(12), pytest.param(range(12, 200), marks=pytest.mark.deep)])


def one_of(rng: Rng, *values: Any) -> Any:
    return values[rng.integers(len(values))]


def activation(rng: Rng) -> str | None:
    return one_of(rng, None, "relu", "tanh", "gelu", "sigmoid", "silu", "softplus", "softmax")


# What may follow a tensor, by its rank, the batch included.
FOLLOWING: dict[int, list[Step]] = {
    2: [
        lambda rng, x: layers.Dense(int(rng.integers(1, 20)), activation(rng))(x),
        lambda rng, x: layers.BatchNormalization(scale=bool(rng.integers(2)))(x),
        lambda rng, x: layers.LayerNormalization()(x),
        lambda rng, x: layers.Dropout(0.3)(x),
        lambda rng, x: layers.UnitNormalization()(x),
        lambda rng, x: layers.RepeatVector(int(rng.integers(1, 4)))(x),
        lambda rng, x: layers.Reshape((x.shape[-1], 1))(x),
        lambda rng, x: x * 0.5 + keras.ops.tanh(x),
        lambda rng, x: keras.ops.where(x > 0.1, x, keras.ops.exp(x) - 1.0),
    ],
    3: [
        lambda rng, x: layers.Dense(int(rng.integers(1, 12)), activation(rng))(x),
        lambda rng, x: layers.Conv1D(int(rng.integers(1, 8)), one_of(rng, 1, 2, 3), padding="same")(x),
        lambda rng, x: layers.Conv1D(4, 2, dilation_rate=2, padding="causal", activation=activation(rng))(x),
        lambda rng, x: layers.LSTM(int(rng.integers(1, 9)), return_sequences=bool(rng.integers(2)))(x),
        lambda rng, x: layers.GRU(int(rng.integers(1, 9)), return_sequences=bool(rng.integers(2)))(x),
        lambda rng, x: layers.Bidirectional(layers.SimpleRNN(3, return_sequences=True))(x),
        lambda rng, x: layers.MultiHeadAttention(one_of(rng, 1, 2), 3)(x, x, use_causal_mask=bool(rng.integers(2))),
        lambda rng, x: layers.LayerNormalization()(x),
        lambda rng, x: layers.BatchNormalization()(x),
        lambda rng, x: layers.SpatialDropout1D(0.2)(x),
        lambda rng, x: layers.Permute((2, 1))(x),
        lambda rng, x: layers.AveragePooling1D(2, strides=1, padding="same")(x),
        lambda rng, x: layers.GlobalMaxPooling1D()(x),
        lambda rng, x: layers.Flatten()(x),
        lambda rng, x: x - keras.ops.mean(x, axis=1, keepdims=True),
        lambda rng, x: keras.ops.cumsum(x, axis=1) * 0.25,
    ],
    4: [
        lambda rng, x: layers.Conv2D(int(rng.integers(1, 9)), one_of(rng, 1, 2, 3), padding="same")(x),
        lambda rng, x: layers.Conv2D(5, 3, strides=one_of(rng, 1, 2), padding="same", activation=activation(rng))(x),
        lambda rng, x: layers.DepthwiseConv2D(3, padding="same", depth_multiplier=one_of(rng, 1, 2))(x),
        lambda rng, x: layers.SeparableConv2D(4, 2, padding="same", activation="relu")(x),
        lambda rng, x: layers.Conv2DTranspose(3, 2, strides=one_of(rng, 1, 2), padding="same")(x),
        lambda rng, x: layers.BatchNormalization()(x),
        lambda rng, x: layers.Activation("relu")(layers.BatchNormalization()(x)),
        lambda rng, x: layers.GroupNormalization(1)(x),
        lambda rng, x: layers.MaxPooling2D(2, padding="same")(x),
        lambda rng, x: layers.AveragePooling2D(3, strides=1, padding="same")(x),
        lambda rng, x: layers.UpSampling2D(2)(x) if x.shape[1] < 8 else layers.ReLU(6.0)(x),
        lambda rng, x: layers.ZeroPadding2D(((1, 0), (0, 1)))(x),
        lambda rng, x: layers.Dropout(0.3)(x),
        lambda rng, x: layers.GlobalAveragePooling2D()(x),
        lambda rng, x: layers.Reshape((x.shape[1] * x.shape[2], x.shape[3]))(x),
        lambda rng, x: layers.Flatten()(x),
        lambda rng, x: layers.Permute((2, 1, 3))(x),
    ],
}
SHAPES = [(7,), (6, 5), (6, 6, 3)]


def random_model(seed: int) -> keras.Model:
    """Four to nine layers, each on one of the last tensors, with sums and concatenations of what fits together."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng(seed)
    inputs = keras.Input(one_of(rng, *SHAPES))
    tensors = [inputs]
    for _ in range(rng.integers(4, 10)):
        x = tensors[-1 - int(rng.integers(min(2, len(tensors))))]
        y = one_of(rng, *FOLLOWING[len(x.shape)])(rng, x)
        alike = [other for other in tensors if other.shape == y.shape]
        if alike and rng.random() < 0.6:
            y = one_of(rng, layers.Add, layers.Multiply, layers.Maximum, layers.Concatenate)()([y, alike[-1]])
        tensors.append(y)
    last = tensors[-1]
    flat = last if len(last.shape) == 2 else layers.Flatten()(last)
    return keras.Model(inputs, layers.Dense(3)(flat))


def batch(model: keras.Model, rows: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(rows)
    x = rng.normal(size=(rows, *model.input_shape[1:])).astype("float32")
    return x, rng.normal(size=(rows, 3)).astype("float32")


def step_on(accelerator: str, seed: int) -> dict[str, Any]:
    """What a step of training leads to, and predictions for batches of other sizes after it."""
    keras.config.set_accelerator(accelerator)
    model = random_model(seed)
    model.compile(keras.optimizers.SGD(1e-3, momentum=0.9), "mse")
    results = {"loss": np.float32(model.train_on_batch(*batch(model, 6)))}
    results |= {weight.path: weight.numpy() for weight in model.weights}
    for rows in (1, 9):
        results[f"{rows} rows"] = model.predict_on_batch(batch(model, rows)[0])
    return results


@few_or_many
def test_a_step_equals_the_reference(seeds: range) -> None:
    for seed in seeds:
        expected, got = step_on("numpy", seed), step_on("cpu", seed)
        assert got.keys() == expected.keys()
        for name, value in expected.items():
            scale = np.abs(value).max(initial=1e-3)
            np.testing.assert_allclose(got[name], value, 1e-4, 1e-4 * scale, err_msg=f"seed {seed}: {name}")


@few_or_many
def test_a_saved_model_goes_on_with_the_same_bits(seeds: range, tmp_path: Path) -> None:
    keras.config.set_accelerator("cpu")
    for seed in seeds:
        model = random_model(seed)
        model.compile("adam", "mse")
        x, y = batch(model, 6)
        model.train_on_batch(x, y)
        draws = len(model.variables) > len(model.weights)  # an .h5 file holds no states of random seeds, as in Keras
        paths = [tmp_path / f"model{ending}" for ending in ((".keras",) if draws else (".keras", ".h5"))]
        for path in paths:
            model.save(path)
        copies = [keras.models.load_model(path) for path in paths]
        for trained in (model, *copies):
            trained.train_on_batch(x, y)
        for copied in copies:
            for ours, theirs in zip(model.weights, copied.weights, strict=True):
                np.testing.assert_array_equal(theirs.numpy(), ours.numpy(), err_msg=f"seed {seed}: {ours.path}")
