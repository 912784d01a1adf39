"""The step runner's compiled half: replays a tape on the calling thread and, with workers, on theirs.

The main thread reads the tape and decides where it goes; workers only ever see runs of parallel entries, so
control flow needs no agreement. Every thread executes all entries of a run, its share of each, with a barrier
after each. Who waits spins for a while, then sleeps in the operating system until it is woken.

Compiled through :mod:`pronghorn_cpu.cache` like any kernel: ``p`` is the control block; thread 0 replays, the
others work until they are dismissed.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit, types

# No min, max or arrays: each would have Numba compile a function more.
from pronghorn_cpu.intrinsics import atomic_add, atomic_load, call_kernel, flag, flush_subnormals, pause, set_slot, slot
from pronghorn_cpu.layout import (
    ARRIVED,
    BUDGET,
    CALL,
    DISMISS,
    ENTRY_BYTES,
    HAS_WORKERS,
    HOST,
    JUMP,
    LENGTH,
    LOOP,
    PARALLEL,
    PASSED,
    PATIENCE,
    POSITION,
    RUN,
    RUN_LENGTH,
    SCRATCH,
    SEQUENCE,
    SLEEPERS,
    SPINS,
    TAPE,
    TRUST,
    TURN,
    UNLESS,
    WAITERS,
)

_SEQUENCE, _ARRIVED, _SLEEPERS, _WAITERS = 8 * SEQUENCE, 8 * ARRIVED, 8 * SLEEPERS, 8 * WAITERS  # in bytes

_TRUST = 4  # in spinning, in attempts
_WAITS_WITHOUT_TRUST = 64
_SPINS_WITHOUT_TRUST = 50
_SPINS_PER_CLOCK = 64
_SHORTEST_PATIENCE = 50_000  # ns

_FUTEX = {"x86_64": 202, "aarch64": 98}.get(platform.machine(), 0)
_WAIT, _WAKE, _EVERYBODY = 128, 129, 2**31 - 1  # FUTEX_WAIT_PRIVATE, FUTEX_WAKE_PRIVATE
_LOW_WORD = 0xFFFFFFFF  # all that a futex compares
_MONOTONIC = 1

_system_call: Any = types.ExternalFunction("syscall", types.int64(*[types.int64] * 5))
_clock_gettime: Any = types.ExternalFunction("clock_gettime", types.int32(types.int32, types.int64))

_Function = TypeVar("_Function", bound=Callable[..., Any])


def _compiled(signature: str) -> Callable[[_Function], _Function]:
    # With the signature given, Numba compiles no second version for arguments that are literals.
    decorate: Any = njit
    decorator: Callable[[_Function], _Function] = decorate(
        signature, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True
    )
    return decorator


@_compiled("int64(int64, int64)")
def _now(control: int, t: int) -> int:
    """Nanoseconds."""
    scratch = control + 8 * (SCRATCH + 8 * t)
    _clock_gettime(types.int32(_MONOTONIC), scratch)
    seconds: int = slot(scratch, 0)
    nanoseconds: int = slot(scratch, 1)
    return seconds * 1_000_000_000 + nanoseconds


@_compiled("void(int64, int64, int64)")
def _await_arrivals(control: int, target: int, t: int) -> None:
    """Returns when ``target`` threads have arrived at the barrier.

    If spinning was in vain several times in a row, the late one probably waits for this core: then this
    thread sleeps almost at once, and tries spinning again only now and then.
    """
    trust_slot = control + 8 * (SCRATCH + 8 * t + TRUST)
    trust = slot(trust_slot, 0)
    spins = slot(control, SPINS) if trust > 0 else _SPINS_WITHOUT_TRUST
    arrived = atomic_load(control + _ARRIVED)
    while arrived < target and spins > 0:
        pause()
        spins -= 1
        arrived = atomic_load(control + _ARRIVED)
    if trust <= 0:
        trust += 1
    elif arrived >= target:
        trust = _TRUST
    else:
        trust = trust - 1 if trust > 1 else -_WAITS_WITHOUT_TRUST
    set_slot(trust_slot, 0, trust)
    while arrived < target:
        atomic_add(control + _WAITERS, 1)
        _system_call(_FUTEX, control + _ARRIVED, _WAIT, arrived & _LOW_WORD, 0)
        atomic_add(control + _WAITERS, -1)
        arrived = atomic_load(control + _ARRIVED)


@_compiled("int64(int64, int64, int64, int64, int64, int64)")
def _execute(control: int, entry: int, length: int, t: int, threads: int, passed: int) -> int:
    """Thread ``t``'s share of a run; ``passed`` is the number of arrivals that all barriers so far add up
    to."""
    for i in range(length):
        call_kernel(slot(entry, 1), slot(entry, 2), t, threads)
        entry += ENTRY_BYTES
        passed += threads
        if atomic_add(control + _ARRIVED, 1) + 1 < passed:
            if t == 0 or i < length - 1:  # after the last entry a worker waits for the next run instead
                _await_arrivals(control, passed, t)
        elif atomic_load(control + _WAITERS) > 0:
            _system_call(_FUTEX, control + _ARRIVED, _WAKE, _EVERYBODY, 0)
    return passed


@_compiled("void(int64, int64, int64)")
def _hand_out(control: int, entry: int, length: int) -> None:
    """Gives the workers a run."""
    set_slot(control, RUN, entry)
    set_slot(control, RUN_LENGTH, length)
    atomic_add(control + _SEQUENCE, 1)
    if atomic_load(control + _SLEEPERS) > 0:
        _system_call(_FUTEX, control + _SEQUENCE, _WAKE, _EVERYBODY, 0)


@_compiled("int64(int64, int64, int64, int64)")
def _await_run(control: int, seen: int, t: int, patience: int) -> int:
    """Returns when the sequence is past ``seen``, with the patience for next time: spinning longer would have
    saved a short sleep, spinning less would have saved power before a long one."""
    most = slot(control, PATIENCE)
    started = 0
    spins = 0
    while atomic_load(control + _SEQUENCE) == seen:
        pause()
        spins += 1
        if spins % _SPINS_PER_CLOCK == 0:
            now = _now(control, t)
            if started == 0:
                started = now
            if now - started >= patience:
                atomic_add(control + _SLEEPERS, 1)
                while atomic_load(control + _SEQUENCE) == seen:
                    _system_call(_FUTEX, control + _SEQUENCE, _WAIT, seen & _LOW_WORD, 0)
                atomic_add(control + _SLEEPERS, -1)
                if _now(control, t) - now > most:
                    return patience // 2 if patience > _SHORTEST_PATIENCE else patience
                return 2 * patience if 2 * patience < most else most
    return patience


@_compiled("void(int64, int64, int64)")
def _work(control: int, t: int, threads: int) -> None:
    """A worker's life."""
    patience = slot(control, PATIENCE)
    passed = 0
    seen = 0
    while True:
        patience = _await_run(control, seen, t, patience)
        seen += 1
        length = slot(control, RUN_LENGTH)
        if length < 0:
            return
        passed = _execute(control, slot(control, RUN), length, t, threads, passed)


