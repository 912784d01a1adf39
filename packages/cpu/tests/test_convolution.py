"""Convolutions and their gradients against the NumPy reference: geometry, borders of the tiles, groups, threads, widths."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from pronghorn.ops import convolution as reference
from pronghorn.ops.convolution import Windows
from pronghorn_cpu.cache import load
from pronghorn_cpu.convolution import plan_convolution, plan_input_gradient, plan_kernel_gradient
from pronghorn_cpu.launch import Launch

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
