"""Files that real Keras 3.15.1 wrote open here with equal outputs; with Keras installed, ours open there."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import pronghorn as keras

FIXTURES = Path(__file__).with_name("fixtures")
"""Each model with its inputs x0 and the outputs y0 that Keras computed."""


@pytest.mark.parametrize(("name", "steps"), [("dense_sequential_adam", 4), ("dense_regularized", 4)])
def test_keras_models_open(name: str, steps: int) -> None:
    model = keras.models.load_model(FIXTURES / f"{name}.keras")
    arrays = np.load(FIXTURES / f"{name}.npz")
    np.testing.assert_allclose(model.predict(arrays["x0"], verbose=0), arrays["y0"], rtol=1e-5, atol=1e-6)
    assert int(model.optimizer.iterations) == steps
    assert any(np.any(v.numpy()) for v in model.optimizer.variables[2:])


def test_a_model_goes_on_where_it_was_saved(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, "relu"), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    x = np.random.default_rng(0).normal(size=(32, 3)).astype("float32")
    y = x.sum(axis=1, keepdims=True)
    model.fit(x, y, epochs=2, verbose=0)
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
    for one in (model, again):
        one.fit(x, y, epochs=1, shuffle=False, verbose=0)
    for left, right in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-6)


@pytest.mark.deep
@pytest.mark.skipif(find_spec("keras") is None, reason="needs real Keras")
def test_keras_opens_ours(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, "relu"), keras.layers.Dense(1)])
    x = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")
    model.save(tmp_path / "m.keras")
    np.save(tmp_path / "x.npy", x)
    code = "import keras, numpy as np; np.save('y.npy', keras.models.load_model('m.keras').predict(np.load('x.npy')))"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), model.predict(x, verbose=0), rtol=1e-5)
