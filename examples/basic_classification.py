"""Basic classification: which piece of clothing is in the picture?

    python examples/basic_classification.py                 10 epochs, about 10 s

Uses Fashion-MNIST where it can be had (Debian's package, an earlier download, or the network). Without it the script
draws a stand-in, in which each piece is as often bright on dark as dark on bright, so that the classes have one mean:
nothing for a linear classifier; this network reaches 1.00.
"""

from __future__ import annotations

import argparse

import numpy as np

import pronghorn as keras

CLASSES = ("T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
Data = tuple[np.ndarray, np.ndarray]  # type: ignore[type-arg]


def draw_stand_in(count: int, seed: int) -> Data:
    """Pictures of ten patterns or of their negatives, with noise, as uint8 like the real ones."""
    patterns = np.random.default_rng(0).normal(size=(10, 7, 7)).repeat(4, axis=1).repeat(4, axis=2)
    rng = np.random.default_rng(seed)
    classes = rng.integers(0, 10, count)
    signs = rng.choice([-1.0, 1.0], (count, 1, 1))
    pictures = 128 + 40 * signs * patterns[classes] + rng.normal(0, 30, (count, 28, 28))
    return pictures.clip(0, 255).astype("uint8"), classes.astype("uint8")


def load(stand_in: bool) -> tuple[Data, Data]:
    """The real pictures, or the stand-in; says which."""
    if not stand_in:
        try:
            data: tuple[Data, Data] = keras.datasets.fashion_mnist.load_data()
            print("data: Fashion-MNIST")
            return data
        except OSError as error:
            print(f"Fashion-MNIST is not to be had: {error}")
    print("data: a drawn stand-in")
    return draw_stand_in(10_000, seed=1), draw_stand_in(2_000, seed=2)


def main(arguments: list[str] | None = None) -> float:
    """Trains and evaluates; returns the test accuracy."""
    parser = argparse.ArgumentParser(description="Classify clothes.")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--stand-in", action="store_true", help="do not look for the real data")
    options = parser.parse_args(arguments)
    keras.utils.set_random_seed(1)
    (x_train, y_train), (x_test, y_test) = load(options.stand_in)

    model = keras.Sequential(
        [
            keras.Input((28, 28)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras.layers.Dense(128, activation="relu"),
            keras.layers.Dense(10),
        ]
    )
    model.compile(
        optimizer="adam",
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(x_train, y_train, epochs=options.epochs)
    _, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print(f"test accuracy {accuracy:.4f}")

    classifier = keras.Sequential([model, keras.layers.Softmax()])
    for chances, truth in zip(classifier.predict(x_test[:5], verbose=0), y_test, strict=False):
        print(f"{CLASSES[truth]:>12} seen as {CLASSES[chances.argmax()]} ({100 * chances.max():.0f} %)")
    assert accuracy > 0.8, "a linear classifier would do better"
    return float(accuracy)


if __name__ == "__main__":
    main()
