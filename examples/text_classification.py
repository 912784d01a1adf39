"""Text classification: is the review good or bad?

    python examples/text_classification.py                 about 10 s

Uses Keras's IMDB file where it can be had. Without it the script makes up reviews whose words are turned into their
opposite by irony: counting good and bad words (a linear classifier) is right half of the time, the network in all.
"""

from __future__ import annotations

import argparse

import numpy as np

import pronghorn as keras
from pronghorn import layers

WORDS = 10_000
LENGTH = 256
Data = tuple[np.ndarray, np.ndarray]  # type: ignore[type-arg]


def invent(count: int, seed: int) -> Data:
    """Reviews of 20 to 80 words with good words (10-59) or bad ones (60-109); irony (110-119) reverses them."""
    rng = np.random.default_rng(seed)
    reviews, labels = [], rng.integers(0, 2, count)
    for label in labels:
        ironic = rng.integers(0, 2)
        words = rng.integers(120, 1000, rng.integers(20, 80))
        places = rng.permutation(len(words))
        words[places[:8]] = rng.integers(10, 60, 8) + 50 * (label == ironic)
        if ironic:
            words[places[8:12]] = rng.integers(110, 120, 4)
        reviews.append(words)
    return keras.utils.pad_sequences(reviews, maxlen=LENGTH, padding="post"), labels


def load(stand_in: bool) -> tuple[Data, Data]:
    """The real reviews, or invented ones; says which."""
    if not stand_in:
        try:
            (x_train, y_train), (x_test, y_test) = keras.datasets.imdb.load_data(num_words=WORDS)
            print("data: IMDB")
            pad = keras.utils.pad_sequences
            return (pad(x_train, LENGTH, padding="post"), y_train), (pad(x_test, LENGTH, padding="post"), y_test)
        except OSError as error:
            print(f"IMDB is not to be had: {error}")
    print("data: invented reviews")
    return invent(10_000, seed=1), invent(2_000, seed=2)


def main(arguments: list[str] | None = None) -> float:
    """Trains and evaluates; returns the test accuracy."""
    parser = argparse.ArgumentParser(description="Tell good reviews from bad ones.")
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--stand-in", action="store_true", help="do not look for the real data")
    options = parser.parse_args(arguments)
    keras.utils.set_random_seed(1)
    (x_train, y_train), (x_test, y_test) = load(options.stand_in)

    model = keras.Sequential(
        [
            keras.Input((LENGTH,), dtype="int32"),
            layers.Embedding(WORDS, 16, mask_zero=True),
            layers.GlobalAveragePooling1D(),
            layers.Dense(16, activation="relu"),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(optimizer=keras.optimizers.Adam(0.005), loss="binary_crossentropy", metrics=["accuracy"])
    stop = keras.callbacks.EarlyStopping("val_loss", patience=2, restore_best_weights=True)
    model.fit(x_train, y_train, epochs=options.epochs, batch_size=128, validation_split=0.2, callbacks=[stop])
    _, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print(f"test accuracy {accuracy:.4f}")
    assert accuracy > 0.8, "no better than counting words"
    return float(accuracy)


if __name__ == "__main__":
    main()
