"""Pronghorn against Torch and JAX on a GPU: `hatch run gpu:bench [--workload W1 ...] [--rounds 5]`.

As `compare.py`, with float32 (no TF32) on the first card, whose name the tables carry.
"""

from __future__ import annotations

import argparse
import os

from compare import WORKLOADS, compare, show

FRAMEWORKS = ("pronghorn", "torch", "torch-compile", "jax")


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--workload", action="append", choices=WORKLOADS, help="once per workload; default: all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--frameworks", default=",".join(FRAMEWORKS))
    options = parser.parse_args()
    os.environ.update(
        BENCHMARK_DEVICE="cuda",
        PRONGHORN_ACCELERATOR="gpu",
        XLA_PYTHON_CLIENT_PREALLOCATE="false",  # all processes share the card
        PRONGHORN_GPU_MEMORY="0.2",
        JAX_DEFAULT_MATMUL_PRECISION="highest",
    )
    from pronghorn_gpu.found import describe

    print(describe())
    for workload in options.workload or WORKLOADS:
        show(workload, compare(workload, options.frameworks.split(","), options.rounds), options.rounds)


if __name__ == "__main__":
    main()
