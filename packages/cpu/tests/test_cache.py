"""The kernel cache: what is compiled, what is loaded, and what a hostile or broken directory does."""

from __future__ import annotations

import ctypes
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pronghorn_cpu import cache, fingerprint, object_code, store
from pronghorn_cpu.compile import compile_kernel

ADD = """
from pronghorn_cpu.intrinsics import set_slot, slot


def kernel(p, t, threads):
    set_slot(p, 0, slot(p, 0) + {amount})
"""

LOAD_AND_REPORT = """
import ctypes, sys
from pronghorn_cpu import cache
sources = sys.stdin.read().split("---")
block = ctypes.c_int64(0)
for kernel in cache.load_all(sources):
    kernel(ctypes.addressof(block))
print(block.value, cache.compiled_count(), "numba" in sys.modules, cache.cache_directory())
"""


def add(amount: int) -> str:
    return ADD.format(amount=amount)


def call(kernel: cache.Kernel) -> int:
    block = ctypes.c_int64(0)
    kernel(ctypes.addressof(block))
    return block.value


class Report:
    """What a fresh process said that loaded kernels which add the given amounts."""

    def __init__(self, amounts: list[int], root: Path | str, **environment: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", LOAD_AND_REPORT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PRONGHORN_CACHE": str(root), **environment},
            text=True,
        )
        stdin = self._process.stdin
        assert stdin is not None
        stdin.write("---".join(add(amount) for amount in amounts))
        stdin.close()
        self._process.stdin = None

    def read(self) -> Report:
        output, self.errors = self._process.communicate()
        assert self._process.returncode == 0, self.errors
        total, compiled, numba, directory = output.split()
        self.sum = int(total)
        self.compiled = int(compiled)
        self.imported_numba = numba == "True"
        self.directory = Path(directory)
        return self


