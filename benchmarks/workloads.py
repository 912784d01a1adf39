"""The workloads: their data, sizes and the model in Keras's terms, for any module that speaks Keras."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Workload:
    """A training job: rows of data, batch size, and what is compiled."""

    name: str
    rows: int
    batch_size: int
    optimizer: str
    loss: str

    @property
    def steps(self) -> int:
        """Steps of an epoch, the last one with a smaller batch."""
        return -(-self.rows // self.batch_size)


_ROWS = int(os.environ.get("BENCHMARK_ROWS", "0"))
"""So many rows instead, to try a benchmark out."""

_TIMES = int(os.environ.get("BENCHMARK_TIMES", "1"))
"""So many times the rows, where a device is done with them in no time; the first has a whole data set anyhow."""

W1 = Workload("W1", _ROWS or 60000, 128, "rmsprop", "categorical_crossentropy")
W2 = Workload("W2", _ROWS or 3840 * _TIMES, 128, "adam", "categorical_crossentropy")
W3 = Workload("W3", _ROWS or 1280 * _TIMES, 32, "adam", "binary_crossentropy")
W4 = Workload("W4", _ROWS or 1280 * _TIMES, 64, "sgd", "categorical_crossentropy")
W5 = Workload("W5", _ROWS or 640 * _TIMES, 32, "adam", "categorical_crossentropy")
WORKLOADS = {workload.name: workload for workload in (W1, W2, W3, W4, W5)}

STEPS, VOCABULARY, UNITS = 80, 20000, 128
"""Of W3: words of a review, different words, units of embedding and LSTM."""

PLACES, WIDTH, HEADS, HIDDEN = 128, 128, 4, 512
"""Of W5: places of a sequence, features of a place, heads, and units between the two dense layers of a block."""


def data(workload: Workload) -> tuple[Any, Any]:
    """Inputs and targets with the shapes of the real data set; values do not matter for speed."""
    rng = np.random.default_rng(0)
    if workload is W3:
        reviews = rng.integers(1, VOCABULARY, (workload.rows, STEPS), dtype=np.int32)
        return reviews, rng.integers(0, 2, (workload.rows, 1)).astype(np.float32)
    labels = rng.integers(0, 10, workload.rows)
    shape = {"W1": (784,), "W2": (28, 28, 1), "W4": (32, 32, 3), "W5": (PLACES, WIDTH)}[workload.name]
    return rng.random((workload.rows, *shape), dtype=np.float32), np.eye(10, dtype=np.float32)[labels]


def model(keras: Any, workload: Workload, **options: Any) -> Any:
    """The compiled model, built with the module `keras`; `options` are for `compile`."""
    network = _NETWORKS[workload.name](keras, keras.layers)
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9) if workload is W4 else workload.optimizer
    network.compile(optimizer=optimizer, loss=workload.loss, metrics=["accuracy"], **options)
    return network


def _mlp(keras: Any, layers: Any) -> Any:
    network = [
        keras.Input((784,)),
        layers.Dense(256, activation="relu"),
        layers.Dropout(0.4),
        layers.Dense(128, activation="relu"),
        layers.Dropout(0.3),
        layers.Dense(10, activation="softmax"),
    ]
    return keras.Sequential(network)


def _convolutions(keras: Any, layers: Any) -> Any:
    network = [
        keras.Input((28, 28, 1)),
        layers.Conv2D(32, 3, activation="relu"),
        layers.Conv2D(64, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Dropout(0.25),
        layers.Flatten(),
        layers.Dense(128, activation="relu"),
        layers.Dropout(0.5),
        layers.Dense(10, activation="softmax"),
    ]
    return keras.Sequential(network)


def _reviews(keras: Any, layers: Any) -> Any:
    network = [
        keras.Input((STEPS,), dtype="int32"),
        layers.Embedding(VOCABULARY, UNITS),
        layers.LSTM(UNITS),
        layers.Dense(1, activation="sigmoid"),
    ]
    return keras.Sequential(network)


def _residual(keras: Any, layers: Any) -> Any:
    """ResNet-20 for 32x32 images (He et al., 2016), with a convolution where the size changes."""

    def convolved(x: Any, filters: int, size: int = 3, strides: int = 1) -> Any:
        x = layers.Conv2D(filters, size, strides=strides, padding="same", use_bias=False)(x)
        return layers.BatchNormalization()(x)

    image = keras.Input((32, 32, 3))
    x = layers.Activation("relu")(convolved(image, 16))
    for filters in (16, 32, 64):
        for block in range(3):
            strides = 2 if filters > 16 and block == 0 else 1
            h = layers.Activation("relu")(convolved(x, filters, strides=strides))
            h = convolved(h, filters)
            x = convolved(x, filters, 1, strides) if strides == 2 else x
            x = layers.Activation("relu")(layers.Add()([x, h]))
    outputs = layers.Dense(10, activation="softmax")(layers.GlobalAveragePooling2D()(x))
    return keras.Model(image, outputs)


def _transformer(keras: Any, layers: Any) -> Any:
    sequence = x = keras.Input((PLACES, WIDTH))
    for _ in range(2):
        attended = layers.MultiHeadAttention(HEADS, WIDTH // HEADS)(x, x)
        x = layers.LayerNormalization()(layers.Add()([x, attended]))
        hidden = layers.Dense(HIDDEN, activation="gelu")(x)
        x = layers.LayerNormalization()(layers.Add()([x, layers.Dense(WIDTH)(hidden)]))
    outputs = layers.Dense(10, activation="softmax")(layers.GlobalAveragePooling1D()(x))
    return keras.Model(sequence, outputs)


_NETWORKS = {"W1": _mlp, "W2": _convolutions, "W3": _reviews, "W4": _residual, "W5": _transformer}
