"""The `.keras` archive: a zip of metadata.json, config.json, model.weights.h5, files of layers, and pronghorn.json."""

from __future__ import annotations

import hashlib
import json
import re
import stat
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any, BinaryIO

from pronghorn.saving.files import ModelFileError

METADATA = "metadata.json"
CONFIG = "config.json"
WEIGHTS = "model.weights.h5"
ASSETS = "assets/"
"""Before the path of a layer, and the names of the files that it keeps, such as a vocabulary."""
STATES = "pronghorn.json"
"""States of seed generators. Keras has no place for them and ignores the member."""
_DIGESTS = "sha256"

_NAME = re.compile(r"(?!\.{1,2}$)[\w. -]{1,128}")
_EXPANSION = 16
"""Members may have so many times the bytes of the archive, and a megabyte: Keras stores them uncompressed."""
_LARGEST_JSON = 2**26
_MOST_MEMBERS = 10_000


def expansion(size: int) -> int:
    """To how many bytes `size` bytes of a file may grow in memory."""
    return size * _EXPANSION + 2**20


def write_archive(file: BinaryIO, members: Mapping[str, Any]) -> None:
    """Writes the members, uncompressed and in their order; the first, metadata.json, gets a digest of each other."""
    first = {**members[METADATA], _DIGESTS: {name: _digest(data) for name, data in members.items() if name != METADATA}}
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in {**members, METADATA: json.dumps(first)}.items():
            archive.writestr(name, data)


def read_archive(file: BinaryIO) -> dict[str, bytes]:
    """The members that a model consists of. Nothing is extracted; the names of all members are checked all the same.

    Raises:
        ModelFileError: a damaged archive, a name that leads elsewhere, a link, or members that expand too far.
    """
    room = expansion(file.seek(0, 2))
    try:
        with zipfile.ZipFile(file) as archive:
            names: set[str] = set()
            if len(archive.infolist()) > _MOST_MEMBERS:
                raise ModelFileError(f"it has {len(archive.infolist())} members, more than any model")
            for info in archive.infolist():
                _check_member(info, names)
                room -= info.file_size
            if room < 0:
                raise ModelFileError(f"its members expand to more than {_EXPANSION} times the size of the archive")
            wanted = (METADATA, CONFIG, WEIGHTS, STATES)
            files = (name for name in names if name.startswith(ASSETS) and not name.endswith("/"))
            members = {name: archive.read(name) for name in (*wanted, *sorted(files)) if name in names}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, RuntimeError) as error:
        raise ModelFileError(f"it is no readable zip archive: {error}") from error
    if METADATA in members:
        _check_digests(members)
    return members


def _digest(data: Any) -> str:
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()


def _check_digests(members: Mapping[str, bytes]) -> None:
    """Compares the members with the digests that we, unlike Keras, note; one that is gone is missed elsewhere."""
    noted = parse_json(members, METADATA).get(_DIGESTS)
    for name, digest in noted.items() if isinstance(noted, dict) else ():
        if name in members and _digest(members[name]) != digest:
            raise ModelFileError(
                f"its member {name!r} is not the one that was saved; if it was changed on purpose, remove {_DIGESTS!r} "
                f"from {METADATA}"
            )


def _check_member(info: zipfile.ZipInfo, names: set[str]) -> None:
    name = info.orig_filename  # `filename` is already made harmless, in part
    if not all(_NAME.fullmatch(part) for part in name.removesuffix("/").split("/")) or stat.S_ISLNK(
        info.external_attr >> 16
    ):
        raise ModelFileError(f"its member {name[:200]!r} has a name, or is a link, that leads elsewhere")
    if name in names:
        raise ModelFileError(f"it has two members called {name!r}")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ModelFileError(f"its member {name!r} is packed in a way that Keras never uses")
    names.add(name)


def parse_json(members: Mapping[str, bytes], name: str) -> dict[str, Any]:
    """A member that is a JSON object.

    Raises:
        ModelFileError: it is missing, or anything else.
    """
    if name not in members:
        raise ModelFileError(f"it has no member {name!r}, so it is no .keras file")
    if len(members[name]) > _LARGEST_JSON:
        raise ModelFileError(f"its member {name!r} of {len(members[name])} bytes is larger than any model's")
    try:
        value = json.loads(members[name])
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"its member {name!r} is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise ModelFileError(f"its member {name!r} must be a JSON object, it is a {type(value).__name__}")
    return value
