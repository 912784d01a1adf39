"""Kernels by their source text: loaded from disk if they were ever compiled on this machine, compiled
otherwise.

A kernel is a module's source that defines ``kernel(p, t, threads)``; see :mod:`pronghorn_cpu.compile`. Its
machine code is kept under a hash of everything it depends on (:mod:`pronghorn_cpu.fingerprint`), so entries
are never updated, and any number of processes may read and write them at once.
"""

from __future__ import annotations

import base64
import ctypes
import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, closing, contextmanager
from typing import Any

from pronghorn.graph import collections_held
from pronghorn_cpu import fingerprint, object_code, store
from pronghorn_cpu.compile import compile_kernel
from pronghorn_cpu.store import cache_directory
from pronghorn_cpu.threads import thread_count

__all__ = ["Kernel", "cache_directory", "compiled_count", "load", "load_all"]

_HELPERS = 2
_PROGRESS_AFTER = 0.5  # seconds
_PROTOTYPE = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)

_kernels: dict[str, Kernel] = {}
_compiled = 0
_lock = threading.RLock()
# A fork waits for a compilation in another thread: the child could never finish it, nor take Numba's own
# lock.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)


class Kernel:
    """A compiled kernel: callable as ``kernel(p, t, threads)``, which releases the GIL.

    Attributes:
        name: the key under which its machine code is kept.
        source: the module text it was compiled from.
        address: of the C function ``void(int64 p, int64 t, int64 threads)``, valid as long as this object
            lives.
    """

    __slots__ = ("_call", "_engine", "address", "name", "source")

    def __init__(self, name: str, source: str, symbol: str, code: bytes) -> None:
        self.name = name
        self.source = source
        self._engine, self.address = object_code.link(code, symbol)
        self._call = _PROTOTYPE(self.address)

    def __call__(self, p: int, t: int = 0, threads: int = 1) -> None:
        self._call(p, t, threads)

    def __repr__(self) -> str:
        return f"<Kernel {self.name[:12]} at {self.address:#x}>"


def load(source: str) -> Kernel:
    """The kernel that the module ``source`` defines; the same object for the same text.

    Raises:
        TypeError: ``source`` defines no plain function ``kernel``.
        numba.core.errors.NumbaError: it does not compile.
    """
    return _kernels.get(source) or load_all([source])[0]


def load_all(sources: Iterable[str]) -> list[Kernel]:
    """The kernels of ``sources``, in their order.

    Those never compiled before are compiled first, several at a time in helper processes where that saves
    time, with a line of progress on standard error if it takes long (none with ``PRONGHORN_QUIET=1``).
    """
    wanted = list(sources)
    with _lock:
        cold = {}
        for source in dict.fromkeys(wanted):
            if source not in _kernels:
                key = fingerprint.key(source)
                if not _load_kept(key, source):
                    cold[source] = key
        if cold:
            with collections_held(False):
                _compile(cold)
        return [_kernels[source] for source in wanted]


def compiled_count() -> int:
    """How many kernels had to be compiled for this process so far, by itself or its helpers."""
    return _compiled


def _load_kept(key: str, source: str) -> bool:
    entry = store.read(key)
    if entry is None:
        return False
    digest, _, payload = entry.partition(b"\0")
    if digest != _digest(payload):  # cut short, or damaged
        return False
    try:
        _link(key, source, payload)
    except LookupError:  # needs a library that is no longer there
        return False
    return True


def _link(key: str, source: str, payload: bytes) -> None:
    symbol, _, code = payload.partition(b"\0")
    _kernels[source] = Kernel(key, source, symbol.decode(), code)


def _digest(payload: bytes) -> bytes:
    return hashlib.sha256(payload).hexdigest().encode()


def _compile(cold: dict[str, str]) -> None:
    """Compiles, keeps and links the kernels of ``cold`` (source -> key)."""
    with _progress(len(cold)) as advance:

        def keep(source: str, payload: bytes) -> None:
            global _compiled
            _link(cold[source], source, payload)
            store.write(cold[source], _digest(payload) + b"\0" + payload)
            _compiled += 1
            advance()

        if _helpers_pay(len(cold)):
            _compile_by_helpers(list(cold), keep)
        for source, key in cold.items():
            if source not in _kernels:
                symbol, code = compile_kernel(source, key[:16])
                keep(source, symbol.encode() + b"\0" + code)
    store.prune()


def _helpers_pay(count: int) -> bool:
    """Helpers take a while to start, of which this process saves half if it need not import Numba itself."""
    return bool(sys.executable) and thread_count() > 1 and count >= (16 if "numba" in sys.modules else 8)


def _compile_by_helpers(sources: list[str], keep: Callable[[str, bytes], None]) -> None:
    """Has helper processes compile ``sources`` and keeps what they made; what they could not make is left."""
    free: deque[Helper] = deque()

    def compile_one(source: str) -> bytes | None:
        helper = free.pop()
        try:
            return helper.compile(source)
        finally:
            free.append(helper)

    with ExitStack() as stack:
        threads = stack.enter_context(ThreadPoolExecutor(_HELPERS))
        try:
            for _ in range(_HELPERS):
                free.append(stack.enter_context(closing(Helper())))
        except OSError:  # no process can be started here
            return
        tasks = {threads.submit(compile_one, source): source for source in sources}
        for task in as_completed(tasks):
            if payload := task.result():
                keep(tasks[task], payload)


class Helper:
    """Another Python process that compiles kernels for this one."""

    def __init__(self) -> None:
        path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "pronghorn_cpu.compile"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
            text=True,
        )

    def compile(self, source: str) -> bytes | None:
        """The symbol, a zero byte and the object code of ``source``; None if the helper failed."""
        stdin: Any = self._process.stdin
        stdout: Any = self._process.stdout
        try:
            print(json.dumps(source), file=stdin, flush=True)
            return base64.b64decode(stdout.readline().strip(), validate=True) or None
        except (OSError, ValueError):
            return None

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


@contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    """A function to call after each of ``total`` kernels; shows how far it is once that takes long."""
    started = time.monotonic()
    done = shown = 0
    stream = None if os.environ.get("PRONGHORN_QUIET") == "1" else sys.stderr
    terminal = stream is not None and stream.isatty()

    def advance() -> None:
        nonlocal done, shown
        done += 1
        late = time.monotonic() - started > _PROGRESS_AFTER
        if stream is None or not late or done == total == 1 or (shown and not terminal):
            return
        start, end = ("\r", "") if terminal else ("", " ...\n")
        print(f"{start}Compiling kernels for this machine: {done}/{total}", end=end, file=stream, flush=True)
        shown += 1

    yield advance
    if terminal and shown:
        print(file=stream)
