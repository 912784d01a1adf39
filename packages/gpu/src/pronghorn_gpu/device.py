"""The device: its memory, its stream, launches, copies and captured graphs.

`CudaDevice` calls the driver's C functions; `SimulatedDevice` keeps the memory in an array. Both refuse allocation,
copies from or to the host and waiting while a graph is captured: a step that did so could not be replayed.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import threading
from collections.abc import Callable
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

import numpy as np

from pronghorn_gpu.heap import DeviceMemoryError, Heap, Piece, amount
from pronghorn_gpu.launch import Kernel
from pronghorn_gpu.target import SIMULATED, build, cuda

Array = np.ndarray[Any, Any]


def share() -> float:
    """Of the card's free memory that Pronghorn takes at its first use.

    Raises:
        ValueError: PRONGHORN_GPU_MEMORY is no share.
    """
    text = os.environ.get("PRONGHORN_GPU_MEMORY", "0.9")
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1:
        raise ValueError(
            f"PRONGHORN_GPU_MEMORY is {text!r}, but must be the share of the card's free memory to take: a number "
            f"above 0 and at most 1, such as 0.5"
        )
    return value


_SIMULATED_MEMORY = 1 << 28
_VIEWS = (
    "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64",
)  # fmt: skip


class Captured:
    """A recorded piece of a step."""

    def replay(self) -> None:
        """Hands it to the device once more."""
        raise NotImplementedError


class Device:
    """What both devices share: `memory`, the device's bytes as an array of CUDA's, and its views by dtype."""

    name = "device"
    graphs = True
    """Whether launches can be captured."""

    def __init__(self, memory: Any) -> None:
        self.memory = memory
        self.heap = Heap(int(memory.shape[0]))
        self.views = {name: memory.view(np.dtype(name)) for name in _VIEWS}
        self.lock = threading.RLock()  # held by whoever runs a program
        self.capturing = False
        self._configured: dict[tuple[Kernel, int, int], Any] = {}

    def enter(self) -> None:
        """Makes the device that of this thread."""

    def allocate(self, nbytes: int, what: str) -> Piece:
        """Memory for `what`.

        Raises:
            DeviceMemoryError: there is not enough.
        """
        self._not_while_capturing("allocates memory")
        return self.heap.take(nbytes, what)

    def launch(self, kernel: Kernel, blocks: int, threads: int, p: int) -> None:
        """Launches a kernel whose parameters are at index `p` of `int64s`."""
        key = (kernel, blocks, threads)
        configured = self._configured.get(key)
        if configured is None:
            configured = self._configured[key] = self._configure(build(kernel.source), blocks, threads)
        configured(p, self.views["int64"], *(self.views[name] for name in kernel.views))

    def _configure(self, function: Any, blocks: int, threads: int) -> Any:
        raise NotImplementedError

    def copy_in(self, address: int, array: Array) -> None:
        """Copies a C-contiguous array to the device; the array may be changed as soon as this returns."""
        raise NotImplementedError

    def copy_out(self, array: Array, address: int) -> None:
        """Fills a C-contiguous array from the device, when all work before is done."""
        raise NotImplementedError

    def copy(self, target: int, source: int, nbytes: int) -> None:
        """Copies within the device."""
        raise NotImplementedError

    def synchronize(self) -> None:
        """Waits until all work handed over is done."""
        raise NotImplementedError

    def capture(self, work: Callable[[], None]) -> Captured:
        """What `work` launches, to be replayed; nothing runs now."""
        raise NotImplementedError

    def _not_while_capturing(self, what: str) -> None:
        if self.capturing:
            raise RuntimeError(f"a step {what} while it is captured; that must happen before the step or after it")

    @contextmanager
    def _captured(self) -> Any:
        self._not_while_capturing("captures a step")
        self.capturing = True
        try:
            yield
        finally:
            self.capturing = False


# ------------------------------------------------------------------------------------------------ the simulator


class _Recording(Captured):
    def __init__(self) -> None:
        self.work: list[Callable[[], None]] = []

    def replay(self) -> None:
        for item in self.work:
            item()


class SimulatedDevice(Device):
    """Numba's simulator: kernels are Python, and memory is an array of the host."""

    name = "Numba's CUDA simulator"

    def __init__(self) -> None:
        super().__init__(cuda.device_array(_SIMULATED_MEMORY, np.uint8))
        sys.setswitchinterval(1e-5)  # the simulator waits for its threads by polling
        self._recording: _Recording | None = None
        self._launched: set[Kernel] = set()

    def _do(self, work: Callable[[], None]) -> None:
        if self._recording is not None:
            self._recording.work.append(work)
        else:
            work()

    def launch(self, kernel: Kernel, blocks: int, threads: int, p: int) -> None:
        """Simulated threads are slow: after its first launch a kernel runs in one block, and without barriers in one
        thread. Neither changes what it computes."""
        if kernel in self._launched:
            blocks, threads = 1, threads if "syncthreads" in kernel.source else 1
        self._launched.add(kernel)
        run = super().launch
        self._do(lambda: run(kernel, blocks, threads, p))

    def _configure(self, function: Any, blocks: int, threads: int) -> Any:
        return lambda *arguments: function[blocks, threads](*arguments)

    def copy_in(self, address: int, array: Array) -> None:
        self._not_while_capturing("copies from the host")
        if array.nbytes:
            self.memory[address : address + array.nbytes] = np.frombuffer(array.tobytes(), np.uint8)

    def copy_out(self, array: Array, address: int) -> None:
        self._not_while_capturing("copies to the host")
        if array.nbytes:
            found = self.memory[address : address + array.nbytes].copy_to_host()
            array[...] = found.view(array.dtype).reshape(array.shape)

    def copy(self, target: int, source: int, nbytes: int) -> None:
        def work() -> None:
            moved = self.memory[source : source + nbytes].copy_to_host()
            self.memory[target : target + nbytes] = moved

        self._do(work)

    def synchronize(self) -> None:
        self._not_while_capturing("waits for the device")

    def capture(self, work: Callable[[], None]) -> Captured:
        with self._captured():
            recording = self._recording = _Recording()
            try:
                work()
            finally:
                self._recording = None
        return recording


