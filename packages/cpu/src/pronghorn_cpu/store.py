"""Where compiled kernels lie on disk: a directory that nobody else can write, a file for each kernel, bounded
in size.

Whoever can write there can run code in this process, so the directory and every file must belong to the user
(or to root) and be writable by nobody else. A place that fails this is never read; a private temporary
directory, removed at exit, stands in.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import shutil
import stat
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

LARGEST_BYTES = 256 * 2**20
MOST_KERNELS = 4000
_SUFFIX = ".kernel"
_DAY = 86_400.0
_Kind = Callable[[int], bool]


@functools.cache
def cache_directory() -> Path:
    """The directory that holds this user's compiled kernels, created with mode 0700.

    It is ``kernels`` under ``PRONGHORN_CACHE`` or else under ``pronghorn`` in ``XDG_CACHE_HOME`` or
    ``~/.cache``. If that cannot be made or belongs to somebody else (which is warned about), it is a
    temporary directory of this process.
    """
    try:
        root = _root()
        for directory in (root, root / "kernels"):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if objection := _objection(os.lstat(directory), stat.S_ISDIR):
                warnings.warn(
                    f"compiled kernels are not kept in {directory} because it {objection}; set "
                    "PRONGHORN_CACHE to a directory that only you can write",
                    RuntimeWarning,
                    stacklevel=2,
                )
                return _private_directory()
    except (OSError, RuntimeError):  # RuntimeError: there is no home directory
        return _private_directory()
    return root / "kernels"


def read(key: str) -> bytes | None:
    """The bytes kept under ``key``; None if there are none that can be trusted."""
    path = cache_directory() / (key + _SUFFIX)
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
    except OSError:
        return None
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if _objection(status, stat.S_ISREG):
            return None
        if time.time() - status.st_mtime > _DAY:
            with contextlib.suppress(OSError):
                os.utime(path)  # the modification time says when a kernel was last used
        return file.read()


def write(key: str, content: bytes) -> None:
    """Keeps ``content`` under ``key``, replacing it in one step; does nothing where the directory cannot be
    written."""
    directory = cache_directory()
    try:
        descriptor, temporary = tempfile.mkstemp(dir=directory, prefix=key[:16], suffix=".tmp")
    except OSError:
        return
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
        os.replace(temporary, directory / (key + _SUFFIX))
    except OSError:  # a full disk: the kernel is compiled again next time
        with contextlib.suppress(OSError):
            os.unlink(temporary)


def prune() -> None:
    """Removes the kernels used longest ago until the directory is within its bounds, and what killed writers
    left."""
    kept = []
    with contextlib.suppress(OSError), os.scandir(cache_directory()) as entries:
        for entry in entries:
            status = entry.stat(follow_symlinks=False)
            if entry.name.endswith(_SUFFIX):
                kept.append((status.st_mtime, status.st_size, entry.path))
            elif entry.name.endswith(".tmp") and time.time() - status.st_mtime > _DAY:
                _remove(entry.path)
    kept.sort(reverse=True)
    total = 0
    for rank, (_, size, path) in enumerate(kept):
        total += size
        if rank >= MOST_KERNELS or total > LARGEST_BYTES:
            _remove(path)


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):  # another process was faster
        os.unlink(path)


def _root() -> Path:
    if override := os.environ.get("PRONGHORN_CACHE"):
        return Path(override).absolute()
    xdg = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(xdg) if os.path.isabs(xdg) else Path.home() / ".cache") / "pronghorn"


def _objection(status: os.stat_result, is_kind: _Kind) -> str | None:
    """Why a file or directory of this status is not to be trusted."""
    if not is_kind(status.st_mode):
        return "is a link or of another kind than expected"
    if hasattr(os, "getuid"):
        if status.st_uid not in (0, os.getuid()):
            return f"belongs to user {status.st_uid}"
        if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            return f"can be written by others (mode {stat.S_IMODE(status.st_mode):o})"
    return None


def _private_directory() -> Path:
    directory = Path(tempfile.mkdtemp(prefix="pronghorn-kernels-"))
    owner = os.getpid()

    def remove() -> None:
        if os.getpid() == owner:  # a forked child leaves its parent's directory alone
            shutil.rmtree(directory, ignore_errors=True)

    atexit.register(remove)
    return directory
