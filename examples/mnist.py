"""The MNIST tutorial: a dense network learns to read handwritten digits.

    hatch run mnist                  5 epochs, about 10 s
    hatch run mnist --epochs 30      test accuracy 0.98 and more

Saves the learning curves to mnist-history.png and the model to mnist.keras in the folder it runs in.
"""

from __future__ import annotations

import argparse

import pronghorn as keras


def load() -> tuple[tuple, tuple]:  # type: ignore[type-arg]
    """Images as rows of 784 numbers from 0 to 1, classes as one-hot rows."""
    (x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
    x_train = x_train.reshape(60000, 784).astype("float32") / 255
    x_test = x_test.reshape(10000, 784).astype("float32") / 255
    return (x_train, keras.utils.to_categorical(y_train, 10)), (x_test, keras.utils.to_categorical(y_test, 10))


def build() -> keras.Sequential:
    """784-256-128-10 with dropout."""
    model = keras.Sequential(
        [
            keras.Input((784,)),
            keras.layers.Dense(256, activation="relu"),
            keras.layers.Dropout(0.4),
            keras.layers.Dense(128, activation="relu"),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(loss="categorical_crossentropy", optimizer="rmsprop", metrics=["accuracy"])
    return model


def main(arguments: list[str] | None = None) -> tuple[float, float]:
    """Trains, evaluates, saves and loads; returns test loss and accuracy."""
    parser = argparse.ArgumentParser(description="Train the tutorial's network on MNIST.")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args(arguments)
    if options.seed is not None:
        keras.utils.set_random_seed(options.seed)

    (x_train, y_train), (x_test, y_test) = load()
    model = build()
    model.summary()
    history = model.fit(x_train, y_train, epochs=options.epochs, batch_size=128, validation_data=(x_test, y_test))
    loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print(f"test loss {loss:.4f}, test accuracy {accuracy:.4f}")

    history.plot("mnist-history.png")
    model.save("mnist.keras")
    again = keras.models.load_model("mnist.keras")
    classes = again.predict(x_test[:8], verbose=0).argmax(axis=1)
    print("saved mnist-history.png and mnist.keras; loaded again, it reads the first digits as", *classes)
    return loss, accuracy


if __name__ == "__main__":
    main()
