"""NVIDIA's libraries, where they are installed: which of them do what, and how they are found.

`PRONGHORN_GPU_LIBRARY` names those that may be used ("none", "cublas", "cudnn"; all by default). float32 is computed in
float32 unless `PRONGHORN_GPU_TF32=1` lets tensor cores round the factors to TF32 (10 bits of mantissa).
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import warnings
import weakref
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from pronghorn_gpu.launch import Choice, Convolve, Launch, Product, Settled, Work
from pronghorn_gpu.target import SIMULATED

Run = Callable[[], None]


def tensor_float() -> bool:
    """Whether products of float32 may be computed in TF32."""
    return os.environ.get("PRONGHORN_GPU_TF32", "0") not in ("", "0")


LIBRARIES = {"cublas": ("cublasLt", (13, 12)), "cudnn": ("cudnn", (9,))}
"""The shared library of each, and the versions that are known, the best first."""


def wanted(name: str) -> bool:
    """Whether a library may be used here.

    Raises:
        ValueError: PRONGHORN_GPU_LIBRARY names one that is not known.
    """
    text = os.environ.get("PRONGHORN_GPU_LIBRARY")
    names = [*LIBRARIES] if text is None else [part.strip() for part in text.split(",")]
    if unknown := sorted({*names} - {*LIBRARIES, "none"}):
        raise ValueError(
            f"PRONGHORN_GPU_LIBRARY names {', '.join(map(repr, unknown))}, but must be 'none' or one or both of "
            f"{', '.join(map(repr, LIBRARIES))}, with a comma between them"
        )
    return not SIMULATED and name in names


def find_library(name: str, versions: Sequence[int]) -> ctypes.CDLL | None:
    """The shared library `name` of NVIDIA's wheels, or of the system; None where there is none."""
    folders: list[Path] = []
    spec = importlib.util.find_spec("nvidia")
    for root in (spec.submodule_search_locations or []) if spec is not None else []:
        for pattern in ("*/lib", "*/bin", "*/bin/x64", "*/bin/x86_64"):
            folders += sorted(Path(root).glob(pattern), reverse=True)  # cu13 before what is of CUDA 12
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


class LibraryError(RuntimeError):
    """A function of a library failed with a status."""

    def __init__(self, name: str, status: int, text: str) -> None:
        super().__init__(f"{name} failed: {text} (PRONGHORN_GPU_LIBRARY=none does without NVIDIA's libraries)")
        self.status = status


class Functions:
    """The C functions of a library, each raising where it fails."""

    def __init__(self, library: Any, status: Callable[[int], str] = "status {}".format) -> None:
        self._library = library
        self._status = status

    def __call__(self, name: str, *arguments: Any) -> None:
        status = getattr(self._library, name)(*arguments)
        if status:
            raise LibraryError(name, status, self._status(status))


class Descriptor:
    """Something that a library makes and destroys, freed when it is no longer used.

    `kind` is the name of both functions, with {} where they say "Create" and "Destroy".
    """

    def __init__(self, functions: Functions, kind: str, *arguments: Any) -> None:
        self.handle = ctypes.c_void_p()
        functions(kind.format("Create"), ctypes.byref(self.handle), *arguments)
        weakref.finalize(self, functions, kind.format("Destroy"), self.handle).atexit = False


def opened(name: str) -> ctypes.CDLL | None:
    """One of `LIBRARIES`, None where it is not installed or not wanted."""
    return find_library(*LIBRARIES[name]) if wanted(name) else None


def _loaded(name: str, make: Callable[[ctypes.CDLL], Any]) -> Any:
    """The binding of a library for the card, None where it cannot be had; a warning says so where it should work."""
    functions = opened(name)
    if functions is None:
        return None
    try:
        return make(functions)
    except (AttributeError, LibraryError) as error:
        warnings.warn(f"{name} is installed but not used: {error}", RuntimeWarning, stacklevel=2)
        return None


@cache
def blas() -> Any:
    """cuBLAS for products; None where it is not installed or not wanted."""
    from pronghorn_gpu.blas import Blas
    from pronghorn_gpu.device import device

    return _loaded("cublas", lambda found: Blas(found, device()))


@cache
def dnn() -> Any:
    """cuDNN for convolutions; None where it is not installed or not wanted."""
    from pronghorn_gpu.device import device
    from pronghorn_gpu.dnn import Dnn

    if not wanted("cudnn"):
        return None
    # it opens these by their names alone, which finds those that are open
    companions = [find_library(name, (13, 12)) for name in ("cublasLt", "cublas", "nvrtc")]
    return _loaded("cudnn", lambda found: Dnn(found, device(), companions))


def _available(way: Sequence[Settled]) -> tuple[Settled, ...] | None:
    """A way whose calls the libraries can do, with what they said of them; else None."""
    found: list[Settled] = []
    for part in way:
        if not isinstance(part, Launch):
            binding = blas() if isinstance(part, Product) else dnn()
            asked = None if binding is None else binding.asked(part)
            if asked is None:
                return None
            part = asked
        found.append(part)
    return tuple(found)


def chosen(work: Sequence[Work]) -> tuple[Launch | Choice, ...]:
    """The work with each choice down to the best way here and the one without libraries, which is for operands that lie
    so that no library takes them."""
    found: list[Any] = []
    for item in work:
        if isinstance(item, Choice):
            best = next(way for way in map(_available, item.ways) if way is not None)
            found += best if best == item.ways[-1] else [Choice((best, item.ways[-1]))]
        else:
            found.append(item)
    return tuple(found)


def prepared(call: Product | Convolve, address: Callable[[Any], int]) -> Run | None:
    """The call as something to run, for operands at the addresses that `address` gives slots, in bytes from the start
    of the heap; None where the library does not take such addresses."""
    run: Run | None = (blas() if isinstance(call, Product) else dnn()).prepared(call, address)
    return run
