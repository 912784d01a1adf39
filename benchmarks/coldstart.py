"""From a cold process to the end of the first MNIST epoch: `hatch run bench:coldstart [--runs 5]`.

Alternates the frameworks, and gives the median. "pronghorn, first run" has an empty kernel cache, as on a machine that
never ran it; "pronghorn" finds the kernels of the run before.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent


def first_epoch(framework: str, environment: dict[str, str]) -> dict[str, float]:
    """Seconds from the start of a process: until the model is compiled, and until the first epoch is over."""
    result = subprocess.run(
        [sys.executable, str(HERE / "worker.py"), framework, "W1"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=HERE,
        env={**os.environ, **environment},
        check=True,
    )
    return json.loads(result.stdout.splitlines()[0])  # type: ignore[no-any-return]


def main() -> None:
    """Prints the medians."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--frameworks", default="keras-tensorflow,keras-jax")
    options = parser.parse_args()
    figures: dict[str, list[dict[str, float]]] = {}
    for _ in range(options.runs):
        with tempfile.TemporaryDirectory() as fresh:
            cold = {"PRONGHORN_CACHE": fresh}
            figures.setdefault("pronghorn, first run", []).append(first_epoch("pronghorn", cold))
            figures.setdefault("pronghorn", []).append(first_epoch("pronghorn", cold))
        for framework in filter(None, options.frameworks.split(",")):
            figures.setdefault(framework, []).append(first_epoch(framework, {}))
    print(f"seconds from the start of the process, medians of {options.runs} alternating runs")
    for name, runs in figures.items():
        ready, total = (statistics.median(run[key] for run in runs) for key in ("ready", "first_epoch"))
        print(f"{name:24} model compiled {ready:5.2f}   first epoch over {total:5.2f}")


if __name__ == "__main__":
    main()
