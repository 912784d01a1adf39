"""Values of tensors and variables on the device, with the copy of the host as long as it is the same."""

from __future__ import annotations

from typing import Any

import numpy as np

from pronghorn import dtypes
from pronghorn.tensor import Variable
from pronghorn_gpu.device import device
from pronghorn_gpu.heap import Piece

Array = np.ndarray[Any, Any]


class DeviceBuffer:
    """An array on the host, on the device, or on both.

    It goes to the device when a program first needs it and stays at that place; eager code reads the host's copy, which
    is fetched when somebody asks.
    """

    __slots__ = ("__weakref__", "_host", "_on_device", "_piece", "dtype", "nbytes", "shape")

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any], host: Array | None = None) -> None:
        self.shape = shape
        self.dtype = dtype
        self.nbytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        self._host = host
        self._piece: Piece | None = None
        self._on_device = False

    def place(self, what: str) -> int:
        """Where it is in the device's memory, with or without its value.

        Raises:
            DeviceMemoryError: there is no room for `what`.
        """
        if self._piece is None:
            self._piece = device().allocate(self.nbytes, what)
        return self._piece.address

    def address(self, what: str) -> int:
        """Where its value is in the device's memory."""
        place = self.place(what)
        if not self._on_device:
            assert self._host is not None
            device().copy_in(place, self._host)
            self._on_device = True
        return place

    @property
    def on_device(self) -> bool:
        """Whether the device has the value."""
        return self._on_device

    def written_on_device(self) -> None:
        """The device has a new value."""
        self._on_device = True
        self._host = None

    def numpy(self) -> Array:
        """The value on the host; waits for the device. Read only: it is shared."""
        if self._host is None:
            assert self._piece is not None
            host = np.empty(self.shape, self.dtype)
            with device().lock:
                device().copy_out(host, self._piece.address)
            host.flags.writeable = False
            self._host = host
        return self._host

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        array = self.numpy()
        array = array if dtype is None else array.astype(dtype, copy=False)
        return array.copy() if copy else array

    def __setitem__(self, key: Any, array: Any) -> None:
        """Overwrites all of it: `key` is `...`."""
        host = np.empty(self.shape, self.dtype)
        np.copyto(host, array, casting="no")
        host.flags.writeable = False
        with device().lock:
            self._host = host
            self._on_device = False


def resident(variable: Variable) -> DeviceBuffer:
    """A variable's buffer, made one of the device where another accelerator made it."""
    buffer = variable.buffer
    if not isinstance(buffer, DeviceBuffer):
        host = np.array(buffer, dtypes.numpy_dtype(variable.dtype), order="C")
        host.flags.writeable = False
        variable.buffer = buffer = DeviceBuffer(variable.shape, host.dtype, host)
    return buffer