# ------------------------------------------------------------------------------------------------ the card

STAGING = 1 << 24
"""Bytes of each of the two pinned buffers through which arrays go to the card."""

_STAGED_APART = 64
"""Arrays in a pinned buffer begin at multiples of so many bytes."""

_NON_BLOCKING = 1
_CAPTURE_THIS_THREAD = 1
_NO_TIMING = 2


class _Driver:
    """The functions of the driver that are needed, each raising where it fails."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")

    def __call__(self, name: str, *arguments: Any) -> None:
        status = getattr(self._library, name)(*arguments)
        if status:
            text = ctypes.c_char_p()
            self._library.cuGetErrorString(status, ctypes.byref(text))
            raise RuntimeError(f"{name} failed: {(text.value or b'error').decode()} ({status})")


class _Replay(Captured):
    """A graph of the driver. Its memory stays planned as long as this object is used."""

    def __init__(self, driver: _Driver, graph: ctypes.c_void_p, stream: ctypes.c_void_p) -> None:
        self._driver = driver
        self._stream = stream
        self._executable = ctypes.c_void_p()
        try:
            driver("cuGraphInstantiateWithFlags", ctypes.byref(self._executable), graph, ctypes.c_ulonglong(0))
        finally:
            driver("cuGraphDestroy", graph)

    def replay(self) -> None:
        self._driver("cuGraphLaunch", self._executable, self._stream)

    def __del__(self) -> None:
        if self._executable.value and not sys.is_finalizing():
            with suppress(RuntimeError):  # a thread that has no context collects it
                self._driver("cuGraphExecDestroy", self._executable)


class CudaDevice(Device):
    """The first visible card, through its primary context."""

    def __init__(self) -> None:
        wanted = share()
        free, total = cuda.current_context().get_memory_info()
        capacity = int(free * wanted) // (1 << 21) * (1 << 21)
        try:
            memory = cuda.device_array(capacity, np.uint8)
        except Exception as error:  # of a class that depends on the package
            raise DeviceMemoryError(
                f"the card did not give {amount(capacity)}, {wanted:g} of the {amount(free)} that are free of its "
                f"{amount(total)}: {error}. End other processes that use it, or let Pronghorn take a smaller share "
                f"(PRONGHORN_GPU_MEMORY)"
            ) from error
        super().__init__(memory)
        self._base = int(self.memory.__cuda_array_interface__["data"][0])
        name = cuda.get_current_device().name
        self.name = name.decode() if isinstance(name, bytes) else str(name)
        self.driver = _Driver()
        self._context = ctypes.c_void_p()
        self.driver("cuCtxGetCurrent", ctypes.byref(self._context))
        self.stream = ctypes.c_void_p()
        self.driver("cuStreamCreate", ctypes.byref(self.stream), _NON_BLOCKING)
        self._numba_stream = cuda.external_stream(self.stream.value)
        self._staging = _Staging(self.driver, self.stream)
        cuda.synchronize()  # the heap was allocated on another stream

    def address(self, offset: int) -> int:
        """The address, as libraries want it, of a place in the heap."""
        return self._base + offset

    def _configure(self, function: Any, blocks: int, threads: int) -> Any:
        return function[blocks, threads, self._numba_stream]

    def enter(self) -> None:
        self.driver("cuCtxSetCurrent", self._context)

    def copy_in(self, address: int, array: Array) -> None:
        self._not_while_capturing("copies from the host")
        self.enter()
        source, target, left = array.__array_interface__["data"][0], self._base + address, array.nbytes
        while left:
            staged, count = self._staging.take(source, left)
            self.driver(
                "cuMemcpyHtoDAsync_v2",
                ctypes.c_ulonglong(target), ctypes.c_void_p(staged), ctypes.c_size_t(count), self.stream,
            )  # fmt: skip
            source, target, left = source + count, target + count, left - count

    def copy_out(self, array: Array, address: int) -> None:
        self._not_while_capturing("copies to the host")
        self.enter()
        if array.nbytes:
            target = ctypes.c_void_p(array.__array_interface__["data"][0])
            source, count = ctypes.c_ulonglong(self._base + address), ctypes.c_size_t(array.nbytes)
            self.driver("cuMemcpyDtoHAsync_v2", target, source, count, self.stream)
            self.driver("cuStreamSynchronize", self.stream)

    def copy(self, target: int, source: int, nbytes: int) -> None:
        if nbytes:
            places = (ctypes.c_ulonglong(self._base + target), ctypes.c_ulonglong(self._base + source))
            self.driver("cuMemcpyDtoDAsync_v2", *places, ctypes.c_size_t(nbytes), self.stream)

    def synchronize(self) -> None:
        self._not_while_capturing("waits for the device")
        self.enter()
        self.driver("cuStreamSynchronize", self.stream)

    def capture(self, work: Callable[[], None]) -> Captured:
        """Other threads may go on using the driver. This one must not collect garbage meanwhile: freeing memory or
        unloading a module would end the capture."""
        graph = ctypes.c_void_p()
        collects = gc.isenabled()
        gc.disable()
        try:
            with self._captured():
                self.driver("cuStreamBeginCapture_v2", self.stream, _CAPTURE_THIS_THREAD)
                try:
                    work()
                except Exception as error:
                    with suppress(RuntimeError):  # it says again that the capture failed
                        self.driver("cuStreamEndCapture", self.stream, ctypes.byref(graph))
                    raise RuntimeError(f"a step cannot be captured: {error}") from error
                self.driver("cuStreamEndCapture", self.stream, ctypes.byref(graph))
        finally:
            if collects:
                gc.enable()
        return _Replay(self.driver, graph, self.stream)


class _Staging:
    """Two pinned buffers, filled in turn from front to back; a copy from one begins when the stream comes to it, so a
    buffer is filled anew only when an event says that the last copy from it is done."""

    def __init__(self, driver: _Driver, stream: ctypes.c_void_p) -> None:
        self._driver = driver
        self._stream = stream
        self._buffers: list[tuple[int, ctypes.c_void_p]] = []
        for _ in range(2):
            buffer, event = ctypes.c_void_p(), ctypes.c_void_p()
            driver("cuMemAllocHost_v2", ctypes.byref(buffer), ctypes.c_size_t(STAGING))
            driver("cuEventCreate", ctypes.byref(event), _NO_TIMING)
            self._buffers.append((buffer.value or 0, event))
        self._used = 0

    def take(self, source: int, nbytes: int) -> tuple[int, int]:
        """Takes so many of the host's bytes, or as many as there is room for: where they are now, and how many. The
        copy from there must be handed to the stream before the next call."""
        if self._used >= STAGING:
            self._driver("cuEventRecord", self._buffers[0][1], self._stream)
            self._buffers.reverse()
            self._driver("cuEventSynchronize", self._buffers[0][1])
            self._used = 0
        place, count = self._buffers[0][0] + self._used, min(nbytes, STAGING - self._used)
        ctypes.memmove(place, source, count)
        self._used += -(-count // _STAGED_APART) * _STAGED_APART
        return place, count


@cache
def device() -> Device:
    """The device of this process."""
    return SimulatedDevice() if SIMULATED else CudaDevice()
