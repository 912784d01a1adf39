"""The step runner: control flow, threads, forks and exits, each with kernels of a few lines."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest

from pronghorn_cpu import cache, layout, runner
from pronghorn_cpu.runner import Pool
from pronghorn_cpu.tape import Tape

Words = npt.NDArray[np.int64]

needs_workers = pytest.mark.skipif(not layout.HAS_WORKERS, reason="tapes run on one thread here")

# block: address of a cell, amount
ADD = """
from pronghorn_cpu.intrinsics import set_slot, slot


def kernel(p, t, threads):
    cell = slot(p, 0)
    set_slot(cell, 0, slot(cell, 0) + slot(p, 1))
"""

# block: address of a counter, bound, address of a bool
LESS = """
from pronghorn_cpu.intrinsics import slot, u8_array


def kernel(p, t, threads):
    u8_array(slot(p, 2), 1)[0] = 1 if slot(slot(p, 0), 0) < slot(p, 1) else 0
"""

# block: address of a counter, address of the log, address of the log's length
LOG = """
from pronghorn_cpu.intrinsics import set_slot, slot


def kernel(p, t, threads):
    n = slot(slot(p, 2), 0)
    set_slot(slot(p, 1), n, slot(slot(p, 0), 0))
    set_slot(slot(p, 2), 0, n + 1)
"""

# One step of a recurrence on n float32, each of which depends on one of another tile: a
# missing barrier shows.
# block: source, target, n
STEP = """
import numpy as np
from pronghorn_cpu.intrinsics import f32_array, slot


