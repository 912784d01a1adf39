"""Unpacking of tar and zip files that may be hostile: ordinary files with plain names below a new folder, and
nothing else."""

from __future__ import annotations

import lzma
import os
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PureWindowsPath
from typing import IO

FORMATS = ("tar", "zip")
_EXPANSION, _FREE = 250, 1 << 28
"""Archives may grow to so many times their size, and so many bytes."""


def extract(archive: Path, folder: Path, formats: Sequence[str] = FORMATS) -> None:
    """Unpacks `archive` into `folder`: all of it or nothing.

    The files are written to a new folder beside `folder`, which then takes its name; where `folder` exists
    already, the files are moved into it one by one. Permissions and owners in the archive are not taken over.

    Raises:
        ValueError: the file is no archive of these formats, is cut off, or holds a link, a device, or a name
            that leads out of the folder.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        room = _EXPANSION * archive.stat().st_size + _FREE
        try:
            with _members(archive, formats) as members:
                for name, content in members:
                    room -= _write(fresh / _plain(name, archive), content, room)
        except (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError) as error:
            raise ValueError(f"{archive} is damaged or cut off ({error}); delete it and fetch it again") from error
        _move(fresh, folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


@contextmanager
def _members(archive: Path, formats: Sequence[str]) -> Iterator[Iterator[tuple[str, IO[bytes] | None]]]:
    """Name and content of each member; the content of a folder is None."""
    if "tar" in formats and tarfile.is_tarfile(archive):
        with tarfile.open(archive) as tar:
            yield ((member.name, _tar_content(tar, member, archive)) for member in tar)
    elif "zip" in formats and zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            yield ((member.filename, None if member.is_dir() else zipped.open(member)) for member in zipped.infolist())
    else:
        wanted = " or ".join(formats) or "no format at all"
        raise ValueError(f"{archive} is no archive that can be extracted: looked for {wanted}")


def _tar_content(tar: tarfile.TarFile, member: tarfile.TarInfo, archive: Path) -> IO[bytes] | None:
    if member.isdir():
        return None
    content = tar.extractfile(member) if member.isfile() else None
    if content is None:
        raise ValueError(f"{archive} holds {member.name!r}, a link or device; only files and folders are extracted")
    return content


def _plain(name: str, archive: Path) -> Path:
    """`name` as a path that stays below the folder it is joined to."""
    path = Path(name)
    if any(p.is_absolute() or p.drive or ".." in p.parts for p in (path, PureWindowsPath(name))) or "\0" in name:
        raise ValueError(f"{archive} holds {name!r}, which leads out of the folder; nothing was extracted")
    return path


def _write(path: Path, content: IO[bytes] | None, room: int) -> int:
    """Writes a member, and returns its size, which may be `room` at most."""
    if content is None:
        path.mkdir(parents=True, exist_ok=True)
        return 0
    path.parent.mkdir(parents=True, exist_ok=True)
    size = 0
    with content, path.open("wb") as file:
        while block := content.read(1 << 20):
            size += len(block)
            if size > room:
                raise ValueError(f"the archive expands to more than {_EXPANSION} times its size; nothing was extracted")
            file.write(block)
    return size


def _move(fresh: Path, folder: Path) -> None:
    if not folder.exists():
        umask = os.umask(0)
        os.umask(umask)
        fresh.chmod(0o777 & ~umask)  # a temporary folder is its owner's alone
        try:
            os.replace(fresh, folder)
            return
        except OSError:
            if not folder.is_dir():  # else another process was quicker
                raise
    for path in sorted(fresh.rglob("*")):
        target = folder / path.relative_to(fresh)
        if path.is_dir():
            target.mkdir(parents=True, exist_ok=True)
        else:
            os.replace(path, target)
