"""Shared layers: do two pictures show the same digit?

    python examples/siamese_mnist.py                 about 15 s

One network reads both pictures; the contrastive loss (Hadsell, Chopra, LeCun 2006) draws equal digits together and
pushes different ones apart. Pairs of test digits are told apart with an accuracy of 0.96; the distance between the
pictures themselves gives 0.67.
"""

from __future__ import annotations

import argparse

import numpy as np

import pronghorn as keras
from pronghorn import layers, ops

Array = np.ndarray  # type: ignore[type-arg]


def pairs(x: Array, y: Array, count: int, seed: int) -> tuple[tuple[Array, Array], Array]:
    """`count` pairs of pictures, every second one of the same digit; and whether it is, as (count, 1) of 1 or 0."""
    rng = np.random.default_rng(seed)
    of_digit = [np.flatnonzero(y == digit) for digit in range(10)]
    same = np.arange(count) % 2 == 0
    first = rng.integers(0, len(x), count)
    other = (y[first] + rng.integers(1, 10, count)) % 10
    digit = np.where(same, y[first], other)
    second = np.array([rng.choice(of_digit[d]) for d in digit])
    return (x[first], x[second]), same.astype("float32")[:, None]


def distance(a: object, b: object) -> object:
    """The Euclidean distance of each pair of rows, shape (batch, 1)."""
    squares = ops.sum(ops.square(ops.subtract(a, b)), axis=1, keepdims=True)
    return ops.sqrt(ops.maximum(squares, 1e-7))


def contrastive_loss(y_true: object, y_pred: object) -> object:
    """d^2 for equal pairs, max(1 - d, 0)^2 for others."""
    return ops.mean(y_true * ops.square(y_pred) + (1 - y_true) * ops.square(ops.maximum(1 - y_pred, 0.0)), axis=-1)


def close(y_true: object, y_pred: object) -> object:
    """Whether a distance is on the right side of one half."""
    return ops.cast(ops.equal(y_true, ops.cast(y_pred < 0.5, "float32")), "float32")


def build() -> keras.Model:
    """Two pictures -> their distance after one and the same network."""
    reader = keras.Sequential(
        [
            keras.Input((28, 28)),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.1),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.1),
            layers.Dense(64),
        ],
        name="reader",
    )
    left, right = keras.Input((28, 28), name="left"), keras.Input((28, 28), name="right")
    return keras.Model([left, right], distance(reader(left), reader(right)))


def main(arguments: list[str] | None = None) -> float:
    """Trains and evaluates; returns the accuracy on pairs of test digits."""
    parser = argparse.ArgumentParser(description="Tell equal digits from different ones.")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--pairs", type=int, default=60_000)
    options = parser.parse_args(arguments)
    keras.utils.set_random_seed(1)
    (x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
    train, same = pairs(x_train / np.float32(255), y_train, options.pairs, seed=1)
    test, same_test = pairs(x_test / np.float32(255), y_test, 10_000, seed=2)

    model = build()
    model.compile(loss=contrastive_loss, optimizer="rmsprop", metrics=[close])
    model.fit(train, same, batch_size=128, epochs=options.epochs, verbose=2)
    _, accuracy = model.evaluate(test, same_test, verbose=0)

    raw = np.sqrt(np.square(test[0] - test[1]).sum(axis=(1, 2)))
    raw_accuracy = max(((raw < limit) == same_test[:, 0]).mean() for limit in np.quantile(raw, np.linspace(0, 1, 50)))
    print(f"accuracy {accuracy:.4f}; of the pictures' own distance {raw_accuracy:.4f}")
    assert accuracy > raw_accuracy + 0.1, "the network learned no better distance"
    return float(accuracy)


if __name__ == "__main__":
    main()