def kernel(p, t, threads):
    n = slot(p, 2)
    source, target = f32_array(slot(p, 0), n), f32_array(slot(p, 1), n)
    tiles = (n + 15) // 16
    for i in range(tiles * t // threads * 16, min(n, tiles * (t + 1) // threads * 16)):
        target[i] = np.float32(0.7) * source[n - 1 - i] + np.float32(0.3) * source[i] + np.float32(0.01)
"""

PREPARE = f"""
import ctypes, os, signal, sys, threading, time
import numpy as np
from pronghorn_cpu import cache, runner
from pronghorn_cpu.tape import Tape

step = cache.load({STEP!r})


def recurrence(n, steps):
    arrays = [np.linspace(0, 1, n, dtype=np.float32), np.zeros(n, np.float32)]
    tape = Tape()
    for i in range(steps):
        source, target = arrays[i % 2], arrays[(i + 1) % 2]
        tape.call(step, np.array([source.ctypes.data, target.ctypes.data, n]))
    return tape.finish(), arrays


"""


def in_a_process(script: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PREPARE + script],
        capture_output=True,
        env={**os.environ, "PRONGHORN_NUM_THREADS": "2", **environment},
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.strip()


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    cache.load_all([ADD, LESS, LOG, STEP, runner.REPLAY_SOURCE])


@pytest.fixture(params=[1, 2, 4])
def pool(request: pytest.FixtureRequest) -> Iterator[Pool]:
    with Pool(request.param) as pool:
        yield pool


class Recurrence:
    """A tape of ``steps`` dependent parallel kernels, and what it computes."""

    def __init__(self, n: int, steps: int, scale: float = 1.0) -> None:
        self._start = np.linspace(0, scale, n, dtype=np.float32)
        self._arrays = [np.empty(n, np.float32), np.empty(n, np.float32)]
        self._result = self._arrays[steps % 2]
        self.tape = Tape()
        for i in range(steps):
            self.write_step(self.tape, i)
        self.tape.finish()

    def write_step(self, tape: Tape, i: int) -> None:
        source, target = self._arrays[i % 2], self._arrays[(i + 1) % 2]
        tape.call(cache.load(STEP), np.array([source.ctypes.data, target.ctypes.data, len(source)]))

    def run(self, pool: Pool) -> npt.NDArray[np.float32]:
        with pool.lock:
            self._arrays[0][:] = self._start
            pool.run(self.tape)
            return self._result.copy()


def cell(value: int = 0) -> Words:
    return np.array([value], np.int64)


def adding(tape: Tape, target: Words, amount: int) -> None:
    tape.call(cache.load(ADD), np.array([target.ctypes.data, amount]), parallel=False)


def test_entries_run_in_order(pool: Pool) -> None:
    counter, log, length = cell(), np.zeros(4, np.int64), cell()
    block = np.array([counter.ctypes.data, log.ctypes.data, length.ctypes.data])
    tape = Tape()
    for amount in (1, 10, 100):
        adding(tape, counter, amount)
        tape.call(cache.load(LOG), block, parallel=False)
    pool.run(tape.finish())
    assert log.tolist() == [1, 11, 111, 0]


def test_an_empty_tape(pool: Pool) -> None:
    pool.run(Tape().finish())


@pytest.mark.parametrize("static", [True, False])
@pytest.mark.parametrize("count", [0, 1, 5])
def test_loops_count(pool: Pool, count: int, static: bool) -> None:
    counter, log, length, trips = cell(99), np.zeros(8, np.int64), cell(), cell(count)
    block = np.array([counter.ctypes.data, log.ctypes.data, length.ctypes.data])
    address = counter.ctypes.data
    tape = Tape()
    with tape.loop(address, count=count) if static else tape.loop(address, count_cell=trips.ctypes.data):
        tape.call(cache.load(LOG), block, parallel=False)
    adding(tape, length, 100)
    pool.run(tape.finish())
    assert length[0] == 100 + count
    assert log[:count].tolist() == list(range(count))


def test_a_loop_takes_one_count() -> None:
    with pytest.raises(ValueError, match="either count"), Tape().loop(0):
        pass


def test_loops_nest_and_hold_parallel_entries(pool: Pool) -> None:
    outer, inner = cell(), cell()
    straight, looped = Recurrence(1000, 12), Recurrence(1000, 12)
    tape = Tape()
    with tape.loop(outer.ctypes.data, count=3), tape.loop(inner.ctypes.data, count=2):
        looped.write_step(tape, 0)
        looped.write_step(tape, 1)
    looped.tape = tape.finish()
    assert looped.run(pool).tobytes() == straight.run(pool).tobytes()


@pytest.mark.parametrize("bound", [0, 1, 7])
def test_while_loops_test_before_each_turn(pool: Pool, bound: int) -> None:
    counter, condition = cell(), np.ones(1, np.bool_)
    block = np.array([counter.ctypes.data, bound, condition.ctypes.data])
    tape = Tape()
    with tape.while_loop() as loop:
        tape.call(cache.load(LESS), block, parallel=False)
        loop.test(condition.ctypes.data)
        adding(tape, counter, 1)
    pool.run(tape.finish())
    assert (counter[0], condition[0]) == (bound, False)


@pytest.mark.parametrize("value", [True, False])
@pytest.mark.parametrize("has_else", [True, False])
def test_branches(pool: Pool, value: bool, has_else: bool) -> None:
    condition, taken = np.array([value]), cell()
    tape = Tape()
    with tape.branch(condition.ctypes.data) as branch:
        adding(tape, taken, 1)
        if has_else:
            branch.otherwise()
            adding(tape, taken, 10)
    adding(tape, taken, 100)
    pool.run(tape.finish())
    assert taken[0] == 100 + (1 if value else 10 if has_else else 0)


def test_the_host_is_called_inside_a_loop(pool: Pool) -> None:
    counter, total, seen = cell(), cell(), list[tuple[int, int]]()
    tape = Tape()
    with tape.loop(counter.ctypes.data, count=3):
        adding(tape, total, 5)
        tape.host(lambda: seen.append((int(counter[0]), int(total[0]))))
    pool.run(tape.finish())
    assert seen == [(0, 5), (1, 10), (2, 15)]


def test_the_host_may_replay_another_tape(pool: Pool) -> None:
    inner, total = Recurrence(100, 3), cell()
    results = list[bytes]()
    tape = Tape()
    adding(tape, total, 1)
    tape.host(lambda: results.append(inner.run(pool).tobytes()))
    adding(tape, total, 10)
    pool.run(tape.finish())
    assert total[0] == 11
    assert results == [inner.run(pool).tobytes()]


def test_an_error_of_the_host_is_raised_and_the_tape_runs_again(pool: Pool) -> None:
    total, work = cell(), Recurrence(100, 3)
    tape = Tape()
    adding(tape, total, 1)
    tape.host(lambda: os.environ["missing"])
    adding(tape, total, 10)
    tape.finish()
    for runs in (1, 2):
        with pytest.raises(KeyError, match="missing"):
            pool.run(tape)
        assert total[0] == runs
    work.run(pool)


def test_a_block_must_be_int64() -> None:
    with pytest.raises(ValueError, match="contiguous int64 array, not float64"):
        Tape().call(cache.load(ADD), np.zeros(2), parallel=False)  # type: ignore[arg-type]


@pytest.mark.parametrize("n", [1, 16, 17, 1000])
def test_bits_do_not_depend_on_the_threads(pool: Pool, n: int) -> None:
    program = Recurrence(n, 40)
    with Pool(1) as alone:
        expected = program.run(alone).tobytes()
    assert [program.run(pool).tobytes() for _ in range(20)] == [expected] * 20


def test_two_programs_from_sixteen_threads_give_the_serial_results(pool: Pool) -> None:
    programs = [Recurrence(500, 20), Recurrence(300, 31, scale=2.0)]
    with Pool(1) as alone:
        expected = [program.run(alone).tobytes() for program in programs]
    wrong = list[int]()

    def replay(number: int) -> None:
        for turn in range(10):
            which = (number + turn) % 2
            if programs[which].run(pool).tobytes() != expected[which]:
                wrong.append(which)

    threads = [threading.Thread(target=replay, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_resizing_keeps_the_pool_usable() -> None:
    program = Recurrence(1000, 10)
    results = set()
    with Pool(2) as pool:
        for threads in (2, 1, 3, 2):
            pool.resize(threads)
            assert pool.threads == threads
            results.add(program.run(pool).tobytes())
        with pytest.raises(ValueError, match="threads is 0; set it to a whole number"):
            pool.resize(0)
    results.add(program.run(pool).tobytes())  # closed: it starts again
    pool.close()
    assert len(results) == 1


@needs_workers
def test_a_system_that_gives_no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    program = Recurrence(1000, 10)
    with Pool(2) as pool, monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.warns(RuntimeWarning, match="gives no 2 threads; using one"):
            result = program.run(pool)
        assert pool.threads == 1
    with Pool(2) as pool:
        assert program.run(pool).tobytes() == result.tobytes()


def test_a_profile_has_the_time_of_each_entry(pool: Pool) -> None:
    counter, total = cell(), cell()
    tape = Tape()
    with tape.loop(counter.ctypes.data, count=3):
        adding(tape, total, 1)
        sleep = tape.host(lambda: time.sleep(0.01))
    times = pool.profile(tape.finish(), repeats=3)
    assert total[0] == 9
    assert times.shape == (len(tape.entries),)
    assert times[sleep] >= 0.03
    assert times.argmax() == sleep


def test_set_threads_resizes_the_default_pool() -> None:
    pool = runner.default_pool()
    before = pool.threads
    runner.set_threads(3)
    assert runner.default_pool() is pool
    assert pool.threads == 3
    runner.set_threads(before)


@needs_workers
def test_a_fork_in_the_middle_of_another_threads_step() -> None:
    script = """
tape, arrays = recurrence(200_000, 200)
small, result = recurrence(1000, 11)
pool = runner.default_pool()
pool.run(small)
expected = result[1].tobytes()
stop = False


def replay():
    while not stop:
        pool.run(tape)


thread = threading.Thread(target=replay)
thread.start()
for _ in range(5):
    time.sleep(0.02)
    child = os.fork()
    if child == 0:
        result[0][:] = np.linspace(0, 1, 1000, dtype=np.float32)
        runner.default_pool().run(small)
        sys.exit(0 if result[1].tobytes() == expected and runner.default_pool().threads == 2 else 1)
    print(os.waitpid(child, 0)[1])
stop = True
thread.join()
"""
    assert in_a_process(script, PYTHONWARNINGS="ignore::DeprecationWarning").split() == ["0"] * 5


@pytest.mark.parametrize("ending", ["pass", "sys.exit(0)", "threading.Thread(target=forever, daemon=True).start()"])
def test_the_interpreter_exits(ending: str) -> None:
    script = f"""
tape, arrays = recurrence(1000, 20)
runner.default_pool().run(tape)


def forever():
    while True:
        runner.default_pool().run(tape)


{ending}
"""
    assert in_a_process(script) == ""


def test_replays_at_exit_still_work() -> None:
    script = """
import atexit
tape, arrays = recurrence(1000, 20)
atexit.register(lambda: (runner.default_pool().run(tape), print("after", runner.default_pool().threads)))
runner.default_pool().run(tape)
atexit.register(lambda: (runner.default_pool().run(tape), print("before")))
"""
    assert in_a_process(script).split() == ["before", "after", "2"]


def test_control_c_between_replays() -> None:
    script = """
tape, arrays = recurrence(20_000, 50)
pool = runner.default_pool()
pool.run(tape)
threading.Timer(0.1, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
try:
    while True:
        with pool.lock:
            pool.run(tape)
except KeyboardInterrupt:
    pass
pool.run(tape)
print("usable")
"""
    assert in_a_process(script) == "usable"


@needs_workers
def test_idle_workers_cost_nothing() -> None:
    script = """
tape, arrays = recurrence(1000, 20)
for _ in range(100):
    runner.default_pool().run(tape)
time.sleep(0.05)
shares = []
for _ in range(10):
    before, started = time.process_time(), time.monotonic()
    time.sleep(0.06)
    shares.append((time.process_time() - before) / (time.monotonic() - started))
print(min(shares), threading.active_count())
"""
    # The least of several: a busy machine charges idle threads now and then, a spinning worker pays every time.
    share, threads = in_a_process(script).split()
    print(f"idle workers took {float(share):.3%} of a core")
    assert threads == "2"
    assert float(share) < 0.01
