"""The HDF5 tree of Keras 1 to 3's `.h5` files, read without trust: attributes with names and JSON, and arrays."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from pronghorn.saving import archive
from pronghorn.saving.files import ModelFileError
from pronghorn.saving.hdf5 import Group, open_tree, read
from pronghorn_formats.legacy.packed import Packed
from pronghorn_formats.legacy.texts import Texts

if TYPE_CHECKING:
    import h5py

Array = np.ndarray[Any, Any]

SIGNATURE = b"\x89HDF\r\n\x1a\n"
_NAME = re.compile(r"(?!\.{1,2}$)[^/\x00-\x1f]{1,255}")
"""Layers of Keras before 3 may have any name."""


class Tree:
    """The groups of an open file by path, with their arrays and text.

    Args:
        root: the file.
        groups: path -> datasets, all of them looked at.
        file: its bytes.
    """

    def __init__(self, root: h5py.File, groups: dict[str, Group], file: BinaryIO) -> None:
        self.root = root
        self.groups = groups
        self.file = file
        self.size = file.seek(0, 2)

    def text(self, path: str, name: str) -> str | None:
        """An attribute that is one string; None where there is none."""
        found = self._strings(path, name)
        if found is None:
            return None
        if len(found) != 1:
            raise ModelFileError(f"its attribute {name!r} of {path or '/'!r} must be one string, it has {len(found)}")
        return found[0]

    def json(self, name: str) -> Any:
        """An attribute of the root that is JSON; None where there is none, or it is null.

        Raises:
            ModelFileError: it is no JSON.
        """
        text = self.text("", name)
        try:
            return None if text is None else json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ModelFileError(f"its attribute {name!r} is no JSON: {error}") from error

    def names(self, path: str, name: str) -> list[str]:
        """An attribute that is a list of strings, which may be split over several: name0, name1, …"""
        whole = self._strings(path, name)
        if whole is not None:
            return whole
        found: list[str] = []
        number = 0
        while (part := self._strings(path, f"{name}{number}")) is not None:
            found += part
            number += 1
        return found

    def arrays(self, path: str) -> dict[str, Any]:
        """Name -> dataset of the weights that a group lists, in its order.

        Raises:
            ModelFileError: there is no such group or dataset, or it is listed twice.
        """
        if path not in self.groups:
            raise ModelFileError(f"it lists a layer {path.rpartition('/')[2]!r}, and has no such group")
        found: dict[str, Any] = {}
        for name in self.names(path, "weight_names"):
            parent, _, last = f"{path}/{name}".strip("/").rpartition("/")
            dataset = self.groups.get(parent, {}).get(last)
            if dataset is None or name in found:
                raise ModelFileError(f"the group {path!r} lists an array {name!r} that it does not have, or has twice")
            found[name] = dataset
        return found

    def _strings(self, path: str, name: str) -> list[str] | None:
        """The strings in an attribute, having looked at how much they can be."""
        group = self.root[path] if path else self.root
        if name not in group.attrs:
            return None
        from h5py import h5a, h5o, h5t

        attribute = h5a.open(group.id, name.encode())
        kind, count = attribute.get_type(), 0 if attribute.shape is None else math.prod(attribute.shape)
        if count == 0:
            return []
        if not isinstance(kind, h5t.TypeStringID):
            raise ModelFileError(f"its attribute {name!r} of {path or '/'!r} holds no text")
        room = archive.expansion(self.size) + 2**26
        if kind.is_variable_str():
            found = self._texts.read(h5o.get_info(group.id).addr, name, room)
            if len(found) != count:
                raise ModelFileError(f"its attribute {name!r} of {path or '/'!r} is damaged")
            return found
        if count * kind.get_size() > room:
            raise ModelFileError(
                f"its attribute {name!r} of {path or '/'!r} claims more text than the file has room for"
            )
        fixed = np.atleast_1d(np.asarray(group.attrs[name], object)).ravel().tolist()
        return [item.decode("utf-8") if isinstance(item, bytes) else str(item) for item in fixed]

    @cached_property
    def _texts(self) -> Texts:
        return Texts(self.file)


@contextmanager
def opened(file: BinaryIO) -> Iterator[Tree]:
    """The tree of a file, while it is open.

    Raises:
        ModelFileError: it is no HDF5 file, or holds links, arrays elsewhere or more than there is.
    """
    with open_tree(file, _NAME, Packed) as (root, groups):
        yield Tree(root, groups, file)


def value(dataset: Any) -> Array:
    """The numbers of a dataset."""
    return read(dataset)
