"""Regression: what does a house in Boston cost?

    python examples/regression.py                 200 epochs at most, about 5 s

The mean absolute error on the test set is 3.1 (thousand dollars); a linear model has 3.5. The data of 1978 has
a column that scores people by their skin ("B"): it is history, not a model for decisions.
"""

from __future__ import annotations

import argparse

import numpy as np

import pronghorn as keras
from pronghorn import layers


def linear_error(x: np.ndarray, y: np.ndarray, x_test: np.ndarray, y_test: np.ndarray) -> float:  # type: ignore[type-arg]
    """The mean absolute error on the test set of a linear model by least squares."""
    weights, *_ = np.linalg.lstsq(np.c_[x, np.ones(len(x))], y, rcond=None)
    return float(np.abs(np.c_[x_test, np.ones(len(x_test))] @ weights - y_test).mean())


def main(arguments: list[str] | None = None) -> float:
    """Trains and evaluates; returns the mean absolute error on the test set."""
    parser = argparse.ArgumentParser(description="Predict house prices.")
    parser.add_argument("--epochs", type=int, default=200)
    options = parser.parse_args(arguments)
    keras.utils.set_random_seed(1)
    (x_train, y_train), (x_test, y_test) = keras.datasets.boston_housing.load_data()

    normalization = layers.Normalization()
    normalization.adapt(x_train)
    model = keras.Sequential(
        [
            keras.Input((13,)),
            normalization,
            layers.Dense(64, activation="relu"),
            layers.Dense(64, activation="relu"),
            layers.Dense(1),
        ]
    )
    model.compile(optimizer=keras.optimizers.RMSprop(0.001), loss="mse", metrics=["mae"])
    stop = keras.callbacks.EarlyStopping("val_loss", patience=30, restore_best_weights=True)
    history = model.fit(
        x_train, y_train, epochs=options.epochs, validation_split=0.2, callbacks=[stop], batch_size=16, verbose=0
    )
    _, error = model.evaluate(x_test, y_test, verbose=0)
    linear = linear_error(x_train, y_train, x_test, y_test)
    print(f"{len(history.epoch)} epochs; mean absolute error {error:.3f}, of a linear model {linear:.3f}")
    for price, truth in zip(model.predict(x_test[:5], verbose=0)[:, 0], y_test, strict=False):
        print(f"predicted {price:5.1f}, paid {truth:5.1f}")
    assert error < linear, "no better than a linear model"
    return float(error)


if __name__ == "__main__":
    main()
