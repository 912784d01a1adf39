"""Whole-sequence recurrences: values by hand, gradients of first and second order, masks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pronghorn.autodiff import check_gradients
from pronghorn.op import reference_kernel
from pronghorn_ops.primitives.recurrent import ACTIVATIONS, GRU, LSTM, SIMPLE, Recurrence, activated, recurrence

CELLS = pytest.mark.parametrize("cell", [SIMPLE, LSTM, GRU], ids=lambda cell: cell.name)
CHOSEN = [
    activated("simple", "relu"),
    activated("lstm", "elu", "hard_sigmoid"),
    activated("gru", "softplus", "softsign"),
]
MASK = np.array([[True, False], [True, True], [False, True]])


def operands(cell: Recurrence, steps: int = 3, batch: int = 2, units: int = 2) -> list[Any]:
    rng = np.random.default_rng(0)
    width = cell.gates * units
    shapes = [(steps, batch, width), (units, width), *[(width,)] * cell.bias, *[(batch, units)] * len(cell.states)]
    return [rng.normal(size=shape) for shape in shapes]


def test_lstm_by_hand() -> None:
    x, kernel, h, c = operands(LSTM)
    hs, cs, saved = recurrence(x, kernel, h, c, cell=LSTM, masked=False)
    for t in range(3):
        i, f, g, o = np.split(x[t] + h @ kernel, 4, axis=1)
        c = c / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
        h = np.tanh(c) / (1 + np.exp(-o))
        np.testing.assert_allclose(hs.numpy()[t], h)
        np.testing.assert_allclose(cs.numpy()[t], c)
    assert saved.shape == (3, 2, 8)


def test_gru_by_hand() -> None:
    x, kernel, bias, h = operands(GRU)
    hs, _ = recurrence(x, kernel, bias, h, cell=GRU, masked=False)
    for t in range(3):
        (xz, xr, xg), (rz, rr, rg) = np.split(x[t], 3, 1), np.split(h @ kernel + bias, 3, 1)
        z, r = 1 / (1 + np.exp(-xz - rz)), 1 / (1 + np.exp(-xr - rr))
        h = z * h + (1 - z) * np.tanh(xg + r * rg)
        np.testing.assert_allclose(hs.numpy()[t], h)


@CELLS
def test_a_masked_step_changes_nothing(cell: Recurrence) -> None:
    arrays = operands(cell)
    results = recurrence(*arrays, MASK, cell=cell, masked=True)
    hs = (results if isinstance(results, tuple) else (results,))[0].numpy()
    np.testing.assert_array_equal(hs[0, 1], arrays[2 + cell.bias][1])
    np.testing.assert_array_equal(hs[2, 0], hs[1, 0])


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_slopes_follow_from_values(name: str) -> None:
    value, slope = (reference_kernel(text, (letter,)) for text, letter in zip(ACTIVATIONS[name], "xy", strict=True))
    x = np.linspace(-8, 8, 161) + 0.013
    numeric = (value(x + 1e-6) - value(x - 1e-6)) / 2e-6
    np.testing.assert_allclose(np.broadcast_to(slope(value(x)), x.shape), numeric, atol=1e-7)


@pytest.mark.parametrize("cell", [SIMPLE, LSTM, GRU, *CHOSEN])
@pytest.mark.parametrize("masked", [False, True])
def test_gradients(cell: Recurrence, masked: bool) -> None:
    def states(*tensors: Any) -> Any:
        found = recurrence(*tensors, *[MASK] * masked, cell=cell, masked=masked)
        return found[: len(cell.states)] if isinstance(found, tuple) else found

    check_gradients(states, operands(cell), order=2, rtol=1e-4, atol=1e-6)


@CELLS
def test_noise_multiplies_the_state_of_each_gate(cell: Recurrence) -> None:
    """For one sequence that is as good as a kernel whose rows are multiplied with it."""
    noise = np.array([[0.0, 2.0], [2.0, 0.0]])
    drawn = np.stack([noise * (k + 1) for k in range(cell.gates)])
    x, kernel, *rest = operands(cell, steps=1, batch=2)
    found = recurrence(x, kernel, *rest, drawn, cell=cell, masked=False, noisy=True)
    for row in range(2):
        scaled = np.concatenate(
            [drawn[k][row][:, None] * part for k, part in enumerate(np.split(kernel, cell.gates, 1))], 1
        )
        want = recurrence(x, scaled, *rest, cell=cell, masked=False)
        for got, expected in zip(*(t if isinstance(t, tuple) else (t,) for t in (found, want)), strict=True):
            np.testing.assert_allclose(got.numpy()[:, row], expected.numpy()[:, row])


@CELLS
@pytest.mark.parametrize("masked", [False, True])
def test_gradients_under_noise(cell: Recurrence, masked: bool) -> None:
    noise = np.random.default_rng(1).integers(0, 2, (cell.gates, 2, 2)) * 2.0

    def states(*tensors: Any) -> Any:
        found = recurrence(*tensors, *[MASK] * masked, noise, cell=cell, masked=masked, noisy=True)
        return found[: len(cell.states)] if isinstance(found, tuple) else found

    check_gradients(states, operands(cell), order=2, rtol=1e-4, atol=1e-6)


@CELLS
def test_gradients_through_the_saved_values(cell: Recurrence) -> None:
    check_gradients(lambda *tensors: recurrence(*tensors, cell=cell, masked=False), operands(cell))


@CELLS
def test_no_steps(cell: Recurrence) -> None:
    results = recurrence(*operands(cell, steps=0), cell=cell, masked=False)
    assert (results if isinstance(results, tuple) else (results,))[0].shape == (0, 2, 2)
