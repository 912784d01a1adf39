"""cuBLAS, where it is installed, through its C functions.

cuBLAS stores matrices by columns, so a product by rows is that of the other order: C' = B' A'. float32 is computed in
float32 (no TF32), float16 and bfloat16 are summed in float32. One stream and a workspace of our own keep results the
same from run to run.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from pronghorn_gpu.device import CudaDevice, device
from pronghorn_gpu.launch import Choice, Launch, Product, Work
from pronghorn_gpu.target import SIMULATED

_TYPES = {"float32": 0, "float64": 1, "float16": 2, "bfloat16": 14}
"""cudaDataType of what products are made of."""

_COMPUTE = {"float32": 68, "float64": 70, "float16": 68, "bfloat16": 68}
"""cublasComputeType: CUBLAS_COMPUTE_32F, and _64F."""

_DEFAULT_ALGORITHM = -1
_WORKSPACE = 32 << 20


def find_library(name: str, versions: tuple[int, ...] = (13, 12, 11)) -> ctypes.CDLL | None:
    """The shared library `name` of NVIDIA's wheels, or of the system; None where there is none."""
    folders: list[Path] = []
    spec = importlib.util.find_spec("nvidia")
    for root in (spec.submodule_search_locations or []) if spec is not None else []:
        folders += sorted(Path(root).glob("cu1?/lib"), reverse=True)
        folders += [Path(root) / name / "lib", Path(root) / name / "bin"]
    for version in versions:
        file = f"{name}64_{version}.dll" if os.name == "nt" else f"lib{name}.so.{version}"
        for path in (*(folder / file for folder in folders), Path(file)):
            if path.is_absolute() and not path.exists():
                continue
            try:
                return ctypes.CDLL(str(path))
            except OSError:
                continue
    return None


class Blas:
    """cuBLAS on the device's stream."""

    name = "cuBLAS"

    def __init__(self, functions: ctypes.CDLL, target: CudaDevice) -> None:
        self._functions = functions
        self._device = target
        self._handle = ctypes.c_void_p()
        target.enter()
        self._call("cublasCreate_v2", ctypes.byref(self._handle))
        self._call("cublasSetStream_v2", self._handle, target.stream)
        self._workspace = target.allocate(_WORKSPACE, "cuBLAS's workspace")
        address = ctypes.c_void_p(target.address(self._workspace.address))
        self._call("cublasSetWorkspace_v2", self._handle, address, ctypes.c_size_t(_WORKSPACE))
        self._one = {"float64": ctypes.c_double(1.0)}
        self._zero = {"float64": ctypes.c_double(0.0)}

    def _call(self, name: str, *arguments: Any) -> None:
        status = getattr(self._functions, name)(*arguments)
        if status:
            raise RuntimeError(f"{name} failed with status {status}")

    def supports(self, dtype: str) -> bool:
        """Whether it multiplies matrices of `dtype`."""
        return dtype in _TYPES

    def product(self, work: Product, a: int, b: int, c: int) -> None:
        """Hands a product to the stream; a, b and c are addresses from the start of the heap."""
        self._call("cublasGemmStridedBatchedEx", *self.arguments(work, a, b, c))

    def arguments(self, work: Product, a: int, b: int, c: int) -> tuple[Any, ...]:
        """Of cublasGemmStridedBatchedEx."""
        kind = _TYPES[work.dtype]
        one = self._one.get(work.dtype, ctypes.c_float(1.0))
        zero = self._zero.get(work.dtype, ctypes.c_float(0.0))
        lead_a, lead_b, lead_c = work.leading
        stride_a, stride_b, stride_c = work.strides

        def matrix(address: int, lead: int, stride: int) -> tuple[Any, ...]:
            pointer = ctypes.c_void_p(self._device.address(address))
            return pointer, ctypes.c_int(kind), ctypes.c_int(lead), ctypes.c_longlong(stride)

        return (
            self._handle,
            ctypes.c_int(int(work.transpose_b)),
            ctypes.c_int(int(work.transpose_a)),
            ctypes.c_int(work.columns),
            ctypes.c_int(work.rows),
            ctypes.c_int(work.inner),
            ctypes.byref(one),
            *matrix(b, lead_b, stride_b),
            *matrix(a, lead_a, stride_a),
            ctypes.byref(zero),
            *matrix(c, lead_c, stride_c),
            ctypes.c_int(work.batch),
            ctypes.c_int(_COMPUTE[work.dtype]),
            ctypes.c_int(_DEFAULT_ALGORITHM),
        )


def chosen(work: Sequence[Work]) -> tuple[Launch | Product, ...]:
    """The work with every choice made."""
    found: list[Launch | Product] = []
    for item in work:
        if isinstance(item, Choice):
            blas = library()
            found += item.kernels if blas is None or not blas.supports(item.dtype) else item.library
        else:
            found.append(item)
    return tuple(found)


@cache
def library() -> Any:
    """The library of products, None where there is none (or PRONGHORN_GPU_LIBRARY=none asks for our own kernels)."""
    if SIMULATED or os.environ.get("PRONGHORN_GPU_LIBRARY") == "none":
        return None
    functions = find_library("cublas")
    target = device()
    return Blas(functions, target) if functions is not None and isinstance(target, CudaDevice) else None
