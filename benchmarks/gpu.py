"""Pronghorn against Torch and JAX on a GPU: `hatch run gpu:bench [--workload W1 ...] [--rounds 5] [--minutes 12]`.

As `compare.py`, with float32 (no TF32) on the first card, whose name the tables carry; below each table the launches of
one of Pronghorn's steps and its speed as a ratio to each peer's. Each workload begins with all frameworks at once; its
figures go to a file (`--json`, gpu.json) when it is done. What fails, or takes longer than its share of the minutes, is
left out and the rest goes on. `--device cpu --rows 64` goes through the same motions without a card.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from compare import WORKLOADS, Results, Worker, compare, show

FRAMEWORKS = ("pronghorn", "torch", "torch-channels-last", "torch-compile", "jax")

DISTRIBUTIONS = ("pronghorn-gpu", "numba", "numba-cuda", "nvidia-cublas", "nvidia-cudnn-cu13", "torch", "jax")
"""Whose versions the file names."""


def environment(device: str, rows: int | None) -> dict[str, str]:
    """What the workers read."""
    found = {"BENCHMARK_DEVICE": device}
    if rows is not None:
        found["BENCHMARK_ROWS"] = str(rows)
    if device == "cuda":
        found |= {
            "BENCHMARK_TIMES": "8",  # some hundred steps in an epoch
            "BENCHMARK_EPOCHS": "3",
            "PRONGHORN_ACCELERATOR": "gpu",
            "XLA_PYTHON_CLIENT_PREALLOCATE": "false",  # all processes share the card
            "PRONGHORN_GPU_MEMORY": "0.2",
            "PRONGHORN_GPU_TF32": "0",
            "JAX_DEFAULT_MATMUL_PRECISION": "highest",
            "NVIDIA_TF32_OVERRIDE": "0",  # what NVIDIA's libraries themselves obey, whoever calls them
        }
    return found


def card(info: str) -> str:
    """What `python -m pronghorn info` says of the card; the program ends where there is none."""
    lines = [line.partition("accelerator gpu: ")[2] for line in info.splitlines()]
    said = next((line for line in lines if line), "nothing of a GPU; install pronghorn-gpu")
    if not said.startswith("available: ") or "simulator" in said:
        sys.exit(f"no card to measure on; `python -m pronghorn info` says: {said}")
    return said.removeprefix("available: ")


def compile_kernels(workloads: Sequence[str], deadline: float) -> None:
    """Has the kernels of all workloads compiled at once and kept on the disk, by an epoch of each."""
    workers = [Worker("pronghorn", workload, deadline) for workload in workloads]
    for worker in workers:
        try:
            worker.read()
        except RuntimeError as error:
            print(f"an epoch of pronghorn {error}", file=sys.stderr, flush=True)
        finally:
            worker.end()


def versions() -> dict[str, str]:
    """Of what was measured, where it is installed."""
    found = {}
    for name in DISTRIBUTIONS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def show_own(results: Results) -> None:
    """Prints what a step of Pronghorn launches and its speed, round by round, as a ratio to each peer's."""
    own = results.get("pronghorn", {})
    if "launches" in own:
        print("one step of pronghorn: {launches} launches in {graphs} graphs, {host} host items".format(**own))
    for name, figures in results.items():
        if name != "pronghorn" and "rounds" in own and "rounds" in figures:
            ratio = statistics.median(a / b for a, b in zip(own["rounds"], figures["rounds"], strict=True))
            print(f"pronghorn / {name}: {ratio:.2f}")
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workload", action="append", choices=WORKLOADS, help="once per workload; default: all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--frameworks", default=",".join(FRAMEWORKS))
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--rows", type=int, help="rows of the data, to try it out; default: the workload's")
    parser.add_argument("--minutes", type=float, default=12, help="shared evenly by the workloads still to come")
    parser.add_argument("--json", type=Path, default=Path("gpu.json"), help="file for the figures")
    options = parser.parse_args(arguments)
    end = time.monotonic() + 60 * options.minutes
    os.environ.update(environment(options.device, options.rows))
    place = options.device
    if place == "cuda":
        command = [sys.executable, "-m", "pronghorn", "info"]
        place = card(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    results: dict[str, Results] = {}
    workloads = options.workload or WORKLOADS
    compile_kernels(workloads, end)
    for done, workload in enumerate(workloads):
        seconds = (end - time.monotonic()) / (len(workloads) - done)
        found = compare(workload, options.frameworks.split(","), options.rounds, together=True, seconds=seconds)
        results[workload] = found
        show(workload, found, options.rounds, place)
        show_own(found)
        options.json.write_text(json.dumps({"device": place, "versions": versions(), **results}, indent=1))


if __name__ == "__main__":
    main()
