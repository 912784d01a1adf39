"""Models of strings as files: those of real Keras 3.15.1 open here with equal outputs, and with Keras and TensorFlow
installed ours open there."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest

import pronghorn as keras
from pronghorn.testing.kernels import using_accelerator

FIXTURES = Path(__file__).parent / "fixtures" / "keras_texts"
SCRIPT = Path(__file__).parent / "interchange" / "texts.py"
PEER = find_spec("keras") is not None and find_spec("tensorflow") is not None

SPEC = spec_from_file_location("texts", SCRIPT)
texts = module_from_spec(SPEC)
SPEC.loader.exec_module(texts)


@pytest.fixture(autouse=True)
def without_kernels() -> Iterator[None]:
    """What is compared needs no kernels."""
    with using_accelerator("numpy"):
        yield


def test_models_of_keras_open() -> None:
    texts.open_models(keras, FIXTURES)


@pytest.mark.parametrize(("name", "output"), [("features", "output 1"), ("space", "output")])
def test_what_layers_learn_from_data_is_what_they_learn_in_keras(name: str, output: str) -> None:
    found = texts.outputs(keras, texts.builders(keras)[name]())
    np.testing.assert_allclose(found[output], np.load(FIXTURES / f"{name}.npz")[output], rtol=1e-5, atol=1e-6)


def test_our_models_open_again(tmp_path: Path) -> None:
    texts.save_models(keras, tmp_path)
    texts.open_models(keras, tmp_path)


@pytest.mark.deep
@pytest.mark.skipif(not PEER, reason="needs real Keras and TensorFlow")
def test_our_models_open_in_keras(tmp_path: Path) -> None:
    texts.save_models(keras, tmp_path)
    command = [sys.executable, str(SCRIPT), "keras", "open", str(tmp_path)]
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
