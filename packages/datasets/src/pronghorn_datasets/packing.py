"""A compact form for grey images on an empty background, such as MNIST: 12 % below deflate, as quick to read.

Four pixels of five are zero, and where they are is far more regular than what the others are. So the file
holds which pixels are not zero (a bit each, packed by LZMA) apart from their values (packed by deflate,
since LZMA gains little on them and reads ten times slower). The images are cut into parts that are read in
parallel.

Layout: little-endian uint32 counts (parts, images, rows, columns, then the bytes of the bits and of the
values of each part, then the bytes of the labels), followed by those pieces.
"""

from __future__ import annotations

import lzma
import os
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

_BITS = [{"id": lzma.FILTER_LZMA2, "preset": 9, "lc": 0, "lp": 0, "pb": 0}]
_PARTS = 14


def pack(images: Bytes, labels: Bytes) -> bytes:
    """The packed form of images (uint8, (n, rows, columns)) and their labels (uint8, (n,))."""
    pieces = []
    for part in np.array_split(images, _PARTS):
        ink = part != 0
        bits = np.packbits(ink).tobytes()
        pieces += [lzma.compress(bits, lzma.FORMAT_RAW, filters=_BITS), zlib.compress(part[ink].tobytes(), 9)]
    pieces.append(zlib.compress(labels.tobytes(), 9))
    counts = np.array([_PARTS, *images.shape, *map(len, pieces)], "<u4")
    return b"".join([counts.tobytes(), *pieces])


def unpack(content: bytes) -> tuple[Bytes, Bytes]:
    """Images (uint8, (n, rows, columns)) and labels (uint8, (n,)) of a packed file."""
    parts = int(np.frombuffer(content, "<u4", count=1)[0])
    counts = np.frombuffer(content, "<u4", count=5 + 2 * parts).tolist()
    pieces = _cut(memoryview(content)[4 * len(counts) :], counts[4:])
    images: Bytes = np.zeros(counts[1:4], np.uint8)

    def fill(part: Bytes, bits: memoryview, values: memoryview) -> None:
        packed = np.frombuffer(lzma.decompress(bits, lzma.FORMAT_RAW, filters=_BITS), np.uint8)
        ink: Any = np.unpackbits(packed, count=part.size).view(np.bool_)
        part.reshape(-1)[ink] = np.frombuffer(zlib.decompress(values), np.uint8)

    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        done = [pool.submit(fill, part, next(pieces), next(pieces)) for part in np.array_split(images, parts)]
    for result in done:
        result.result()
    return images, np.frombuffer(zlib.decompress(next(pieces)), np.uint8).copy()


def _cut(content: memoryview, lengths: list[int]) -> Iterator[memoryview]:
    start = 0
    for length in lengths:
        yield content[start : start + length]
        start += length
