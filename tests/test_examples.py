"""The tutorials run as a person would run them, small, and reach what they state; no step waits for the host."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import pronghorn as keras

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_the_mnist_tutorial(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the history plot needs the extra `plot`")
    result = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / "mnist.py"), "--epochs", "1", "--seed", "1"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        timeout=600,
    )
    assert result.returncode == 0, result.stderr
    assert re.fullmatch(r"(Compiling kernels for this machine: \d+/\d+ \.\.\.\n)*", result.stderr)
    assert " Total params: 235,146 (918.54 KB)\n" in result.stdout
    epoch = re.search(
        r"^469/469 - \d+s - \d+ms/step - accuracy: (\S+) - loss: \S+ - val_accuracy: (\S+) - val_loss: ",
        result.stdout,
        re.M,
    )
    assert epoch is not None, result.stdout
    assert 0.8 < float(epoch[1]) < float(epoch[2])
    tested = re.search(r"^test loss (\S+), test accuracy (\S+)$", result.stdout, re.M)
    assert tested is not None, result.stdout
    assert float(tested[1]) < 0.25 and float(tested[2]) > 0.93
    assert result.stdout.endswith("it reads the first digits as 7 2 1 0 4 1 4 9\n")
    assert (tmp_path / "mnist-history.png").stat().st_size > 1000
    assert (tmp_path / "mnist.keras").stat().st_size > 900_000


SMALL: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "addition": ("--epochs 3 --least 0", lambda right: right > 0.01),
    "basic_classification": ("--epochs 2 --stand-in", lambda accuracy: accuracy > 0.9),
    "functional_api": ("--epochs 4 --headlines 4000", lambda accuracy: accuracy > 0.8),
    "gan": ("--epochs 2 --pictures 6000 --least 0", lambda figures: all(0.1 < each <= 1 for each in figures)),
    "memory_network": ("--epochs 4 --stories 3000", lambda accuracy: accuracy > 0.8),
    "mnist_cnn": ("--epochs 2 --pictures 5000", lambda accuracy: accuracy > 0.93),
    "neural_turing_machine": ("--epochs 2 --sequences 2000 --length 3", lambda accuracy: accuracy > 0.6),
    "overfit_and_underfit": ("--stand-in --epochs 10", lambda losses: len(losses) == 4),
    "regression": ("--epochs 60", lambda error: error < 3.46),
    "save_and_restore": ("--epochs 3", lambda accuracy: accuracy > 0.88),
    "siamese_mnist": ("--epochs 2 --pairs 20000", lambda accuracy: accuracy > 0.85),
    "text_classification": ("--epochs 8 --stand-in", lambda accuracy: accuracy > 0.9),
    "text_from_files": ("--epochs 2 --reviews 1500", lambda accuracy: accuracy > 0.9),
    "text_generation": ("--epochs 5 --sentences 600 --units 64", lambda figures: figures[0] < figures[1]),
    "transfer_learning": ("--epochs 2 --pictures 3000", lambda accuracies: accuracies[0] > accuracies[1]),
    "transformer": ("--epochs 2 --sequences 4000", lambda accuracy: accuracy > 0.9),
    "variational_autoencoder": ("--epochs 4 --pictures 12000", lambda error: error < 0.0558),
}
"""Example -> arguments that make it quick, and what it must reach with them: more than a linear model or a majority."""


def load(name: str) -> ModuleType:
    specification = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_every_tutorial_is_run() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == {*SMALL, "mnist"}


@pytest.mark.parametrize("name", SMALL)
def test_tutorial(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments, reached = SMALL[name]
    trained: list[Any] = []
    fit = keras.Model.fit

    def recorded(model: Any, *args: Any, **kwargs: Any) -> Any:
        trained.append(model)
        return fit(model, *args, **kwargs)

    monkeypatch.setattr(keras.Model, "fit", recorded)
    assert reached(load(name).main(arguments.split()))
    assert trained
    for model in trained:
        on_host = [str(each) for each in model.train_program.instructions() if each.kind == "host"]
        assert not on_host, f"{name}: {on_host}"
