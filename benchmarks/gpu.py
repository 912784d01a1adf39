"""Pronghorn against Torch and JAX on a GPU: `hatch run gpu:bench [--workload W1 ...] [--rounds 5] [--json FILE]`.

As `compare.py`, with float32 (no TF32) on the first card, whose name the tables carry; below each table the launches of
one of Pronghorn's steps. `--device cpu --rows 64` goes through the same motions without a card.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from compare import WORKLOADS, Results, compare, show

FRAMEWORKS = ("pronghorn", "torch", "torch-channels-last", "torch-compile", "jax")


def environment(device: str, rows: int | None) -> dict[str, str]:
    """What the workers read."""
    found = {"BENCHMARK_DEVICE": device}
    if rows is not None:
        found["BENCHMARK_ROWS"] = str(rows)
    if device == "cuda":
        found |= {
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


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workload", action="append", choices=WORKLOADS, help="once per workload; default: all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--frameworks", default=",".join(FRAMEWORKS))
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--rows", type=int, help="rows of the data, to try it out; default: the workload's")
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args(arguments)
    os.environ.update(environment(options.device, options.rows))
    place = options.device
    if place == "cuda":
        command = [sys.executable, "-m", "pronghorn", "info"]
        place = card(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    results: dict[str, Results] = {}
    for workload in options.workload or WORKLOADS:
        found = results[workload] = compare(workload, options.frameworks.split(","), options.rounds)
        show(workload, found, options.rounds, place)
        own = found.get("pronghorn", {})
        if "launches" in own:
            print("one step of pronghorn: {launches} launches in {graphs} graphs, {host} host items".format(**own))
        if options.json:
            options.json.write_text(json.dumps({"device": place, **results}, indent=1))


if __name__ == "__main__":
    main()
