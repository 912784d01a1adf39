"""A training that may be killed and started again: the same program each time.

    python train.py FOLDER {arrays,dataset,iterator} EPOCHS

Prints "begun" after its first step. After each step it adds a line to FOLDER/journal: epoch, step and a digest
of all weights, slots and metrics. At the end it writes FOLDER/end.json, the whole outcome.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import pronghorn as keras

ROWS, WIDTH, BATCH = 320, 12, 16


class Batches(keras.utils.PyDataset):  # type: ignore[misc,name-defined]
    """Rows with noise, in an order that changes after each epoch."""

    def __init__(self, x: Any, y: Any) -> None:
        super().__init__()
        self.x, self.y = x, y
        self.order = np.arange(len(x))

    def __len__(self) -> int:
        return ROWS // BATCH

    def __getitem__(self, index: int) -> Any:
        rows = self.order[index * BATCH : index * BATCH + BATCH]
        return self.x[rows] + np.random.normal(size=(BATCH, WIDTH)) / 10, self.y[rows]

    def on_epoch_end(self) -> None:
        np.random.shuffle(self.order)

    def get_state(self) -> Any:
        return {"order": self.order}

    def set_state(self, state: Any) -> None:
        self.order = state["order"]


class Stream:
    """An endless iterator that draws its rows, and can say where it stands."""

    def __init__(self, x: Any, y: Any) -> None:
        self.x, self.y = x, y
        self.rng = np.random.default_rng(7)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        rows = self.rng.integers(0, len(self.x), BATCH)
        return self.x[rows], self.y[rows]

    def get_state(self) -> Any:
        return self.rng.bit_generator.state

    def set_state(self, state: Any) -> None:
        self.rng.bit_generator.state = state


class Journal(keras.callbacks.Callback):
    """Writes down each step."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.path = folder / "journal"
        self.epoch = 0
        self.begun = False

    def get_state(self) -> Any:
        return {}

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        variables = [*self.model.variables, *self.model.optimizer.variables]
        variables += [v for metric in self.model.metrics for v in metric.variables]
        digest = hashlib.sha256(b"".join(v.numpy().tobytes() for v in variables)).hexdigest()
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, f"{self.epoch} {batch} {digest}\n".encode())
        os.close(file)
        if not self.begun:
            print("begun", flush=True)
        self.begun = True


def main(folder: Path, kind: str, epochs: int) -> None:
    keras.utils.set_random_seed(11)
    rng = np.random.default_rng(3)
    x = rng.normal(size=(ROWS, WIDTH)).astype("float32")
    y = (x[:, :1] * x[:, 1:2] > 0).astype("float32")
    model = keras.Sequential(
        [
            keras.Input((WIDTH,)),
            keras.layers.Dense(32, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    data: dict[str, Any] = {
        "arrays": {"x": x, "y": y, "batch_size": BATCH, "validation_split": 0.2},
        "dataset": {"x": Batches(x, y), "validation_data": (x[:64], y[:64])},
        "iterator": {"x": Stream(x, y), "steps_per_epoch": 15, "validation_data": (x[:64], y[:64])},
    }[kind]
    callbacks = keras.callbacks
    stopping = callbacks.EarlyStopping("val_loss", patience=4, restore_best_weights=True)
    plateau = callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=0.02, factor=0.7)
    model.fit(
        **data,
        epochs=epochs,
        verbose=0,
        callbacks=[
            Journal(folder),
            stopping,
            plateau,
            callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.98),
            callbacks.ModelCheckpoint(folder / "best.keras", save_best_only=True),
            callbacks.BackupAndRestore(folder / "backup", save_freq=3 if kind == "dataset" else 1),
        ],
    )
    outcome = {
        "weights": [w.tolist() for w in model.get_weights()],
        "optimizer": [v.numpy().tolist() for v in model.optimizer.variables],
        "history": model.history.history,
        "epochs": model.history.epoch,
        "stopping": [stopping.best, stopping.best_epoch, stopping.stopped_epoch],
        "plateau": [plateau.best, plateau.wait],
        "best": keras.models.load_model(folder / "best.keras").predict(x[:20], verbose=0).tolist(),
        "draw": np.random.random(),
    }
    (folder / "end.json").write_text(json.dumps(outcome))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
