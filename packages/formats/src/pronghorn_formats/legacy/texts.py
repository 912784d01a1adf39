"""Texts of any length in the attributes of HDF5 files, read here: in a damaged heap the library walks for ever, and it
makes room for as many bytes as a reference claims.

An attribute has for each text a reference: its length, the address of a collection of the global heap, and the index of
an object in it (HDF5 File Format Specification, III.E, IV.A).
"""

from __future__ import annotations

import io
import mmap
from collections.abc import Iterator
from functools import cached_property
from typing import Any, BinaryIO

from pronghorn.saving.files import ModelFileError

_HEAP = b"GCOL\x01"
_ATTRIBUTE, _CONTINUATION = 0x0C, 0x10
_REFERENCE = 16


class Texts:
    """The texts of a file.

    Args:
        file: the file, its signature at its start.
    """

    def __init__(self, file: BinaryIO) -> None:
        in_memory = isinstance(file, io.BytesIO)
        self._view: Any = file.getvalue() if in_memory else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)  # type: ignore[attr-defined]

    def read(self, header: int, name: str, room: int) -> list[str]:
        """The texts of the attribute `name` of the object whose header is at an address.

        Args:
            room: how many bytes they may have.

        Raises:
            ModelFileError: the header or the heap is damaged, or they are longer.
        """
        data, found = self._attribute(header, name.encode()), []
        for at in range(0, len(data) - _REFERENCE + 1, _REFERENCE):
            length, address, index = _number(data, at, 4), _number(data, at + 4, 8), _number(data, at + 12, 4)
            start, size = self._objects.get((address, index), (0, 0))
            room -= length
            if length > size or room < 0:
                raise ModelFileError(f"it is damaged: its attribute {name!r} claims more text than there is")
            found.append(bytes(self._view[start : start + length]).rstrip(b"\0").decode("utf-8"))
        return found

    @cached_property
    def _objects(self) -> dict[tuple[int, int], tuple[int, int]]:
        """Address of a collection and index of an object -> where its bytes begin, and how many they are.

        A collection begins with its signature, its version, three bytes and its size. Its objects have an index, a
        count of references, four bytes, a size, and their bytes up to a multiple of eight; an object 0 is free space,
        whose size includes these sixteen bytes.
        """
        view, found = self._view, {}
        address = view.find(_HEAP)
        while address >= 0:
            end = place = address + 16
            if end <= len(view):
                end = address + _number(view, address + 8, 8)
            while place + 16 <= end <= len(view):
                index, size = _number(view, place, 2), _number(view, place + 8, 8)
                if index == 0:
                    place += size if size >= 16 else len(view)
                else:
                    found[address, index] = place + 16, size
                    place += 16 + -(-size // 8) * 8
            if not address + 16 <= place <= end <= len(view):
                raise ModelFileError(f"it is damaged: the heap of its texts at byte {address} does not add up")
            address = view.find(_HEAP, end)
        return found

    def _attribute(self, header: int, name: bytes) -> bytes:
        """The bytes of an attribute."""
        for kind, start, end in self._messages(header):
            if kind != _ATTRIBUTE or end - start < 9:
                continue
            version = self._view[start]
            sizes = [_number(self._view, start + at, 2) for at in (2, 4, 6)]
            place = start + 9 if version == 3 else start + 8
            if bytes(self._view[place : place + sizes[0]]).rstrip(b"\0") == name:
                skipped = sum(-(-size // 8) * 8 for size in sizes) if version == 1 else sum(sizes)
                return bytes(self._view[place + skipped : end])
        raise ModelFileError(f"its attribute {name.decode()!r} is kept in a way that Keras does not use")

    def _messages(self, header: int) -> Iterator[tuple[int, int, int]]:
        """Kind, start and end of each message of an object's header, of version 1 or 2."""
        view, room = self._view, len(self._view)
        modern = bytes(view[header : header + 4]) == b"OHDR"
        start, size, creation = header + 16, _number(view, header + 8, 4), 0
        if modern:
            flags, start = view[header + 5], header + 6
            start += (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
            width, creation = 1 << (flags & 3), 2 if flags & 4 else 0
            start, size = start + width, _number(view, start, width)
        blocks, lead = [(start, size)], 4 + creation if modern else 8
        while blocks:
            place, size = blocks.pop(0)
            end = place + size
            room -= size
            if room < 0 or end > len(view) or not size:
                raise ModelFileError("it is damaged: the header of a group has no end")
            while place + lead <= end:
                kind = view[place] if modern else _number(view, place, 2)
                body = place + lead
                stop = body + _number(view, place + (1 if modern else 2), 2)
                if kind == _CONTINUATION and stop <= end:
                    at, length = _number(view, body, 8), _number(view, body + 8, 8)
                    blocks.append((at + 4, max(length - 8, 0)) if modern else (at, length))
                elif stop <= end:
                    yield kind, body, stop
                place = stop


def _number(view: Any, at: int, size: int) -> int:
    return int.from_bytes(view[at : at + size], "little")
