"""The IDX format of MNIST and its successors: a magic number, the sizes, the bytes; usually inside gzip."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def read_idx(path: Path) -> NDArray[np.uint8]:
    """The array of unsigned bytes in an IDX file, packed by gzip or not.

    Raises:
        ValueError: the file is no IDX file of unsigned bytes, or has not as many bytes as its sizes say.
    """
    content = path.read_bytes()
    if content[:2] == b"\x1f\x8b":
        content = gzip.decompress(content)
    if content[:3] != b"\0\0\x08":
        raise ValueError(f"{path} is no IDX file of unsigned bytes: it begins with {content[:4]!r}")
    rank = content[3]
    shape = np.frombuffer(content, ">u4", count=rank, offset=4).tolist()
    if len(content) - 4 - 4 * rank != math.prod(shape):
        raise ValueError(f"{path} is cut off: its shape is {tuple(shape)}, but it has {len(content)} bytes")
    return np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape).copy()
