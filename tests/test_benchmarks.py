"""What the benchmark of the GPU does before it measures; measuring needs a card."""

from __future__ import annotations

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

    def compare(workload: str, frameworks: list[str], rounds: int) -> Any:
        given = gpu.os.environ
        asked.append((workload, frameworks, rounds, given["BENCHMARK_DEVICE"], given["BENCHMARK_ROWS"]))
        own = {"steps_per_second": 2.0, "ratio_to_fastest_peer": 2.0, "fastest_peer": False}
        return {"pronghorn": {**own, "launches": 31, "graphs": 1, "host": 2}, "torch": {**own, "fastest_peer": True}}

    monkeypatch.setattr(gpu, "compare", compare)
    monkeypatch.setattr(gpu, "os", SimpleNamespace(environ={}))
    file = tmp_path / "figures.json"
    arguments = ["--device", "cpu", "--rows", "64", "--workload", "W1", "--rounds", "2", "--json", str(file)]
    gpu.main([*arguments, "--frameworks", "pronghorn,torch"])
    assert asked == [("W1", ["pronghorn", "torch"], 2, "cpu", "64")]
    printed = capsys.readouterr().out
    assert "W1, cpu, medians of 2" in printed
    assert "one step of pronghorn: 31 launches in 1 graphs, 2 host items" in printed
    assert '"device": "cpu"' in file.read_text()


def test_a_card_is_measured_in_full_float32(gpu: Any) -> None:
    found = gpu.environment("cuda", None)
    assert found["PRONGHORN_ACCELERATOR"] == "gpu" and found["NVIDIA_TF32_OVERRIDE"] == "0"
    assert "BENCHMARK_ROWS" not in found
