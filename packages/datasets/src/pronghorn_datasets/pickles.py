"""NumPy arrays out of pickles, without executing them.

CIFAR's batches are pickled dicts of arrays; the .npz files of IMDB and Reuters hold arrays of lists, which NumPy
pickles too. A pickle is a program that may call anything. Here the four names that an array's pickle calls
lead to stand-ins that only note their arguments, every other name is refused, and the arrays are built from
the notes.
"""

from __future__ import annotations

import io
import math
import pickle
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

_EXPANSION, _FREE = 250, 1 << 28
"""An .npz may grow to so many times its size, and so many bytes."""


class _Type:
    """Stands for `numpy.dtype`."""

    def __init__(self, name: str | bytes, *_: Any) -> None:
        self.name = name.decode("ascii") if isinstance(name, bytes) else str(name)
        self.order = "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        order = state[1]
        self.order = order.decode("ascii") if isinstance(order, bytes) else str(order)

    def dtype(self) -> np.dtype[Any]:
        kind = np.dtype(self.name)
        return kind.newbyteorder(self.order) if self.order in ("<", ">") else kind  # type: ignore[arg-type]


class _Array:
    """Stands for `numpy.ndarray`: filled by `__setstate__`, turned into an array by `array`."""

    def __init__(self, *_: Any) -> None:
        self.state: tuple[Any, ...] | None = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.state = state

    def array(self) -> NDArray[Any]:
        if self.state is None:
            raise pickle.UnpicklingError("an array has no content")
        _, shape, kind, fortran, content = self.state
        dtype, size = kind.dtype(), math.prod(shape)
        if size > len(content):  # each number takes a byte at least
            raise pickle.UnpicklingError(f"an array of shape {shape} has {len(content)} bytes or items only")
        if dtype.hasobject:
            flat = np.empty(size, object)
            flat[:] = content
            return flat.reshape(shape)  # objects are listed in C order, whatever `fortran` says
        return np.frombuffer(content, dtype, count=size).reshape(shape, order="F" if fortran else "C").copy()


class _Unpickler(pickle.Unpickler):
    _ALLOWED = {
        ("numpy", "dtype"): _Type,
        ("numpy", "ndarray"): _Array,
        ("numpy.core.multiarray", "_reconstruct"): _Array,
        ("numpy._core.multiarray", "_reconstruct"): _Array,
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._ALLOWED:
            raise pickle.UnpicklingError(f"it calls {module}.{name}, which no array needs")
        return self._ALLOWED[module, name]


def read_pickle(file: IO[bytes], name: str) -> Any:
    """An array, or a dict with arrays among its values; byte strings of Python 2 stay bytes.

    Raises:
        ValueError: the pickle is damaged, or holds or calls anything else; `name` says which file it was.
    """
    try:
        found = _Unpickler(file, encoding="bytes").load()
        if isinstance(found, _Array):
            return found.array()
        if isinstance(found, dict):
            return {key: item.array() if isinstance(item, _Array) else item for key, item in found.items()}
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise ValueError(f"{name} is damaged or no data set: {error}; delete it and fetch it again") from error
    raise ValueError(f"{name} holds a {type(found).__name__}, not arrays; delete it and fetch it again")


def read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of an .npz file by name; those of Python objects may hold lists of numbers.

    Raises:
        ValueError: the file is damaged, or holds anything else.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(info.file_size for info in archive.infolist()) > _EXPANSION * path.stat().st_size + _FREE:
                raise ValueError(f"{path} expands to more than {_EXPANSION} times its size; delete it")
            members = [(name, archive.read(name)) for name in archive.namelist()]
    except (zipfile.BadZipFile, EOFError) as error:
        raise ValueError(f"{path} is damaged ({error}); delete it and fetch it again") from error
    return {name.removesuffix(".npy"): _read_npy(content, f"{path}: {name}") for name, content in members}


def _read_npy(content: bytes, name: str) -> NDArray[Any]:
    file = io.BytesIO(content)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    version = np.lib.format.read_magic(file)
    shape, _, dtype = readers.get(version, np.lib.format.read_array_header_2_0)(file)
    if math.prod(shape) * (not dtype.hasobject) * dtype.itemsize > len(content):
        raise ValueError(f"{name} claims the shape {shape}, and has {len(content)} bytes; delete the file")
    if dtype.hasobject:
        array: NDArray[Any] = read_pickle(file, name)
    else:
        array = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    return array
