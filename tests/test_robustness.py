"""What a process may do to a model: threads, Ctrl-C, fork, exit, a place where nothing can be written."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pronghorn as keras
from pronghorn import config

Array = np.ndarray[Any, Any]
Data = tuple[Array, Array]
Make = Callable[..., Any]
QUIET: dict[str, Any] = {"verbose": 0}

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

BEGIN = """
import hashlib, os, signal, sys, threading, time
import numpy as np
import pronghorn as keras

rng = np.random.default_rng(0)
x, y = rng.random((256, 20)), np.eye(4)[rng.integers(0, 4, 256)]

def make():
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((20,))])
    model.add(keras.layers.Dense(16, activation="relu"))
    model.add(keras.layers.Dropout(0.4))
    model.add(keras.layers.Dense(4, activation="softmax"))
    model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    return model

def fingerprint(model):
    return hashlib.sha256(b"".join(w.tobytes() for w in model.get_weights())).hexdigest()
"""


@pytest.fixture(autouse=True)
def on_the_cpu(settings_are_put_back: None) -> None:
    config.set_accelerator("cpu")


@pytest.fixture
def output_of(run_python: Any) -> Callable[..., str]:
    """What a script after `BEGIN` prints, which must end well and leave standard error empty."""

    def run(script: str, timeout: float = 300, **environment: str | None) -> str:
        result = run_python(BEGIN + script, timeout, **{"PRONGHORN_QUIET": "1", **environment})
        assert (result.returncode, result.stderr) == (0, "")
        return str(result.stdout)

    return run


# ------------------------------------------------------------------------------------------------ memory


def test_predict_in_a_loop_keeps_nothing(output_of: Callable[..., str]) -> None:
    """Neither Python objects nor, where the system tells, pages."""
    script = """
import gc

model = make()
STATM = "/proc/self/statm"

def held():
    gc.collect()
    if not os.path.exists(STATM):
        return len(gc.get_objects()), 0
    with open(STATM) as pages:
        return len(gc.get_objects()), int(pages.read().split()[1]) * os.sysconf("SC_PAGESIZE")

def loop(times):
    for i in range(times):
        model.predict(x[: 1 + i % 40], verbose=0)
        model.predict(x[:1], verbose=0)

loop(400)
before = held()
loop(4000)
after = held()
print(after[0] - before[0] < 100, after[1] - before[1] < 1 << 20, (before, after) if after[0] - before[0] > 99 else "")
"""
    assert output_of(script).split() == ["True", "True"]


# ------------------------------------------------------------------------------------------------ threads


def test_sixteen_threads_predict_while_another_model_trains(classifier: Make, digits: Data) -> None:
    x, y = digits
    served = classifier(seed=1)
    batches = [x[start : start + size] for start, size in zip(range(0, 240, 15), (1, 2, 7, 32) * 4, strict=True)]
    expected = [served.predict(batch, **QUIET) for batch in batches]
    options: dict[str, Any] = {"epochs": 4, "batch_size": 32, "shuffle": False, **QUIET}
    alone = classifier(seed=2)
    alone.fit(x, y, **options)

    trained = classifier(seed=2)
    running = threading.Event()

    def predict(k: int) -> list[Array]:
        running.wait()
        return [served.predict(batches[k], **QUIET) for _ in range(25)]

    with ThreadPoolExecutor(16) as threads:
        tasks = [threads.submit(predict, k) for k in range(16)]
        start = keras.callbacks.LambdaCallback(on_train_begin=lambda logs: running.set())
        trained.fit(x, y, callbacks=start, **options)
        for task, value in zip(tasks, expected, strict=True):
            for found in task.result():
                np.testing.assert_array_equal(found, value)
    for found, value in zip(trained.get_weights(), alone.get_weights(), strict=True):
        np.testing.assert_array_equal(found, value)


def test_models_train_in_several_threads_at_once(classifier: Make, digits: Data) -> None:
    """From the first trace on: nothing is compiled before."""

    def train(model: Any) -> list[Array]:
        model.fit(*digits, epochs=2, batch_size=50, shuffle=False, **QUIET)
        return model.get_weights()  # type: ignore[no-any-return]

    alone = train(classifier())
    models = [classifier() for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        for weights in threads.map(train, models):
            for found, value in zip(weights, alone, strict=True):
                np.testing.assert_array_equal(found, value)


def test_what_other_threads_see_of_a_model_in_training_is_whole_steps() -> None:
    """All columns of the kernel are equal after each step."""
    columns = 100_000
    layer = keras.layers.Dense(columns, kernel_initializer="zeros", use_bias=False)
    model = keras.Sequential([keras.Input((4,)), layer])
    model.compile(keras.optimizers.SGD(1.0), loss=lambda y_true, y_pred: keras.ops.sum(y_pred))
    x, y = np.ones((4, 4)), np.zeros((4, columns))
    model.fit(x, y, **QUIET)
    done = threading.Event()

    def watch() -> int:
        reads = 0
        while not done.is_set():
            (kernel,) = model.get_weights()
            outputs = model.predict(x[:1], **QUIET)
            assert (kernel == kernel[:1, :1]).all() and (outputs == outputs[0, 0]).all()
            reads += 1
        return reads

    with ThreadPoolExecutor(2) as threads:
        tasks = [threads.submit(watch) for _ in range(2)]
        try:
            model.fit(x, y, epochs=50, batch_size=1, **QUIET)
        finally:
            done.set()
        assert all(task.result() > 0 for task in tasks)


# ------------------------------------------------------------------------------------------------ Ctrl-C


def test_control_c_stops_at_once_and_leaves_a_usable_model(output_of: Callable[..., str]) -> None:
    script = """
