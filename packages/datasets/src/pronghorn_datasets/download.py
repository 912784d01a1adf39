"""Files from the network, whole or not at all: checked by digest, resumed where a try broke off, put in place
by one rename."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import IO

_BLOCK = 1 << 16
_TIMEOUT = 30
"""Seconds without a byte after which a mirror is given up."""

_TRIES = 3
"""How often one mirror is asked to go on before the next one is."""


class DownloadError(OSError):
    """No mirror gave the file."""


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


def fetch(target: Path, urls: Sequence[str], sha256: str) -> Path:
    """The file `target`, downloaded from the first of `urls` that has it unless it is there already.

    What a broken connection left behind is resumed, by this call or a later one. Several processes may
    fetch the same file at once.

    Raises:
        DownloadError: no mirror gave a file with this digest; it says why, and where to put the file by hand.
    """
    if target.is_file() and _digest(target) == sha256:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = _claim(target)
    reasons = []
    try:
        for url in urls:
            try:
                _download(url, partial, sha256)
            except (OSError, http.client.HTTPException) as error:
                reasons.append(f"{url}: {getattr(error, 'reason', None) or error}")
            else:
                os.replace(partial, target)
                return target
    finally:
        with contextlib.suppress(OSError):
            os.replace(partial, _unclaimed(target))
    raise DownloadError(
        f"{target.name} is not on this machine and could not be downloaded ({'; '.join(reasons)}). "
        f"Connect to the network, or put the file at {target}."
    )


def _unclaimed(target: Path) -> Path:
    return target.with_name(f"{target.name}.part")


def _claim(target: Path) -> Path:
    """The path of this process's partial file; what an earlier, dead download left is taken over."""
    mine = target.with_name(f"{target.name}.part-{os.getpid()}")
    for left in target.parent.glob(f"{target.name}.part*"):
        with contextlib.suppress(OSError):  # another process was quicker
            if left == _unclaimed(target) or time.time() - left.stat().st_mtime > 2 * _TIMEOUT:
                os.replace(left, mine)
    return mine


def _download(url: str, partial: Path, sha256: str) -> None:
    """Completes `partial`; raises OSError or HTTPException if this mirror cannot."""
    for attempt in range(_TRIES):
        resumed = partial.is_file()
        try:
            _transfer(url, partial)
        except (http.client.IncompleteRead, TimeoutError, ConnectionError):
            if attempt == _TRIES - 1:
                raise
            continue
        if _digest(partial) == sha256:
            return
        partial.unlink()
        if not resumed:
            raise OSError("the file there has another SHA-256; it is damaged or was changed")
    raise OSError(f"gave up after {_TRIES} tries")


def _transfer(url: str, partial: Path) -> None:
    """Appends to `partial` what is missing, or writes it anew where the server does not resume."""
    start = partial.stat().st_size if partial.is_file() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code != 416:
            raise
        return  # nothing is missing; the digest decides
    with response, partial.open("ab" if response.status == 206 else "wb") as file:
        _copy(response, file, partial.name.partition(".part")[0])
        file.flush()
        os.fsync(file.fileno())


def _copy(response: http.client.HTTPResponse, file: IO[bytes], name: str) -> None:
    """Copies a body to its announced end, with a line of progress on a terminal."""
    missing = response.length
    size = None if missing is None else file.tell() + missing
    progress = sys.stderr.isatty()
    shown = 0.0
    while block := response.read(_BLOCK):
        file.write(block)
        if progress and time.monotonic() - shown > 0.1:
            shown = time.monotonic()
            of = "" if size is None else f" of {size / 1e6:.1f}"
            print(f"\r{name}: {file.tell() / 1e6:.1f}{of} MB", end="", file=sys.stderr, flush=True)
    if progress:
        print(file=sys.stderr)
    if size is not None and file.tell() < size:
        raise http.client.IncompleteRead(b"", size - file.tell())


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
