"""This machine's floating-point peak, measured: the figure that profiles and benchmarks are shares of."""

from __future__ import annotations

import time

import numpy as np

from pronghorn_cpu import cache
from pronghorn_cpu.linear import View, plan_matmul
from pronghorn_cpu.runner import default_pool
from pronghorn_cpu.tape import Tape

_SIZE = 512


def measure(seconds: float = 0.2) -> float:
    """FLOP/s of float32 on all threads of the pool: the best run of a matmul that stays in cache."""
    dense = View.dense((_SIZE, _SIZE))
    launches = plan_matmul("float32", dense, dense)
    cache.load_all([source for launch in launches for source in launch.sources])
    a, b, c = (np.ones((_SIZE, _SIZE), np.float32) for _ in range(3))
    scratch = np.empty(max(launch.scratch_bytes for launch in launches) + 64, np.uint8)
    addresses = [array.ctypes.data for array in (a, b, c)]
    base = -(-scratch.ctypes.data // 64) * 64
    tape = Tape()
    for launch in launches:
        block = np.array(launch.block(addresses, base, lambda source: cache.load(source).address), np.int64)
        tape.call(cache.load(launch.source), block, launch.parallel)
    tape.finish()
    pool = default_pool()
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        pool.run(tape)
        best = min(best, time.perf_counter() - start)
    return 2 * _SIZE**3 / best
