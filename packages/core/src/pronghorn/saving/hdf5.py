"""HDF5 files of weights: a tree of groups with arrays, written plainly and read without trust."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from pronghorn import dtypes
from pronghorn.saving.archive import expansion
from pronghorn.saving.files import ModelFileError

if TYPE_CHECKING:
    import h5py

Array = np.ndarray[Any, Any]
Group = Mapping[str, "h5py.Dataset"]
Unpacked = Callable[["h5py.Dataset"], Any]

_NAME = re.compile(r"(?!\.{1,2}$)[\w.:-]{1,128}")
_DEEPEST = 64
DIGEST = "sha256"
"""Attribute of the root, ours alone: of all arrays with their paths. HDF5 has no checksums of its own here."""


def write_groups(file: BinaryIO, groups: Mapping[str, tuple[Any, Mapping[str, Any]]]) -> None:
    """Writes for each path the group `<path>/vars`: its attribute "name" (unless it is no string) and its arrays.

    Raises:
        ValueError: a name that the reader would refuse.
    """
    import h5py

    written: dict[str, Array] = {}
    with h5py.File(file, "w") as root:
        for path, (name, arrays) in groups.items():
            group = root.create_group(f"{path}/vars" if path else "vars")
            if isinstance(name, str):
                group.attrs["name"] = name
            for key, value in arrays.items():
                if not all(_NAME.fullmatch(part) for part in (*path.split("/"), key) if part):
                    raise ValueError(f"cannot save {path}/{key}: names may have letters, digits and _ . : - only")
                array = np.asarray(value)
                if array.dtype.kind == "V":  # NumPy has no bfloat16: two bytes each, and Keras's note saying so
                    array = array.view("V2")
                    group.create_dataset(key, data=array).attrs["dtype"] = "bfloat16"
                else:
                    group.create_dataset(key, data=array)
                written[f"{group.name}/{key}"] = array
        root.attrs[DIGEST] = digest_of(written)


@contextmanager
def open_groups(file: BinaryIO) -> Iterator[dict[str, Group]]:
    """Path -> the datasets in its group `vars`, to be read with `read` inside of the block.

    Raises:
        ModelFileError: there is none, or the file holds what Keras never writes.
    """
    with open_tree(file) as (_, groups):
        found = {path[:-4].rstrip("/"): group for path, group in groups.items() if f"/{path}".endswith("/vars")}
        if not found:
            raise ModelFileError("it has no group `vars`, so it is no .weights.h5 of Keras 3")
        yield found


@contextmanager
def open_tree(
    file: BinaryIO, name: re.Pattern[str] = _NAME, unpacked: Unpacked | None = None
) -> Iterator[tuple[h5py.File, dict[str, Group]]]:
    """The root of an HDF5 file, and path -> the datasets of every group.

    The whole tree is looked at before any data is read. Only what Keras writes is accepted: hard links to groups and
    to plain numeric arrays whose bytes are all in this file. So no other file is opened (external and soft links,
    external storage, virtual datasets), and no more is allocated than there is (declared shapes, compression).

    Args:
        name: what the names of groups and datasets must match.
        unpacked: what stands for a dataset that is compressed, with its name, shape, dtype and `[()]`; None refuses it.

    Raises:
        ModelFileError: anything else.
    """
    import h5py

    size = file.seek(0, 2)
    try:
        root = h5py.File(file, "r")
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise ModelFileError(f"it is no readable HDF5 file: {error}") from error
    with root:
        groups: dict[str, Any] = {}
        _scan(root, "", groups, set(), name, unpacked)
        arrays = {dataset.name: dataset for group in groups.values() for dataset in group.values()}
        for kinds, room in ((h5py.Dataset, size), (object, expansion(size))):
            declared = sum(_bytes(dataset) for dataset in arrays.values() if isinstance(dataset, kinds))
            if declared > room:
                raise ModelFileError(f"its arrays claim {declared} bytes, and the file has {size}")
        if DIGEST in root.attrs:
            noted = root.attrs.get_id(DIGEST)  # text of any length lies in a heap, a damaged one of which never ends
            if noted.dtype != "S64" or noted.shape != () or root.attrs[DIGEST] != digest_of(arrays):
                raise ModelFileError("it is damaged: its arrays are not those that were saved")
        yield root, groups


def digest_of(arrays: Mapping[str, Any]) -> np.bytes_:
    """A digest of arrays and their paths in a file."""
    digest = hashlib.sha256()
    for path in sorted(arrays):
        array = np.ascontiguousarray(arrays[path][()])
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        digest.update(f"{path} {array.dtype.str} {arrays[path].shape}\n".encode())
        digest.update(array.view(np.uint8).data if array.ndim else array.tobytes())
    return np.bytes_(digest.hexdigest())


def read(dataset: h5py.Dataset) -> Array:
    """The array of a dataset, in native byte order."""
    array = np.asarray(dataset[()])
    if array.dtype.kind == "V":
        return array.view(dtypes.numpy_dtype("bfloat16"))
    return np.asarray(array, array.dtype.newbyteorder("="))


def _scan(
    group: h5py.Group,
    path: str,
    groups: dict[str, Any],
    seen: set[int],
    allowed: re.Pattern[str],
    unpacked: Unpacked | None,
) -> None:
    """Collects the groups and their datasets, having looked at each link before it is followed."""
    import h5py

    here = groups.setdefault(path, {})
    for name in group:
        where = f"{path}/{name}".lstrip("/")
        if not allowed.fullmatch(name) or where.count("/") > _DEEPEST:
            raise ModelFileError(f"its entry {where[:200]!r} has a name that no model has")
        link = group.get(name, getlink=True)
        if not isinstance(link, h5py.HardLink):
            raise ModelFileError(f"its entry {where!r} is a {type(link).__name__}; links are not followed")
        address = h5py.h5o.get_info(group.id, name.encode()).addr
        kind = group.get(name, getclass=True)
        if address in seen or kind not in (h5py.Group, h5py.Dataset):
            raise ModelFileError(f"its entry {where!r} is neither a group nor an array of its own")
        seen.add(address)
        if kind is h5py.Group:
            _scan(group[name], where, groups, seen, allowed, unpacked)
        else:
            here[name] = _checked(group, name, where, unpacked)


def _checked(group: h5py.Group, name: str, where: str, unpacked: Unpacked | None) -> Any:
    """A dataset that is a plain numeric array in this file."""
    from h5py import h5d

    layout = h5d.open(group.id, name.encode()).get_create_plist()
    if layout.get_layout() == h5d.VIRTUAL or layout.get_external_count():
        raise ModelFileError(f"its array {where!r} lies in other files, which are not opened")
    packed = layout.get_nfilters() > 0
    if packed and unpacked is None:
        raise ModelFileError(f"its array {where!r} is compressed or filtered; save it without, as Keras does")
    dataset = group[name]
    if dataset.shape is None or not (dataset.dtype.kind in "biufc" or dataset.dtype == "V2"):
        raise ModelFileError(f"its array {where!r} of dtype {dataset.dtype} holds no numbers")
    return unpacked(dataset) if packed and unpacked is not None else dataset


def _bytes(dataset: h5py.Dataset) -> int:
    return math.prod(dataset.shape) * dataset.dtype.itemsize  # type: ignore[no-any-return]
