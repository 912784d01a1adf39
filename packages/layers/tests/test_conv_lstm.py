"""Convolutional LSTMs: the contract, states, masks and what they refuse. Their values are in test_values_of_layers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pronghorn import layers, ops
from pronghorn.layer import Layer
from pronghorn.testing import LayerContract

CASES: list[tuple[str, tuple[int, ...], dict[str, Any]]] = [
    ("ConvLSTM1D", (2, 2, 4, 1), {"filters": 2, "kernel_size": 3, "strides": 2, "return_sequences": True}),
    ("ConvLSTM2D", (1, 2, 3, 2, 2), {"filters": 1, "kernel_size": 2, "padding": "same", "return_state": True}),
    ("ConvLSTM2D", (1, 2, 1, 3, 3), {"filters": 1, "kernel_size": 2, "data_format": "channels_first"}),
    ("ConvLSTM3D", (1, 2, 2, 2, 2, 1), {"filters": 1, "kernel_size": 2, "use_bias": False, "go_backwards": True}),
]


def contract(name: str, shape: tuple[int, ...], options: dict[str, Any]) -> type[LayerContract]:
    def make(self: Any, **common: Any) -> Layer:
        return getattr(layers, name)(**options, **common)  # type: ignore[no-any-return]

    return type(f"Test{name}", (LayerContract,), {"input_shape": shape, "unknown": (1,), "make": make})


for _number, _case in enumerate(CASES):
    globals()[f"Test{_case[0]}Contract{_number}"] = contract(*_case)


X = np.random.default_rng(0).normal(size=(2, 3, 4, 4, 1)).astype("float32")


def test_dropout_draws_once_for_all_steps_and_gates_apart() -> None:
    layer = layers.ConvLSTM2D(2, 2, dropout=0.5, recurrent_dropout=0.5, seed=1)
    layer.build(X.shape)
    noise = layer.cell.draw_noise(2)
    assert (noise.inputs.shape, noise.state.shape) == ((4, 2, 4, 4, 1), (4, 2, 3, 3, 2))
    gates = noise.inputs.numpy()
    assert set(np.unique(gates)) == {0.0, 2.0} and not np.array_equal(gates[0], gates[1])
    still = layer(X).numpy()
    moved = layer(X, training=True).numpy()
    assert not np.allclose(still, moved)
    np.testing.assert_array_equal(layer(X).numpy(), still)


def test_stateful() -> None:
    layer = layers.ConvLSTM2D(2, 2, stateful=True, padding="same")
    whole = layers.ConvLSTM2D(2, 2, padding="same")
    for each in (layer, whole):
        each.build(X.shape)
    whole.set_weights(layer.get_weights())
    layer(X[:, :2])
    np.testing.assert_allclose(layer(X[:, 2:]).numpy(), whole(X).numpy(), rtol=1e-6)
    layer.reset_states()
    np.testing.assert_allclose(layer(X).numpy(), whole(X).numpy(), rtol=1e-6)


def test_initial_state_and_mask() -> None:
    layer = layers.ConvLSTM2D(2, 2, return_state=True)
    _, h, c = layer(X)
    later = layer(X, initial_state=[h, c])[0].numpy()
    np.testing.assert_allclose(later, layer(np.concatenate([X, X], 1))[0].numpy(), rtol=1e-6)
    mask = np.array([[True, True, False], [True, False, False]])
    outputs = layer(X, mask=mask)[0].numpy()
    np.testing.assert_allclose(outputs[0], layer(X[:1, :2])[0].numpy()[0], rtol=1e-6)
    np.testing.assert_allclose(outputs[1], layer(X[1:, :1])[0].numpy()[0], rtol=1e-6)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: layers.ConvLSTM2D(0, 2), "`filters`: expected a whole number of at least 1"),
        (lambda: layers.ConvLSTM2D(2, (2, 2, 2)), "`kernel_size` must be an integer of at least 1, or 2 of them"),
        (lambda: layers.ConvLSTM2D(2, 2, strides=2, dilation_rate=2), "cannot both exceed 1"),
        (lambda: layers.ConvLSTM2D(2, 2, padding="causal"), "`padding` must be 'valid' or 'same'"),
        (lambda: layers.ConvLSTM2D(2, 2)(X[0]), "expected ndim=5, found ndim=4"),
        (lambda: layers.ConvLSTM2D(2, 5)(X), "smaller than the window's extent"),
        (lambda: layers.ConvLSTM2D(2, 2).build((None, 3, None, 4, 1)), "all known"),
        (lambda: layers.ConvLSTM2D(2, 2)(X, mask=ops.ones((2, 4), "bool")), r"the mask must have the shape"),
    ],
)
def test_bad_arguments(wrong: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        wrong()
