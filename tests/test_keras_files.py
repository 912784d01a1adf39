"""Files of real Keras 3.15.1 open here with equal outputs; with Keras installed, ours open there, and train on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import pronghorn as keras

FIXTURES = Path(__file__).parent / "fixtures" / "keras_3_15"
"""Each model as Keras saved it, with inputs x0 and the outputs y0 that Keras computed."""
SCRIPTS = Path(__file__).parent / "interchange"
SAMPLES = [path.name for path in sorted(FIXTURES.iterdir())]


@pytest.mark.parametrize("name", SAMPLES)
def test_a_model_of_keras_opens(name: str, tmp_path: Path) -> None:
    arrays = np.load(FIXTURES / name / "io.npz")
    model = keras.models.load_model(FIXTURES / name / "model.keras")
    np.testing.assert_allclose(model.predict(arrays["x0"], verbose=0), arrays["y0"], rtol=1e-5, atol=1e-6)
    assert int(model.optimizer.iterations) == 4 and any(np.any(v.numpy()) for v in model.optimizer.variables[2:])
    model.save(tmp_path / "again.keras")
    again = keras.models.load_model(tmp_path / "again.keras")
    np.testing.assert_array_equal(again.predict(arrays["x0"], verbose=0), model.predict(arrays["x0"], verbose=0))


@pytest.mark.parametrize("name", SAMPLES)
def test_weights_of_keras_open(name: str) -> None:
    arrays = np.load(FIXTURES / name / "io.npz")
    model = keras.models.model_from_json((FIXTURES / name / "config.json").read_text())
    model.load_weights(FIXTURES / name / "model.weights.h5")
    np.testing.assert_allclose(model.predict(arrays["x0"], verbose=0), arrays["y0"], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", SAMPLES)
def test_our_config_is_that_of_keras(name: str) -> None:
    def plain(config: object) -> object:
        """Without what only says that an object is shared; JSON has lists for tuples."""
        if isinstance(config, dict):
            return {key: plain(value) for key, value in config.items() if key != "shared_object_id"}
        return [plain(item) for item in config] if isinstance(config, list) else config

    theirs = json.loads((FIXTURES / name / "config.json").read_text())
    theirs["compile_config"]["loss"] = None  # Keras leaves out of Huber's config what Huber was made with
    ours = json.loads(keras.models.load_model(FIXTURES / name / "model.keras").to_json())
    ours["compile_config"]["loss"] = None
    assert ours == plain(theirs)


def test_training_with_dropout_goes_on_bit_for_bit(tmp_path: Path) -> None:
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(4, "relu"), keras.layers.Dropout(0.5), keras.layers.Dense(1)]
    )
    model.compile("adam", "mse")
    x = np.random.default_rng(0).normal(size=(32, 3)).astype("float32")
    y = x.sum(axis=1, keepdims=True)
    model.fit(x, y, epochs=2, verbose=0)
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    for one in (model, again):
        one.fit(x, y, epochs=2, batch_size=8, shuffle=False, verbose=0)
    for left, right in zip(model.variables, again.variables, strict=True):
        np.testing.assert_array_equal(left.numpy(), right.numpy())


def run_script(script: str, *arguments: object) -> None:
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    command = [sys.executable, str(SCRIPTS / script), *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, (done.stdout[-3000:], done.stderr[-3000:])


def test_the_script_agrees_with_itself(tmp_path: Path) -> None:
    models = ("stack", "graph", "nested", "net")
    run_script("models.py", "pronghorn", "save", tmp_path, *models)
    run_script("models.py", "pronghorn", "open", tmp_path, *models)


def test_arguments_of_ops_are_read_back(tmp_path: Path) -> None:
    """Those that Keras keeps in the call, those of the op's object, dtypes among them, and sequences of tensors."""
    ops = (
        "conv batch_normalization einsum layer_normalization meshgrid rearrange saturate_cast trapezoid view zeros_like"
    )
    run_script("graphs.py", "pronghorn", "save", tmp_path, *ops.split())
    run_script("graphs.py", "pronghorn", "open", tmp_path, *ops.split())


@pytest.mark.deep
@pytest.mark.skipif(find_spec("keras") is None, reason="needs real Keras")
@pytest.mark.parametrize("script", ["models.py", "graphs.py"])
@pytest.mark.parametrize(("writer", "reader"), [("pronghorn", "keras"), ("keras", "pronghorn")])
def test_models_go_on_training_in_the_other(script: str, writer: str, reader: str, tmp_path: Path) -> None:
    run_script(script, writer, "save", tmp_path)
    run_script(script, reader, "open", tmp_path)
