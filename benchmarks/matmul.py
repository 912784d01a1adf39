"""Matrix products of the CPU accelerator against NumPy's BLAS and the processor's peak.

    python benchmarks/matmul.py [--threads 1 --threads 2] [--rounds 5] [--dtype float32] [FILTER ...]

For every shape: the median time of a product, in rounds that alternate between ours and NumPy's so that a
noisy machine hurts both, the ratio of the medians, and the share of the peak, which is measured in the same
rounds (a microkernel on data in the first-level cache). Each number of threads has a process of its own,
since BLAS takes its from the environment.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]

# What it is, transpositions of A and B, M, N, K.
SHAPES = [
    ("W1 dense 1", "NN", 128, 256, 784),
    ("W1 dense 1 dW", "TN", 784, 256, 128),
    ("W1 dense 2", "NN", 128, 128, 256),
    ("W1 dense 2 dW", "TN", 256, 128, 128),
    ("W1 dense 2 dX", "NT", 128, 256, 128),
    ("W1 dense 3", "NN", 128, 10, 128),
    ("W1 dense 3 dW", "TN", 128, 10, 128),
    ("W1 dense 3 dX", "NT", 128, 128, 10),
    ("W1 predict 1 row", "NN", 1, 256, 784),
    ("one unit", "NN", 128, 1, 784),
    ("one unit dW", "TN", 784, 1, 128),
    ("W2 dense", "NN", 128, 128, 9216),
    ("W2 dense dX", "NT", 128, 9216, 128),
    ("W2 dense dW", "TN", 9216, 128, 128),
    ("W2 im2col dW", "TN", 288, 64, 8192),
    ("W3 step", "NN", 32, 512, 128),
    ("W3 step dX", "NT", 32, 128, 512),
    ("W4 stage 3", "NN", 4096, 64, 576),
    ("W5 ffn", "NN", 4096, 512, 128),
    ("W5 ffn dX", "NT", 4096, 128, 512),
    ("W5 ffn dW", "TN", 128, 512, 4096),
    ("square", "NN", 512, 512, 512),
    ("square", "NT", 1024, 1024, 1024),
    ("square", "NN", 1024, 1024, 1024),
    ("odd", "NN", 101, 203, 307),
    ("long sum", "TN", 16, 16, 60000),
]

PEAK_SOURCE = """
from pronghorn_cpu.intrinsics import slot
from pronghorn_cpu.microkernel import Tile, microkernel

tile = Tile({dtype!r}, {lanes}, 6, {vectors})
multiply = microkernel(tile)
BYTES = tile.columns * tile.itemsize


def kernel(p, t, threads):
    a = slot(p, 0) + t * slot(p, 1)
    b = a + 6 * 64 * {itemsize}
    c = b + 64 * BYTES
    for _ in range(slot(p, 2)):
        multiply(a, 64 * {itemsize}, {itemsize}, b, BYTES, c, BYTES, 64, 6, 0)
