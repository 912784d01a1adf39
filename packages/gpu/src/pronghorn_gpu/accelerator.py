"""NVIDIA GPUs as an accelerator."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from pronghorn.accelerator import Accelerator, Executable, ReferenceExecutable
from pronghorn.graph import Graph
from pronghorn.tensor import Tensor

Array = np.ndarray[Any, Any]


class GpuAccelerator(Accelerator):
    """Programs of CUDA kernels, captured as graphs and replayed. Eager code runs NumPy on the host."""

    name = "gpu"

    @property
    def priority(self) -> int:  # type: ignore[override]
        """Above the CPU where there is a card; the simulator is taken only by name."""
        from pronghorn_gpu.found import simulated

        return -1 if simulated() else 20

    def available(self) -> bool:
        from pronghorn_gpu.found import missing

        return missing() is None

    def describe(self) -> str:
        """What was found here, or what is missing, in one line."""
        from pronghorn_gpu.found import describe

        return describe()

    def from_numpy(self, array: Array) -> Any:
        from pronghorn_gpu.buffer import DeviceBuffer
        from pronghorn_gpu.launch import DTYPES

        if array.dtype.name not in DTYPES:
            return super().from_numpy(array)
        host = np.array(array, order="C")
        host.flags.writeable = False
        return DeviceBuffer(array.shape, array.dtype, host)

    def run(self, op: Any, buffers: Any, attrs: dict[str, Any]) -> tuple[Any, ...]:
        return super().run(op, [np.asarray(b) for b in buffers], attrs)

    def compile(self, graph: Graph) -> Executable:
        from pronghorn import config
        from pronghorn.passes.simplify import simplify
        from pronghorn_gpu.executable import GpuExecutable

        if config.trace_nans():
            return ReferenceExecutable(simplify(graph), check=True)
        return GpuExecutable(graph)

    def between_programs(self) -> AbstractContextManager[Any]:
        from pronghorn_gpu.device import device

        return device().lock

    def cache_directory(self) -> Path | None:
        """Where kernels are kept."""
        from pronghorn_gpu.cache import cache_directory

        return cache_directory()

    def peak_flops(self) -> float:
        return _peak_flops()

    def synchronize(self) -> None:
        from pronghorn_gpu.device import device

        with device().lock:
            device().synchronize()


@cache
def _peak_flops() -> float:
    """Operations per second of a large float32 product, by the library where there is one."""
    from pronghorn.program import Program
    from pronghorn_gpu.found import simulated

    n = 8 if simulated() else 8192
    square = np.ones((n, n), np.float32)
    program = Program(lambda a, b: a @ b)
    program(Tensor((n, n), "float32", square), Tensor((n, n), "float32", square))
    return 2 * n**3 / min(program.executable.profile([square, square], repeats=3))
