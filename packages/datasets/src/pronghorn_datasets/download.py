"""Where data sets are on this machine, and how they get there."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

KERAS_FILES = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
"""Where Keras keeps the files of its data sets."""


def datasets_directory() -> Path:
    """Where data sets are kept: `datasets` below PRONGHORN_HOME, by default `~/.pronghorn`."""
    return Path(os.environ.get("PRONGHORN_HOME") or Path.home() / ".pronghorn") / "datasets"


def local_file(path: str) -> Path:
    """The file at an absolute path, or at a path below the data set directory.

    Raises:
        FileNotFoundError: there is none.
    """
    found = datasets_directory() / Path(path).expanduser()
    if not found.is_file():
        raise FileNotFoundError(f"there is no data set file {found}; pass the path of one that exists")
    return found


def fetch(name: str, urls: Sequence[str], file_hash: str, folder: str = "", extract: bool = False) -> Path:
    """The file `name` in `folder` of the data set directory, or the folder that it was extracted to.

    It is downloaded from the first of `urls` that has it unless it is there already, with this hash.

    Raises:
        OSError: no mirror gave it; the error says why, and where to put the file by hand.
    """
    from pronghorn.utils import get_file  # of pronghorn-utils, found through the registry

    directory = datasets_directory() / folder
    return Path(get_file(name, urls, file_hash=file_hash, cache_subdir=directory, extract=extract))


def find_or_fetch(path: str, urls: Sequence[str], file_hash: str) -> Path:
    """A file that a person named: an absolute path is read as it is, a name is that of the downloaded file."""
    return local_file(path) if Path(path).expanduser().is_absolute() else fetch(path, urls, file_hash)
