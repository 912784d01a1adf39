"""Asking for a card never raises, whatever is installed; and says in a line what is missing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from pronghorn_gpu import found
from pronghorn_gpu.accelerator import GpuAccelerator


class Driver:
    """libcuda: the status of its beginning, cards, and the CUDA release that it knows."""

    def __init__(self, status: int = 0, cards: int = 1, version: int = 13000) -> None:
        self.status, self.cards, self.version = status, cards, version

    def cuInit(self, flags: int) -> int:  # noqa: N802  (the driver's name)
        return self.status

    def cuDeviceGetCount(self, place: Any) -> int:  # noqa: N802
        place._obj.value = self.cards
        return 0

    def cuDriverGetVersion(self, place: Any) -> int:  # noqa: N802
        place._obj.value = self.version
        return 0


@pytest.fixture(autouse=True)
def _anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("NUMBA_ENABLE_CUDASIM", raising=False)
    monkeypatch.setattr(found, "_major", lambda package: None)
    found.missing.cache_clear()
    yield
    found.missing.cache_clear()


def answers(monkeypatch: pytest.MonkeyPatch, driver: Any, cuda: Any = None) -> tuple[bool, str]:
    def load(name: str) -> Any:
        if isinstance(driver, Exception):
            raise driver
        return driver

    monkeypatch.setattr(found, "ctypes", SimpleNamespace(**{**vars(found.ctypes), "CDLL": load}))
    monkeypatch.setitem(sys.modules, "pronghorn_gpu.target", cuda)
    return GpuAccelerator().available(), GpuAccelerator().describe()


def test_no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    assert answers(monkeypatch, OSError("libcuda.so.1: cannot open shared object file")) == (
        False,
        "not available: no NVIDIA driver was found (libcuda)",
    )


@pytest.mark.parametrize(
    ("driver", "text"),
    (
        (Driver(status=100), "the NVIDIA driver finds no card (status 100)"),
        (Driver(cards=0), "the NVIDIA driver finds no card (status 0)"),
        (SimpleNamespace(), "looking for a card failed: AttributeError"),
        (RuntimeError("broken"), "looking for a card failed: RuntimeError: broken"),
    ),
)
def test_a_driver_without_a_card_or_broken(driver: Any, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    available, line = answers(monkeypatch, driver)
    assert not available and text in line and "\n" not in line


def test_a_driver_older_than_the_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(found, "_major", {"cuda-bindings": 13}.get)
    available, line = answers(monkeypatch, Driver(version=12040))
    assert not available
    assert "knows CUDA 12.4, but cuda-bindings is for CUDA 13: pip install 'pronghorn-gpu[cuda12]', or" in line


def test_no_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(found, "find_spec", lambda name: None)
    assert answers(monkeypatch, Driver()) == (
        False,
        "not available: Numba is not installed (pip install 'pronghorn[gpu]')",
    )


def test_numba_that_does_not_work_with_the_card(monkeypatch: pytest.MonkeyPatch) -> None:
    def launch_one() -> None:
        raise RuntimeError("linking failed:\n  ptxas fatal: Unsupported .version 9.3")

    useless, ready = SimpleNamespace(is_available=lambda: False), SimpleNamespace(is_available=lambda: True)
    for target, text in (
        (None, "no kernel runs here, ModuleNotFoundError: "),
        (SimpleNamespace(cuda=useless, launch_one=launch_one), "finds no compiler (libnvvm) or cannot"),
        (SimpleNamespace(cuda=ready, launch_one=launch_one), "linking failed: ptxas fatal: Unsupported .version 9.3"),
    ):
        found.missing.cache_clear()
        available, line = answers(monkeypatch, Driver(version=12080), target)
        assert not available and "\n" not in line
        assert text in line and "CUDA 12.8: pip install 'pronghorn-gpu[cuda12]'" in line


def test_a_card(monkeypatch: pytest.MonkeyPatch) -> None:
    card = SimpleNamespace(name=b"NVIDIA H200")
    cuda = SimpleNamespace(is_available=lambda: True, get_current_device=lambda: card)
    opened = {"cublas": object(), "cudnn": None}.__getitem__
    library = SimpleNamespace(opened=opened, tensor_float=lambda: True)
    monkeypatch.setitem(sys.modules, "pronghorn_gpu.library", library)
    available, line = answers(monkeypatch, Driver(), SimpleNamespace(cuda=cuda, launch_one=lambda: None))
    assert available
    assert line.startswith("available: NVIDIA H200, numba")
    assert line.endswith("products in TF32 by cuBLAS, convolutions by cuBLAS")
