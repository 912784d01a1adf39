"""Whole programs on the CPU: equal to the reference, the same bits on any number of threads, no kernels for new
sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pronghorn import ops, random
from pronghorn.autodiff import GradientTape
from pronghorn.graph import Node, Spec
from pronghorn.op import primitive
from pronghorn.ops.shape import pad_with
from pronghorn.program import Program, Rows, batch_rows, jit
from pronghorn.tensor import Tensor, Variable, constant
from pronghorn.testing.kernels import using_accelerator
from pronghorn_cpu import cache
from pronghorn_cpu.lowering import lower
from pronghorn_cpu.runner import default_pool
from pronghorn_ops.primitives.convolution import Windows, convolution, maximum_of_windows, sum_pool

Compare = Callable[..., None]
pytestmark = pytest.mark.usefixtures("on_cpu")


def mlp(rng: np.random.Generator, sizes: tuple[int, ...] = (20, 16, 10)) -> tuple[Callable[..., Any], list[Variable]]:
    """A train step with dropout, softmax and RMSprop."""
    weights = [Variable(rng.standard_normal(s).astype("float32") * 0.3) for s in zip(sizes, sizes[1:], strict=False)]
    biases = [Variable(np.zeros(s, "float32")) for s in sizes[1:]]
    variables = [v for pair in zip(weights, biases, strict=True) for v in pair]
    slots = [Variable(np.zeros(v.shape, "float32")) for v in variables]
    generator = random.SeedGenerator(3)

    def step(xs: Tensor, ys: Tensor, indices: Tensor) -> Any:
        x, y = batch_rows(xs, indices, "float32"), batch_rows(ys, indices, "float32")
        with GradientTape() as tape:
            h = ops.relu(ops.matmul(x, weights[0]) + biases[0])
            h = ops.where(random.uniform(h.shape, seed=generator) < 0.8, h * 1.25, 0.0)
            p = ops.softmax(ops.matmul(h, weights[1]) + biases[1])
            loss = -ops.mean(ops.sum(y * ops.log(p + 1e-7), -1))
        for v, s, g in zip(variables, slots, tape.gradient(loss, variables), strict=True):
            s.assign(0.9 * s + 0.1 * ops.square(g))
            v.assign(v - 0.01 * g / ops.sqrt(s + 1e-7))
        return loss, ops.mean(ops.sum(ops.where(p == ops.max(p, -1, keepdims=True), y, 0.0), -1))

    return step, [*variables, *slots]


def train(device: str, steps: int = 6, batch: int = 32) -> list[np.ndarray[Any, Any]]:
    rng = np.random.default_rng(5)
    xs, ys = rng.standard_normal((200, 20)), np.eye(10)[rng.integers(0, 10, 200)]
    with using_accelerator(device):
        step, variables = mlp(rng)
        program = jit(step)
        for k in range(steps):
            loss, _ = program(Rows(xs), Rows(ys), np.arange(k * batch, (k + 1) * batch))
        return [loss.numpy(), *(v.numpy() for v in variables)]


class TestTraining:
    def test_equals_the_reference_to_rounding(self) -> None:
        for cpu, reference in zip(train("cpu"), train("numpy"), strict=True):
            np.testing.assert_allclose(cpu, reference, rtol=2e-4, atol=2e-6)

    def test_the_same_bits_for_1_2_and_4_threads_and_from_run_to_run(self) -> None:
        pool, found = default_pool(), []
        before = pool.threads
        try:
            for threads in (1, 2, 4, 1):
                pool.resize(threads)
                found.append(train("cpu"))
        finally:
            pool.resize(before)
        for other in found[1:]:
            for a, b in zip(found[0], other, strict=True):
                np.testing.assert_array_equal(a, b)

    def test_other_batch_sizes_compile_no_kernel(self) -> None:
        rng = np.random.default_rng(0)
        xs, ys = rng.standard_normal((200, 20)), np.eye(10)[rng.integers(0, 10, 200)]
        program = jit(mlp(rng)[0])
        program(Rows(xs), Rows(ys), np.arange(128))
        before = cache.compiled_count()
        for batch in (96, 1, 7, 200):
            program(Rows(xs), Rows(ys), np.arange(batch))
        assert cache.compiled_count() == before

    def test_the_instructions_are_few_and_none_is_on_the_host(self) -> None:
        rng = np.random.default_rng(0)
        program = jit(mlp(rng)[0])
        program(Rows(np.zeros((64, 20))), Rows(np.zeros((64, 10))), np.arange(32))
        instructions = program.instructions()
        assert len(instructions) <= 22
        assert {i.kind for i in instructions} == {"kernel"}
        assert any("fused_matmul" in i.name for i in instructions)


def sequence(x: Tensor, w: Tensor) -> Tensor:
    """A recurrence, for sequence lengths."""
    return ops.scan(lambda h, item: (ops.tanh(ops.matmul(h, w) + item), h), x[0] * 0.0, x)[0]


def test_other_sequence_lengths_compile_no_kernel() -> None:
    rng = np.random.default_rng(0)
    program = jit(sequence)
    w = rng.standard_normal((8, 8)).astype("float32")
    program(rng.standard_normal((5, 4, 8)).astype("float32"), w)
    before = cache.compiled_count()
    for length in (3, 11, 40):
        program(rng.standard_normal((length, 4, 8)).astype("float32"), w)
    assert cache.compiled_count() == before


def gather_gradient(a: Tensor) -> Any:
    with GradientTape() as tape:
        tape.watch(a)
        picked = ops.gather(a, np.array([3, 0, 0, 5]), axis=0)
        total = ops.sum(picked * picked)
    return tape.gradient(total, a)


def convolution_step(x: Tensor, kernel: Tensor, bias: Tensor) -> Any:
    """Outputs, and all gradients through an epilogue and pooling."""
    with GradientTape() as tape:
        for t in (x, kernel, bias):
            tape.watch(t)
        y = maximum_of_windows(ops.relu(convolution(x, kernel, windows=SAME, groups=1) + bias), windows=HALVES)
        total = ops.sum(y * y)
    return y, tape.gradient(total, [x, kernel, bias])


def signs_and_values(x: Tensor, kernel: Tensor, groups: int) -> tuple[Tensor, Tensor]:
    """An epilogue whose first output has another dtype than the convolution."""
    y = convolution(x, kernel, windows=SAME, groups=groups)
    positive = y >= 0.0
    return positive, ops.where(positive, y, y * 0.5)


SAME = Windows((3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1))
HALVES = Windows((2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1))
THIRDS = Windows((3, 3), (2, 2), ((1, 1), (0, 1)), (1, 1))
RNG = np.random.default_rng(1)
IMAGES, KERNEL, DEPTHWISE = (RNG.standard_normal(s) for s in ((3, 7, 8, 5), (3, 3, 5, 18), (3, 3, 1, 5)))
A, B, C = RNG.standard_normal((6, 7, 5)), RNG.standard_normal((6, 7, 5)), RNG.standard_normal((5, 9))

PROGRAMS: dict[str, tuple[Callable[..., Any], list[Any]]] = {
    "elementwise": (lambda a, b: ops.tanh(a) * b + ops.maximum(a, b) / (1.0 + ops.abs(b)), [A, B]),
    "broadcast": (lambda a, c: a + ops.sum(c, axis=1) * a[:, :1], [A, C]),
    "row reductions": (lambda a: (ops.sum(a, -1), ops.max(a * 2.0, -1, keepdims=True)), [A]),
    "column reductions": (lambda a: (ops.sum(a * a, (0, 1)), ops.min(a, 0), ops.mean(a, 1)), [A]),
    "middle reduction": (lambda a: ops.sum(a, 1), [A]),
    "bool reductions": (lambda a: (ops.any(a > 1.0, 1), ops.all(a > -1.0, 0)), [A]),
    "matmul batched": (lambda a, c: ops.matmul(a, c), [A, C]),
    "matmul transposed": (lambda a, b: ops.matmul(ops.transpose(a, (0, 2, 1)), b), [A, B]),
    "epilogue of a product by places": (
        lambda a, b, c: (ops.tanh(ops.matmul(a, c) + c[0]) * a[..., :1], ops.matmul(b, c) * ops.matmul(a, c)),
        [A, B, C],
    ),
    "transpose": (lambda a: ops.transpose(a, (2, 0, 1)), [A]),
    "slices": (lambda a: (a[1:5:2, ::-1], a[-1], a[..., 2:]), [A]),
    "concatenate and stack": (lambda a, b: (ops.concatenate([a, b], 1), ops.stack([a, b], -1)), [A, B]),
    "pad": (lambda a: pad_with(a, low=(1, 0, 3), high=(2, 0, 0), interior=(0, 1, 0), value=1.5), [A]),
    "gather": (lambda a: ops.gather(a, np.array([3, 0, 0, 5]), axis=1), [A]),
    "gather with gradient": (gather_gradient, [A[0]]),
    "softmax": (lambda a: (ops.softmax(a), ops.softmax(a, axis=1)), [A]),
    "convolution": (convolution_step, [IMAGES, KERNEL, KERNEL[0, 0, 0]]),
    "convolution, flattened": (
        lambda x, k: ops.multiply(
            *(ops.reshape(convolution(x, k[::w], windows=SAME, groups=1), (len(x), -1)) for w in (1, -1))
        ),
        [IMAGES, KERNEL],
    ),
    "convolution and its signs": (lambda x, k: signs_and_values(x, k, 1), [IMAGES, KERNEL]),
    "each channel and its signs": (lambda x, k: signs_and_values(x, k, 5), [IMAGES, DEPTHWISE]),
    "each channel": (lambda x, k: convolution(x, k, windows=SAME, groups=5) + k[0, 0, 0], [IMAGES, DEPTHWISE]),
    "pooling": (lambda x: (maximum_of_windows(x, windows=THIRDS), sum_pool(x, windows=THIRDS)), [IMAGES]),
    "casts": (lambda a: [ops.cast(a, d) for d in ("int32", "bool", "uint8")], [np.abs(A)]),
    "integers": (lambda i, j: (i // j, i % j, i * j - 3), [np.arange(-9, 9), np.full(18, 4)]),
    "cond": (lambda a: ops.cond(ops.sum(a) > 0, lambda: a * 2.0, lambda: a - 1.0), [A]),
    "while": (lambda a: ops.while_loop(lambda x: ops.sum(x) < 1e3, lambda x: (ops.exp(x) + 1.0,), (a,))[0], [A]),
    "scan": (lambda a: ops.scan(lambda c, x: (c * 0.5 + x, ops.sin(c)), a[0], a, reverse=True), [A]),
    "swap carries": (lambda a, b: ops.scan(lambda c, x: ((c[1], c[0] + x), None), (a[0], b[0]), a)[0], [A, B]),
    "empty": (lambda a: (a[:0] * 2.0, ops.sum(a[:0], 0)), [A]),
}


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_programs_equal_the_reference(name: str, dtype: str, compare: Compare) -> None:
    compare(*PROGRAMS[name], dtype)


@primitive(lambda x: Spec(x.shape, x.dtype))
def running_sum(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A primitive that the CPU does not know."""
    return np.cumsum(x, 1)


