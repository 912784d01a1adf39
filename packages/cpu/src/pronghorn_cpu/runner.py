"""Replays tapes: the threads, who may use them, and what becomes of them at a fork and at exit."""

from __future__ import annotations

import atexit
import os
import threading
import time
import warnings
import weakref
from types import TracebackType

import numpy as np
import numpy.typing as npt

from pronghorn_cpu import cache, claims, layout
from pronghorn_cpu.layout import DISMISS, HOST, JUMP
from pronghorn_cpu.memory import aligned
from pronghorn_cpu.tape import Tape
from pronghorn_cpu.threads import checked_thread_count, core_count, thread_count

REPLAY_SOURCE = "from pronghorn_cpu.replay import kernel\n"
"""The runner's own kernel: load it together with a program's, so that a cold start compiles all at once."""

_ALL = 2**62
_EXIT_PATIENCE = 5.0  # seconds
# Spinning is cheap while every thread has a core; where they outnumber the cores it keeps others from work.
_SPINS = 20000  # some 400 µs: threads rarely end further apart, and to sleep and be woken costs 40
_PATIENCE = 2_000_000  # ns
_SPINS_CROWDED = 50
_PATIENCE_CROWDED = 0

_pools: weakref.WeakSet[Pool] = weakref.WeakSet()
_exiting = False


class Pool:
    """The calling thread and ``threads - 1`` workers, which start at the first replay.

    One tape is replayed at a time. Who writes inputs, replays, and copies outputs holds ``lock`` from the
    first to the last; the lock may be taken again by the same thread. (After a fork the child has new locks:
    write ``with pool.lock``, and keep no reference to it.)
    """

    def __init__(self, threads: int) -> None:
        """
        Raises:
            ValueError: ``threads`` is no whole number from 1 to 1024.
        """
        self.lock = threading.RLock()
        self._threads = checked_thread_count(threads, "threads")
        self._reset()
        _pools.add(self)

    @property
    def threads(self) -> int:
        """The number of threads, the calling one included."""
        return self._threads

    def run(self, tape: Tape) -> None:
        """Replays ``tape`` from its beginning to its end."""
        with self.lock:
            position = 0
            while (position := self._advance(tape, position, _ALL)) < len(tape.entries):
                tape.hosts[position]()
                position += 1

    def profile(self, tape: Tape, repeats: int = 10) -> npt.NDArray[np.float64]:
        """Replays ``tape`` entry by entry, for real, and times each.

        Returns:
            Seconds per entry, ``(len(tape.entries),)``: the median over ``repeats`` replays, all executions
            of an entry in a replay added up, without the cost of stopping in between.
        """
        with self.lock:
            overhead = np.median([self._times(_tape_of(JUMP, 0, 1), 0.0) for _ in range(100)])
            times = [self._times(tape, float(overhead)) for _ in range(repeats)]
        return np.asarray(np.median(times, axis=0))

    def resize(self, threads: int) -> None:
        """Goes on with another number of threads."""
        count = checked_thread_count(threads, "threads")
        with self.lock:
            self.close()
            self._threads = count

    def close(self) -> None:
        """Ends the workers; the next replay would start them again."""
        with self.lock:
            try:
                if self._workers:
                    self._advance(_tape_of(DISMISS), 0, _ALL)
                    for worker in self._workers:
                        worker.join()
            finally:  # also if interrupted: dismissed workers must never be waited for
                self._reset()

    def __enter__(self) -> Pool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _reset(self) -> None:
        self._control: memoryview[int] | None = None
        self._workers: list[threading.Thread] = []

    def _after_fork(self) -> None:
        self.lock = threading.RLock()
        self._reset()

    def _advance(self, tape: Tape, position: int, budget: int) -> int:
        """Replays at most ``budget`` entries from ``position`` on; the position where it stopped."""
        words = self._start() if self._control is None else self._control
        words[layout.TAPE] = tape.address
        words[layout.LENGTH] = len(tape.entries)
        words[layout.POSITION] = position
        words[layout.BUDGET] = budget
        self._replay(self._address, 0, 1 + len(self._workers))
        return words[layout.POSITION]

    def _times(self, tape: Tape, overhead: float) -> npt.NDArray[np.float64]:
        """Seconds per entry in one replay, less the ``overhead`` of each execution."""
        times = np.zeros(len(tape.entries))
        position = 0
        while position < len(tape.entries):
            started = time.perf_counter()
            following = self._advance(tape, position, 1)
            if tape.entries[position, 0] == HOST:
                tape.hosts[position]()
                following = position + 1
            times[position] += max(0.0, time.perf_counter() - started - overhead)
            position = following
        return times

    def _start(self) -> memoryview[int]:
        """A new control block, with the workers that wait on it."""
        self._replay = cache.load(REPLAY_SOURCE)
        threads = self._threads if layout.HAS_WORKERS and not _exiting else 1
        block = aligned(np.zeros(layout.words(threads), np.int64))
        crowded = threads > core_count()
        block[layout.SPINS] = _SPINS_CROWDED if crowded else _SPINS
        block[layout.PATIENCE] = _PATIENCE_CROWDED if crowded else _PATIENCE
        # Daemons: at exit nobody waits for them but _close_at_exit, which tells them to go.
        workers = [
            threading.Thread(target=_work, args=(self._replay, block, t, threads), daemon=True)
            for t in range(1, threads)
        ]
        try:
            for worker in workers:
                worker.start()
        except RuntimeError:  # those that did start sleep on a block that nobody will write to
            warnings.warn(f"the system gives no {threads} threads; using one", RuntimeWarning, stacklevel=2)
            self._threads = 1
            return self._start()
        self._address = block.ctypes.data
        self._workers = workers
        self._control = block.data
        return self._control


def _work(replay: cache.Kernel, block: npt.NDArray[np.int64], t: int, threads: int) -> None:
    replay(block.ctypes.data, t, threads)


def _tape_of(opcode: int, *operands: int) -> Tape:
    tape = Tape()
    tape.write(opcode, *operands)
    return tape.finish()


_default: Pool | None = None
_default_lock = threading.Lock()


def default_pool() -> Pool:
    """The pool of this process, with :func:`pronghorn_cpu.threads.thread_count` threads.

    Raises:
        ValueError: ``PRONGHORN_NUM_THREADS`` is no number of threads.
    """
    global _default
    with _default_lock:
        if _default is None:
            _default = Pool(thread_count())
        return _default


def set_threads(threads: int) -> None:
    """Computes with this number of threads from now on. Results do not depend on it.

    Raises:
        ValueError: ``threads`` is no whole number from 1 to 1024.
    """
    default_pool().resize(threads)


def _renew_after_fork() -> None:
    global _default_lock
    _default_lock = threading.Lock()
    claims.renew_after_fork()
    for pool in _pools:
        pool._after_fork()


def _close_at_exit() -> None:
    global _exiting
    _exiting = True
    for pool in list(_pools):
        if pool.lock.acquire(timeout=_EXIT_PATIENCE):
            with pool.lock:
                pool.close()
            pool.lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_after_fork)
atexit.register(_close_at_exit)