def in_a_process(amounts: list[int], root: Path | str, **environment: str) -> Report:
    return Report(amounts, root, **environment).read()


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache for this process."""
    monkeypatch.setenv("PRONGHORN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "_kernels", {})
    store.cache_directory.cache_clear()
    yield store.cache_directory()
    store.cache_directory.cache_clear()


def compiled_by(action: Callable[[], object]) -> int:
    before = cache.compiled_count()
    action()
    return cache.compiled_count() - before


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_kernels", {})


def test_the_same_source_is_the_same_kernel(directory: Path) -> None:
    kernel = cache.load(add(1))
    assert cache.load(add(1)) is kernel
    assert call(kernel) == 1
    assert (directory / f"{kernel.name}.kernel").exists()


def test_kernels_of_one_name_do_not_mix(directory: Path) -> None:
    assert [call(kernel) for kernel in cache.load_all([add(1), add(2), add(1)])] == [1, 2, 1]


def test_a_warm_process_compiles_nothing_and_needs_no_numba(tmp_path: Path) -> None:
    cold = in_a_process([1, 20], tmp_path / "cache")
    assert (cold.sum, cold.compiled, cold.imported_numba) == (21, 2, True)
    warm = in_a_process([1, 20], tmp_path / "cache")
    assert (warm.sum, warm.compiled, warm.imported_numba) == (21, 0, False)


def test_the_directory_and_the_files_are_private(directory: Path) -> None:
    cache.load(add(1))
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()} == {0o600}


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: b"", id="empty"),
        pytest.param(lambda data: data[: len(data) // 2], id="cut"),
        pytest.param(lambda data: data[:-100] + bytes(100), id="overwritten"),
        pytest.param(lambda data: b"no kernel", id="foreign"),
    ],
)
def test_a_damaged_entry_is_compiled_again(
    directory: Path, monkeypatch: pytest.MonkeyPatch, damage: Callable[[bytes], bytes]
) -> None:
    path = directory / f"{cache.load(add(1)).name}.kernel"
    good = path.read_bytes()
    path.write_bytes(damage(good))
    forget(monkeypatch)
    assert compiled_by(lambda: cache.load(add(1))) == 1
    assert call(cache.load(add(1))) == 1
    forget(monkeypatch)
    assert compiled_by(lambda: cache.load(add(1))) == 0  # it was mended


def test_an_entry_that_others_can_write_is_compiled_again(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = directory / f"{cache.load(add(1)).name}.kernel"
    path.chmod(0o666)
    forget(monkeypatch)
    assert compiled_by(lambda: cache.load(add(1))) == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_directory_that_others_can_write_is_refused(tmp_path: Path) -> None:
    in_a_process([1], tmp_path)
    (tmp_path / "kernels").chmod(0o770)
    report = in_a_process([1], tmp_path)
    assert (report.sum, report.compiled) == (1, 1)
    assert report.directory.parent != tmp_path
    assert not report.directory.exists()  # it was private, and is removed at exit
    assert "can be written by others (mode 770); set PRONGHORN_CACHE" in report.errors


def test_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "kernels").symlink_to("elsewhere")
    report = in_a_process([1], tmp_path)
    assert report.sum == 1
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="no owners here")
def test_a_directory_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status = os.stat_result((stat.S_IFDIR | 0o700, 0, 0, 1, os.getuid() + 1, 0, 0, 0, 0, 0))
    assert store._objection(status, stat.S_ISDIR) == f"belongs to user {os.getuid() + 1}"


def test_a_place_where_no_directory_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    report = in_a_process([1], tmp_path / "file" / "cache")
    assert (report.sum, report.errors) == (1, "")
    assert not report.directory.exists()


def test_a_directory_that_cannot_be_written_is_still_read(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.load(add(1))

    def refuse(**_: object) -> tuple[int, str]:
        raise PermissionError("read-only")

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    forget(monkeypatch)
    assert compiled_by(lambda: cache.load_all([add(1), add(2)])) == 1
    assert call(cache.load(add(2))) == 2
    assert len(list(directory.iterdir())) == 1


def test_the_directory_stays_within_its_bounds(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, third = cache.load_all([add(1), add(2), add(3)])
    now = time.time()
    for age, kernel in enumerate([second, third, first]):
        os.utime(directory / f"{kernel.name}.kernel", (now - age, now - age))
    abandoned = directory / "abandoned.tmp"
    abandoned.touch()
    os.utime(abandoned, (now - 10**6, now - 10**6))

    monkeypatch.setattr(store, "MOST_KERNELS", 2)
    store.prune()
    assert {path.stem for path in directory.iterdir()} == {second.name, third.name}
    monkeypatch.setattr(store, "LARGEST_BYTES", 1)
    store.prune()
    assert list(directory.iterdir()) == []


def test_use_renews_an_entry(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = directory / f"{cache.load(add(1)).name}.kernel"
    long_ago = time.time() - 10**6
    os.utime(path, (long_ago, long_ago))
    forget(monkeypatch)
    cache.load(add(1))
    assert path.stat().st_mtime > long_ago + 1000


def test_eight_processes_on_a_cold_cache(tmp_path: Path) -> None:
    reports = [Report([1, 2, 3], tmp_path / "cache") for _ in range(8)]
    assert [report.read().sum for report in reports] == [6] * 8
    assert in_a_process([1, 2, 3], tmp_path / "cache").compiled == 0
    assert len(list((tmp_path / "cache" / "kernels").iterdir())) == 3


def test_helpers_compile_what_this_process_would(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_helpers_pay", lambda count: True)
    sources = [add(amount) for amount in range(1, 5)]
    monkeypatch.setattr(cache, "compile_kernel", None)  # this process is not needed
    assert compiled_by(lambda: cache.load_all(sources)) == 4
    assert [call(kernel) for kernel in cache.load_all(sources)] == [1, 2, 3, 4]


def test_without_helpers_this_process_compiles(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_helpers_pay", lambda count: True)
    monkeypatch.setattr(sys, "executable", sys.executable + "-missing")
    assert [call(kernel) for kernel in cache.load_all([add(1), add(2)])] == [1, 2]


def test_progress_is_shown_once_where_there_is_no_terminal(
    directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cache, "_PROGRESS_AFTER", -1.0)
    monkeypatch.delenv("PRONGHORN_QUIET", raising=False)
    cache.load_all([add(1), add(2), add(3)])
    assert capsys.readouterr().err == "Compiling kernels for this machine: 1/3 ...\n"
    monkeypatch.setenv("PRONGHORN_QUIET", "1")
    cache.load_all([add(4), add(5)])
    assert capsys.readouterr().err == ""


def test_a_source_without_kernel_is_an_error(directory: Path) -> None:
    with pytest.raises(TypeError, match=r"defines a plain function kernel\(p, t, threads\), not None"):
        cache.load("x = 1")


def test_linking_checks_before_llvm_would_end_the_process() -> None:
    symbol, code = compile_kernel(add(1), "present")
    object_code.link(code, symbol)
    with pytest.raises(LookupError, match="the object file defines no other"):
        object_code.link(code, "other")
    with pytest.raises(LookupError, match="no library of this process has pronghorn_has_no_such_function"):
        object_code._require(["syscall", "pronghorn_has_no_such_function"])


def test_the_key_follows_imports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "kernelparts"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "outer.py").write_text("from . import (  # the parts\n    inner,\n)\n")
    (package / "inner.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    source = "import kernelparts.outer as o, os\n\ndef kernel(p, t, threads): ...\n"

    def key() -> str:
        for function in (fingerprint._text, fingerprint._origin, fingerprint._imports_of):
            function.cache_clear()
        return fingerprint.key(source)

    before = key()
    assert key() == before
    (package / "inner.py").write_text("x = 2\n")
    assert key() != before
    assert "kernelparts.outer" not in sys.modules  # nothing is imported to find out
