"""numba-cuda itself, with machine code from NVIDIA's compiler, on a stand-in for the driver: all but the kernels runs.

Needs a C compiler and the wheels of `hatch run deep:test`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.deep,
    pytest.mark.skipif(
        sys.platform != "linux" or shutil.which("cc") is None or find_spec("numba_cuda") is None,
        reason="needs Linux, a C compiler and numba-cuda with its wheels",
    ),
]

SCRIPT = """
import json
import numpy as np
import pronghorn as keras
from pronghorn import accelerator, ops
from pronghorn.program import Program

layers = [keras.Input((6,)), keras.layers.Dense(5, activation="relu"), keras.layers.Dropout(0.4)]
model = keras.Sequential([*layers, keras.layers.Dense(3, activation="softmax")])
model.compile("rmsprop", "categorical_crossentropy", metrics=["accuracy"])
x, y = np.ones((12, 6), np.float32), np.eye(3, dtype=np.float32)[[0, 1, 2] * 4]
model.fit(x, y, batch_size=4, epochs=3, verbose=0)
model.evaluate(x, y, verbose=0)
loop = Program(lambda x: ops.while_loop(lambda x: ops.sum(x) > 1, lambda x: ops.tanh(x) / 2, x))
for _ in range(3):
    assert loop(x).numpy().shape == x.shape
line = accelerator.current().describe()
print(json.dumps({"line": line, "used": accelerator.current().name, **model.train_program.executable.counts()}))
"""


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the stand-in."""
    folder = tmp_path_factory.mktemp("driver")
    source = Path(__file__).with_name("stand_in_driver.c")
    command = ["cc", "-shared", "-fPIC", "-O1", "-o", str(folder / "libcuda.so.1"), str(source), "-ldl"]
    subprocess.run(command, check=True)
    return folder


def environment(driver: Path, folder: Path, **more: str) -> dict[str, str]:
    """In which the stand-in is the driver; its log is in `folder`."""
    found = {**os.environ, "LD_LIBRARY_PATH": str(driver), "STAND_IN_LOG": str(folder / "log"), **more}
    found |= {"PRONGHORN_CACHE": str(driver / "cache"), "PRONGHORN_DISABLE_PLUGINS": "cpu"}
    found.pop("NUMBA_ENABLE_CUDASIM", None)
    return found


def run(driver: Path, folder: Path) -> tuple[dict[str, Any], list[str]]:
    """What the script prints, and the stand-in's log."""
    folder.mkdir()
    command = [sys.executable, "-W", "error", "-c", SCRIPT]
    done = subprocess.run(command, env=environment(driver, folder), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1]), (folder / "log").read_text().splitlines()


def test_a_training_is_compiled_captured_and_replayed(driver: Path, tmp_path: Path) -> None:
    said, log = run(driver, tmp_path / "cold")
    assert said["used"] == "gpu" and said["line"].startswith("available: A stand-in, numba-cuda, products by ")
    assert said["graphs"] == 1 and said["host"] == 0
    counted = Counter(line.split(" ")[0] for line in log)
    assert not counted["refused"] and "loaded what is no machine code" not in log
    assert f"captured {said['launches']}" in log  # all of a step is in its graph
    assert counted["replayed"] >= 7  # nine steps, of which the first launches and the second captures
    assert counted["allocation"] == 2  # the heap, and eight bytes of a trial
    assert sum("on the default stream" in line for line in log) <= 2  # the trial
    kernels = sorted((driver / "cache").rglob("*.nbc"))
    assert len(kernels) == counted["loaded"]
    before = [kernel.stat().st_mtime_ns for kernel in kernels]
    again, _ = run(driver, tmp_path / "warm")
    assert again == said
    assert [kernel.stat().st_mtime_ns for kernel in sorted((driver / "cache").rglob("*.nbc"))] == before


def test_a_card_that_compiles_nothing_is_not_available(driver: Path, tmp_path: Path) -> None:
    missing = "import sys; sys.modules['cuda.bindings.nvvm'] = None"
    (tmp_path / "sitecustomize.py").write_text(missing)
    command = [sys.executable, "-m", "pronghorn", "info"]
    changed = environment(driver, tmp_path, PYTHONPATH=str(tmp_path))
    done = subprocess.run(command, env=changed, capture_output=True, text=True, check=True)
    (line,) = [line for line in done.stdout.splitlines() if "accelerator gpu: " in line]
    assert "not available" in line and "pip install 'pronghorn-gpu[cuda13]'" in line
