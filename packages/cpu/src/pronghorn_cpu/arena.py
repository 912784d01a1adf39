"""The arena: one range of memory that all plans of the process share, because replays take turns.

Address space is reserved once and costs nothing; the system gives pages to the part that plans touch, large ones where
it has them.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any

import numpy as np

from pronghorn_cpu.memory import reserved

_RESERVE = 1 << 38
_LEAST = 1 << 28


class Arena:
    """A byte array at a fixed, 4096-byte aligned address."""

    def __init__(self) -> None:
        self.process = os.getpid()
        size = _RESERVE
        while True:
            try:
                self._map = reserved(size)
                break
            except (OSError, ValueError, OverflowError):
                size >>= 1
                if size < _LEAST:
                    raise MemoryError(f"no {_LEAST >> 20} MiB of address space for activations") from None
        self.bytes: np.ndarray[Any, np.dtype[np.uint8]] = np.frombuffer(self._map, np.uint8)
        self.address = int(self.bytes.__array_interface__["data"][0])

    def view(self, offset: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
        """The array at `offset`."""
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        return self.bytes[offset : offset + size].view(dtype).reshape(shape)

    def require(self, size: int) -> None:
        """Raises MemoryError where a plan of `size` bytes cannot fit."""
        if size > self.bytes.size:
            raise MemoryError(
                f"the program needs {size / 2**30:.1f} GiB for activations, more than the "
                f"{self.bytes.size / 2**30:.0f} GiB of address space there are; use a smaller batch"
            )


@cache
def arena() -> Arena:
    """The arena of this process; a forked child has a copy of its own, at the same address."""
    return Arena()
