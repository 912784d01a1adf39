"""Convolutions, pooling and their gradients against the NumPy reference: borders, tiles, groups, threads, widths."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from pronghorn.ops.attributes import Windows
from pronghorn_cpu import host
from pronghorn_cpu import windows as windows_plans
from pronghorn_cpu.cache import load
from pronghorn_cpu.convolution import plan_convolution, plan_input_gradient, plan_kernel_gradient
from pronghorn_cpu.launch import Launch
from pronghorn_cpu.windows import plan_windows
from pronghorn_ops.primitives import convolution as reference

GUARD = 64

Case = tuple[tuple[int, ...], int, int, Windows]


def windows(size: Any, strides: Any = 1, padding: Any = (0, 0), dilation: Any = 1) -> Windows:
    rank = len(size)
    every = [v if isinstance(v, tuple) else (v,) * rank for v in (strides, dilation)]
    return Windows(tuple(size), every[0], tuple(padding for _ in size), every[1])


CASES: dict[str, tuple[tuple[int, ...], int, int, Windows]] = {
    # input shape, filters, groups, windows
    "one cell": ((1, 1, 1, 1), 1, 1, windows((1, 1))),
    "wide": ((2, 9, 11, 3), 70, 1, windows((3, 3))),
    "same": ((3, 8, 8, 16), 16, 1, windows((3, 3), padding=(1, 1))),
    "exactly a panel": ((1, 7, 9, 5), 64, 1, windows((2, 3))),
    "strided": ((2, 9, 8, 16), 33, 1, windows((3, 3), 2, (1, 1))),
    "larger strides than window": ((2, 9, 8, 2), 3, 1, windows((1, 2), (2, 3), (0, 1))),
    "dilated": ((2, 12, 10, 7), 20, 1, windows((3, 2), 1, (2, 0), (3, 2))),
    "dilated and strided": ((1, 14, 12, 4), 5, 1, windows((3, 2), (2, 3), (2, 1), (2, 2))),
    "groups": ((2, 6, 7, 12), 30, 3, windows((3, 3), 1, (1, 1))),
    "each channel": ((2, 6, 7, 5), 10, 5, windows((3, 3), 2, (0, 1))),
    "line": ((2, 300, 3), 18, 1, windows((5,), 2, (4, 0))),
    "volume": ((2, 4, 5, 6, 3), 17, 1, windows((2, 3, 2), (1, 2, 1), (1, 0))),
    "long sums": ((2, 3, 3, 700), 18, 1, windows((3, 3), 1, (1, 1))),
    "many images": ((40, 5, 4, 2), 9, 1, windows((2, 2))),
    "all padding": ((1, 1, 1, 2), 2, 1, windows((2, 2), 1, (3, 3))),
    "cut off": ((1, 8, 9, 2), 3, 1, windows((2, 2), 2, (0, -1))),
    "large image": ((1, 90, 80, 16), 3, 1, windows((3, 3), 1, (1, 1))),
    "no images": ((0, 5, 5, 2), 3, 1, windows((3, 3))),
}
cases = pytest.mark.parametrize("name", CASES)


def execute(launches: tuple[Launch, ...], operands: list[Any], shape: tuple[int, ...], threads: int = 1) -> Any:
    """The result of launches run thread by thread, which write nothing beside it."""
    size, dtype = math.prod(shape), operands[0].dtype
    around = np.full(size + 2 * GUARD, 7, dtype)
    result = around[GUARD : GUARD + size].reshape(shape)
    scratch = np.full(max([launch.scratch_bytes for launch in launches], default=0) + 64, 255, np.uint8)
    start = -(-scratch.ctypes.data // 64) * 64
    addresses = [a.ctypes.data for a in (*operands, result)]
    for launch in launches:
        block = np.array(launch.block(addresses, start, lambda source: load(source).address), np.int64)
        for t in reversed(range(threads)):
            load(launch.source)(block.ctypes.data, t, threads)
    assert (around[:GUARD] == 7).all() and (around[GUARD + size :] == 7).all()
    return result


def close(found: Any, expected: Any) -> None:
    scale = np.abs(expected).max(initial=1)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=3e-6 * scale)


def operands(name: str, dtype: str = "float32") -> tuple[Any, Any, Any, dict[str, Any]]:
    shape, filters, groups, lie = CASES[name]
    rng = np.random.default_rng(0)
    kernel = (*lie.size, shape[-1] // groups, filters)
    shapes = shape, kernel, (shape[0], *lie.count(shape[1:-1]), filters)
    x, w, dy = (rng.normal(size=s).astype(dtype) for s in shapes)
    return x, w, dy, {"windows": lie, "groups": groups}


@cases
def test_convolution(name: str) -> None:
    x, w, dy, attrs = operands(name)
    expected = reference.convolution.reference(x, w, **attrs)
    found = [
        execute(plan_convolution("float32", x.shape, w.shape, **attrs, threads=n), [x, w], dy.shape, n) for n in (1, 3)
    ]
    close(found[0], expected)
    np.testing.assert_array_equal(found[0], found[1])


@cases
def test_input_gradient(name: str) -> None:
    x, w, dy, attrs = operands(name)
    sizes = x.shape[1:-1]
    expected = reference.convolution_input_gradient.reference(dy, w, sizes=sizes, **attrs)
    plans = [plan_input_gradient("float32", dy.shape, w.shape, sizes, **attrs, threads=n) for n in (1, 3)]
    found = [execute(plan, [dy, w], x.shape, n) for plan, n in zip(plans, (1, 3), strict=True)]
    close(found[0], expected)
    np.testing.assert_array_equal(found[0], found[1])


@cases
def test_kernel_gradient(name: str) -> None:
    x, w, dy, attrs = operands(name)
    expected = reference.convolution_kernel_gradient.reference(x, dy, **attrs)
    plans = [plan_kernel_gradient("float32", x.shape, dy.shape, **attrs, threads=n) for n in (1, 3)]
    found = [execute(plan, [x, dy], w.shape, n) for plan, n in zip(plans, (1, 3), strict=True)]
    close(found[0], expected)
    np.testing.assert_array_equal(found[0], found[1])


POOLING = {
    "pairs": ((2, 8, 6, 64), windows((2, 2), 2)),
    "ragged channels": ((2, 7, 9, 21), windows((3, 2), (2, 1), (1, 1))),
    "many channels": ((1, 5, 5, 150), windows((3, 3), 1, (1, 1))),
    "line": ((3, 20, 3), windows((4,), 3, (2, 1))),
    "volume": ((2, 4, 5, 6, 3), windows((2, 3, 2), (1, 2, 1), (1, 0))),
    "cut off": ((1, 8, 9, 2), windows((2, 2), 2, (0, -1))),
    "some cells left": ((2, 7, 9, 20), windows((2, 2), 2)),
    "overlapping": ((2, 9, 7, 40), windows((3, 3), 2)),
    "gaps": ((2, 9, 7, 5), windows((2, 1), 3)),
    "cubes": ((1, 4, 6, 4, 3), windows((2, 2, 2), 2)),
}


@pytest.mark.parametrize("name", POOLING)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
def test_pooling(name: str, dtype: str) -> None:
    shape, lie = POOLING[name]
    rng = np.random.default_rng(0)
    x = rng.integers(-4, 5, shape).astype(dtype)  # with many equal maxima
    out = reference.maximum_of_windows.reference(x, windows=lie)
    g, values = rng.integers(-9, 9, out.shape).astype(dtype), rng.integers(-9, 9, shape).astype(dtype)
    batch, *sizes, channels = shape
    for op, inputs in {
        reference.maximum_of_windows: [x],
        reference.max_pool_gradient: [x, out, g],
        reference.max_pool_pick: [x, out, values],
        reference.sum_pool: [x],
        reference.sum_pool_gradient: [g],
    }.items():
        attrs = {"sizes": tuple(sizes)} if op is reference.sum_pool_gradient else {}
        expected = op.reference(*inputs, windows=lie, **attrs)
        launches = plan_windows(op.name, dtype, batch, sizes, lie, channels)
        for threads in (1, 3):
            np.testing.assert_array_equal(execute(launches, inputs, expected.shape, threads), expected, op.name)


@pytest.mark.parametrize("name", POOLING)
def test_windows_walked_without_loops_make_the_same_bits(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of zeros with a sign."""
    shape, lie = POOLING[name]
    rng, (batch, *sizes, channels) = np.random.default_rng(0), shape
    x = rng.choice(np.array([-1.5, -0.0, 0.0, 0.3, np.inf], "float32"), shape)
    out = reference.maximum_of_windows.reference(x, windows=lie)
    g = rng.choice(np.array([-0.0, 0.1, 0.7], "float32"), out.shape)
    for op, inputs, result in (
        (reference.maximum_of_windows, [x], out.shape),
        (reference.max_pool_gradient, [x, out, g], shape),
        (reference.sum_pool, [x], out.shape),
        (reference.sum_pool_gradient, [g], shape),
    ):
        found = []
        for most in (9, 0):
            monkeypatch.setattr(windows_plans, "_MOST_UNROLLED", most)
            launches = plan_windows(op.name, "float32", batch, sizes, lie, channels)
            found.append(execute(launches, inputs, result).tobytes())
        assert found[0] == found[1], op.name


def test_nan_wins_a_maximum() -> None:
    x = np.array([1, np.nan, 3, 4, np.nan, 0], "float32").reshape(1, 6, 1)
    launches = plan_windows("max_pool", "float32", 1, [6], windows((2,), 2), 1)
    np.testing.assert_array_equal(execute(launches, [x], (1, 3, 1)).ravel(), [np.nan, 4, np.nan])


@pytest.mark.parametrize("case", [c for c in CASES if c != "no images"])
def test_convolution_of_each_channel_alone(case: str) -> None:
    shape, _, _, lie = CASES[case]
    rng, (batch, *sizes, channels) = np.random.default_rng(0), shape
    x, w = rng.normal(size=shape).astype("float32"), rng.normal(size=(*lie.size, 1, channels)).astype("float32")
    dy = rng.normal(size=(batch, *lie.count(tuple(sizes)), channels)).astype("float32")
    attrs = {"windows": lie, "groups": channels}
    for op, inputs, extra in (
        (reference.convolution, [x, w], {}),
        (reference.convolution_input_gradient, [dy, w], {"sizes": tuple(sizes)}),
        (reference.convolution_kernel_gradient, [x, dy], {}),
    ):
        expected = op.reference(*inputs, **attrs, **extra)
        launches = plan_windows(op.name, "float32", batch, sizes, lie, channels)
        close(execute(launches, inputs, expected.shape, 2), expected)


@pytest.mark.skipif(not host.has_fma(), reason="without fused multiply-add every width rounds twice")
def test_bits_do_not_depend_on_the_vector_width(monkeypatch: pytest.MonkeyPatch) -> None:
    results = []
    for lanes in (16, 8, 4):
        monkeypatch.setattr(host, "float32_lanes", lambda lanes=lanes: lanes)
        monkeypatch.setattr(host, "vector_registers", lambda lanes=lanes: 32 if lanes == 16 else 16)
        found = []
        for name in ("wide", "strided", "groups", "many images", "long sums"):
            x, w, dy, attrs = operands(name)
            found.append(execute(plan_convolution("float32", x.shape, w.shape, **attrs), [x, w], dy.shape))
            launches = plan_input_gradient("float32", dy.shape, w.shape, x.shape[1:-1], **attrs)
            found.append(execute(launches, [dy, w], x.shape))
            found.append(execute(plan_kernel_gradient("float32", x.shape, dy.shape, **attrs), [x, dy], w.shape))
        results.append(found)
    for other in results[1:]:
        for x, y in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(x, y)


def test_other_sizes_need_no_other_kernel() -> None:
    sources = {
        launch.source
        for name in ("wide", "same", "dilated", "volume", "line")
        for x, w, _, attrs in [operands(name)]
        for launch in plan_convolution("float32", x.shape, w.shape, **attrs)
    }
    assert len(sources) == 2  # the product and the packing
