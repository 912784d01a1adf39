"""compile with names, as Keras users write it: what they stand for depends on the shapes of targets and outputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pronghorn
from pronghorn import layers

X = np.random.default_rng(0).normal(size=(40, 4))
CLASSES = np.arange(40) % 3
ONE_HOT = np.eye(3)[CLASSES]
BINARY = (CLASSES == 1).astype(float)


@pytest.mark.parametrize(
    ("units", "activation", "y", "loss", "accuracy"),
    [
        (3, "softmax", CLASSES, "sparse_categorical_crossentropy", "SparseCategoricalAccuracy"),
        (3, "softmax", ONE_HOT, "categorical_crossentropy", "CategoricalAccuracy"),
        (1, "sigmoid", BINARY, "binary_crossentropy", "BinaryAccuracy"),
    ],
)
def test_accuracy_and_crossentropy(units: int, activation: str, y: Any, loss: str, accuracy: str) -> None:
    runs = []
    for names in (("ce", ["accuracy"]), (loss, [getattr(pronghorn.metrics, accuracy)(name="accuracy")])):
        model = pronghorn.Sequential(
            [pronghorn.Input((4,)), layers.Dense(units, activation, kernel_initializer="ones")]
        )
        model.compile("sgd", *names[:1], metrics=names[1])
        runs.append(model.fit(X, y, epochs=2, shuffle=False, verbose=0).history)
    assert runs[0] == runs[1]
    assert list(runs[0]) == ["accuracy", "loss"]


def test_two_outputs_with_names_in_dicts() -> None:
    inputs = pronghorn.Input((4,))
    kind, size = layers.Dense(3, "softmax", name="kind")(inputs), layers.Dense(1, name="size")(inputs)
    model = pronghorn.Model(inputs, [kind, size])
    losses = {"kind": "sparse_categorical_crossentropy", "size": "mse"}
    model.compile("adam", losses, {"size": 0.5}, {"kind": ["acc"], "size": ["mae", "mse"]})
    logs = model.evaluate(X, {"kind": CLASSES, "size": BINARY}, verbose=0, return_dict=True)
    assert list(logs) == ["kind_acc", "kind_loss", "loss", "size_loss", "size_mae", "size_mse"]
    assert logs["size_loss"] == pytest.approx(logs["size_mse"])
    assert logs["loss"] == pytest.approx(logs["kind_loss"] + 0.5 * logs["size_loss"])
    values = model.evaluate(X, [CLASSES, BINARY], verbose=0)
    assert values == [logs[name] for name in ("loss", "kind_loss", "size_loss", "kind_acc", "size_mae", "size_mse")]