class Count(keras.callbacks.Callback):
    steps = 0
    def on_train_batch_end(self, batch, logs=None):
        self.steps += 1

def interrupt():
    while count.steps < 20:
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGINT)
    seen.append(count.steps)

model, count, seen = make(), Count(), []
thread = threading.Thread(target=interrupt)
thread.start()
try:
    model.fit(x, y, batch_size=8, epochs=10**6, verbose=0, callbacks=count)
except KeyboardInterrupt:
    thread.join()
    print("stopped", count.steps <= seen[0] + 1)
print("predicts", model.predict(x, verbose=0).shape == (256, 4))
others = np.roll(y, 1, axis=1)  # however well y was learnt before the signal, these are new
after = model.fit(x, others, epochs=40, verbose=0).history["loss"]
print("trains", after[-1] < after[0], int(model.optimizer.iterations) - 40 * 8 - count.steps in (0, 1))
"""
    assert output_of(script) == "stopped True\npredicts True\ntrains True True\n"


# ------------------------------------------------------------------------------------------------ fork and exit


@needs_fork
def test_a_fork_in_the_middle_of_another_threads_step(output_of: Callable[..., str]) -> None:
    script = """
expected = make()
expected.fit(x, y, epochs=2, verbose=0)
stop = False

def train():
    model = make()
    while not stop:
        model.fit(x, y, epochs=1, batch_size=32, verbose=0)

thread = threading.Thread(target=train)
thread.start()
for _ in range(5):
    time.sleep(0.03)
    child = os.fork()
    if child == 0:
        model = make()
        model.fit(x, y, epochs=2, verbose=0)
        os._exit(0 if fingerprint(model) == fingerprint(expected) else 1)
    print(os.waitpid(child, 0)[1])
stop = True
thread.join()
"""
    script = "import warnings\nwarnings.simplefilter('ignore', DeprecationWarning)" + script  # fork with threads
    assert output_of(script).split() == ["0"] * 5


@needs_fork
def test_a_forked_child_goes_on_with_the_parents_model(output_of: Callable[..., str]) -> None:
    script = """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)  # fork with threads
model = make()
model.fit(x, y, verbose=0)
sys.stdout.flush()
child = os.fork()
model.fit(x, y, shuffle=False, verbose=0)
sys.stdout.write(fingerprint(model) + "\\n")  # in one piece: the other process writes too
if child == 0:
    sys.exit(0)
