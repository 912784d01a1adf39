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
WORKLOADS = {workload.name: workload for workload in (W1,)}


def data(workload: Workload) -> tuple[Any, Any]:
    """Inputs and targets with the shapes of the real data set; values do not matter for speed."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, workload.rows)
    return rng.random((workload.rows, 784), dtype=np.float32), np.eye(10, dtype=np.float32)[labels]


def model(keras: Any, workload: Workload) -> Any:
    """The compiled model, built with the module `keras`."""
    layers = keras.layers
    network = keras.Sequential(
        [
            keras.Input((784,)),
            layers.Dense(256, activation="relu"),
            layers.Dropout(0.4),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.3),
            layers.Dense(10, activation="softmax"),
        ]
    )
    network.compile(optimizer=workload.optimizer, loss=workload.loss, metrics=["accuracy"])
    return network
