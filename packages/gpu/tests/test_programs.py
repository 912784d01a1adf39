"""Whole programs: control flow, captured steps, memory, data sets, host calls, training."""

from __future__ import annotations

import gc
import threading
from typing import Any

import numpy as np
import pytest

import pronghorn as keras
from pronghorn import accelerator, ops, plugins
from pronghorn.accelerator import ReferenceExecutable
from pronghorn.op import primitive
from pronghorn.passes.simplify import simplify
from pronghorn.program import Program, Rows, batch_rows
from pronghorn.tensor import Variable
from pronghorn.testing.kernels import using_accelerator

pytestmark = pytest.mark.gpu


def device() -> Any:
    from pronghorn_gpu.device import device

    return device()


def agrees(function: Any, *arrays: Any, rtol: float = 1e-5) -> Program:
    """The program three times, against the reference accelerator."""
    program = Program(function)
    results = [program(*arrays) for _ in range(3)]
    graph, _, _ = program.trace(arrays, {})
    wanted = ReferenceExecutable(simplify(graph))(list(arrays))
    for result in results:
        found = result if isinstance(result, (list, tuple)) else [result]
        for got, want in zip(found, wanted, strict=True):
            np.testing.assert_allclose(got.numpy(), want, rtol=rtol, atol=rtol)
    return program


X = np.arange(12, dtype=np.float32).reshape(4, 3) / 5


def test_maps_behind_a_reshaped_product() -> None:
    program = agrees(lambda x, w: ops.tanh(ops.matmul(x, w) + w[0]) * x[..., :1], X.reshape(2, 2, 3), X.T)
    assert "fused_matmul" in str(program)


def test_cond() -> None:
    def f(p: Any, x: Any) -> Any:
        return ops.cond(p, lambda: ops.exp(x), lambda: x * 2)

    for p in (True, False):
        agrees(f, np.array(p), X)


def test_while_loop_with_swapped_carries() -> None:
    def f(x: Any, n: Any) -> Any:
        return ops.while_loop(lambda i, a, b: i < n, lambda i, a, b: (i + 1, b, a + b), (0, x, x + 1))

    for n in (0, 1, 4):
        agrees(f, X, np.array(n, np.int32))


def test_scan_both_ways_with_its_gradient() -> None:
    def f(x: Any) -> Any:
        def step(carry: Any, item: Any) -> Any:
            a, b = carry
            return (b, ops.tanh(a + item)), a * item

        with keras.GradientTape() as tape:
            tape.watch(x)
            (a, b), ys = ops.scan(step, (x[0], x[1]), x)
            _, zs = ops.scan(lambda c, item: (c + item, c), x[0] * 0, x, reverse=True)
            loss = ops.sum(a * b) + ops.sum(ys) + ops.sum(zs * zs)
        return loss, ys, zs, tape.gradient(loss, x)

    agrees(f, X)


def test_loops_within_loops() -> None:
    def f(x: Any) -> Any:
        def step(carry: Any, item: Any) -> Any:
            n = ops.while_loop(lambda n: ops.sum(n) < 9, lambda n: n * 2 + 1, item)
            return ops.cond(ops.sum(carry) > 3, lambda: carry + n, lambda: carry - n), n

        return ops.scan(step, x[0], x)

    agrees(f, X)


def test_variables_change_in_place_and_keep_what_was_read() -> None:
    v = Variable(np.zeros(3, np.float32))
    program = Program(lambda x: v.assign_add(x).value)
    before = v.value
    for k in range(1, 4):
        assert np.array_equal(program(np.ones(3, np.float32)).numpy(), np.full(3, k))
    assert np.array_equal(before.numpy(), np.zeros(3))
    v.assign(np.full(3, 10, np.float32))
    assert np.array_equal(program(np.ones(3, np.float32)).numpy(), np.full(3, 11))
    assert np.array_equal(v.numpy(), np.full(3, 11))


def test_variables_move_between_accelerators() -> None:
    v = Variable(np.zeros(3, np.float32))
    program = Program(lambda x: v.assign_add(x).value)
    for name in ("gpu", "numpy", "gpu", "numpy"):
        with using_accelerator(name):
            program(np.ones(3, np.float32))
    assert np.array_equal(v.numpy(), np.full(3, 4))


def test_swapped_variables() -> None:
    v, w = Variable(np.zeros(3, np.float32)), Variable(np.ones(3, np.float32))

    def swap() -> Any:
        a, b = v.value, w.value
        v.assign(b)
        w.assign(a)
        return a

    Program(swap)()
    assert v.numpy()[0] == 1 and w.numpy()[0] == 0


