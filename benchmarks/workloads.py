"""The workloads: their data, sizes and the model in Keras's terms, for any module that speaks Keras."""

from __future__ import annotations

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


W1 = Workload("W1", 60000, 128, "rmsprop", "categorical_crossentropy")
W2 = Workload("W2", 3840, 128, "adam", "categorical_crossentropy")
W3 = Workload("W3", 1280, 32, "adam", "binary_crossentropy")
WORKLOADS = {workload.name: workload for workload in (W1, W2, W3)}

STEPS, VOCABULARY, UNITS = 80, 20000, 128
"""Of W3: words of a review, different words, units of embedding and LSTM."""


def data(workload: Workload) -> tuple[Any, Any]:
    """Inputs and targets with the shapes of the real data set; values do not matter for speed."""
    rng = np.random.default_rng(0)
    if workload is W3:
        reviews = rng.integers(1, VOCABULARY, (workload.rows, STEPS), dtype=np.int32)
        return reviews, rng.integers(0, 2, (workload.rows, 1)).astype(np.float32)
    labels = rng.integers(0, 10, workload.rows)
    shape = (28, 28, 1) if workload is W2 else (784,)
    return rng.random((workload.rows, *shape), dtype=np.float32), np.eye(10, dtype=np.float32)[labels]


def model(keras: Any, workload: Workload) -> Any:
    """The compiled model, built with the module `keras`."""
    network = keras.Sequential(_LAYERS[workload.name](keras, keras.layers))
    network.compile(optimizer=workload.optimizer, loss=workload.loss, metrics=["accuracy"])
    return network


def _mlp(keras: Any, layers: Any) -> list[Any]:
    return [
        keras.Input((784,)),
        layers.Dense(256, activation="relu"),
        layers.Dropout(0.4),
        layers.Dense(128, activation="relu"),
        layers.Dropout(0.3),
        layers.Dense(10, activation="softmax"),
    ]


def _convolutions(keras: Any, layers: Any) -> list[Any]:
    return [
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


def _reviews(keras: Any, layers: Any) -> list[Any]:
    return [
        keras.Input((STEPS,), dtype="int32"),
        layers.Embedding(VOCABULARY, UNITS),
        layers.LSTM(UNITS),
        layers.Dense(1, activation="sigmoid"),
    ]


_LAYERS = {"W1": _mlp, "W2": _convolutions, "W3": _reviews}
