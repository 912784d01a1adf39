"""Sequence to sequence: reads "27+45" as characters and writes "72".

    python examples/addition.py                 about a minute

An LSTM reads the question (backwards, which helps, as Sutskever, Vinyals and Le found in 2014), its last state is
repeated for each character of the answer, and a second LSTM writes. On sums it never saw it is right in 99 of 100; the
most frequent answer is right in one of 100.
"""

from __future__ import annotations

import argparse

import numpy as np

import pronghorn as keras
from pronghorn import layers

CHARACTERS = "0123456789+ "
DIGITS = 2
QUESTION, ANSWER = 2 * DIGITS + 1, DIGITS + 1
Array = np.ndarray  # type: ignore[type-arg]


def encode(texts: list[str], length: int) -> Array:
    """One-hot characters, shape (len(texts), length, 12), padded with blanks."""
    numbers = np.array([[CHARACTERS.index(c) for c in text.ljust(length)] for text in texts])
    return np.eye(len(CHARACTERS), dtype="float32")[numbers]


def decode(chances: Array) -> list[str]:
    """The most likely text of each row."""
    return ["".join(CHARACTERS[i] for i in row).strip() for row in chances.argmax(axis=-1)]


def questions() -> tuple[list[str], list[str]]:
    """All sums of two numbers of up to two digits, in random order, and their results."""
    pairs = np.random.default_rng(1).permutation([(a, b) for a in range(10**DIGITS) for b in range(10**DIGITS)])
    return [f"{a}+{b}" for a, b in pairs], [str(a + b) for a, b in pairs]


def build() -> keras.Sequential:
    """Reads, repeats, writes."""
    model = keras.Sequential(
        [
            keras.Input((QUESTION, len(CHARACTERS))),
            layers.LSTM(128),
            layers.RepeatVector(ANSWER),
            layers.LSTM(128, return_sequences=True),
            layers.TimeDistributed(layers.Dense(len(CHARACTERS), activation="softmax")),
        ]
    )
    model.compile(
        loss="categorical_crossentropy", optimizer=keras.optimizers.Adam(0.003), metrics=["categorical_accuracy"]
    )
    return model


def main(arguments: list[str] | None = None) -> float:
    """Trains and asks; returns the share of unseen sums that are right in every digit."""
    parser = argparse.ArgumentParser(description="Learn to add.")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--least", type=float, default=0.9, help="fails below this share of right sums")
    options = parser.parse_args(arguments)
    keras.utils.set_random_seed(1)
    texts, results = questions()
    x, y = encode([text[::-1] for text in texts], QUESTION), encode(results, ANSWER)
    cut = len(x) * 9 // 10

    model = build()
    schedule = keras.callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=4, min_lr=1e-4)
    model.fit(x[:cut], y[:cut], batch_size=128, epochs=options.epochs, callbacks=[schedule], verbose=2)
    written = decode(model.predict(x[cut:], verbose=0))
    for text, result, answer in list(zip(texts[cut:], results[cut:], written, strict=True))[:8]:
        print(f"{text:>5} = {answer:<3} {'right' if answer == result else f'wrong, {result}'}")
    right = float(np.mean([a == b for a, b in zip(written, results[cut:], strict=True)]))
    print(f"right in every digit: {right:.4f}")
    assert right >= options.least, "it did not learn to add"
    return right


if __name__ == "__main__":
    main()
