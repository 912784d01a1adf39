"""Files from the network, whole or not at all: checked by digest, resumed where a try broke off, put in place
by one rename."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import re
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_BLOCK = 1 << 16
_TIMEOUT = 30
"""Seconds without a byte after which a mirror is given up."""

_TRIES = 3
"""How often one mirror is asked to go on before the next one is."""


class DownloadError(OSError):
    """No mirror gave the file."""


@dataclass(frozen=True)
class Digest:
    """What a file's content must hash to, in hexadecimal digits."""

    algorithm: str
    digits: str

    @classmethod
    def of(cls, digits: str, algorithm: str = "auto") -> Digest:
        """The digest of `digits`: SHA-256 where there are 64 of them, MD5 where there are 32.

        Raises:
            ValueError: they are no digest of `algorithm`, or of either.
        """
        lengths = {"sha256": 64, "md5": 32}
        if algorithm not in ("auto", *lengths):
            raise ValueError(f"get_file: hash_algorithm is {algorithm!r}; pass 'auto', 'sha256' or 'md5'")
        for name, length in lengths.items():
            if algorithm in ("auto", name) and re.fullmatch(rf"[0-9a-fA-F]{{{length}}}", digits):
                return cls(name, digits.lower())
        raise ValueError(
            f"get_file: file_hash is {digits!r}, which is no hash of kind {algorithm!r}; "
            f"pass 64 (SHA-256) or 32 (MD5) hexadecimal digits"
        )

    def fits(self, path: Path) -> bool:
        """Whether the file at `path` has this digest."""
        with path.open("rb") as file:
            return hashlib.file_digest(file, self.algorithm).hexdigest() == self.digits

    def __str__(self) -> str:
        return {"sha256": "SHA-256", "md5": "MD5"}[self.algorithm]


def fetch(target: Path, urls: Sequence[str], digest: Digest | None) -> None:
    """Downloads the file `target` from the first of `urls` that has it.

    What a broken connection left behind is resumed: by this call, and where a digest can tell that the parts
    belong together by a later one. Several processes may fetch the same file at once.

    Raises:
        DownloadError: no mirror gave a file with this digest; it says why, and where to put the file by hand.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = _claim(target)
    reasons = []
    try:
        for url in urls:
            if digest is None:
                partial.unlink(missing_ok=True)  # nothing tells whether it is the beginning of this file
            try:
                _download(url, partial, digest)
            except (OSError, ValueError, http.client.HTTPException) as error:
                reasons.append(f"{url}: {getattr(error, 'reason', None) or error}")
            else:
                os.replace(partial, target)
                return
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


def _download(url: str, partial: Path, digest: Digest | None) -> None:
    """Completes `partial`; raises OSError, ValueError or HTTPException if this mirror cannot."""
    conditions: dict[str, str] = {}
    for attempt in range(_TRIES):
        if digest is None and not conditions:
            partial.unlink(missing_ok=True)
        resumed = partial.is_file()
        try:
            _transfer(url, partial, conditions)
        except (http.client.IncompleteRead, TimeoutError, ConnectionError):
            if attempt == _TRIES - 1:
                raise
            continue
        if digest is None or digest.fits(partial):
            return
        partial.unlink()
        if not resumed:
            raise OSError(f"the file there has another {digest}; it is damaged or was changed")
    raise OSError(f"gave up after {_TRIES} tries")


def _transfer(url: str, partial: Path, conditions: dict[str, str]) -> None:
    """Appends to `partial` what is missing, or writes it anew where the server does not resume.

    `conditions` are headers for resuming, taken from the answer: the server shall send the whole file if it
    has another one by then.
    """
    start = partial.stat().st_size if partial.is_file() else 0
    headers = {"Range": f"bytes={start}-", **conditions} if start else {}
    try:
        response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code != 416:
            raise
        return  # nothing is missing; the digest decides
    with response, partial.open("ab" if getattr(response, "status", None) == 206 else "wb") as file:
        tag = response.headers.get("ETag")
        if tag and not tag.startswith("W/"):
            conditions["If-Range"] = tag
        _copy(response, file, partial.name.partition(".part")[0])
        file.flush()
        os.fsync(file.fileno())


def _copy(response: http.client.HTTPResponse, file: IO[bytes], name: str) -> None:
    """Copies a body to its announced end, with a line of progress on a terminal."""
    missing = getattr(response, "length", None)  # a file:// address has none
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
