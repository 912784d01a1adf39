"""The functional API: a network with two inputs and two outputs.

    python examples/functional_api.py                 about 10 s

Will a headline be shared? The network reads its words with an LSTM and gets the hour and the author's followers beside
them. A second output hears from the words alone, so that they are learned even where the other numbers say much. The
headlines are invented: what counts is a word's place and its agreement with the hour. A majority vote is right half of
the time, the network 0.98.
"""

from __future__ import annotations

import argparse

import numpy as np

import pronghorn as keras
from pronghorn import layers

WORDS = 200
LENGTH = 20
Arrays = dict[str, np.ndarray]  # type: ignore[type-arg]


def invent(count: int, seed: int) -> tuple[Arrays, Arrays]:
    """Headlines, numbers and labels: "morning" words (1-20) are shared early in the day, "evening" words late.

    A headline is catching if the first of its two marked words comes from the first half of the marked vocabulary.
    """
    rng = np.random.default_rng(seed)
    words = rng.integers(40, WORDS, (count, LENGTH))
    first, second = rng.integers(1, 20, count), rng.integers(20, 40, count)
    morning = rng.integers(0, 2, count)
    early, late = rng.integers(0, LENGTH // 2, count), rng.integers(LENGTH // 2, LENGTH, count)
    rows = np.arange(count)
    words[rows, early] = np.where(morning, first, second)
    words[rows, late] = np.where(morning, second, first)
    hour = rng.random(count)
    numbers = np.stack([hour, rng.random(count)], axis=1).astype("float32")
    shared = (hour < 0.5) == (morning == 1)
    return {"words": words, "numbers": numbers}, {"shared": shared.astype("float32"), "kind": morning.astype("float32")}


def build() -> keras.Model:
    """Words -> LSTM -> (kind of headline) and, with the numbers, -> dense layers -> (shared or not)."""
    words = keras.Input((LENGTH,), dtype="int32", name="words")
    numbers = keras.Input((2,), name="numbers")
    read = layers.LSTM(32)(layers.Embedding(WORDS, 32)(words))
    kind = layers.Dense(1, activation="sigmoid", name="kind")(read)
    x = layers.concatenate([read, numbers])
    for _ in range(2):
        x = layers.Dense(64, activation="relu")(x)
    shared = layers.Dense(1, activation="sigmoid", name="shared")(x)
    return keras.Model(inputs=[words, numbers], outputs={"shared": shared, "kind": kind})


def main(arguments: list[str] | None = None) -> float:
    """Trains and evaluates; returns the accuracy of the main output on new headlines."""
    parser = argparse.ArgumentParser(description="Two inputs, two outputs.")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--headlines", type=int, default=8000)
    options = parser.parse_args(arguments)
    keras.utils.set_random_seed(1)
    x_train, y_train = invent(options.headlines, seed=1)
    x_test, y_test = invent(2000, seed=2)

    model = build()
    model.summary()
    model.compile(
        optimizer=keras.optimizers.RMSprop(0.003),
        loss={"shared": "binary_crossentropy", "kind": "binary_crossentropy"},
        loss_weights={"shared": 1.0, "kind": 0.2},
        metrics={"shared": ["accuracy"], "kind": ["accuracy"]},
    )
    model.fit(x_train, y_train, epochs=options.epochs, batch_size=64, validation_split=0.1, verbose=2)
    results = model.evaluate(x_test, y_test, verbose=0, return_dict=True)
    print(f"accuracy: shared {results['shared_accuracy']:.4f}, kind {results['kind_accuracy']:.4f}")
    assert results["shared_accuracy"] > 0.8, "no better than a linear classifier"
    return float(results["shared_accuracy"])


if __name__ == "__main__":
    main()
