"""Save and restore: checkpoints while training, weights, and whole models.

    python examples/save_and_restore.py                 about 5 s

Works in a temporary folder, or in the one that --folder names. Every restored model gives the saved one's outputs, bit
for bit, and goes on training where the saved one stopped.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

import pronghorn as keras


def build() -> keras.Sequential:
    """A small digit reader, untrained."""
    model = keras.Sequential(
        [
            keras.Input((784,)),
            keras.layers.Dense(128, activation="relu"),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def main(arguments: list[str] | None = None) -> float:
    """Trains, saves and restores in every way; returns the restored models' test accuracy."""
    parser = argparse.ArgumentParser(description="Save a model and load it again.")
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--epochs", type=int, default=5)
    options = parser.parse_args(arguments)
    folder = options.folder or Path(tempfile.mkdtemp())
    keras.utils.set_random_seed(1)
    (x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
    x_train, y_train = x_train[:5000].reshape(-1, 784) / 255.0, y_train[:5000]
    x_test, y_test = x_test[:1000].reshape(-1, 784) / 255.0, y_test[:1000]

    model = build()
    _, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print(f"untrained: accuracy {accuracy:.3f}")

    best = folder / "best.weights.h5"
    checkpoint = keras.callbacks.ModelCheckpoint(
        str(best), monitor="val_accuracy", save_best_only=True, save_weights_only=True, verbose=1
    )
    model.fit(
        x_train, y_train, epochs=options.epochs, validation_data=(x_test, y_test), callbacks=[checkpoint], verbose=2
    )

    restored = build()
    restored.load_weights(str(best))
    _, accuracy = restored.evaluate(x_test, y_test, verbose=0)
    print(f"weights of the best epoch: accuracy {accuracy:.3f}")

    whole = folder / "model.keras"
    model.save(whole)
    again = keras.models.load_model(whole)
    again.summary()
    assert np.array_equal(again.predict(x_test, verbose=0), model.predict(x_test, verbose=0))
    print("the whole model: outputs equal to the last bit")

    before = int(again.optimizer.iterations.numpy())
    again.fit(x_train, y_train, epochs=1, verbose=0)
    print(f"it went on from step {before} to {int(again.optimizer.iterations.numpy())}")

    architecture = keras.models.model_from_json(model.to_json())
    architecture.set_weights(model.get_weights())
    assert np.array_equal(architecture.predict(x_test, verbose=0), model.predict(x_test, verbose=0))
    print("the architecture from JSON with the weights: outputs equal to the last bit")
    assert accuracy > 0.9, "the best checkpoint should read nine digits of ten"
    return float(accuracy)


if __name__ == "__main__":
    main()
