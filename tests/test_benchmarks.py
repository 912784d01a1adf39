"""What the benchmark of the GPU does before it measures; measuring needs a card."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(FOLDER))
    import gpu

    yield gpu
    for name in ("gpu", "compare"):
        sys.modules.pop(name, None)


def test_the_card_is_found_in_what_info_says(gpu: Any) -> None:
    said = "accelerator numpy: available\naccelerator gpu: available: NVIDIA H200, numba-cuda, products by cuBLAS\n"
    assert gpu.card(said) == "NVIDIA H200, numba-cuda, products by cuBLAS"
    for line in ("not available: no NVIDIA driver was found (libcuda)", "available: Numba's CUDA simulator, for tests"):
        with pytest.raises(SystemExit, match="no card to measure on.*" + line[:9]):
            gpu.card(f"accelerator gpu: {line}\naccelerator in use: cpu")
    with pytest.raises(SystemExit, match="install pronghorn-gpu"):
        gpu.card("accelerator cpu: available")


def test_the_present_info_has_the_line() -> None:
    said = subprocess.run(
        [sys.executable, "-m", "pronghorn", "info"], capture_output=True, text=True, check=True
    ).stdout
    assert "accelerator gpu: " in said


def test_options_reach_the_comparison(gpu: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any) -> None:
    asked = []

    def compare(workload: str, frameworks: list[str], rounds: int, together: bool, seconds: float) -> Any:
        given = gpu.os.environ
        asked.append((workload, frameworks, rounds, given["BENCHMARK_DEVICE"], given["BENCHMARK_ROWS"]))
        assert together and 0 < seconds <= 60
        own = {"steps_per_second": 2.0, "ratio_to_fastest_peer": 2.0, "fastest_peer": False, "rounds": [3.0, 2.0, 1.0]}
        peer = {**own, "fastest_peer": True, "rounds": [2.0, 2.0, 0.25]}
        failed = {"error": "was not done in time"}
        return {"pronghorn": {**own, "launches": 31, "graphs": 1, "host": 2}, "torch": peer, "jax": failed}

    monkeypatch.setattr(gpu, "compare", compare)
    monkeypatch.setattr(gpu, "compile_kernels", lambda workloads, deadline: asked.append(tuple(workloads)))
    monkeypatch.setattr(gpu, "os", SimpleNamespace(environ={}))
    file = tmp_path / "figures.json"
    arguments = ["--device", "cpu", "--rows", "64", "--workload", "W1", "--rounds", "2", "--json", str(file)]
    arguments += ["--minutes", "1"]
    gpu.main([*arguments, "--frameworks", "pronghorn,torch"])
    assert asked == [("W1",), ("W1", ["pronghorn", "torch"], 2, "cpu", "64")]
    printed = capsys.readouterr().out
    assert "W1, cpu, medians of 2" in printed
    assert "one step of pronghorn: 31 launches in 1 graphs, 2 host items" in printed
    assert "pronghorn / torch: 1.50" in printed and "jax" not in printed
    written = json.loads(file.read_text())
    assert written["device"] == "cpu" and written["versions"]["numba"]
    assert written["W1"]["jax"] == {"error": "was not done in time"}


WORKER = """
import sys, time, json
name = sys.argv[1]
if name == "broken":
    sys.exit("no module named broken")
if name == "hangs":
    time.sleep(600)
print(json.dumps({"imported": 1}), flush=True)
for k, line in enumerate(sys.stdin):
    if name == "dies" and k:
        sys.exit("out of memory")
    print(json.dumps({"steps_per_second": 2 if name == "fast" else 1}), flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="workers are stopped by signals")
@pytest.mark.parametrize("together", (False, True))
def test_frameworks_that_fail_leave_the_others_their_figures(
    gpu: Any, together: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any
) -> None:
    import compare

    (tmp_path / "worker.py").write_text(WORKER)
    monkeypatch.setattr(compare, "HERE", tmp_path)
    names = ["pronghorn", "broken", "dies", "fast", *["hangs"] * together]
    found = compare.compare("W1", names, 2, together=together, seconds=10 if together else float("inf"))
    assert found["pronghorn"]["rounds"] == [1, 1] and found["pronghorn"]["ratio_to_fastest_peer"] == 0.5
    assert found["fast"]["fastest_peer"] and not found["pronghorn"]["fastest_peer"]
    assert found["broken"] == {"error": "ended without a result: no module named broken"}
    assert found["dies"] == {"error": "ended without a result: out of memory"}
    if together:
        assert found["hangs"] == {"error": "was not done in time"}
    compare.show("W1", found, 2)
    captured = capsys.readouterr()
    assert "fast" in captured.out and "broken" not in captured.out
    assert "W1: broken is left out: ended without a result" in captured.err


def test_a_card_is_measured_in_full_float32(gpu: Any) -> None:
    found = gpu.environment("cuda", None)
    assert found["PRONGHORN_ACCELERATOR"] == "gpu" and found["NVIDIA_TF32_OVERRIDE"] == "0"
    assert "BENCHMARK_ROWS" not in found
