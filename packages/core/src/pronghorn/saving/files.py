"""Files that are whole or not there: written beside their place, and moved into it when they are on the disk."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


class ModelFileError(ValueError):
    """A file is no model or weights file, is damaged, does not fit, or holds what is never read from a file."""


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A new file that takes the place of `path` when the block ends, and leaves no trace where it raises.

    A crash at any moment leaves the old file or the new one. A symbolic link in the place of `path` is replaced,
    not followed.
    """
    target = Path(path)
    temporary = target.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with open(temporary, "x+b") as file:  # "x" follows no link that somebody put there
            if target.is_file() and not target.is_symlink():
                os.chmod(temporary, stat.S_IMODE(target.stat().st_mode))
            yield file
            file.flush()
            os.fsync(file.fileno())
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
