"""Models of strings as files: those of real Keras 3.15.1 open here with equal outputs, and with Keras and TensorFlow
installed ours open there."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

FIXTURES = Path(__file__).parent / "fixtures" / "keras_texts"
SCRIPT = Path(__file__).parent / "interchange" / "texts.py"
PEER = find_spec("keras") is not None and find_spec("tensorflow") is not None


def run_script(*arguments: object) -> None:
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow"}
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr


def test_models_of_keras_open() -> None:
    run_script("pronghorn", "open", FIXTURES)


def test_our_models_open_again(tmp_path: Path) -> None:
    run_script("pronghorn", "save", tmp_path)
    run_script("pronghorn", "open", tmp_path)


@pytest.mark.deep
@pytest.mark.skipif(not PEER, reason="needs real Keras and TensorFlow")
def test_our_models_open_in_keras(tmp_path: Path) -> None:
    run_script("pronghorn", "save", tmp_path)
    run_script("keras", "open", tmp_path)
