"""`get_file`: a file from the network, kept on this machine."""

from __future__ import annotations

import os
import urllib.parse
from collections.abc import Sequence
from pathlib import Path

from pronghorn_utils.archives import FORMATS
from pronghorn_utils.archives import extract as extract_archive
from pronghorn_utils.downloads import Digest, fetch


def cache_directory() -> Path:
    """Where downloaded files are kept: PRONGHORN_HOME, by default `~/.pronghorn`."""
    return Path(os.environ.get("PRONGHORN_HOME") or Path.home() / ".pronghorn")


def get_file(
    fname: str | os.PathLike[str] | None = None,
    origin: str | Sequence[str] | None = None,
    untar: bool = False,
    md5_hash: str | None = None,
    file_hash: str | None = None,
    cache_subdir: str | os.PathLike[str] = "datasets",
    hash_algorithm: str = "auto",
    extract: bool = False,
    archive_format: str | Sequence[str] | None = "auto",
    cache_dir: str | os.PathLike[str] | None = None,
    force_download: bool = False,
) -> str:
    """The path of a file that is downloaded the first time, or of the folder that it was extracted to.

    A download that breaks off is resumed, and the file appears under its name only when it is whole. With a
    hash, a file that does not have it is downloaded again. An archive is extracted once.

    Args:
        fname: the file's name on this machine; by default the last part of `origin`. For an archive a name
            without a dot names the folder; "data.zip" is extracted to "data_extracted".
        origin: the address of the file, or addresses of the same file, tried in order.
        untar: the same as `extract=True` with `archive_format="tar"`.
        md5_hash: the same as `file_hash` with `hash_algorithm="md5"`.
        file_hash: the SHA-256 or MD5 of the file, in hexadecimal digits.
        cache_subdir: the folder below `cache_dir`, or an absolute path.
        hash_algorithm: "sha256", "md5" or "auto", which goes by the length of `file_hash`.
        extract: whether the file is an archive to extract. Links, devices and names that lead out of the
            folder are refused.
        archive_format: "tar" (also packed by gzip, bzip2 or xz), "zip", a list of these, or "auto" for both.
        cache_dir: by default PRONGHORN_HOME, else `~/.pronghorn`.
        force_download: whether to download again what is there.

    Raises:
        DownloadError: the file could not be had; it says why, and where to put it by hand. An OSError.
        ValueError: an argument is wrong, or the archive is.
    """
    if not origin:
        raise ValueError("get_file: origin is missing; pass the address of the file")
    origins = [origin] if isinstance(origin, str) else list(origin)
    if md5_hash is not None and file_hash is None:
        file_hash, hash_algorithm = md5_hash, "md5"
    digest = None if file_hash is None else Digest.of(file_hash, hash_algorithm)
    name = _name(fname, origins[0])
    home = cache_directory() if cache_dir is None else Path(cache_dir).expanduser()
    directory = home / cache_subdir
    unpack = extract or untar
    formats = _formats("tar" if untar else archive_format) if unpack else ()
    target, folder = directory / name, directory / name
    if unpack and fname and "." in name:
        folder = directory / f"{name.partition('.')[0]}_extracted"
    elif unpack:
        target = directory / f"{name}_archive"
    found = not force_download and target.is_file() and (digest is None or digest.fits(target))
    if not found:
        fetch(target, origins, digest)
    if not unpack:
        return str(target)
    if not found or not folder.is_dir():
        extract_archive(target, folder, formats)
    return str(folder)


def _name(fname: str | os.PathLike[str] | None, origin: str) -> str:
    name = os.fspath(fname) if fname else os.path.basename(urllib.parse.unquote(urllib.parse.urlsplit(origin).path))
    if not name:
        raise ValueError(f"get_file: {origin!r} does not end in a file name; pass fname")
    if name in (".", "..") or {"/", os.sep, "\0"} & set(name):
        raise ValueError(f"get_file: fname is {name!r}; pass a name without folders, and the folder as cache_subdir")
    return name


def _formats(archive_format: str | Sequence[str] | None) -> tuple[str, ...]:
    if archive_format == "auto":
        return FORMATS
    formats = (archive_format,) if isinstance(archive_format, str) else tuple(archive_format or ())
    if not formats or not set(formats) <= set(FORMATS):
        raise ValueError(f"get_file: archive_format is {archive_format!r}; pass 'tar', 'zip' or 'auto' to extract")
    return formats
