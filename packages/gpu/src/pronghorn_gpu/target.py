"""The CUDA target: the only module that imports it, and what a kernel's source may name.

`numba.cuda` is NVIDIA's `numba-cuda` where that is installed, else Numba's built-in target, and Numba's simulator with
NUMBA_ENABLE_CUDASIM=1. A successor with the same interface takes the place of the one import below.

A kernel is text, so that shapes and numbers cannot slip into it; it sees `cuda`, the scalar types and the functions in
`NAMES`. Its arguments are the index in `int64s` of its block of parameters, and the memory of the device as arrays of
the dtypes that it reads and writes.
"""

from __future__ import annotations

import inspect
import linecache
import math
import sys
import threading
from collections.abc import Callable
from functools import cache, partial
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numba import cuda as numba_cuda
from numba import types

from pronghorn_gpu.cache import source_file
from pronghorn_gpu.found import simulated

cuda: Any = numba_cuda
SIMULATED = simulated()

_MATH = (
    "exp", "log", "log1p", "expm1", "sqrt", "tanh", "sinh", "cosh", "sin", "cos", "tan", "fmod", "copysign", "fabs",
    "isnan", "isinf",
)  # fmt: skip
_INVERSE = ("asin", "acos", "atan", "atan2", "asinh", "acosh", "atanh")
_TYPES = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64")


def _for_the_device() -> dict[str, Any]:
    """A multiplication with `_rn` is never contracted with an addition into one rounding."""
    from numba.cuda import libdevice

    dispatcher: Any = import_module("numba.cuda.dispatcher")
    dispatcher.config.CUDA_LOW_OCCUPANCY_WARNINGS = 0  # small launches within a captured graph are fine
    return {
        **{name: getattr(math, name) for name in (*_MATH, *_INVERSE, "erf", "pow")},
        **{name: getattr(types, name) for name in _TYPES},
        **{f"to_{name}": getattr(types, name) for name in _TYPES},
        "boolean": types.boolean,
        "float_bits": libdevice.float_as_int,
        "bits_float": libdevice.int_as_float,
        "mul32": libdevice.fmul_rn,
        "mul64": libdevice.dmul_rn,
        "fma32": libdevice.fmaf,
        "fma64": libdevice.fma,
        **{f"{name}32": getattr(libdevice, f"{name}f") for name in ("floor", "ceil", "trunc", "rint")},
        **{f"{name}64": getattr(libdevice, name) for name in ("floor", "ceil", "trunc", "rint")},
        "device": cuda.jit(device=True),
    }


def _converted(dtype: np.dtype[Any], x: Any) -> Any:
    """A float as an integer, whatever its value."""
    return np.asarray(x).astype(dtype)[()]


def _share_atomically() -> None:
    """The simulator's threads could each get a shared array of their own where two ask for it at once."""
    shared: Any = import_module("numba.cuda.simulator.kernelapi").FakeCUDAShared
    lock = threading.Lock()

    def array(self: Any, shape: Any, dtype: Any) -> Any:
        caller = sys._getframe(1)
        place = (caller.f_code.co_filename, caller.f_lineno)
        with lock:
            if place not in self._allocations:
                self._allocations[place] = np.empty(shape, dtype)
            return self._allocations[place]

    shared.array = array


def _for_the_simulator() -> dict[str, Any]:
    _share_atomically()
    renamed = {name: getattr(np, name.replace("a", "arc", 1)) for name in _INVERSE}
    return {
        **{name: getattr(np, name) for name in _MATH},
        **renamed,
        "erf": lambda x: type(x)(math.erf(x)),
        "pow": lambda x, y: np.power(np.reshape(x, 1), np.reshape(y, 1))[0],  # of a scalar 0.5 NumPy makes sqrt
        **{name: getattr(np, name) for name in _TYPES},
        **{f"to_{name}": partial(_converted, np.dtype(name)) for name in _TYPES},
        "boolean": np.bool_,
        "float_bits": lambda x: np.float32(x).view(np.int32),
        "bits_float": lambda x: np.int32(x).view(np.float32),
        "mul32": np.multiply,
        "mul64": np.multiply,
        "fma32": lambda x, y, z: np.float32(np.float64(x) * np.float64(y) + np.float64(z)),
        "fma64": lambda x, y, z: x * y + z,
        **{f"{name}{bits}": getattr(np, name) for name in ("floor", "ceil", "trunc", "rint") for bits in (32, 64)},
        "device": lambda function: function,
        "quiet": np.errstate,
    }


NAMES: dict[str, Any] = {
    "cuda": cuda,
    "INFINITY": math.inf,
    **(_for_the_simulator() if SIMULATED else _for_the_device()),
}


def _aligned() -> str:
    known = not SIMULATED and "alignment" in inspect.signature(cuda.shared.array).parameters
    return ", alignment=16" if known else ""


ALIGNED = _aligned()
"""What makes an array in shared memory lie so that four floats are read at once; Numba's own target has nothing."""

# Simulated threads are Python threads, and each begins with NumPy's warnings on.
_QUIET = """
def simulated(*arguments):
    with quiet(all="ignore"):
        kernel(*arguments)
"""


def function_of(source: str, file: Path | None = None) -> Callable[..., Any]:
    """The plain function `kernel` that the module `source`, perhaps in a file, defines."""
    filename = str(file or f"<kernel {sha256(source.encode()).hexdigest()[:12]}>")
    linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
    namespace = dict(NAMES)
    text = source + _QUIET if SIMULATED else source
    exec(compile(text, filename, "exec"), namespace)
    function: Callable[..., Any] = namespace["simulated" if SIMULATED else "kernel"]
    return function


@cache
def build(source: str) -> Any:
    """The kernel of a source, compiled (or loaded from the disk) when it is first launched."""
    file = None if SIMULATED else source_file(source)
    return cuda.jit(cache=True)(function_of(source, file)) if file else cuda.jit(function_of(source))


def launch_one() -> None:
    """Compiles, loads and launches the smallest kernel: whatever is missing for the others shows here."""
    place = cuda.to_device(np.zeros(1, np.int64))
    build("def kernel(p, int64s):\n    int64s[p] = 1\n")[1, 1](0, place)
    cuda.synchronize()