def test_an_op_without_a_kernel_warns_once_and_runs_on_the_host() -> None:
    x = constant(A, "float32")
    with pytest.warns(UserWarning, match="'running_sum' has no CPU kernel: it runs on NumPy"):
        program = jit(lambda a: running_sum(a * 2.0) + 1.0)
        result = program(x)
    np.testing.assert_allclose(result.numpy(), np.cumsum(A.astype("float32") * 2, 1) + 1, rtol=1e-5)
    assert [i.kind for i in program.instructions()] == ["kernel", "host", "kernel"]


def padded(value: float, size: int = 3) -> Any:
    """The launches of a padding."""
    attrs = {"low": (1,), "high": (1,), "interior": (0,), "value": value}
    return lower(Node(pad_with, [Tensor((size,), "float32")], attrs, [Tensor((size + 2,), "float32")]))


def test_launches_of_equal_shapes_and_attributes_are_the_same_and_no_others() -> None:
    zero = [padded(0.0) for _ in range(3)]
    assert zero[1] is zero[2] and zero[0] == zero[1]
    others = [[padded(value, size) for _ in range(3)][-1] for value, size in ((-0.0, 3), (0, 3), (1.0, 3), (0.0, 4))]
    assert others[0] != zero[0]  # equal as numbers, but not in their bits
    assert others[1] == zero[0]
    assert len({*others, zero[0]}) == 4