def test_a_step_is_captured_once_and_replayed() -> None:
    launched: list[Any] = []
    original = device().launch

    def launch(*arguments: Any) -> None:
        launched.append(device().capturing)
        original(*arguments)

    program = Program(lambda x: ops.sum(ops.softmax(ops.matmul(x, ops.transpose(x))), axis=0))
    device().launch = launch
    try:
        for _ in range(4):
            program(X)
    finally:
        del device().launch
    # plain, captured, and never again: what a captured graph does is not ours
    assert launched[0] is False and launched[-1] is True
    assert launched.count(True) == launched.count(False) > 1


def test_a_larger_arena_has_steps_captured_again() -> None:
    from pronghorn_gpu.arena import arena

    program = Program(lambda x: ops.softmax(ops.matmul(x, ops.transpose(x))))
    wanted = program(X).numpy()
    program(X)
    captured = program.executable._runs[True][0].captured
    assert captured is not None
    for rows in (2, 3):  # other signatures have plans and graphs of their own, in the same memory
        other = np.ones((rows, 3), np.float32)
        for _ in range(3):
            np.testing.assert_allclose(program(other).numpy(), np.full((rows, rows), 1 / rows), rtol=1e-6)
    np.testing.assert_array_equal(program(X).numpy(), wanted)
    assert program.executable._runs[True][0].captured is captured
    arena().require(arena().require(1).nbytes + 1)  # as a larger program does
    for _ in range(3):
        np.testing.assert_array_equal(program(X).numpy(), wanted)
    assert program.executable._runs[True][0].captured not in (None, captured)


def test_an_arena_that_was_replaced_is_free_again() -> None:
    from pronghorn_gpu.arena import arena

    program = Program(lambda x: ops.softmax(ops.matmul(x, ops.transpose(x))))
    program(X), program(X)
    gc.collect()
    held = arena().require(1).nbytes
    free = device().heap.available
    arena().require(3 * held)
    assert device().heap.available == free - 2 * held  # though the program has not been written anew yet
    program(X)


def test_a_program_is_made_while_no_other_is_captured() -> None:
    """What a library is asked when a program is made must not become part of another thread's step."""
    graph, _, _ = Program(lambda x: ops.exp(x) * 2).trace([X], {})
    begun, made = threading.Event(), threading.Event()

    def make() -> None:
        begun.set()
        accelerator.current().compile(graph)
        made.set()

    thread = threading.Thread(target=make)

    def work() -> None:
        thread.start()
        begun.wait()
        assert not made.wait(0.2)

    with device().lock:
        device().capture(work)
    thread.join()
    assert made.is_set()


