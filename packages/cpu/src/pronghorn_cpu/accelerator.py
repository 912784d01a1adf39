"""The CPU as an accelerator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from pronghorn.accelerator import Accelerator, Executable, ReferenceExecutable
from pronghorn.graph import Graph
from pronghorn_cpu.memory import aligned


class CpuAccelerator(Accelerator):
    """Programs of Numba-compiled kernels, replayed by worker threads. Eager code runs NumPy."""

    name = "cpu"
    priority = 10

    def available(self) -> bool:
        return find_spec("numba") is not None

    def from_numpy(self, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return aligned(array)

    def compile(self, graph: Graph) -> Executable:
        from pronghorn import config
        from pronghorn.passes.simplify import simplify
        from pronghorn_cpu.executable import CpuExecutable

        if config.trace_nans():
            return ReferenceExecutable(simplify(graph), check=True)
        return CpuExecutable(graph)

    def between_programs(self) -> AbstractContextManager[Any]:
        from pronghorn_cpu.runner import default_pool

        return default_pool().lock

    def each_thread_count(self) -> Iterator[int]:
        from pronghorn_cpu.runner import default_pool

        pool = default_pool()
        before = pool.threads
        try:
            for count in (1, 2, 4):
                pool.resize(count)
                yield count
        finally:
            pool.resize(before)

    def cache_directory(self) -> Path:
        """Where compiled kernels are kept."""
        from pronghorn_cpu import cache

        return cache.cache_directory()

    def peak_flops(self) -> float:
        return _peak_flops()


@cache
def _peak_flops() -> float:
    from pronghorn_cpu.peak import measure

    return measure()
