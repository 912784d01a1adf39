"""The tutorials run as a person would run them, and say nothing that is not meant for that person."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("matplotlib", reason="the history plot needs the extra `plot`")

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_the_mnist_tutorial(tmp_path: Path) -> None:
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
