"""A small transformer (Vaswani and others 2017) sorts digits.

    python examples/transformer.py                 about a minute

Twelve digits go in, the same digits in order come out: each output has to look at all inputs. Two blocks of
self-attention put all digits right after four epochs; a linear map of the inputs 0.72.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

import pronghorn as keras
from pronghorn import layers, ops

LENGTH = 12
Array = np.ndarray  # type: ignore[type-arg]


class PositionalEmbedding(layers.Layer):
    """A vector for each digit plus one for its place."""

    def __init__(self, length: int, vocabulary: int, width: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.length, self.vocabulary, self.width = length, vocabulary, width
        self.tokens = layers.Embedding(vocabulary, width, name="tokens")
        self.places = layers.Embedding(length, width, name="places")

    def call(self, x: Any) -> Any:
        return self.tokens(x) + self.places(ops.arange(self.length, dtype="int32"))


def block(x: Any, width: int, heads: int, dropout: float) -> Any:
    """Self-attention and two dense layers, each with normalization before it and a way around it."""
    y = layers.LayerNormalization()(x)
    x = x + layers.MultiHeadAttention(heads, width // heads, dropout=dropout)(y, y)
    y = layers.LayerNormalization()(x)
    y = layers.Dense(4 * width, activation="gelu")(y)
    return x + layers.Dropout(dropout)(layers.Dense(width)(y))


def build(width: int = 64, heads: int = 4, blocks: int = 2) -> keras.Model:
    """Digits -> blocks -> a chance for each digit at each place."""
    digits = keras.Input((LENGTH,), dtype="int32")
    x = PositionalEmbedding(LENGTH, 10, width)(digits)
    for _ in range(blocks):
        x = block(x, width, heads, 0.0)
    model = keras.Model(digits, layers.Dense(10)(layers.LayerNormalization()(x)))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.Adam(0.001), loss=loss, metrics=["accuracy"])
    return model


def linear_accuracy(x: Array, y: Array, x_test: Array, y_test: Array) -> float:
    """The share of digits that a linear map of all inputs (one-hot) gets right, by least squares."""

    def flat(digits: Array) -> Array:
        return np.eye(10)[digits].reshape(len(digits), -1)

    weights, *_ = np.linalg.lstsq(flat(x), flat(y), rcond=None)
    return float(((flat(x_test) @ weights).reshape(*y_test.shape, 10).argmax(axis=-1) == y_test).mean())


def main(arguments: list[str] | None = None) -> float:
    """Trains; returns the share of digits in their right place."""
    parser = argparse.ArgumentParser(description="Learn to sort.")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--sequences", type=int, default=20_000)
    options = parser.parse_args(arguments)
    keras.utils.set_random_seed(1)
    rng = np.random.default_rng(1)
    x, x_test = rng.integers(0, 10, (options.sequences, LENGTH)), rng.integers(0, 10, (1000, LENGTH))
    y, y_test = np.sort(x, axis=1), np.sort(x_test, axis=1)

    model = build()
    model.fit(x, y, batch_size=64, epochs=options.epochs, verbose=2)
    _, accuracy = model.evaluate(x_test, y_test, verbose=0)
    linear = linear_accuracy(x[:5000], y[:5000], x_test, y_test)
    print(f"digits in their place: {accuracy:.4f}; by a linear map {linear:.4f}")
    print(*x_test[0], "->", *model.predict(x_test[:1], verbose=0)[0].argmax(axis=-1))
    assert accuracy > linear, "no better than a linear map"
    return float(accuracy)


if __name__ == "__main__":
    main()
