"""Where kernels are kept: their sources as files, beside which Numba keeps the machine code it made of them.

Whoever can write there can run code in this process: the directory must belong to the user and be writable by nobody
else. Without such a place kernels are compiled anew by each process.
"""

from __future__ import annotations

import os
import stat
import tempfile
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path


@cache
def cache_directory() -> Path | None:
    """`gpu-VERSION` under PRONGHORN_CACHE, or else under `pronghorn` in XDG_CACHE_HOME or ~/.cache; None where that
    cannot be made or is not the user's alone."""
    try:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        root = Path(os.environ.get("PRONGHORN_CACHE") or Path(base) / "pronghorn")
        folder = root / f"gpu-{version('pronghorn-gpu')}"
        for directory in (root, folder):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = os.lstat(directory)
            mine = not hasattr(os, "getuid") or status.st_uid in (0, os.getuid())
            if not stat.S_ISDIR(status.st_mode) or not mine or status.st_mode & 0o022:
                return None
        return folder
    except (OSError, RuntimeError):  # RuntimeError: there is no home directory
        return None


def source_file(source: str) -> Path | None:
    """A file that holds the source, written once: its time tells Numba whether the machine code is of it."""
    folder = cache_directory()
    if folder is None:
        return None
    path = folder / f"kernel_{sha256(source.encode()).hexdigest()[:32]}.py"
    try:
        if not path.exists():
            descriptor, name = tempfile.mkstemp(dir=folder, suffix=".tmp")
            with open(descriptor, "w") as file:
                file.write(source)
            os.replace(name, path)
        return path if path.read_text() == source else None
    except OSError:
        return None