print(os.waitpid(child, 0)[1])
"""
    lines = output_of(script).split()
    assert lines == [lines[0], lines[0], "0"]


@needs_fork
def test_a_fork_while_another_thread_traces_the_model(output_of: Callable[..., str]) -> None:
    script = """
tracing = threading.Event()

class Slow(keras.layers.Layer):
    def call(self, x):
        tracing.set()
        time.sleep(0.2)
        return 2 * x

model = keras.Sequential([keras.Input((20,)), Slow()])
thread = threading.Thread(target=lambda: model.predict(x, verbose=0))
tracing.clear()
thread.start()
tracing.wait()
child = os.fork()
if child == 0:
    os._exit(0 if model.predict(x, verbose=0).shape == x.shape else 1)
print(os.waitpid(child, 0)[1])
thread.join()
"""
    script = "import warnings\nwarnings.simplefilter('ignore', DeprecationWarning)" + script  # fork with threads
    assert output_of(script).split() == ["0"]


@pytest.mark.parametrize(
    "ending",
    [
        "",
        "sys.exit(0)",
        "threading.Thread(target=predict, daemon=True).start(); time.sleep(0.05)",
        "threading.Thread(target=train, daemon=True).start(); time.sleep(0.05)",
    ],
)
def test_the_interpreter_exits_right_after_fit(output_of: Callable[..., str], ending: str) -> None:
    script = f"""
def predict():
    while True:
        model.predict(x, verbose=0)

def train():
    make().fit(x, y, epochs=10**6, verbose=0)

model = make()
model.fit(x, y, verbose=0)
print("trained", flush=True)
{ending}
"""
    assert output_of(script) == "trained\n"


def test_idle_workers_cost_nothing(output_of: Callable[..., str]) -> None:
    script = """
model = make()
model.fit(x, y, epochs=3, verbose=0)
time.sleep(0.05)
shares = []
for _ in range(10):
    before, started = time.process_time(), time.monotonic()
    time.sleep(0.06)
    shares.append((time.process_time() - before) / (time.monotonic() - started))
print(min(shares), threading.active_count())
"""
    # The least of several: a busy machine charges idle threads now and then, a spinning worker pays every time.
    share, threads = output_of(script, PRONGHORN_NUM_THREADS="2").split()
    assert threads == "2"
    assert float(share) < 0.01


# ------------------------------------------------------------------------------------------------ the kernel cache

PREDICT = """
weights = np.linspace(-1, 1, 80).reshape(20, 4), np.zeros(4)
model = keras.Sequential([keras.Input((20,)), keras.layers.Dense(4)])
model.set_weights(weights)
print(hashlib.sha256(model.predict(x, verbose=0).tobytes()).hexdigest())
"""


def test_a_home_where_nothing_can_be_written(output_of: Callable[..., str], tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    nowhere = {"PRONGHORN_CACHE": None, "XDG_CACHE_HOME": None, "HOME": str(file / "home"), "TMPDIR": str(tmp_path)}
    assert output_of(PREDICT, **nowhere) == output_of(PREDICT)
    assert list(tmp_path.iterdir()) == [file]


def test_a_cache_that_is_read_only(output_of: Callable[..., str], tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = output_of(PREDICT, PRONGHORN_CACHE=str(cache))
    kernels = cache / "kernels"
    kernels.chmod(0o500)
    try:
        script = PREDICT + "from pronghorn_cpu import cache\nprint(cache.compiled_count())"
        assert output_of(script, PRONGHORN_CACHE=str(cache)) == first + "0\n"
    finally:
        kernels.chmod(0o700)


def test_four_processes_start_at_once_on_a_cold_cache(tmp_path: Path) -> None:
    environment = {**os.environ, "PRONGHORN_CACHE": str(tmp_path / "cache"), "PRONGHORN_QUIET": "1"}
    command = [sys.executable, "-W", "error", "-c", BEGIN + PREDICT]
    processes = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    results = [process.communicate(timeout=600) for process in processes]
    assert {process.returncode for process in processes} == {0}
    assert {error for _, error in results} == {""}
    assert len({output for output, _ in results}) == 1