@_compiled("void(int64, int64)")
def _replay(control: int, threads: int) -> None:
    """Executes entries until the tape or the budget ends, or one is for Python."""
    tape = slot(control, TAPE)
    length = slot(control, LENGTH)
    position = slot(control, POSITION)
    budget = slot(control, BUDGET)
    while position < length and budget > 0:
        entry = tape + position * ENTRY_BYTES
        opcode = slot(entry, 0)
        first, second, third = slot(entry, 1), slot(entry, 2), slot(entry, 3)
        if opcode == HOST:
            break
        position += 1
        budget -= 1
        if opcode == CALL:
            call_kernel(first, second, 0, 1)
        elif opcode == PARALLEL:
            if HAS_WORKERS and threads > 1:
                run = third if third <= budget else budget + 1  # this entry is paid for
                _hand_out(control, entry, run)
                set_slot(control, PASSED, _execute(control, entry, run, 0, threads, slot(control, PASSED)))
                position += run - 1
                budget -= run - 1
            else:
                call_kernel(first, second, 0, 1)
        elif opcode == LOOP:
            set_slot(first, 0, 0)
            if slot(second, 0) <= 0:
                position = third
        elif opcode == TURN:
            turns = slot(first, 0) + 1
            set_slot(first, 0, turns)
            if turns < slot(second, 0):
                position = third
        elif opcode == JUMP:
            position = second
        elif opcode == UNLESS:
            if not flag(first):
                position = second
        elif opcode == DISMISS and HAS_WORKERS:
            _hand_out(control, 0, -1)
    set_slot(control, POSITION, position)


def kernel(p: int, t: int, threads: int) -> None:
    """Thread 0 replays as the control block says, the others work."""
    before = flush_subnormals(1)
    if HAS_WORKERS and t > 0:
        _work(p, t, threads)
    else:
        _replay(p, threads)
    flush_subnormals(before)
