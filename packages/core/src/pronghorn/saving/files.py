"""Files that are whole or not there: written beside their place, and moved into it when they are on the disk."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows, where an open file cannot be removed
    fcntl = None  # type: ignore[assignment]


class ModelFileError(ValueError):
    """A file is no model or weights file, is damaged, does not fit, or holds what is never read from a file."""


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A new file that takes the place of `path` when the block ends, and leaves no trace where it raises.

    A crash at any moment leaves the old file or the new one; what it leaves of an unfinished one, the next to write
    the same file removes. Of several who write it at once, the last to end prevails. A symbolic link in the place of
    `path` is replaced, not followed.
    """
    target = Path(path)
    remove_unfinished(target)
    file, temporary = _create_beside(target)
    try:
        with file:
            if target.is_file() and not target.is_symlink():
                os.chmod(temporary, stat.S_IMODE(target.stat().st_mode))
            yield file
            file.flush()
            os.fsync(file.fileno())
            if fcntl is not None:  # moved while it is locked: nobody may take it for unfinished
                os.replace(temporary, target)
        if fcntl is None:
            os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if hasattr(os, "O_DIRECTORY"):  # the folder's entry must survive a crash as well; Windows has no call for it
        folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _create_beside(target: Path) -> tuple[BinaryIO, Path]:
    """A new file, locked as long as it is open: the lock says that somebody is still writing."""
    while True:
        temporary = target.with_name(f".{target.name[:200]}.{secrets.token_hex(8)}.part")
        file = open(temporary, "x+b")  # "x" follows no link that somebody put there
        if fcntl is None:
            return file, temporary
        with suppress(OSError):  # file systems without locks: nothing is removed there either
            fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file.fileno()).st_nlink:  # else it was taken for unfinished before it was locked
            return file, temporary
        file.close()


def remove_unfinished(target: Path) -> None:
    """Removes what writers of `target` left that were killed."""
    prefix = f".{target.name[:200]}."
    for entry in os.scandir(target.parent) if target.parent.is_dir() else ():
        if not (
            entry.name.startswith(prefix) and entry.name.endswith(".part") and entry.is_file(follow_symlinks=False)
        ):
            continue
        with suppress(OSError), open(entry.path, "r+b") as file:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.unlink(entry.path)
        if fcntl is None:
            with suppress(OSError):
                os.unlink(entry.path)
