"""Batches from data sets: from a copy of the data set on the device where there is room, else row by row from the
host, through pinned memory."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from pronghorn import dtypes
from pronghorn.graph import Node
from pronghorn.passes.access import elements
from pronghorn_gpu.device import device
from pronghorn_gpu.heap import DeviceMemoryError, Piece
from pronghorn_gpu.launch import THREADS, blocks_for
from pronghorn_gpu.shape import gather_kernel

Array = np.ndarray[Any, Any]

SHARE = 0.25
"""Of the device's memory that one data set may take; larger ones are read from the host."""

_resident: dict[int, tuple[weakref.ref[Array], Piece]] = {}


def on_device(array: Array) -> Piece | None:
    """The copy of a data set on the device, made now if there is room; it lives as long as the array object, which is
    a new one for each call of `fit` and its like: arrays that are changed meanwhile are not read again."""
    known = _resident.get(id(array))
    if known is not None and known[0]() is array:
        return known[1]
    if array.nbytes > SHARE * device().heap.capacity:
        return None
    try:
        piece = device().allocate(array.nbytes, "a data set")
    except DeviceMemoryError:
        return None
    device().copy_in(piece.address, np.ascontiguousarray(array, array.dtype.newbyteorder("=")))
    key = id(array)
    _resident[key] = (weakref.ref(array, lambda _: _resident.pop(key, None) and None), piece)
    return piece


class Feed:
    """One `batch_rows` node: indices are at the address `indices`, rows go to `target`; `block` is the place of the
    kernel's parameters."""

    SLOTS = 7

    def __init__(self, node: Node, target: int, indices: int, block: list[int]) -> None:
        source, numbers = node.inputs
        row: Any = source.shape[1:]
        self.source, self.dtype = source.dtype, node.attrs["dtype"]
        self.count, self.inner = elements(numbers.shape), elements(row)
        self.total = self.count * self.inner
        self.kernel = gather_kernel(self.source, self.dtype, numbers.dtype)
        self.target, self.indices, self.block = target, indices, block
        self.index = numbers.dtype
        self._last: tuple[int, int] | None = None

    def ready(self, array: Array) -> bool:
        """Whether the data set is on the device, so that `gather` needs nothing of the host."""
        piece = on_device(array)
        if piece is None:
            return False
        if self._last != (piece.address, len(array)):
            self._last = (piece.address, len(array))
            places = (
                piece.address // dtypes.itemsize(self.source),
                self.indices // dtypes.itemsize(self.index),
                self.target // dtypes.itemsize(self.dtype),
            )
            parameters = np.array([self.total, self.count, self.inner, len(array), *places], np.int64)
            device().copy_in(self.block[0] * 8, parameters)
        return True

    def gather(self) -> None:
        """Takes the rows from the data set on the device; may be captured."""
        if self.total:
            device().launch(self.kernel, blocks_for(self.total, THREADS), THREADS, self.block[0])

    def __call__(self, array: Array, numbers: Callable[[], Array]) -> None:
        """Takes the rows from wherever the data set is."""
        if self.ready(array):
            self.gather()
        elif self.total:
            rows = np.asarray(array[numbers()], dtypes.numpy_dtype(self.dtype), order="C")
            device().copy_in(self.target, rows)
