"""Pronghorn against its peers: `hatch run bench:compare [--workload W1] [--rounds 9] [--frameworks a,b]`.

Every framework runs in a process of its own with two threads, all stay alive, and epochs are trained in turn: a round
    is one
epoch of each. A slow phase of the machine hits neighbours alike, so the ratio of a round is worth more than its
figures. Prints medians and ratios to the fastest peer and writes them as JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
FRAMEWORKS = ["pronghorn", "jax", "keras-jax", "keras-tensorflow", "keras-torch", "torch"]


class Worker:
    """A framework in a process that trains an epoch when told to."""

    def __init__(self, framework: str, workload: str) -> None:
        command = [sys.executable, str(HERE / "worker.py"), framework, workload]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=HERE
        )
        self.cold = self.read()

    def read(self) -> dict[str, float]:
        """The next line of figures."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.process.args} ended without a result; run it by hand to see why")
        return json.loads(line)  # type: ignore[no-any-return]

    def epoch(self) -> dict[str, float]:
        """Trains one epoch."""
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        return self.read()


def compare(workload: str, frameworks: list[str], rounds: int) -> dict[str, Any]:
    """Medians, and the ratio of every framework's rounds to those of the fastest peer."""
    workers = {}
    for framework in frameworks:
        try:
            workers[framework] = Worker(framework, workload)
        except RuntimeError as error:
            print(f"left out: {error}", file=sys.stderr)
    speeds: dict[str, list[float]] = {name: [] for name in workers}
    peaks: dict[str, float] = {}
    for _ in range(rounds):
        for name, worker in workers.items():
            figures = worker.epoch()
            speeds[name].append(figures["steps_per_second"])
            peaks[name] = figures["peak_megabytes"]
    for worker in workers.values():
        worker.process.kill()
    fastest = max((name for name in workers if name != "pronghorn"), key=lambda name: statistics.median(speeds[name]))
    return {
        name: {
            "steps_per_second": statistics.median(values),
            "ratio_to_fastest_peer": statistics.median(a / b for a, b in zip(values, speeds[fastest], strict=True)),
            "peak_megabytes": peaks[name],
            "first_epoch_seconds": workers[name].cold["first_epoch"],
            "fastest_peer": name == fastest,
        }
        for name, values in speeds.items()
    }


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--workload", default="W1")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--frameworks", default=",".join(FRAMEWORKS))
    parser.add_argument("--json", type=Path, default=HERE / "results.json")
    options = parser.parse_args()
    results = compare(options.workload, options.frameworks.split(","), options.rounds)
    print(f"{options.workload}, two threads, medians of {options.rounds} interleaved epochs")
    print(f"{'':18}{'steps/s':>9}{'ratio':>8}{'peak MB':>9}{'1st epoch s':>13}")
    for name, r in sorted(results.items(), key=lambda item: -item[1]["steps_per_second"]):
        mark = "  <- fastest peer" if r["fastest_peer"] else ""
        print(
            f"{name:18}{r['steps_per_second']:9.0f}{r['ratio_to_fastest_peer']:8.2f}{r['peak_megabytes']:9.0f}"
            f"{r['first_epoch_seconds']:13.1f}{mark}"
        )
    options.json.write_text(json.dumps({options.workload: results}, indent=1))


if __name__ == "__main__":
    main()
