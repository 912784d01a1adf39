"""A variational autoencoder (Kingma, Welling 2013): digits as points of a plane, and back.

    python examples/variational_autoencoder.py                 about 20 s

The training step is written by hand in `train_step`: reconstruction error plus the divergence of the code from the
normal distribution. With two numbers per picture it restores test digits with a mean squared error below
0.045 per pixel; the best linear code of two numbers (principal components) has 0.056.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

import pronghorn as keras
from pronghorn import layers, ops


class Sampling(layers.Layer):
    """Draws a code from the normal distribution that the encoder describes by mean and log of the variance."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed_generator = keras.random.SeedGenerator(1337)

    def call(self, inputs: Any) -> Any:
        mean, log_variance = inputs
        noise = keras.random.normal(ops.shape(mean), seed=self.seed_generator)
        return mean + ops.exp(0.5 * log_variance) * noise


def build_encoder() -> keras.Model:
    """Picture -> (mean, log of the variance, a draw)."""
    picture = keras.Input((784,))
    x = layers.Dense(256, activation="relu")(picture)
    x = layers.Dense(128, activation="relu")(x)
    mean, log_variance = layers.Dense(2, name="mean")(x), layers.Dense(2, name="log_variance")(x)
    return keras.Model(picture, [mean, log_variance, Sampling()([mean, log_variance])], name="encoder")


def build_decoder() -> keras.Model:
    """Code -> picture."""
    code = keras.Input((2,))
    x = layers.Dense(128, activation="relu")(code)
    x = layers.Dense(256, activation="relu")(x)
    return keras.Model(code, layers.Dense(784, activation="sigmoid")(x), name="decoder")


class VariationalAutoencoder(keras.Model):
    """Encoder and decoder, and how they are trained."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.encoder, self.decoder = build_encoder(), build_decoder()
        self.loss_tracker = keras.metrics.Mean(name="loss")
        self.divergence_tracker = keras.metrics.Mean(name="divergence")

    @property
    def metrics(self) -> list[Any]:
        return [self.loss_tracker, self.divergence_tracker]

    def call(self, x: Any) -> Any:
        mean, _, _ = self.encoder(x)
        return self.decoder(mean)

    def train_step(self, data: Any) -> dict[str, Any]:
        with keras.GradientTape() as tape:
            mean, log_variance, code = self.encoder(data)
            restored = self.decoder(code)
            error = ops.mean(784 * keras.losses.binary_crossentropy(data, restored))
            divergence = -0.5 * (1 + log_variance - ops.square(mean) - ops.exp(log_variance))
            divergence = ops.mean(ops.sum(divergence, axis=1))
            loss = error + divergence
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        self.loss_tracker.update_state(loss)
        self.divergence_tracker.update_state(divergence)
        return {metric.name: metric.result() for metric in self.metrics}


def linear_error(x: np.ndarray, x_test: np.ndarray) -> float:  # type: ignore[type-arg]
    """The mean squared error of test pictures restored from their first two principal components."""
    mean = x.mean(axis=0)
    _, vectors = np.linalg.eigh(np.cov((x - mean).T))
    basis = vectors[:, -2:]
    return float(np.square((x_test - mean) @ basis @ basis.T + mean - x_test).mean())


def main(arguments: list[str] | None = None) -> float:
    """Trains; returns the mean squared error per pixel of restored test pictures."""
    parser = argparse.ArgumentParser(description="Digits as points of a plane.")
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--pictures", type=int, default=60_000)
    options = parser.parse_args(arguments)
    keras.utils.set_random_seed(1)
    (x_train, _), (x_test, y_test) = keras.datasets.mnist.load_data()
    x_train = x_train[: options.pictures].reshape(-1, 784).astype("float32") / 255
    x_test = x_test.reshape(-1, 784).astype("float32") / 255

    model = VariationalAutoencoder()
    model.compile(optimizer=keras.optimizers.Adam(0.001))
    model.fit(x_train, epochs=options.epochs, batch_size=128, verbose=2)

    error = float(np.square(model.predict(x_test, verbose=0) - x_test).mean())
    linear = linear_error(x_train[:10_000], x_test)
    print(f"mean squared error {error:.4f}, of two principal components {linear:.4f}")
    mean, _, _ = model.encoder.predict(x_test, verbose=0)
    for digit in (0, 1, 7):
        print(f"digit {digit} lies around {mean[y_test == digit].mean(axis=0).round(2)}")
    picture = model.decoder.predict(mean[y_test == 0].mean(axis=0, keepdims=True), verbose=0).reshape(28, 28)
    print("\n".join("".join(" .:+#"[int(4.99 * v)] for v in row) for row in picture[4:24:2, 4:24]))
    assert error < linear, "no better than a linear code"
    return error


if __name__ == "__main__":
    main()