def test_results_belong_to_the_caller() -> None:
    program = jit(lambda a: a * 2.0)
    first = program(constant([1.0, 2.0], "float32")).numpy()
    second = program(constant([3.0, 4.0], "float32")).numpy()
    first[:] = 0
    np.testing.assert_array_equal(second, [6, 8])


def test_threads_of_one_model_while_another_trains_give_the_serial_bits() -> None:
    import threading

    rng = np.random.default_rng(2)
    xs, ys = rng.standard_normal((200, 20)), np.eye(10)[rng.integers(0, 10, 200)]
    w = Variable(rng.standard_normal((20, 10)).astype("float32"))
    forward = Program(lambda x: ops.softmax(ops.matmul(x, w)), advance=False)
    inputs = [rng.standard_normal((n, 20)).astype("float32") for n in (1, 7, 64, 130)]
    want = [forward(x).numpy() for x in inputs]
    step = jit(mlp(rng)[0])
    failures: list[int] = []

    def predict(k: int) -> None:
        for round_ in range(20):
            position = (k + round_) % len(inputs)
            if not np.array_equal(forward(inputs[position]).numpy(), want[position]):
                failures.append(k)

    threads = [threading.Thread(target=predict, args=(k,)) for k in range(16)]
    for t in threads:
        t.start()
    for _ in range(50):
        step(Rows(xs), Rows(ys), np.arange(64))
    for t in threads:
        t.join()
    assert not failures


def test_old_values_of_variables_outlive_their_successors() -> None:
    v, w, u = (Variable(np.full((2, 3), value, np.float32)) for value in (1, 2, 3))

    @jit
    def rotate() -> Any:
        a, b, c = v.value, w.value, u.value
        v.assign(b)
        w.assign(ops.reshape(ops.reshape(c, (6,)), (2, 3)))
        u.assign(a)
        return a, ops.reshape(b, (6,)), c + 0

    for _ in range(2):
        expected = v.numpy().copy(), w.numpy().copy(), u.numpy().copy()
        for found, old in zip(rotate(), expected, strict=True):
            np.testing.assert_array_equal(found.numpy().reshape(2, 3), old)
        for variable, value in zip((v, w, u), (expected[1], expected[2], expected[0]), strict=True):
            np.testing.assert_array_equal(variable.numpy(), value)
