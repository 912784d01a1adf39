"""`get_file` keeps what it fetched, and hostile archives write nothing."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from pronghorn.utils import get_file

CONTENT = b"nothing but words " * 1000


def add(tar: tarfile.TarFile, name: str, content: bytes = b"", **attributes: object) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    for key, value in attributes.items():
        setattr(member, key, value)
    tar.addfile(member, io.BytesIO(content))


@pytest.fixture
def cache(tmp_path) -> Path:
    return tmp_path / "cache"


def test_a_file_is_fetched_once_unless_forced(site, cache):
    folder, address = site
    (folder / "words.txt").write_bytes(CONTENT)
    path = get_file(origin=f"{address}words.txt?version=1", cache_dir=cache)
    assert path == str(cache / "datasets" / "words.txt")
    (folder / "words.txt").write_bytes(b"new")
    assert Path(get_file("words.txt", f"{address}words.txt", cache_dir=cache)).read_bytes() == CONTENT
    again = get_file("words.txt", f"{address}words.txt", cache_dir=cache, force_download=True)
    assert Path(again).read_bytes() == b"new"


def test_the_cache_is_below_pronghorn_home(site, tmp_path, monkeypatch):
    folder, address = site
    (folder / "words.txt").write_bytes(CONTENT)
    monkeypatch.setenv("PRONGHORN_HOME", str(tmp_path / "home"))
    found = get_file(origin=f"{address}words.txt", cache_subdir="texts")
    assert found == str(tmp_path / "home" / "texts" / "words.txt")


@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
def test_a_hash_decides_whether_the_file_is_the_one_wanted(site, cache, algorithm):
    folder, address = site
    (folder / "words.txt").write_bytes(CONTENT)
    digits = hashlib.new(algorithm, CONTENT).hexdigest().upper()
    (cache / "datasets").mkdir(parents=True)
    (cache / "datasets" / "words.txt").write_bytes(b"stale")
    path = get_file("words.txt", f"{address}words.txt", file_hash=digits, cache_dir=cache)
    assert Path(path).read_bytes() == CONTENT
    (folder / "words.txt").write_bytes(b"changed")
    wanted = {"md5_hash": digits} if algorithm == "md5" else {"file_hash": digits, "hash_algorithm": "sha256"}
    with pytest.raises(OSError, match="another"):
        get_file("other.txt", f"{address}words.txt", cache_dir=cache, **wanted)


def test_mirrors_are_tried_in_order(site, cache):
    folder, address = site
    (folder / "words.txt").write_bytes(CONTENT)
    path = get_file("words.txt", [f"{address}missing", f"{address}words.txt"], cache_dir=cache)
    assert Path(path).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "origin is missing"),
        ({"origin": "http://x.example/"}, "pass fname"),
        ({"origin": "http://x.example/a", "fname": "../a"}, "without folders"),
        ({"origin": "http://x.example/a%2F..%2F.."}, "without folders"),
        ({"origin": "http://x.example/a", "file_hash": "abc"}, "abc.*hexadecimal"),
        ({"origin": "http://x.example/a", "file_hash": "0" * 64, "hash_algorithm": "crc"}, "crc"),
        ({"origin": "http://x.example/a", "extract": True, "archive_format": "rar"}, "rar"),
        ({"origin": "http://x.example/a", "extract": True, "archive_format": None}, "None"),
    ],
)
def test_wrong_arguments_are_named(cache, arguments, message):
    with pytest.raises(ValueError, match=message):
        get_file(cache_dir=cache, **arguments)
    assert not cache.exists()


# ------------------------------------------------------------------------------------------------- archives


@pytest.mark.parametrize(("fname", "folder"), [(None, "pets.tgz"), ("pets", "pets"), ("pets.v1.tgz", "pets_extracted")])
def test_folders_are_named_as_keras_names_them(site, cache, fname, folder):
    served, address = site
    with tarfile.open(served / "pets.tgz", "w:gz") as tar:
        add(tar, "./pets", type=tarfile.DIRTYPE)
        add(tar, "./pets/cat.txt", b"cat", mode=0)
    path = get_file(fname, f"{address}pets.tgz", extract=True, cache_dir=cache)
    assert path == str(cache / "datasets" / folder)
    assert Path(path, "pets", "cat.txt").read_bytes() == b"cat"
    assert len(list((cache / "datasets").iterdir())) == 2


def test_an_archive_is_extracted_once_and_a_new_one_over_the_old(site, cache):
    served, address = site
    for content in (b"old", b"new"):
        with zipfile.ZipFile(served / "pets.zip", "w") as archive:
            archive.writestr("pets/cat.txt", content)
        path = Path(get_file("pets", f"{address}pets.zip", extract=True, cache_dir=cache, force_download=True))
        assert path.joinpath("pets", "cat.txt").read_bytes() == content
        (path / "own.txt").write_text("mine")
    path.joinpath("pets", "cat.txt").write_bytes(b"edited")
    get_file("pets", f"{address}pets.zip", extract=True, cache_dir=cache)
    assert path.joinpath("pets", "cat.txt").read_bytes() == b"edited"
    assert (path / "own.txt").read_text() == "mine"


@pytest.mark.parametrize(
    "member",
    [
        {"name": "../evil.txt"},
        {"name": "a/../../evil.txt"},
        {"name": "/tmp/evil.txt"},
        {"name": "link", "type": tarfile.SYMTYPE, "linkname": "/etc/passwd"},
        {"name": "link", "type": tarfile.LNKTYPE, "linkname": "first.txt"},
        {"name": "pipe", "type": tarfile.FIFOTYPE},
        {"name": "device", "type": tarfile.CHRTYPE},
    ],
    ids=lambda member: member["name"],
)
def test_links_devices_and_names_that_lead_out_are_refused(site, cache, member):
    served, address = site
    with tarfile.open(served / "evil.tar", "w") as tar:
        add(tar, "first.txt", b"first")
        add(tar, **member)
    with pytest.raises(ValueError, match=r"link|leads out"):
        get_file("evil", f"{address}evil.tar", untar=True, cache_dir=cache)
    assert [path.name for path in (cache / "datasets").iterdir()] == ["evil_archive"]


def test_zip_names_that_lead_out_are_refused(site, cache):
    served, address = site
    with zipfile.ZipFile(served / "evil.zip", "w") as archive:
        archive.writestr("../evil.txt", "out")
    with pytest.raises(ValueError, match="leads out"):
        get_file("evil", f"{address}evil.zip", extract=True, cache_dir=cache)
    assert os.listdir(cache / "datasets") == ["evil_archive"]


@pytest.mark.parametrize("name", ["cut.tgz", "cut.zip", "text.tgz"])
def test_damaged_archives_are_named(site, cache, name):
    served, address = site
    if name.endswith("zip"):
        with zipfile.ZipFile(served / name, "w") as archive:
            archive.writestr("a", os.urandom(10_000))
    else:
        with tarfile.open(served / name, "w:gz") as tar:
            add(tar, "a", os.urandom(10_000))
    content = b"no archive" if name == "text.tgz" else (served / name).read_bytes()[:5000]
    (served / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"{name}.*(damaged|no archive)"):
        get_file(name, f"{address}{name}", extract=True, cache_dir=cache)
