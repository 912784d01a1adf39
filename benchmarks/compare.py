"""Pronghorn against its peers: `hatch run bench:compare [--workload W1 ...] [--rounds 9] [--frameworks a,b]`.

Every framework runs in a process of its own with two threads, all stay alive, and epochs are trained in turn: a round
is one epoch of each. A slow phase of the machine hits neighbours alike, so the ratio of a round is worth more than its
figures. Prints medians and ratios to the fastest peer; `--json` and `--plot` keep them. "arithmetic" is no framework:
it does the multiply-adds of a step's products and nothing else, at the processor's peak in that round.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
FRAMEWORKS = (
    "pronghorn,jax,keras-jax,keras-tensorflow,keras-tensorflow-jit,keras-torch,torch,torch-channels-last,torch-compile,"
    "arithmetic"
)
NO_PEERS = ("pronghorn", "arithmetic")
WORKLOADS = ("W1", "W2", "W3", "W4", "W5")

Results = dict[str, dict[str, Any]]


class Worker:
    """A framework in a process that measures when told to, and is stopped in between: some have threads that spin."""

    def __init__(self, framework: str, workload: str, deadline: float = float("inf")) -> None:
        command = [sys.executable, str(HERE / "worker.py"), framework, workload]
        self.deadline = deadline  # of time.monotonic()
        self.errors = tempfile.TemporaryFile("w+", errors="replace")
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True, cwd=HERE
        )
        self.figures: dict[str, float] = {}

    def ready(self) -> None:
        """Waits until the first epoch is over."""
        self.figures = self.read()
        self.stop()

    def stop(self) -> None:
        """Keeps the process from running until it is told something."""
        os.kill(self.process.pid, signal.SIGSTOP)

    def end(self) -> None:
        """Ends the process."""
        self.process.kill()
        with suppress(BrokenPipeError), self.process, self.errors:
            pass

    def read(self) -> dict[str, float]:
        """The next line of figures. It may take half of the time to the deadline, so that some is left for the others.

        Raises:
            RuntimeError: there was none, or not in time.
        """
        assert self.process.stdout is not None
        limit = max(self.deadline - time.monotonic(), 0) / 2
        if limit < float("inf") and not select.select([self.process.stdout], [], [], limit)[0]:
            raise RuntimeError("was not done in time")
        line = self.process.stdout.readline()
        if not line:
            self.errors.seek(0)
            last = [text.strip() for text in self.errors if text.strip()][-1:]
            raise RuntimeError(f"ended without a result: {''.join(last) or self.process.args}")
        return json.loads(line)  # type: ignore[no-any-return]

    def tell(self, command: str) -> dict[str, float]:
        """Has the process do something; its figures."""
        assert self.process.stdin is not None
        os.kill(self.process.pid, signal.SIGCONT)
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        try:
            return self.read()
        finally:
            self.stop()


def compare(
    workload: str, frameworks: list[str], rounds: int, together: bool = False, seconds: float = float("inf")
) -> Results:
    """Medians, and the ratio of every framework's rounds to those of the fastest peer.

    One that fails, or is not done within so many seconds, is left out and its result says why: `{"error": ...}`.
    `together`: all begin at once, for machines with cores enough.
    """
    workers: dict[str, Worker] = {}
    speeds: dict[str, list[float]] = {}
    failed: Results = {}

    def attempt(name: str, work: Callable[[], object]) -> None:
        try:
            if name not in failed:
                work()
        except (RuntimeError, OSError) as error:
            failed[name] = {"error": str(error)}
            print(f"{workload}: {name} is left out: {error}", file=sys.stderr, flush=True)

    def measure(name: str) -> None:
        workers[name].figures |= workers[name].tell("epoch")
        speeds.setdefault(name, []).append(workers[name].figures["steps_per_second"])

    def predict(name: str) -> None:
        workers[name].figures |= workers[name].tell("predict")

    try:
        deadline = time.monotonic() + seconds
        for name in frameworks:
            workers[name] = Worker(name, workload, deadline)
            if not together:
                attempt(name, workers[name].ready)
        for name in frameworks if together else []:
            attempt(name, workers[name].ready)
        for work in [measure] * rounds + [predict]:
            for name in frameworks:
                attempt(name, partial(work, name))
    finally:
        for worker in workers.values():
            worker.end()
    measured = {name: speeds[name] for name in frameworks if name not in failed}
    peers = [name for name in measured if name not in NO_PEERS] or [*measured]
    fastest = max(peers, key=lambda name: statistics.median(measured[name]), default="")
    found: Results = {
        name: {
            **workers[name].figures,
            "steps_per_second": statistics.median(values),
            "ratio_to_fastest_peer": statistics.median(a / b for a, b in zip(values, measured[fastest], strict=True)),
            "fastest_peer": name == fastest,
            "rounds": values,
        }
        for name, values in measured.items()
    }
    return found | failed


COLUMNS = {
    "steps/s": ("steps_per_second", ".1f"),
    "ratio": ("ratio_to_fastest_peer", ".2f"),
    "peak MB": ("peak_megabytes", ".0f"),
    "import s": ("imported", ".2f"),
    "1st epoch s": ("first_epoch", ".1f"),
    "predict µs": ("predict_microseconds", ".0f"),
}


def show(workload: str, results: Results, rounds: int, place: str = "two threads") -> None:
    """Prints a table, the fastest first."""
    print(f"{workload}, {place}, medians of {rounds} interleaved epochs")
    print(f"{'':22}" + "".join(f"{title:>13}" for title in COLUMNS))
    measured = {name: figures for name, figures in results.items() if "error" not in figures}
    for name, figures in sorted(measured.items(), key=lambda item: -item[1]["steps_per_second"]):
        cells = [f"{figures[key]:{form}}" if key in figures else "" for key, form in COLUMNS.values()]
        mark = "  <- fastest peer" if figures["fastest_peer"] else ""
        print(f"{name:22}" + "".join(f"{cell:>13}" for cell in cells) + mark, flush=True)


def plot(all_results: dict[str, Results], path: Path) -> None:
    """A bar for each framework and workload: its speed as a ratio to the fastest peer's."""
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(name for results in all_results.values() for name in results))
    figure = Figure(figsize=(2 + 2 * len(all_results), 4), layout="constrained")
    axes = figure.add_subplot()
    width = 0.8 / len(names)
    for k, name in enumerate(names):
        heights = [results.get(name, {}).get("ratio_to_fastest_peer", 0) for results in all_results.values()]
        axes.bar([place + k * width for place in range(len(heights))], heights, width, label=name)
    axes.set_xticks([place + 0.4 - width / 2 for place in range(len(all_results))], list(all_results))
    axes.set_ylabel("steps per second, fastest peer = 1")
    axes.axhline(1, color="gray", linewidth=0.8)
    figure.legend(loc="outside right upper", fontsize="small")
    figure.savefig(path)


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--workload", action="append", choices=WORKLOADS, help="give it once per workload; default: all"
    )
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--frameworks", default=FRAMEWORKS)
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--plot", type=Path, help="file for a picture of the ratios")
    options = parser.parse_args()
    results: dict[str, Results] = {}
    for workload in options.workload or WORKLOADS:
        results[workload] = compare(workload, options.frameworks.split(","), options.rounds)
        show(workload, results[workload], options.rounds)
        if options.json:
            options.json.write_text(json.dumps(results, indent=1))
    if options.plot:
        plot(results, options.plot)


if __name__ == "__main__":
    main()
