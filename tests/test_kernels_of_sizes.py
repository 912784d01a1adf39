"""A new batch size or length plans anew and compiles no kernel, whatever the layers: also where a size becomes 1."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import pronghorn as keras
from pronghorn import config, layers
from pronghorn_cpu import cache

Sample = tuple[int, ...]
Body = Callable[[Any], Any]


@pytest.fixture(autouse=True)
def on_the_cpu(settings_are_put_back: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    config.set_accelerator("cpu")
    monkeypatch.setattr(cache, "_kernels", {})  # those of other tests might be what is missed here
    yield


def attention(heads: int) -> Body:
    def body(x: Any) -> Any:
        y = layers.MultiHeadAttention(heads, 8)(x, x)
        return layers.GlobalAveragePooling1D()(layers.LayerNormalization()(x + y))

    return body


def grouped_queries(x: Any) -> Any:
    return layers.GlobalMaxPooling1D()(layers.GroupQueryAttention(8, 4, 2)(x, x))


def convolution(x: Any) -> Any:
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(x)
    x = layers.MaxPooling2D()(layers.BatchNormalization()(x))
    return layers.Flatten()(layers.DepthwiseConv2D(3)(layers.Conv2D(8, 1)(x)))


def residual(x: Any) -> Any:
    y = layers.BatchNormalization()(layers.Conv2D(4, 3, padding="same", use_bias=False)(x))
    return layers.GlobalAveragePooling2D()(layers.ReLU()(layers.Add()([x, y])))


def gated_channels(x: Any) -> Any:
    gates = layers.Dense(4, activation="sigmoid")(layers.GlobalAveragePooling2D(keepdims=True)(x))
    return layers.Flatten()(layers.Multiply()([x, gates]))


def transposed_convolution(x: Any) -> Any:
    x = layers.BatchNormalization(axis=1)(layers.Conv2DTranspose(3, 3, strides=2)(x))
    return layers.Flatten()(layers.PReLU(shared_axes=[1, 2])(layers.AveragePooling2D()(x)))


def groups(x: Any) -> Any:
    x = layers.Permute((2, 1))(layers.EinsumDense("abc,cd->abd", (None, 8), bias_axes="d")(x))
    return layers.GroupNormalization(4)(layers.Flatten()(layers.Conv1D(4, 2)(x)))


def recurrent(layer: type[Any]) -> Body:
    def body(x: Any) -> Any:
        x = layers.Dropout(0.2)(layer(7, return_sequences=True)(x))
        return layers.Bidirectional(layer(4))(x)

    return body


def steps(x: Any) -> Any:
    x = layers.LSTM(7, return_sequences=True, dropout=0.1)(x)
    x = layers.TimeDistributed(layers.Dense(4, activation="gelu"))(x)
    return layers.GlobalAveragePooling1D()(layers.Attention()([x, x]))


MODELS: dict[str, tuple[Body, Sample]] = {
    "attention": (attention(2), (12, 16)),
    "attention of one head": (attention(1), (12, 16)),
    "grouped queries": (grouped_queries, (12, 16)),
    "convolution": (convolution, (8, 8, 3)),
    "residual": (residual, (8, 8, 4)),
    "gated channels": (gated_channels, (8, 8, 4)),
    "transposed convolution": (transposed_convolution, (6, 6, 2)),
    "groups": (groups, (6, 8)),
    "LSTM": (recurrent(layers.LSTM), (6, 5)),
    "GRU": (recurrent(layers.GRU), (6, 5)),
    "SimpleRNN": (recurrent(layers.SimpleRNN), (6, 5)),
    "steps": (steps, (6, 5)),
}


@pytest.mark.parametrize("name", MODELS)
def test_other_batch_sizes_compile_no_kernel(name: str) -> None:
    body, sample = MODELS[name]
    inputs = keras.Input(sample)
    model = keras.Model(inputs, layers.Dense(3)(body(inputs)))
    model.compile("adam", "mse", metrics=["mae"])
    rng = np.random.default_rng(0)
    needed: dict[int, set[str]] = {}
    for batch in (128, 96, 1, 7):
        model.train_on_batch(rng.normal(size=(batch, *sample)), rng.normal(size=(batch, 3)))
        model.predict_on_batch(rng.normal(size=(batch, *sample)))
        needed[batch] = set(cache._kernels)
    assert all(found == needed[128] for found in needed.values())
