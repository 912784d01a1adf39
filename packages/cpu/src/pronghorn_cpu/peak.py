"""This machine's floating-point peak, measured: the figure that profiles and benchmarks are shares of."""

from __future__ import annotations

import time

import numpy as np

from pronghorn_cpu import cache
from pronghorn_cpu.linear import View, plan_matmul
from pronghorn_cpu.runner import default_pool
from pronghorn_cpu.tape import Tape

_SIZE = 512


class Product:
    """A product of square matrices that stay in cache, as fast as this machine multiplies and adds.

    Attributes:
        flops: floating-point operations of one run.
    """

    flops = 2 * _SIZE**3

    def __init__(self) -> None:
        dense = View.dense((_SIZE, _SIZE))
        launches = plan_matmul("float32", dense, dense)
        cache.load_all([source for launch in launches for source in launch.sources])
        arrays = [np.ones((_SIZE, _SIZE), np.float32) for _ in range(3)]
        scratch = np.empty(max(launch.scratch_bytes for launch in launches) + 64, np.uint8)
        addresses = [array.ctypes.data for array in arrays]
        base = -(-scratch.ctypes.data // 64) * 64
        self._memory = *arrays, scratch
        self._tape = Tape()
        for launch in launches:
            block = np.array(launch.block(addresses, base, lambda source: cache.load(source).address), np.int64)
            self._tape.call(cache.load(launch.source), block, launch.parallel)
        self._tape.finish()

    def run(self) -> None:
        """Multiplies once, on all threads of the pool."""
        default_pool().run(self._tape)


def measure(seconds: float = 0.2) -> float:
    """FLOP/s of float32 on all threads of the pool: the best run."""
    product = Product()
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        product.run()
        best = min(best, time.perf_counter() - start)
    return product.flops / best
