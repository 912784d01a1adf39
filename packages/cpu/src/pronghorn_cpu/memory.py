"""Memory as kernels like it: it begins on a line of the cache, and what is large lies in large pages."""

from __future__ import annotations

import mmap
from contextlib import suppress
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

_LINE = 64
_LARGE = 1 << 22
"""Bytes from which an array gets pages of its own."""

_PAGE = 1 << 21
"""Bytes of a large page, on most systems that have them."""


def reserved(size: int) -> mmap.mmap:
    """So many bytes of address space, which get pages, large ones where the system has them, when they are touched.

    Raises:
        OSError: there is not so much.
    """
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | getattr(mmap, "MAP_NORESERVE", 0)
    space = mmap.mmap(-1, size, flags=flags)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with suppress(OSError):  # of a kernel without them
            space.madvise(mmap.MADV_HUGEPAGE)
    return space


def aligned(array: Array) -> Array:
    """A copy that begins on a line, so that none of its vectors lies on two; of objects a plain one."""
    if array.dtype.hasobject or not array.nbytes:
        return array.copy()
    if array.nbytes >= _LARGE and hasattr(mmap, "MADV_HUGEPAGE"):
        memory, step = np.frombuffer(reserved(array.nbytes + _PAGE), np.uint8), _PAGE
    else:
        memory, step = np.empty(array.nbytes + _LINE, np.uint8), _LINE
    start = -memory.ctypes.data % step
    copy: Array = memory[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy
