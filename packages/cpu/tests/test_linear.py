"""Matrix products against NumPy in float64: shapes, strides, batches, epilogues, and bits."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pronghorn.body import Body, Step
from pronghorn_cpu import host
from pronghorn_cpu.cache import load
from pronghorn_cpu.elementwise import plan_map
from pronghorn_cpu.launch import Launch
from pronghorn_cpu.linear import Epilogue, View, fusable, plan_matmul
from pronghorn_cpu.runner import Pool
from pronghorn_cpu.spaces import Space
from pronghorn_cpu.tape import Tape

Array = npt.NDArray[Any]
GUARD = 64


def view(array: Array) -> View:
    return View(array.shape, tuple(stride // array.itemsize for stride in array.strides))


def guarded(shape: tuple[int, ...], dtype: str) -> tuple[Array, Array]:
    """A dense array of sevens, and the larger one of sevens that it lies in."""
    size = math.prod(shape)
    around = np.full(size + 2 * GUARD, 7).astype(dtype)
    return around[GUARD : GUARD + size].reshape(shape), around


def execute(launches: tuple[Launch, ...], operands: list[Array], threads: int) -> None:
    """Runs every thread's share, one after the other."""
    scratch = np.zeros(max([launch.scratch_bytes for launch in launches], default=0) + 64, np.uint8)
    aligned = -(-scratch.ctypes.data // 64) * 64
    addresses = [operand.ctypes.data for operand in operands]
    for launch in launches:
        block = np.array(launch.block(addresses, aligned, lambda source: load(source).address), np.int64)
        kernel = load(launch.source)
        for t in range(threads):
            kernel(block.ctypes.data, t, threads)


def matmul(
    a: Array,
    b: Array,
    body: Body | None = None,
    inputs: tuple[Array, ...] = (),
    threads: int = 1,
    scratch_threads: int | None = None,
) -> list[Array]:
    """The outputs of the planned launches, which write nothing beside them."""
    dtype = str(a.dtype)
    epilogue = Epilogue(body, tuple(map(view, inputs))) if body else None
    launches = plan_matmul(dtype, view(a), view(b), epilogue, scratch_threads or threads)
    shape = *np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1]
    outputs = [guarded(shape, body.dtype(k)) for k in body.outputs] if body else [guarded(shape, dtype)]
    execute(launches, [a, b, *inputs, *(output for output, _ in outputs)], threads)
    for _, around in outputs:
        sevens = np.full(GUARD, 7).astype(around.dtype)
        np.testing.assert_array_equal(around[:GUARD], sevens)
        np.testing.assert_array_equal(around[-GUARD:], sevens)
    return [output for output, _ in outputs]


def assert_product(c: Array, a: Array, b: Array) -> None:
    """Within the error of summing K products in any order."""
    x, y = a.astype("float64"), b.astype("float64")
    bound = (a.shape[-1] + 1) * np.finfo(c.dtype).eps * (np.abs(x) @ np.abs(y))
    reference = x @ y
    assert c.shape == reference.shape
    assert (np.abs(c - reference) <= bound + np.finfo(c.dtype).tiny).all()


def matrix(random: np.random.Generator, rows: int, columns: int, dtype: str, layout: str) -> Array:
    """Random numbers in rows, in columns, or apart in both directions."""
    if layout == "columns":
        return random.standard_normal((columns, rows)).astype(dtype).T
    if layout == "steps":
        return random.standard_normal((2 * rows, 3 * columns)).astype(dtype)[::2, ::3]
    return random.standard_normal((rows, columns)).astype(dtype)


sizes = st.one_of(st.integers(0, 20), st.sampled_from([63, 64, 65, 80, 127, 128, 193, 200]))
layouts = st.sampled_from(["rows", "columns", "steps"])


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    sizes,
    sizes,
    st.one_of(sizes, st.integers(300, 700)),
    st.sampled_from(["float32", "float64"]),
    layouts,
    layouts,
)
@example(1, 256, 784, "float32", "rows", "rows")
@example(300, 1, 50, "float32", "rows", "rows")
@example(1, 1, 9000, "float64", "rows", "rows")
@example(128, 10, 128, "float32", "columns", "rows")
@example(5, 7, 0, "float32", "rows", "rows")
@example(13, 70, 641, "float32", "steps", "columns")
def test_any_shape_and_strides(m: int, n: int, k: int, dtype: str, a_layout: str, b_layout: str) -> None:
    random = np.random.default_rng(m + 1000 * n + 1000000 * k)
    a, b = matrix(random, m, k, dtype, a_layout), matrix(random, k, n, dtype, b_layout)
    (c,) = matmul(a, b)
    assert_product(c, a, b)


SHAPES = [
    (128, 256, 784),
    (784, 256, 128),
    (128, 10, 128),
    (1, 256, 784),
    (70, 1, 300),
    (32, 100, 9),
    (300, 102, 700),
    (10, 10, 20000),
]


@pytest.mark.parametrize(("m", "n", "k"), SHAPES)
@pytest.mark.parametrize("transposed", ["NN", "NT", "TN", "TT"])
def test_bits_do_not_depend_on_threads(m: int, n: int, k: int, transposed: str) -> None:
    random = np.random.default_rng(0)
    a = matrix(random, m, k, "float32", "rows" if transposed[0] == "N" else "columns")
    b = matrix(random, k, n, "float32", "rows" if transposed[1] == "N" else "columns")
    (expected,) = matmul(a, b)
    assert_product(expected, a, b)
    for threads, scratch_threads in [(2, 2), (3, 3), (4, 4), (4, 2), (64, 64)]:
        (c,) = matmul(a, b, threads=threads, scratch_threads=scratch_threads)
        np.testing.assert_array_equal(c, expected)


@pytest.mark.skipif(not host.has_fma(), reason="without fused multiply-add every width rounds twice")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bits_do_not_depend_on_the_vector_width(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    body = Body((dtype, dtype), (ADD(dtype), RELU(dtype, 2)), (3,))
    cases = []
    for m, n, k in SHAPES:
        a, b = matrix(random, m, k, dtype, "rows"), matrix(random, k, n, dtype, "columns")
        cases.append((a, b, random.standard_normal(n).astype(dtype)))
    results = []
    for lanes in (16, 8, 4):
        monkeypatch.setattr(host, "float32_lanes", lambda lanes=lanes: lanes)
        monkeypatch.setattr(host, "vector_registers", lambda lanes=lanes: 32 if lanes == 16 else 16)
        results.append([matmul(a, b, body, (bias,))[0] for a, b, bias in cases])
    for other in results[1:]:
        for x, y in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(x, y)


def test_the_vector_width_can_be_forced(monkeypatch: pytest.MonkeyPatch) -> None:
    detect = host.float32_lanes.__wrapped__
    for width in ("16", "8", "4"):
        monkeypatch.setenv("PRONGHORN_VECTOR_WIDTH", width)
        assert detect() == int(width)
    monkeypatch.setenv("PRONGHORN_VECTOR_WIDTH", "5")
    with pytest.raises(ValueError, match="PRONGHORN_VECTOR_WIDTH is '5'; set it to 16, 8 or 4"):
        detect()


@pytest.mark.parametrize(
    ("a_shape", "b_shape"),
    [
        ((2, 3, 5, 7), (2, 3, 7, 4)),
        ((3, 5, 7), (7, 4)),
        ((7, 5), (2, 5, 6)),
        ((2, 1, 5, 7), (1, 3, 7, 4)),
        ((4, 1, 7), (7, 4)),
        ((4, 1, 7), (4, 7, 3)),
        ((4, 7, 3), (4, 3, 1)),
        ((2, 3, 4, 5, 6), (2, 1, 4, 6, 7)),
        ((2, 2, 2, 3, 5, 6), (2, 1, 2, 1, 6, 7)),
        ((0, 5, 7), (7, 4)),
    ],
)
def test_batches_broadcast(a_shape: tuple[int, ...], b_shape: tuple[int, ...]) -> None:
    random = np.random.default_rng(0)
    a, b = (
        random.standard_normal(a_shape).astype("float32"),
        random.standard_normal(b_shape).astype("float32"),
    )
    for threads in (1, 3):
        (c,) = matmul(a, b, threads=threads)
        assert_product(c, a, b)


def test_permuted_batches_need_no_copies() -> None:
    """Queries and keys of several heads, as views of (batch, position, head, unit)."""
    random = np.random.default_rng(0)
    queries, keys = (random.standard_normal((2, 9, 4, 8)).astype("float32").transpose(0, 2, 1, 3) for _ in "qk")
    a, b = queries, keys.swapaxes(-1, -2)
    assert len(plan_matmul("float32", view(a), view(b))) == 1
    (c,) = matmul(a, b, threads=2)
    assert_product(c, a, b)


def test_rows_of_a_batch_are_one_matrix() -> None:
    """A dense layer on (batch, position, unit) costs what it costs on (batch * position, unit)."""
    flat = plan_matmul("float32", View.dense((12, 7)), View.dense((7, 4)))
    assert plan_matmul("float32", View.dense((3, 4, 7)), View.dense((7, 4))) == flat
    assert plan_matmul("float32", View.dense((12, 1, 7)), View.dense((7, 4))) == flat


def test_other_sizes_need_no_other_kernel() -> None:
    body = Body(("float32", "float32"), (ADD("float32"),), (2,))
    sources = set()
    for m in (1, 7, 64, 96, 128):
        for k in (0, 1, 784):
            epilogue = Epilogue(body, (View.dense((256,)),))
            launches = plan_matmul("float32", View.dense((m, k)), View.dense((k, 256)), epilogue)
            sources |= {source for launch in launches for source in launch.sources}
    assert len(sources) == 2


def test_a_long_sum_is_split_by_shape_alone() -> None:
    launches = plan_matmul("float32", View.dense((10, 20000)), View.dense((20000, 10)), threads=1)
    assert len(launches) == 2
    wide = plan_matmul("float32", View.dense((1024, 20000)), View.dense((20000, 512)), threads=1)
    assert len(wide) == 1


# Epilogues


def ADD(dtype: str, x: int = 0, y: int = 1) -> Step:
    return Step("add", "x + y", ("x", "y"), (x, y), dtype)


def RELU(dtype: str, x: int) -> Step:
    return Step("relu", "x if x > 0.0 or x != x else 0.0", ("x",), (x,), dtype)


def POSITIVE(x: int) -> Step:
    return Step("positive", "x > 0.0", ("x",), (x,), "bool")


@pytest.mark.parametrize(("m", "n", "k"), [*SHAPES, (200, 70, 3), (70, 17, 0)])
@pytest.mark.parametrize("threads", [1, 3])
def test_bias_and_relu_with_its_mask(m: int, n: int, k: int, threads: int) -> None:
    random = np.random.default_rng(0)
    a, b, bias = (random.standard_normal(shape).astype("float32") for shape in ((m, k), (k, n), (n,)))
    body = Body(("float32", "float32"), (ADD("float32"), RELU("float32", 2), POSITIVE(2)), (3, 4))
    activation, mask = matmul(a, b, body, (bias,), threads)
    (product,) = matmul(a, b)
    np.testing.assert_array_equal(activation, np.maximum(product + bias, 0))
    np.testing.assert_array_equal(mask, product + bias > 0)


def test_inputs_of_every_broadcast_pattern() -> None:
    random = np.random.default_rng(0)
    a, b = (
        random.standard_normal((2, 33, 9)).astype("float32"),
        random.standard_normal((2, 9, 50)).astype("float32"),
    )
    shapes = [(2, 33, 50), (33, 50), (50,), (2, 33, 1), (33, 1), (2, 1, 1), (1,), ()]
    inputs = tuple(random.standard_normal(shape).astype("float32") for shape in shapes)
    steps = tuple(ADD("float32", 0 if k == 0 else len(shapes) + k, k + 1) for k in range(len(shapes)))
    body = Body(("float32",) * (1 + len(shapes)), steps, (2 * len(shapes),))
    (expected,) = matmul(a, b)
    for x in inputs:
        expected = expected + x
    (c,) = matmul(a, b, body, inputs, threads=2)
    np.testing.assert_array_equal(c, expected)


def test_one_column_with_an_epilogue() -> None:
    """The product of a matrix and a vector is planned as one row; its epilogue is turned with it."""
    random = np.random.default_rng(0)
    a, b, bias, full = (random.standard_normal(s).astype("float32") for s in ((90, 40), (40, 1), (1,), (90, 1)))
    body = Body(("float32",) * 3, (ADD("float32"), ADD("float32", 3, 2)), (4,))
    (product,) = matmul(a, b)
    (c,) = matmul(a, b, body, (bias, full), threads=2)
    np.testing.assert_array_equal(c, (product + bias) + full)


def test_no_output_of_the_products_dtype() -> None:
    random = np.random.default_rng(0)
    body = Body(("float32",), (POSITIVE(0),), (1,))
    for m, n, k in [(40, 30, 20), (4, 3, 9000)]:
        a, b = (
            random.standard_normal((m, k)).astype("float32"),
            random.standard_normal((k, n)).astype("float32"),
        )
        (product,) = matmul(a, b)
        (positive,) = matmul(a, b, body, threads=2)
        np.testing.assert_array_equal(positive, product > 0)


def test_fused_and_unfused_bits_are_equal() -> None:
    random = np.random.default_rng(0)
    a, b = (
        random.standard_normal((50, 60)).astype("float32"),
        random.standard_normal((60, 70)).astype("float32"),
    )
    tanh = Step("tanh", "tanh(x)", ("x",), (0,), "float32")
    body = Body(("float32",), (tanh, Step("double", "x * x + x", ("x",), (1,), "float32")), (2,))
    (fused,) = matmul(a, b, body)
    (product,) = matmul(a, b)
    unfused = np.empty_like(product)
    execute((plan_map(body, [Space((50, 70), ((70, 1),))]),), [product, unfused], 1)
    np.testing.assert_array_equal(fused, unfused)


def test_fusable() -> None:
    assert fusable(View.dense((5,)), (2, 5))
    assert fusable(View((2, 5), (100, 1)), (2, 5))
    assert not fusable(View((2, 5), (1, 2)), (2, 5))
    assert not fusable(View.dense((3,)), (2, 5))


# On threads, and errors


def test_on_worker_threads() -> None:
    random = np.random.default_rng(0)
    a, b = (
        random.standard_normal((128, 300)).astype("float32"),
        random.standard_normal((300, 200)).astype("float32"),
    )
    c, scratch = np.zeros((128, 200), "float32"), np.zeros(1 << 20, np.uint8)
    (launch,) = plan_matmul("float32", view(a), view(b), threads=2)
    addresses = [array.ctypes.data for array in (a, b, c)]
    tape = Tape()
    tape.call(load(launch.source), np.array(launch.block(addresses, scratch.ctypes.data), np.int64), launch.parallel)
    tape.finish()
    with Pool(2) as pool:
        pool.run(tape)
    np.testing.assert_array_equal(c, matmul(a, b)[0])


def test_errors_say_what_came_and_what_was_expected() -> None:
    with pytest.raises(ValueError, match=r"shapes \(2, 3\) and \(4, 5\); expected \(\.\.\., M, K\)"):
        plan_matmul("float32", View.dense((2, 3)), View.dense((4, 5)))
    with pytest.raises(ValueError, match="expected batch dimensions that are equal or 1"):
        plan_matmul("float32", View.dense((2, 3, 4)), View.dense((3, 4, 5)))
    with pytest.raises(NotImplementedError, match="float32 and float64, not int32"):
        plan_matmul("int32", View.dense((2, 3)), View.dense((3, 5)))
    body = Body(("float32", "float32"), (ADD("float32"),), (2,))
    with pytest.raises(ValueError, match="epilogue whose input 1 has shape"):
        plan_matmul("float32", View.dense((2, 3)), View.dense((3, 5)), Epilogue(body, (View((2, 5), (1, 2)),)))
    with pytest.raises(ValueError, match="0 inputs beside the product; expected 1"):
        plan_matmul("float32", View.dense((2, 3)), View.dense((3, 5)), Epilogue(body))


@pytest.mark.parametrize(("batch", "m", "n", "k"), [((3,), 40, 33, 70), ((), 10, 10, 9000), ((2, 2), 1, 70, 5)])
def test_rows_of_the_result_may_be_apart(batch: tuple[int, ...], m: int, n: int, k: int) -> None:
    random = np.random.default_rng(0)
    a, b = (random.standard_normal((*batch, *shape)).astype("float32") for shape in ((m, k), (k, n)))
    whole = np.full((*batch, m, 2, n), 7, "float32")
    c = whole[..., 0, :]
    execute(plan_matmul("float32", view(a), view(b), threads=1, out=view(c)), [a, b, c], 1)
    assert_product(c, a, b)
    assert (whole[..., 1, :] == 7).all()
