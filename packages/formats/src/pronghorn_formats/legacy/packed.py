"""Compressed arrays of HDF5 files, unpacked here: the library would let a chunk grow to whatever its bytes ask for."""

from __future__ import annotations

import math
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from pronghorn.saving.files import ModelFileError

if TYPE_CHECKING:
    import h5py

_MOST_CHUNKS = 2**16


class Packed:
    """A dataset that gzip packed, after shuffle or not: its name, shape and dtype, and `[()]`, its array.

    Raises:
        ModelFileError: another filter, or chunks that are damaged, too many, or expand beyond their shape.
    """

    def __init__(self, dataset: h5py.Dataset) -> None:
        from h5py import h5z

        self.name, self.shape, self.dtype = dataset.name, dataset.shape, dataset.dtype
        self._dataset = dataset
        layout = dataset.id.get_create_plist()
        self._filters = [layout.get_filter(i)[0] for i in range(layout.get_nfilters())]
        if not set(self._filters) <= {h5z.FILTER_DEFLATE, h5z.FILTER_SHUFFLE}:
            raise ModelFileError(f"its array {self.name!r} is packed by another filter than gzip; save it without")

    def __getitem__(self, key: tuple[()]) -> np.ndarray[Any, Any]:
        chunk, found = self._dataset.chunks, np.zeros(self.shape, self.dtype)
        count = math.prod(-(-size // width) for size, width in zip(self.shape, chunk, strict=True))
        # each chunk costs its whole size, however little of it lies inside of the array
        if count > _MOST_CHUNKS or math.prod(chunk) > 8 * max(found.size, 2**16):
            raise ModelFileError(f"its array {self.name!r} of shape {self.shape} has chunks of shape {chunk}")
        for i in range(self._dataset.id.get_num_chunks()):
            start = self._dataset.id.get_chunk_info(i).chunk_offset
            part = found[tuple(slice(at, at + width) for at, width in zip(start, chunk, strict=True))]
            values = self._chunk(start).reshape(chunk)
            part[...] = values[tuple(map(slice, part.shape))]
        return found

    def _chunk(self, start: tuple[int, ...]) -> np.ndarray[Any, Any]:
        """The numbers of the chunk at an offset."""
        from h5py import h5z

        skipped, data = self._dataset.id.read_direct_chunk(start)
        size = math.prod(self._dataset.chunks) * self.dtype.itemsize
        for i, kind in reversed([*enumerate(self._filters)]):
            if skipped >> i & 1:
                continue
            if kind == h5z.FILTER_DEFLATE:
                try:
                    data = zlib.decompressobj().decompress(data, size + 1)
                except zlib.error as error:
                    raise ModelFileError(f"its array {self.name!r} is damaged: {error}") from error
            elif len(data) == size:
                data = np.frombuffer(data, np.uint8).reshape(self.dtype.itemsize, -1).T.tobytes()
        if len(data) != size:
            raise ModelFileError(f"its array {self.name!r} has a chunk that does not hold {size} bytes")
        return np.frombuffer(data, self.dtype)
