"""The card's device on a stand-in for the driver, whose memory is the host's; and the heap."""

from __future__ import annotations

import ctypes
import gc
import threading
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pronghorn_gpu.heap import ALIGNMENT, DeviceMemoryError, Heap

MEMORY = 1 << 26


class Driver:
    """The driver's functions, called as ctypes calls them."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.kept: list[Any] = []
        self.queue: list[Any] = []
        """What the stream has not come to: it goes no further than somebody waits for it."""
        self.entered: set[tuple[int, int]] = set()
        self.fails: str | None = None

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("cu"):
            raise AttributeError(name)

        def function(*arguments: Any) -> int:
            self.calls.append(name)
            if name == self.fails:
                return 900
            rule = getattr(Driver, f"_{name}", None)
            if rule is not None:
                rule(self, *arguments)
            return 0

        return function

    def _new(self, place: Any, *_: Any) -> None:
        place._obj.value = len(self.calls)

    _cuCtxGetCurrent = _cuStreamCreate = _cuEventCreate = _cuGraphInstantiateWithFlags = _new

    def _cuCtxSetCurrent(self, context: Any) -> None:
        self.entered.add((threading.get_ident(), context.value))

    def _cuStreamEndCapture(self, stream: Any, place: Any) -> None:
        place._obj.value = 77

    def _cuMemAllocHost_v2(self, place: Any, size: Any) -> None:
        self.kept.append(ctypes.create_string_buffer(size.value))
        place._obj.value = ctypes.addressof(self.kept[-1])

    def _cuEventRecord(self, event: Any, stream: Any) -> None:
        self.queue.append(event.value)

    def _cuEventSynchronize(self, event: Any) -> None:
        while event.value in self.queue:
            self._cuStreamSynchronize(steps=self.queue.index(event.value) + 1)

    def _cuStreamSynchronize(self, stream: Any = None, steps: int | None = None) -> None:
        now, self.queue = self.queue[:steps], self.queue[len(self.queue[:steps]) :]
        for step in now:
            if isinstance(step, tuple):
                ctypes.memmove(*step)

    def _move(self, target: Any, source: Any, size: Any, stream: Any) -> None:
        self.queue.append((target.value, source.value, size.value))

    _cuMemcpyHtoDAsync_v2 = _cuMemcpyDtoHAsync_v2 = _cuMemcpyDtoDAsync_v2 = _move

    def _cuGetErrorString(self, status: int, place: Any) -> None:
        place._obj.value = b"operation not permitted when stream is capturing"


class Memory:
    """A device array of Numba's whose memory is the host's."""

    def __init__(self, size: int, dtype: Any) -> None:
        self.array = np.zeros(size, dtype)
        self.shape = self.array.shape
        self.__cuda_array_interface__ = {"data": (self.array.__array_interface__["data"][0], False)}

    def view(self, dtype: Any) -> Any:
        return self.array.view(dtype)


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Any:
    from pronghorn_gpu import device

    driver = Driver()
    cuda = SimpleNamespace(
        current_context=lambda: SimpleNamespace(get_memory_info=lambda: (MEMORY, MEMORY)),
        device_array=Memory,
        get_current_device=lambda: SimpleNamespace(name=b"A card"),
        external_stream=lambda handle: ("stream", handle),
        synchronize=lambda: None,
    )
    monkeypatch.delenv("PRONGHORN_GPU_MEMORY", raising=False)
    monkeypatch.setattr(device, "cuda", cuda)
    monkeypatch.setattr(device.ctypes, "CDLL", lambda name: driver)
    monkeypatch.setattr(device, "STAGING", 1 << 17)
    made = device.CudaDevice()
    made.calls = driver
    return made


def test_the_share_must_be_one(card: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from pronghorn_gpu import device

    for text in ("half", "0", "1.5", "nan"):
        monkeypatch.setenv("PRONGHORN_GPU_MEMORY", text)
        with pytest.raises(ValueError, match=f"PRONGHORN_GPU_MEMORY is '{text}', but must be the share"):
            device.share()


def test_memory_that_the_card_does_not_give(card: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from pronghorn_gpu import device

    def refused(size: int, dtype: Any) -> Any:
        raise OSError("CUDA_ERROR_OUT_OF_MEMORY")

    monkeypatch.setattr(device.cuda, "device_array", refused)
    with pytest.raises(DeviceMemoryError, match="did not give 56.0 MiB, 0.9 of the 64.0 MiB .*OUT_OF_MEMORY"):
        device.CudaDevice()


@pytest.mark.parametrize("size", (0, 8, 1000, 1 << 16, 300_001, 1 << 20))
def test_arrays_go_there_and_back(card: Any, size: int) -> None:
    array = np.random.default_rng(0).integers(0, 255, size).astype(np.uint8)
    card.copy_in(4096, array)
    card.copy(1 << 21, 4096, size)
    back = np.empty_like(array)
    card.copy_out(back, 1 << 21)
    np.testing.assert_array_equal(back, array)


def test_arrays_may_change_while_their_copies_wait(card: Any) -> None:
    """The stream comes to a copy long after it was asked for; pinned memory must hold what was meant until then."""
    rng = np.random.default_rng(1)
    sent: list[tuple[int, Any]] = []
    at = 0
    for size in (8, 1000, 1 << 15, 300_001, 1 << 17, 3) * 4:
        array = rng.integers(0, 255, size).astype(np.uint8)
        card.copy_in(at, array)
        sent.append((at, array.copy()))
        array[:] = 0
        at += size
    assert card.calls.queue and "cuStreamSynchronize" not in card.calls.calls
    for place, array in sent:
        back = np.empty_like(array)
        card.copy_out(back, place)
        np.testing.assert_array_equal(back, array)
    assert card.calls.calls.count("cuMemAllocHost_v2") == 2


def test_every_thread_has_the_context_that_the_memory_is_of(card: Any) -> None:
    thread = threading.Thread(target=card.copy_out, args=(np.empty(8), 0))
    thread.start()
    thread.join()
    ((identity, context),) = card.calls.entered
    assert identity != threading.get_ident() and context == card._context.value


def test_a_part_of_the_card_is_taken(card: Any) -> None:
    assert card.name == "A card"
    assert 0.8 * MEMORY < card.heap.capacity <= 0.9 * MEMORY


def test_a_capture_begins_ends_and_is_replayed(card: Any) -> None:
    work = []
    graph = card.capture(lambda: work.append(card.capturing))
    assert work == [True] and not card.capturing
    graph.replay()
    graph.replay()
    order = [c for c in card.calls.calls if "apture" in c or "Graph" in c]
    assert order == [
        "cuStreamBeginCapture_v2", "cuStreamEndCapture", "cuGraphInstantiateWithFlags", "cuGraphDestroy",
        "cuGraphLaunch", "cuGraphLaunch",
    ]  # fmt: skip
    del graph
    gc.collect()
    assert card.calls.calls[-1] == "cuGraphExecDestroy"


def test_work_that_fails_ends_the_capture(card: Any) -> None:
    class OfAnotherPackage(Exception):
        pass

    def work() -> None:
        assert not gc.isenabled()  # what it frees could end the capture
        raise OfAnotherPackage("CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED")

    with pytest.raises(RuntimeError, match="cannot be captured: CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED"):
        card.capture(work)
    assert gc.isenabled() and not card.capturing
    assert card.calls.calls[-1] == "cuStreamEndCapture"


def test_what_the_driver_refuses_is_said(card: Any) -> None:
    card.calls.fails = "cuStreamSynchronize"
    with pytest.raises(RuntimeError, match="cuStreamSynchronize failed: operation not permitted .* \\(900\\)"):
        card.synchronize()


def test_the_heap_gives_out_and_takes_back() -> None:
    heap = Heap(100 * ALIGNMENT)
    rng = np.random.default_rng(0)
    held: list[Any] = []
    for _ in range(500):
        if held and rng.random() < 0.5:
            held.pop(int(rng.integers(len(held))))
        try:
            held.append(heap.take(int(rng.integers(1, 20 * ALIGNMENT)), "a test"))
        except DeviceMemoryError as error:
            assert "a test needs" in str(error)
        places = sorted((p.address, p.address + p.nbytes) for p in held)
        assert all(a[1] <= b[0] for a, b in zip(places, places[1:], strict=False))
        assert heap.available == heap.capacity - sum(p.nbytes for p in held)
    held.clear()
    assert heap.largest == heap.capacity
