"""Overfitting and underfitting: the same reviews learned by a small, a large and two restrained large networks.

    python examples/overfit_and_underfit.py                 about 10 s

Uses Keras's IMDB file where it can be had, else invented reviews of which a fifth carries the wrong label. The large
network's validation loss falls and then rises far above its minimum; weight decay and dropout hold it down.
"""

from __future__ import annotations

import argparse

import numpy as np

import pronghorn as keras
from pronghorn import layers, regularizers

WORDS = 1000
Data = tuple[np.ndarray, np.ndarray]  # type: ignore[type-arg]


def multi_hot(reviews: list[list[int]] | np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    """One row per review with a 1 for each word that occurs in it."""
    rows = np.zeros((len(reviews), WORDS), "float32")
    for row, words in zip(rows, reviews, strict=True):
        row[words] = 1
    return rows


def invent(count: int, seed: int) -> Data:
    """Reviews of 30 words, 4 of them from a good or a bad vocabulary; every fifth label is wrong."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, count)
    reviews = rng.integers(100, WORDS, (count, 30))
    reviews[:, :4] = rng.integers(0, 50, (count, 4)) + 50 * labels[:, None]
    return multi_hot(reviews), np.where(rng.random(count) < 0.2, 1 - labels, labels)


def load(stand_in: bool) -> tuple[Data, Data]:
    """The real reviews, or invented ones; says which."""
    if not stand_in:
        try:
            (x_train, y_train), (x_test, y_test) = keras.datasets.imdb.load_data(num_words=WORDS)
            print("data: IMDB")
            return (multi_hot(x_train), y_train), (multi_hot(x_test), y_test)
        except OSError as error:
            print(f"IMDB is not to be had: {error}")
    print("data: invented reviews")
    return invent(4000, seed=1), invent(2000, seed=2)


def build(units: int, weight_decay: float = 0.0, dropout: float = 0.0) -> keras.Sequential:
    """Two hidden layers."""
    penalty = regularizers.L2(weight_decay) if weight_decay else None
    model = keras.Sequential([keras.Input((WORDS,))])
    for _ in range(2):
        model.add(layers.Dense(units, activation="relu", kernel_regularizer=penalty))
        model.add(layers.Dropout(dropout))
    model.add(layers.Dense(1, activation="sigmoid"))
    model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy", "binary_crossentropy"])
    return model


def main(arguments: list[str] | None = None) -> dict[str, tuple[float, float]]:
    """Trains four networks; returns the least and the last validation loss (cross-entropy alone) of each."""
    parser = argparse.ArgumentParser(description="See networks overfit.")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--stand-in", action="store_true", help="do not look for the real data")
    options = parser.parse_args(arguments)
    keras.utils.set_random_seed(1)
    train, validation = load(options.stand_in)

    networks = {
        "small": build(4),
        "large": build(128),
        "large, L2": build(128, weight_decay=0.003),
        "large, dropout": build(128, dropout=0.5),
    }
    losses = {}
    for name, model in networks.items():
        history = model.fit(*train, epochs=options.epochs, batch_size=256, validation_data=validation, verbose=0)
        curve = history.history["val_binary_crossentropy"]
        losses[name] = min(curve), curve[-1]
        accuracy = history.history["val_accuracy"][-1]
        print(
            f"{name:15} validation loss {min(curve):.3f} at best, {curve[-1]:.3f} at the end, accuracy {accuracy:.3f}"
        )
    least, last = losses["large"]
    assert last > 1.2 * least, "the large network did not overfit"
    assert losses["large, L2"][1] < last and losses["large, dropout"][1] < last, "restraint did not help"
    return losses


if __name__ == "__main__":
    main()
