"""Transfer learning: what was learned on the digits 0-4 helps to learn 5-9.

    python examples/transfer_learning.py                 about a minute

A convolutional network learns the first five digits. Then its convolutions are frozen, and a new head learns the other
five from 1,000 pictures only: test accuracy 0.96, against 0.92 of the same head on the bare pictures.
"""

from __future__ import annotations

import argparse

import numpy as np

import pronghorn as keras
from pronghorn import layers

Data = tuple[np.ndarray, np.ndarray]  # type: ignore[type-arg]


def select(data: Data, first: int, count: int | None) -> Data:
    """The pictures of five digits from `first` on, as (28, 28, 1) from 0 to 1, and their classes from 0."""
    x, y = data
    chosen = np.flatnonzero((y >= first) & (y < first + 5))[:count]
    return (x[chosen, :, :, None] / 255.0).astype("float32"), y[chosen].astype("int64") - first


def build_features() -> keras.Sequential:
    """The part that is reused."""
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(16, 3, activation="relu"),
            layers.Conv2D(16, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Dropout(0.25),
            layers.Flatten(),
        ],
        name="features",
    )


def add_head(features: keras.Sequential) -> keras.Sequential:
    """The part that is learned anew, on top of `features`."""
    model = keras.Sequential(
        [features, layers.Dense(64, activation="relu"), layers.Dropout(0.5), layers.Dense(5, activation="softmax")]
    )
    model.compile(loss="sparse_categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    return model


def main(arguments: list[str] | None = None) -> tuple[float, float]:
    """Trains both; returns the test accuracy on 5-9 with the reused features and without them."""
    parser = argparse.ArgumentParser(description="Reuse what was learned.")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--pictures", type=int, default=20_000, help="of the digits 0-4")
    options = parser.parse_args(arguments)
    keras.utils.set_random_seed(1)
    train, test = keras.datasets.mnist.load_data()

    features = build_features()
    first = add_head(features)
    first.fit(*select(train, 0, options.pictures), batch_size=128, epochs=options.epochs, verbose=2)
    _, accuracy = first.evaluate(*select(test, 0, None), verbose=0)
    print(f"digits 0-4: test accuracy {accuracy:.4f}")

    features.trainable = False
    frozen = [weight.copy() for weight in features.get_weights()]
    second = add_head(features)
    second.fit(*select(train, 5, 1000), batch_size=32, epochs=3 * options.epochs, verbose=0)
    _, reused = second.evaluate(*select(test, 5, None), verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(frozen, features.get_weights(), strict=True))

    bare = add_head(keras.Sequential([keras.Input((28, 28, 1)), layers.Flatten()]))
    bare.fit(*select(train, 5, 1000), batch_size=32, epochs=3 * options.epochs, verbose=0)
    _, without = bare.evaluate(*select(test, 5, None), verbose=0)
    print(f"digits 5-9 from 1,000 pictures: test accuracy {reused:.4f}, without the features {without:.4f}")
    assert reused > without, "the features did not help"
    return float(reused), float(without)


if __name__ == "__main__":
    main()
