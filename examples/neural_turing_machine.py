"""A neural Turing machine (Graves, Wayne, Danihelka 2014) learns to copy.

    python examples/neural_turing_machine.py                 about two minutes

A cell of its own, run over time by `layers.RNN`: a small controller network that reads and writes a memory through one
head, which finds its place by content and moves by shifts. It sees random bits and has to repeat them once they are
over. 0.88 of the repeated bits are right; guessing, linear or by majority, is right in half.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

import pronghorn as keras
from pronghorn import layers, ops

BITS = 4
Array = np.ndarray  # type: ignore[type-arg]


class TuringCell(layers.Layer):
    """One step: address the memory, erase and write, read, and answer.

    Args:
        units: of the controller.
        rows: of the memory.
        width: of a row.
        outputs: numbers that the cell gives at each step.
    """

    def __init__(self, units: int, rows: int, width: int, outputs: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units, self.rows, self.width, self.outputs = units, rows, width, outputs
        self.state_size = [rows * width, rows, width]
        self.output_size = outputs
        self.controller = layers.Dense(units, activation="tanh", name="controller")
        self.head = layers.Dense(3 * width + 3 + 3, name="head")  # key, erase, add; shifts; gate, strength, sharpness
        self.answer = layers.Dense(outputs, activation="sigmoid", name="answer")

    def get_initial_state(self, batch_size: Any = None) -> list[Any]:
        """Memory almost empty, the head on its first row, nothing read."""
        place = ops.one_hot(ops.zeros((batch_size,), dtype="int32"), self.rows)
        return [1e-3 * ops.ones((batch_size, self.rows * self.width)), place, ops.zeros((batch_size, self.width))]

    def call(self, inputs: Any, states: Any) -> tuple[Any, list[Any]]:
        flat, place, read = states
        memory = ops.reshape(flat, (-1, self.rows, self.width))
        hidden = self.controller(ops.concatenate([inputs, read], axis=-1))
        key, erase, add, shifts, gate, strength, sharpness = ops.split(
            self.head(hidden), np.cumsum([self.width, self.width, self.width, 3, 1, 1]).tolist(), axis=-1
        )
        place = self.address(memory, place, ops.tanh(key), shifts, gate, strength, sharpness)
        where = place[:, :, None]
        memory = memory * (1 - where * ops.sigmoid(erase)[:, None, :]) + where * ops.tanh(add)[:, None, :]
        read = ops.sum(where * memory, axis=1)
        answer = self.answer(ops.concatenate([hidden, read], axis=-1))
        return answer, [ops.reshape(memory, (-1, self.rows * self.width)), place, read]

    @staticmethod
    def address(memory: Any, place: Any, key: Any, shifts: Any, gate: Any, strength: Any, sharpness: Any) -> Any:
        """Where the head goes: by content or from where it was (gate), shifted by -1, 0 or 1, sharpened."""
        norms = ops.sqrt(ops.sum(ops.square(memory), axis=-1) * ops.sum(ops.square(key), axis=-1, keepdims=True) + 1e-8)
        likeness = ops.einsum("brw,bw->br", memory, key) / norms
        by_content = ops.softmax(ops.softplus(strength) * likeness)
        open_ = ops.sigmoid(gate)
        place = open_ * by_content + (1 - open_) * place
        move = ops.softmax(shifts)
        place = sum(move[:, i : i + 1] * ops.roll(place, i - 1, axis=1) for i in range(3))
        sharp = ops.power(place + 1e-8, 1 + ops.softplus(sharpness))
        return sharp / ops.sum(sharp, axis=-1, keepdims=True)


def task(count: int, length: int, seed: int) -> tuple[Array, Array]:
    """Random bits, a mark, then silence, shape (count, 2 * length + 1, BITS + 1); and the bits, at their end."""
    bits = np.random.default_rng(seed).integers(0, 2, (count, length, BITS)).astype("float32")
    x = np.zeros((count, 2 * length + 1, BITS + 1), "float32")
    x[:, :length, :BITS] = bits
    x[:, length, BITS] = 1
    return x, bits


def build(length: int) -> keras.Model:
    """The machine over time; of its answers those after the mark count."""
    x = keras.Input((2 * length + 1, BITS + 1))
    answers = layers.RNN(TuringCell(64, 16, 8, BITS), return_sequences=True)(x)
    model = keras.Model(x, answers[:, length + 1 :])
    optimizer = keras.optimizers.Adam(0.003, clipnorm=10.0)
    model.compile(optimizer=optimizer, loss="binary_crossentropy", metrics=["binary_accuracy"])
    return model


def main(arguments: list[str] | None = None) -> float:
    """Trains; returns the share of right bits in new sequences."""
    parser = argparse.ArgumentParser(description="Learn to copy.")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--sequences", type=int, default=10_000)
    parser.add_argument("--length", type=int, default=5)
    options = parser.parse_args(arguments)
    keras.utils.set_random_seed(1)
    model = build(options.length)
    x, y = task(options.sequences, options.length, seed=1)
    x_test, y_test = task(500, options.length, seed=2)
    model.fit(x, y, batch_size=32, epochs=options.epochs, verbose=2)
    _, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print(f"bits copied right: {accuracy:.4f}")
    copied = model.predict(x_test[:1], verbose=0)[0]
    for name, rows in (("given", y_test[0]), ("copied", copied)):
        print(f"{name:>7}", " ".join("".join("#" if bit > 0.5 else "." for bit in row) for row in rows))
    assert accuracy > 0.6, "no better than guessing"
    return float(accuracy)


if __name__ == "__main__":
    main()
