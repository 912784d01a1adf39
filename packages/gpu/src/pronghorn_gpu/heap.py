"""The memory of the device: one allocation, given out in aligned pieces.

Everything runs on one stream, so a piece that is given back may be given out again at once: what still reads it was
launched before what will write it.
"""

from __future__ import annotations

import bisect
import threading
import weakref
from collections import deque

ALIGNMENT = 256
"""Bytes: what libraries want, and a multiple of every dtype's size."""


class DeviceMemoryError(MemoryError):
    """The device has no room for a tensor or a program."""


class Piece:
    """Bytes at `address` (from the start of the heap), given back when this object is no longer used."""

    __slots__ = ("__weakref__", "address", "nbytes")

    def __init__(self, address: int, nbytes: int) -> None:
        self.address = address
        self.nbytes = nbytes


class Heap:
    """First fit in a list of free ranges, sorted by address."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._free: list[tuple[int, int]] = [(0, capacity)]  # start, end
        self._returned: deque[tuple[int, int]] = deque()  # by finalizers, which may run at any moment
        self._lock = threading.Lock()

    @property
    def available(self) -> int:
        """Free bytes."""
        with self._lock:
            self._collect()
            return sum(end - start for start, end in self._free)

    @property
    def largest(self) -> int:
        """Bytes of the largest free range."""
        with self._lock:
            self._collect()
            return max((end - start for start, end in self._free), default=0)

    def take(self, nbytes: int, what: str) -> Piece:
        """A piece of at least `nbytes`, for `what`.

        Raises:
            DeviceMemoryError: no free range is large enough.
        """
        size = -(-max(nbytes, 1) // ALIGNMENT) * ALIGNMENT
        with self._lock:
            self._collect()
            for k, (start, end) in enumerate(self._free):
                if end - start >= size:
                    self._free[k : k + 1] = [(start + size, end)] if end - start > size else []
                    piece = Piece(start, size)
                    weakref.finalize(piece, self._returned.append, (start, start + size)).atexit = False
                    return piece
        raise DeviceMemoryError(
            f"{what} needs {amount(size)} on the GPU, where {amount(self.available)} of {amount(self.capacity)} are "
            f"free (in one piece {amount(self.largest)}); free models and tensors no longer used, use a smaller "
            f"batch, or let Pronghorn have more of the card's memory (PRONGHORN_GPU_MEMORY, a share, 0.9 by default)"
        )

    def _collect(self) -> None:
        """Puts what was given back among the free ranges."""
        while self._returned:
            start, end = self._returned.popleft()
            k = bisect.bisect(self._free, (start, end))
            if k < len(self._free) and self._free[k][0] == end:
                end = self._free.pop(k)[1]
            if k and self._free[k - 1][1] == start:
                start = self._free.pop(k - 1)[0]
                k -= 1
            self._free.insert(k, (start, end))


def amount(nbytes: int) -> str:
    """Bytes as a person reads them."""
    for unit, size in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if nbytes >= 1 << size:
            return f"{nbytes / 2**size:.1f} {unit}"
    return f"{nbytes} bytes"