def test_a_step_that_cannot_be_captured_goes_on_without(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(work: Any) -> Any:
        raise RuntimeError("a step cannot be captured: CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED")

    monkeypatch.setattr(device(), "capture", refused)
    monkeypatch.setattr(device(), "graphs", True)
    program = Program(lambda x: ops.softmax(ops.matmul(x, ops.transpose(x))))
    wanted = program(X).numpy()
    with pytest.warns(RuntimeWarning, match="CUDA graphs are not used: a step cannot be captured"):
        np.testing.assert_array_equal(program(X).numpy(), wanted)
    np.testing.assert_array_equal(program(X).numpy(), wanted)


def test_capture_forbids_what_cannot_be_replayed() -> None:
    for work, what in (
        (lambda: device().allocate(8, "a test"), "allocates"),
        (lambda: device().synchronize(), "waits"),
        (lambda: device().copy_in(0, np.zeros(1)), "copies from the host"),
        (lambda: device().copy_out(np.zeros(1), 0), "copies to the host"),
    ):
        with pytest.raises(RuntimeError, match=what):
            device().capture(work)
    assert not device().capturing


def test_new_sizes_compile_no_kernel() -> None:
    from pronghorn_gpu.target import build

    program = Program(lambda x, w, b: ops.softmax(ops.relu(ops.matmul(x, w) + b)))
    w, b = np.ones((3, 5), np.float32), np.ones(5, np.float32)
    program(X, w, b)
    kernels = build.cache_info().currsize
    for rows in (1, 2, 7):
        program(np.ones((rows, 3), np.float32), w, b)
    assert build.cache_info().currsize == kernels


def test_results_stay_until_nobody_has_them() -> None:
    program = Program(lambda x: x + 1)
    program(X), program(X)
    gc.collect()
    free = device().heap.available
    kept = [program(X * k) for k in range(5)]
    for k, t in enumerate(kept):
        np.testing.assert_allclose(t.numpy(), X * k + 1)
    assert device().heap.available < free
    del kept, t
    gc.collect()
    assert device().heap.available == free


def test_out_of_memory_names_the_tensor_and_the_batch_that_fits() -> None:
    program = Program(lambda x: ops.sum(ops.exp(ops.matmul(x, ops.transpose(x)))))
    rows = int((device().heap.capacity / 4) ** 0.5) + 1
    with pytest.raises(MemoryError) as caught:
        program(np.zeros((rows, 1), np.float32))
    text = str(caught.value)
    assert f"float32[{rows}, {rows}]" in text and "matmul" in text
    assert f"fits instead of {rows}" in text


@pytest.mark.parametrize("share", (0.25, 0.0))
def test_data_sets_on_the_device_and_from_the_host(share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pronghorn_gpu.feeding.SHARE", share)
    program = Program(lambda data, indices: batch_rows(data, indices, dtype="float32") * 2)
    data = np.arange(60, dtype=">i2").reshape(10, 2, 3)[::-1]
    rows = Rows(data)
    for indices in ([0, 9, 3], [4, 4, -1], [5, 6, 7]):  # plain, captured, replayed
        got = program(rows, np.array(indices, np.int64))
        np.testing.assert_array_equal(got.numpy(), data[indices] * 2.0)
    assert program.executable.counts() == {"launches": 1 + (share > 0), "graphs": 1, "host": int(share == 0)}
    changed = data.copy()
    changed += 1
    np.testing.assert_array_equal(program(Rows(changed), np.array([0, 1, 2])).numpy(), changed[:3] * 2.0)


def test_an_optimizer_updates_all_variables_in_one_launch() -> None:
    layers = [keras.layers.Dense(units) for units in (3, 5, 1)]
    model = keras.Sequential([keras.Input((4,)), *layers])
    model.compile("adam", "mse")
    model.train_on_batch(np.ones((2, 4), np.float32), np.zeros((2, 1), np.float32))
    lowered = model.train_program.executable.lowered
    homes = {t: id(place.variable) for t, place in lowered.plan.places.items()}
    trained = {id(variable) for variable in model.trainable_variables}
    writing = [node for node in lowered.nodes if trained & {homes[t] for t in node.node.outputs}]
    assert [len(node.work) for node in writing] == [1]
    written = {homes[t] for t in writing[0].node.outputs}
    assert trained < written and len(written) == 3 * len(trained)  # with both moments of each


def test_a_step_neither_waits_nor_reads_back(monkeypatch: pytest.MonkeyPatch) -> None:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    counted: list[str] = []
    for name in ("copy_out", "synchronize"):
        original = getattr(device(), name)
        monkeypatch.setattr(
            device(), name, lambda *args, name=name, call=original: (counted.append(name), call(*args))[1]
        )

    class Looks(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            counted.append("batch")
            if batch == 3:
                assert logs["mae"] > 0

    def fit(steps: int, **options: Any) -> list[str]:
        counted.clear()
        model.fit(np.ones((2 * steps, 4), np.float32), np.zeros((2 * steps, 1)), batch_size=2, verbose=0, **options)
        return counted

    at_the_end = fit(3).copy()
    assert at_the_end and fit(7) == at_the_end  # however many steps there are
    looked = fit(7, callbacks=[Looks()])
    within = looked[: len(looked) - looked[::-1].index("batch")]
    read = within.count("copy_out")
    assert within == ["batch"] * 4 + ["copy_out"] * read + ["batch"] * 3 and read


def test_a_data_set_that_no_longer_fits_is_read_from_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    program = Program(lambda data, indices: ops.tanh(batch_rows(data, indices, dtype="float32")) * 2)
    for share in (0.25, 0.0, 0.25):
        monkeypatch.setattr("pronghorn_gpu.feeding.SHARE", share)
        data = np.random.default_rng(int(share * 4)).normal(size=(9, 3)).astype(np.float32)
        rows = Rows(data)
        for indices in ([0, 8], [1, 1], [2, 5]):
            got = program(rows, np.array(indices, np.int64)).numpy()
            np.testing.assert_allclose(got, np.tanh(data[indices]) * 2, rtol=1e-6)


def test_fit_copies_a_data_set_once(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = np.arange(48, dtype=np.float32).reshape(12, 4) / 48, np.zeros((12, 1), np.float32)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    copied: list[int] = []
    copy_in = device().copy_in
    monkeypatch.setattr(
        device(), "copy_in", lambda address, array: (copied.append(array.nbytes), copy_in(address, array))
    )
    for calls in (1, 2):
        model.fit(x, y, batch_size=5, epochs=3, verbose=0)
        assert copied.count(x.nbytes) == calls  # anew for each call: the arrays may have changed
    first = model.predict(x, verbose=0)
    x += 1
    assert not np.array_equal(model.predict(x, verbose=0), first)


def test_an_op_without_a_kernel_runs_on_the_host_and_says_so() -> None:
    @primitive(lambda x: [(x.shape, x.dtype)][0] and __import__("pronghorn").graph.Spec(x.shape, x.dtype))
    def reversed_rows(x: Any) -> Any:
        return np.ascontiguousarray(x[::-1])

    program = Program(lambda x: reversed_rows(x * 2) + 1)
    with pytest.warns(RuntimeWarning, match="'reversed_rows' has no GPU kernel for float32 .* copies 96 bytes"):
        got = program(X)
    np.testing.assert_allclose(got.numpy(), X[::-1] * 2 + 1)
    assert [i.kind for i in program.instructions()] == ["kernel", "host", "kernel"]


def test_profiles_and_listings() -> None:
    pytest.importorskip("pronghorn_utils")
    program = Program(lambda x: ops.sum(ops.exp(ops.matmul(x, ops.transpose(x)))))
    program(X)
    assert len(program.executable.profile([X], repeats=1)) == len(program.instructions())
    assert "matmul" in str(program)
    assert "matmul" in str(program.profile(repeats=1))
    counts = program.executable.counts()
    assert counts["launches"] >= len(program.instructions()) and (counts["graphs"], counts["host"]) == (1, 0)


def test_mixed_precision_with_a_scaled_loss() -> None:
    keras.utils.set_random_seed(1)
    dense = keras.layers.Dense(3, dtype="mixed_float16")
    model = keras.Sequential([keras.Input((4,)), dense])
    optimizer = plugins.load("optimizers", "LossScaleOptimizer")(plugins.load("optimizers", "SGD")(0.1))
    model.compile(optimizer=optimizer, loss="mse")
    rng = np.random.default_rng(0)
    losses = [model.train_on_batch(rng.random((4, 4)), np.zeros((4, 3))) for _ in range(3)]
    assert losses[-1] < losses[0]
    assert dense.kernel.dtype == "float32" and dense(X[:, :1] * np.ones((1, 4))).dtype == "float16"


@pytest.mark.parametrize("dtype", ("mixed_float16", "mixed_bfloat16"))
def test_the_scale_of_the_loss_adapts(dtype: str) -> None:
    """Steps whose gradients overflow in float16 change nothing and halve it, two others in a row double it."""
    if dtype == "mixed_bfloat16":
        pytest.importorskip("ml_dtypes")

    def train() -> tuple[list[float], list[Any]]:
        keras.utils.set_random_seed(1)
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, dtype=dtype)])
        inner = plugins.load("optimizers", "SGD")(0.1)
        optimizer = plugins.load("optimizers", "LossScaleOptimizer")(inner, 2.0**18, dynamic_growth_steps=2)
        model.compile(optimizer=optimizer, loss="mse")
        x, y = np.random.default_rng(0).random((4, 4)), np.zeros((4, 3))
        scales, weights = [], []
        for _ in range(6):
            model.train_on_batch(x, y)
            scales.append(float(optimizer.dynamic_scale.numpy()))
            weights.append(model.get_weights()[0])
        return scales, weights

    scales, weights = train()
    with using_accelerator("numpy"):
        wanted_scales, wanted = train()
    assert scales == wanted_scales
    for got, want in zip(weights, wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-2, atol=1e-3)
    kept = [np.array_equal(a, b) for a, b in zip(weights, weights[1:], strict=False)]
    halved = [b < a for a, b in zip(scales, scales[1:], strict=False)]
    assert kept == halved and any(halved) == (dtype == "mixed_float16") and not all(halved)
    assert any(b > a for a, b in zip(scales, scales[1:], strict=False))


def test_the_simulator_is_taken_only_by_name() -> None:
    from pronghorn_gpu.target import SIMULATED

    found = accelerator.installed()
    assert (max(found.values(), key=lambda a: a.priority).name == "gpu") != SIMULATED
