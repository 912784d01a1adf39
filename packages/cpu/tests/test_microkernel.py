"""The microkernel and what feeds it, at every vector width."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pronghorn_cpu.cache import load

Array = npt.NDArray[Any]

WIDTHS = {"float32": [16, 8, 4], "float64": [8, 4, 2]}
DTYPES_AND_LANES = [(dtype, lanes) for dtype, widths in WIDTHS.items() for lanes in widths]

PRODUCT = """
from pronghorn_cpu.intrinsics import slot
from pronghorn_cpu.microkernel import Tile, microkernel

multiply = microkernel(Tile({dtype!r}, {lanes}, {rows}, {vectors}))


def kernel(p, t, threads):
    multiply(
        slot(p, 0), slot(p, 1), slot(p, 2), slot(p, 3), slot(p, 4),
        slot(p, 5), slot(p, 6), slot(p, 7), slot(p, 8), slot(p, 9),
    )
"""

STAGED = """
from pronghorn_cpu import microkernel
from pronghorn_cpu.emit import kernel_intrinsic
from pronghorn_cpu.staging import Code


def emit(builder, p, t, threads):
    code = Code(builder)
    block = code.word(p)
    microkernel.{name}(code, {dtype!r}, {lanes}, *(code.slot(block, k) for k in range({count})))


run = kernel_intrinsic(emit)


def kernel(p, t, threads):
    run(p, t, threads)
"""


def call(source: str, *arguments: int) -> None:
    block = np.array(arguments, np.int64)
    load(source)(block.ctypes.data, 0, 1)


def multiply(a: Array, b: Array, c: Array, lanes: int, vectors: int, rows: int, accumulate: bool) -> None:
    source = PRODUCT.format(dtype=str(a.dtype), lanes=lanes, rows=rows, vectors=vectors)
    call(
        source, a.ctypes.data, *a.strides, b.ctypes.data, b.strides[0], c.ctypes.data, c.strides[0],
        a.shape[1], a.shape[0], accumulate,
    )  # fmt: skip


@pytest.mark.parametrize(("dtype", "lanes"), DTYPES_AND_LANES)
@pytest.mark.parametrize("depth", [0, 1, 37])
def test_outer_product_sums_products(dtype: str, lanes: int, depth: int) -> None:
    random = np.random.default_rng(depth)
    a = random.standard_normal((3, depth)).astype(dtype)
    b = random.standard_normal((depth, 2 * lanes)).astype(dtype)
    c = np.full((5, 2 * lanes), 7, dtype)
    multiply(a, b, c, lanes, 2, 3, accumulate=False)
    np.testing.assert_allclose(c[:3], a @ b, rtol=0, atol=100 * float(np.finfo(dtype).eps))
    assert (c[3:] == 7).all()
    before = c.copy()
    multiply(a, b, c, lanes, 2, 3, accumulate=True)
    np.testing.assert_array_equal(c[:3], before[:3] + before[:3])


def test_outer_product_repeats_the_last_row_where_a_has_fewer() -> None:
    random = np.random.default_rng(0)
    a, b = random.standard_normal((2, 9)).astype("float32"), random.standard_normal((9, 16)).astype("float32")
    c = np.zeros((6, 16), "float32")
    multiply(a, b, c, 8, 2, 6, accumulate=False)
    np.testing.assert_array_equal(c[2:], np.broadcast_to(c[1], (4, 16)))


def test_outer_product_has_the_same_bits_in_every_tile() -> None:
    """Tiles of any rows, registers and vector width see the same sequence of multiply-adds per element."""
    random = np.random.default_rng(1)
    a = random.standard_normal((300, 8)).astype("float32").T  # any strides
    b = random.standard_normal((300, 32)).astype("float32")
    results = []
    for lanes, rows, vectors in [(16, 8, 2), (16, 4, 1), (8, 2, 4), (4, 1, 1)]:
        c = np.empty((8, 32), "float32")
        width = lanes * vectors
        for row, column in itertools.product(range(0, 8, rows), range(0, 32, width)):
            left, right = a[row : row + rows], b[:, column : column + width]
            multiply(left, right, c[row : row + rows, column : column + width], lanes, vectors, rows, False)
        results.append(c)
    for c in results[1:]:
        np.testing.assert_array_equal(c.view(np.int32), results[0].view(np.int32))


@pytest.mark.parametrize(("dtype", "lanes"), DTYPES_AND_LANES)
def test_move_touches_what_it_is_told_to(dtype: str, lanes: int) -> None:
    source = STAGED.format(name="move", dtype=dtype, lanes=lanes, count=4)
    values = np.arange(1, 41, dtype=dtype)
    for count in (0, 1, 3, lanes - 1, lanes, 2 * lanes + 1, 39):
        target = np.full(40, -1, dtype)
        call(source, values.ctypes.data, target.ctypes.data, count, 0)
        np.testing.assert_array_equal(target, np.where(np.arange(40) < count, values, -1))
        call(source, values.ctypes.data, target.ctypes.data, count, 1)
        np.testing.assert_array_equal(target, np.where(np.arange(40) < count, 2 * values, -1))


@pytest.mark.parametrize(("dtype", "lanes"), [("float32", 8), ("float32", 4), ("float64", 4), ("float64", 2)])
def test_transpose(dtype: str, lanes: int) -> None:
    rows = np.arange(lanes * 11, dtype=dtype).reshape(lanes, 11)
    target = np.zeros((lanes, 13), dtype)
    source = STAGED.format(name="transpose", dtype=dtype, lanes=lanes, count=4)
    call(source, rows.ctypes.data, rows.strides[0], target.ctypes.data, target.strides[0])
    np.testing.assert_array_equal(target[:, :lanes], rows[:, :lanes].T)
    assert not target[:, lanes:].any()


@pytest.mark.parametrize(("dtype", "lanes"), DTYPES_AND_LANES)
@pytest.mark.parametrize("layout", ["rows", "columns", "steps"])
def test_pack_reads_any_strides_and_pads_with_zeros(dtype: str, lanes: int, layout: str) -> None:
    source = STAGED.format(name="pack", dtype=dtype, lanes=lanes, count=7)
    width = 2 * lanes
    for depth, columns in itertools.product((0, 1, 8, 37), (1, lanes, width - 1, width)):
        numbers = np.arange(1, depth * columns + 1, dtype=dtype)
        b = numbers.reshape(depth, columns)
        if layout == "columns":
            b = np.asfortranarray(b)
        if layout == "steps":
            spaced = np.zeros((2 * depth, 3 * columns), dtype)
            spaced[::2, ::3] = b
            b = spaced[::2, ::3]
        panel = np.full((depth + 1, width), -1, dtype)
        call(source, b.ctypes.data, *b.strides, panel.ctypes.data, depth, columns, width)
        np.testing.assert_array_equal(panel[:depth, :columns], b)
        assert not panel[:depth, columns:].any()
        assert (panel[depth] == -1).all()
