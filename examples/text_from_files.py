"""Text classification from files: reviews in folders, read, cut into words and classified, all by one model.

    python examples/text_from_files.py                     about 10 s
    python examples/text_from_files.py --folder aclImdb    the real reviews, where you have unpacked them

Without a folder the script writes reviews in which "not good" is bad and "not bad" is good: counting words is right
half of the time, a convolution over neighbouring words 0.99.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import pronghorn as keras
from pronghorn import layers

WORDS = 10_000
LENGTH = 200
FILLERS = "the a film actor plot music scene was is it and very story ending camera director long evening".split()
GOOD = "good great lovely brilliant moving".split()
BAD = "bad dull awful boring silly".split()


def write_reviews(folder: Path, count: int, seed: int) -> None:
    """Reviews as text files in the folders neg and pos."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        label = int(rng.integers(2))
        words = rng.choice(FILLERS, rng.integers(20, 60)).tolist()
        for place in sorted(rng.choice(len(words), 4, replace=False).tolist(), reverse=True):
            negated = bool(rng.integers(2))
            opinion = str(rng.choice(GOOD if negated != bool(label) else BAD))
            words[place:place] = ["not", opinion] if negated else [opinion]
        text = " ".join(words).capitalize().replace(" and ", ",<br />and ") + "!"
        path = folder / ("neg", "pos")[label] / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


@keras.saving.register_keras_serializable("text_from_files")
def standardized(texts: Any) -> list[str]:
    """Lower-case words without markup and punctuation."""
    return [re.sub(r"[^\w\s]", "", re.sub("<br />", " ", text.lower())) for text in texts.ravel()]


def read(folder: Path, part: str, **options: Any) -> Any:
    """The reviews of a part as batches of (texts, labels)."""
    return keras.utils.text_dataset_from_directory(
        folder / part, batch_size=32, class_names=["neg", "pos"], seed=1, verbose=False, **options
    )


def train(folder: Path, epochs: int) -> float:
    """Trains on folder/train and returns the accuracy on folder/test."""
    training, validation = read(folder, "train", validation_split=0.2, subset="both")
    vectorize = layers.TextVectorization(WORDS, standardize=standardized, output_sequence_length=LENGTH)
    vectorize.adapt(training)
    print("the most frequent words:", " ".join(vectorize.get_vocabulary()[2:12]))

    model = keras.Sequential(
        [
            keras.Input((LENGTH,), dtype="int64"),
            layers.Embedding(WORDS, 16),
            layers.Dropout(0.2),
            layers.Conv1D(32, 2, activation="relu"),
            layers.GlobalMaxPooling1D(),
            layers.Dense(32, activation="relu"),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy", metrics=["accuracy"])
    numbers, held_out = (data.map(lambda texts, labels: (vectorize(texts), labels)) for data in (training, validation))
    model.fit(numbers, validation_data=held_out, epochs=epochs, verbose=2)

    text = keras.Input((1,), dtype="string")
    whole = keras.Model(text, model(vectorize(text)))
    whole.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    _, accuracy = whole.evaluate(read(folder, "test"), verbose=0)
    print(f"test accuracy {accuracy:.4f}")
    whole.save(folder / "reviews.keras")
    again = keras.models.load_model(folder / "reviews.keras")
    for review in ("A good film, and the plot was lovely!", "Not good. The ending was not moving."):
        print(f"{again.predict(review, verbose=0)[0, 0]:.2f} {review}")
    return float(accuracy)


def main(arguments: list[str] | None = None) -> float:
    """Trains and evaluates; returns the test accuracy."""
    parser = argparse.ArgumentParser(description="Tell good reviews from bad ones, from text files to answers.")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="with train/neg, train/pos, test/neg and test/pos")
    parser.add_argument("--reviews", type=int, default=4000, help="how many to write where there is no folder")
    options = parser.parse_args(arguments)
    keras.utils.set_random_seed(1)
    if options.folder is not None:
        return train(options.folder, options.epochs)
    with tempfile.TemporaryDirectory() as name:
        write_reviews(Path(name, "train"), options.reviews, seed=1)
        write_reviews(Path(name, "test"), 1000, seed=2)
        return train(Path(name), options.epochs)


if __name__ == "__main__":
    main()
