"""What this machine has for the GPU accelerator; asking never raises, and imports Numba only where a card may be."""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache
from importlib import metadata
from importlib.util import find_spec


def simulated() -> bool:
    """Whether Numba's simulator was asked for."""
    return os.environ.get("NUMBA_ENABLE_CUDASIM", "0") not in ("", "0")


@cache
def missing() -> str | None:
    """Why the accelerator does not work here, None where it does."""
    try:
        return _missing()
    except Exception as error:
        return f"looking for a card failed: {type(error).__name__}: {error}"


def _missing() -> str | None:
    if find_spec("numba") is None:
        return "Numba is not installed (pip install 'pronghorn[gpu]')"
    if simulated():
        return None
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return "no NVIDIA driver was found (libcuda)"
    count, number = ctypes.c_int(0), ctypes.c_int(0)
    status = driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count))
    if status or not count.value:
        return f"the NVIDIA driver finds no card (status {status})"
    driver.cuDriverGetVersion(ctypes.byref(number))
    known, minor = number.value // 1000, number.value % 1000 // 10
    wheels = f"pip install 'pronghorn-gpu[cuda{max(12, min(known, 13))}]'"
    for package in ("cuda-bindings", "cuda-python"):
        needed = _major(package)
        if needed is not None and known < needed:
            return (
                f"the NVIDIA driver knows CUDA {known}.{minor}, but {package} is for CUDA {needed}: {wheels}, or "
                f"install a newer driver"
            )
    try:
        from pronghorn_gpu.target import cuda, launch_one

        if not cuda.is_available():
            return f"numba.cuda finds no compiler (libnvvm) or cannot use the driver of CUDA {known}.{minor}: {wheels}"
        launch_one()
        return None
    except Exception as error:
        said = " ".join(f"{type(error).__name__}: {error}".split())
        return f"no kernel runs here, {said[:300]} (what suits the driver, CUDA {known}.{minor}: {wheels})"


def _major(package: str) -> int | None:
    """The CUDA release that an installed package is for."""
    try:
        return int(metadata.version(package).split(".")[0])
    except metadata.PackageNotFoundError:
        return None


def describe() -> str:
    """What was found, or what is missing, in one line."""
    reason = missing()
    if reason is not None:
        return f"not available: {reason}"
    if simulated():
        return "available: Numba's CUDA simulator, for tests (set_accelerator('gpu') to use it)"
    try:
        from pronghorn_gpu.library import opened, tensor_float
        from pronghorn_gpu.target import cuda

        card = cuda.get_current_device()
        name = card.name.decode() if isinstance(card.name, bytes) else card.name
        kind = "numba-cuda" if find_spec("numba_cuda") else "numba.cuda"
        products = "cuBLAS" if opened("cublas") is not None else "own kernels"
        convolutions = "cuDNN" if opened("cudnn") is not None else products
        precision = " in TF32" if tensor_float() else ""
        return f"available: {name}, {kind}, products{precision} by {products}, convolutions by {convolutions}"
    except Exception as error:
        return f"available, but: {error}"
