"""What the tests of the whole share: a small classifier, data for it, and Python processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import pronghorn as keras
from pronghorn import accelerator

Array = np.ndarray[Any, Any]
Process = subprocess.CompletedProcess[str]
RunPython = Callable[..., Process]


@pytest.fixture(autouse=True)
def settings_are_put_back() -> Iterator[None]:
    """Tests may choose an accelerator, a number of threads, and the NaN switch."""
    from pronghorn_cpu.runner import default_pool

    before, threads = accelerator._current, default_pool().threads
    yield
    accelerator._current = before
    keras.config.set_trace_nans(False)
    default_pool().resize(threads)


@pytest.fixture
def digits() -> tuple[Array, Array]:
    """300 images of 28 x 28 as rows, float32, and one-hot classes that can be learned from them."""
    rng = np.random.default_rng(5)
    x = rng.random((300, 784), dtype=np.float32)
    y = np.eye(10, dtype=np.float32)[(x @ rng.normal(size=(784, 10))).argmax(axis=1)]
    return x, y


@pytest.fixture
def classifier() -> Callable[..., keras.Sequential]:
    """Makes the tutorial's network, or a narrower one; `compile` takes the options."""

    def make(seed: int | None = 0, widths: tuple[int, ...] = (64, 32), **options: Any) -> keras.Sequential:
        if seed is not None:
            keras.utils.set_random_seed(seed)
        model = keras.Sequential([keras.Input((784,))])
        for width, rate in zip(widths, (0.4, 0.3), strict=True):
            model.add(keras.layers.Dense(width, activation="relu"))
            model.add(keras.layers.Dropout(rate))
        model.add(keras.layers.Dense(10, activation="softmax"))
        given = {"loss": "categorical_crossentropy", "optimizer": "rmsprop", "metrics": ["accuracy"]}
        model.compile(**given | options)
        return model

    return make


@pytest.fixture
def run_python() -> RunPython:
    """Runs source text in a Python of its own, with changed environment variables (None removes one)."""

    def run(source: str, timeout: float = 600, **environment: str | None) -> Process:
        changed = {**os.environ, **environment}
        return subprocess.run(
            [sys.executable, "-W", "error", "-c", source],
            env={name: value for name, value in changed.items() if value is not None},
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    return run