"""


WARM_UP, WINDOW = 0.025, 0.008
"""Seconds of running a candidate, so that its threads wake up on cores of their own, and of timing it."""

BLAS_SPINS = 0.12
"""Seconds for which BLAS threads spin after their work, on cores that others want."""


def median_times(candidates: dict[str, Callable[[], object]], rounds: int, threads: int) -> dict[str, float]:
    """The median time of one call of each candidate, timed in alternating windows."""

    def repeat(run: Callable[[], object], seconds: float) -> float:
        """The time of a call in a window of so many seconds."""
        start = end = time.perf_counter()
        calls = 0
        while calls == 0 or end - start < seconds:
            for _ in range(1 + calls):
                run()
            calls += 1 + calls
            end = time.perf_counter()
        return (end - start) / calls

    samples: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, run in candidates.items():
            repeat(run, WARM_UP if threads > 1 else 0)
            samples[name].append(repeat(run, WINDOW))
        if threads > 1:
            time.sleep(BLAS_SPINS)
    return {name: statistics.median(times) for name, times in samples.items()}


def measure(threads: int, rounds: int, dtype: str, filters: list[str]) -> None:
    from pronghorn_cpu import host
    from pronghorn_cpu.cache import load
    from pronghorn_cpu.linear import View, plan_matmul
    from pronghorn_cpu.runner import Pool
    from pronghorn_cpu.tape import Tape

    random = np.random.default_rng(0)

    def view(array: Array) -> View:
        return View(array.shape, tuple(stride // array.itemsize for stride in array.strides))

    with Pool(threads) as pool:

        def peak_tape() -> tuple[Tape, int]:
            vectors = 4 if host.vector_registers() == 32 else 2
            sizes = {"lanes": host.lanes(dtype), "vectors": vectors, "itemsize": host.ITEMSIZE[dtype]}
            memory = random.random(threads << 14).astype(dtype)
            stride, repeats = (1 << 14) * memory.itemsize, 200
            block = np.array([memory.ctypes.data, stride, repeats], np.int64)
            keep.append(memory)
            tape = Tape()
            tape.call(load(PEAK_SOURCE.format(dtype=dtype, **sizes)), block)
            tape.finish()
            return tape, threads * repeats * 2 * 64 * 6 * vectors * host.lanes(dtype)

        def our_tape(a: Array, b: Array, c: Array) -> Tape:
            launches = plan_matmul(dtype, view(a), view(b), threads=threads)
            scratch = np.zeros(max(launch.scratch_bytes for launch in launches) + 64, np.uint8)
            keep.append(scratch)
            aligned = -(-scratch.ctypes.data // 64) * 64
            tape = Tape()
            for launch in launches:
                block = launch.block([a.ctypes.data, b.ctypes.data, c.ctypes.data], aligned)
                tape.call(load(launch.source), np.array(block, np.int64), parallel=launch.parallel)
            tape.finish()
            return tape

        keep: list[Array | npt.NDArray[np.uint8]] = []
        peak, peak_flops = peak_tape()
        print(f"\n{threads} thread(s), {dtype}, {host.lanes(dtype)} lanes")
        print(f"{'':18} {'':2} {'M x N x K':>17} {'MFLOP':>8} {'ours us':>9} {'BLAS us':>9} {'BLAS/ours':>9} "
              f"{'GFLOP/s':>8} {'of peak':>7}")  # fmt: skip
        for name, transposed, m, n, k in SHAPES:
            if filters and not any(f in f"{name} {transposed}" for f in filters):
                continue
            a = random.standard_normal((m, k) if transposed[0] == "N" else (k, m)).astype(dtype)
            b = random.standard_normal((k, n) if transposed[1] == "N" else (n, k)).astype(dtype)
            a, b = a if transposed[0] == "N" else a.T, b if transposed[1] == "N" else b.T
            c, expected = np.zeros((m, n), dtype), np.zeros((m, n), dtype)
            tape = our_tape(a, b, c)
            runs: dict[str, Callable[[], object]] = {
                "ours": lambda tape=tape: pool.run(tape),  # type: ignore[misc]
                "peak": lambda: pool.run(peak),
                "blas": lambda a=a, b=b, c=expected: np.matmul(a, b, out=c),  # type: ignore[misc]
            }
            times = median_times(runs, rounds, threads)
            ours, blas, top = times["ours"], times["blas"], times["peak"]
            np.testing.assert_allclose(c, expected, rtol=0, atol=1e-5 * k**0.5 * 10)
            flops = 2 * m * n * k
            share = flops / ours / (peak_flops / top)
            print(
                f"{name:18} {transposed} {f'{m} x {n} x {k}':>17} {flops / 1e6:8.2f} {ours * 1e6:9.1f} "
                f"{blas * 1e6:9.1f} {blas / ours:9.2f} {flops / ours / 1e9:8.1f} {share:7.0%}"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--threads", type=int, action="append", help="give it once per number; default: 1 and 2")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float32")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("filters", nargs="*", metavar="FILTER", help="only shapes whose name contains it")
    arguments = parser.parse_args()
    if arguments.child:
        measure(arguments.threads[0], arguments.rounds, arguments.dtype, arguments.filters)
        return
    options = ["--rounds", str(arguments.rounds), "--dtype", arguments.dtype, "--child"]
    for threads in map(str, arguments.threads or [1, 2]):
        environment = os.environ | {
            "OPENBLAS_NUM_THREADS": threads,
            "OMP_NUM_THREADS": threads,
            "MKL_NUM_THREADS": threads,
        }
        command = [sys.executable, __file__, *options, "--threads", threads, "--", *arguments.filters]
        subprocess.run(command, env=environment, check=True)


if __name__ == "__main__":
    main()
