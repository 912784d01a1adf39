"""Copies, fills and gathers against NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pronghorn_cpu.shape import (
    SOURCE_ADDRESS,
    SOURCE_ROWS,
    SOURCE_STRIDES,
    Fill,
    Gather,
    concatenate_copies,
    place_copy,
    plan_copy,
    plan_fill,
    plan_gather,
    slice_copy,
    transpose_copy,
)

Array = np.ndarray[Any, Any]
Execute = Callable[..., None]


def numbers(shape: tuple[int, ...], dtype: str) -> Array:
    values = np.random.default_rng(0).integers(0, 2 if dtype == "bool" else 100, shape)
    return np.asarray(values).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", "int16", "bool"])
def test_transposes(execute: Execute, dtype: str) -> None:
    cases: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
        ((128, 10), (1, 0)),
        ((100, 70), (1, 0)),
        ((1, 5), (1, 0)),
        ((3, 4, 5), (2, 1, 0)),
        ((3, 40, 50), (0, 2, 1)),
        ((30, 4, 50), (1, 0, 2)),
        ((2, 33, 3, 40), (0, 3, 2, 1)),
        ((17, 33, 16), (2, 0, 1)),
        ((0, 3), (1, 0)),
        ((5,), (0,)),
        ((), ()),
    ]
    for shape, axes in cases:
        x = numbers(shape, dtype)
        out = np.zeros([shape[k] for k in axes], dtype)
        execute(plan_copy(dtype, [transpose_copy(shape, axes)]), [x, out], threads=2)
        assert np.array_equal(out, x.transpose(axes)), (shape, axes)


def test_slices(execute: Execute) -> None:
    x = numbers((10, 20), "float32")
    cases = {
        ((1, 2), (3, 4), (2, 3)): x[1:7:2, 2:14:3],
        ((9, 19), (10, 20), (-1, -1)): x[::-1, ::-1],
        ((0, 0), (10, 5), (1, 1)): x[:, :5],
        ((4, 0), (1, 20), (1, 1)): x[4:5],
        ((0, 0), (0, 20), (1, 1)): x[:0],
    }
    for (start, size, step), expected in cases.items():
        out = np.zeros(size, np.float32)
        execute(plan_copy("float32", [slice_copy(x.shape, start, size, step)]), [x, out], threads=2)
        assert np.array_equal(out, expected)


def test_concatenation_is_one_launch(execute: Execute) -> None:
    parts = [numbers(shape, "int32") for shape in [(3, 4, 5), (3, 1, 5), (3, 7, 5)]]
    out = np.zeros((3, 12, 5), np.int32)
    launches = plan_copy("int32", concatenate_copies([p.shape for p in parts], 1))
    assert len(launches) == 1
    execute(launches, [a for part in parts for a in (part, out)], threads=2)
    assert np.array_equal(out, np.concatenate(parts, 1))


def test_padding(execute: Execute) -> None:
    x, out = numbers((3, 4), "float64"), np.zeros((6, 12))
    execute(plan_fill("float64", [Fill(out.size, int(np.float64(2.5).view(np.uint64)))]), [out])
    execute(plan_copy("float64", [place_copy((3, 4), out.shape, (1, 2), (1, 3))]), [x, out])
    expected = np.full((6, 12), 2.5)
    expected[1:4, 2:12:3] = x
    assert np.array_equal(out, expected)


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", "bool", "int16", "int64"])
def test_fills(execute: Execute, dtype: str) -> None:
    value = np.array([-1 if dtype.startswith(("f", "int")) else 1], dtype)
    for count in (0, 1, 17, 10000):
        a, b = np.zeros(count, dtype), np.zeros(3, dtype)
        bits = int(value.view(f"u{value.itemsize}")[0])
        execute(plan_fill(dtype, [Fill(count, bits), Fill(3, bits)]), [a, b], threads=2)
        assert np.all(a == value) and np.all(b == value)


@pytest.mark.parametrize(
    "source, target",
    [
        ("uint8", "float32"),
        ("float32", "float32"),
        ("float64", "float32"),
        ("bool", "int32"),
        ("int64", "int64"),
    ],
)
def test_gathers_of_any_layout(execute: Execute, source: str, target: str) -> None:
    rng = np.random.default_rng(0)
    for shape in [(1000, 784), (50,), (60, 28, 28), (20, 3)]:
        x = numbers(shape, source)
        swapped = x.astype(x.dtype.newbyteorder(">"))
        for array in (x, np.asfortranarray(x), x[::2], x[..., ::-1], swapped):
            indices = rng.integers(-array.shape[0], array.shape[0], 37)
            out = np.zeros((37, *shape[1:]), target)
            gather = Gather((1, *array.shape), (0, *array.strides), 37, swapped=array is swapped)
            execute(plan_gather(gather, source, target), [array, indices, out], threads=2)
            assert np.array_equal(out, array[indices].astype(target)), (shape, array.strides)


def test_gather_along_an_inner_axis(execute: Execute) -> None:
    x, indices = numbers((5, 30, 7), "float32"), np.array([3, -1, 0, 29, 3], np.int32)
    out = np.zeros((5, 5, 7), np.float32)
    gather = Gather(x.shape, x.strides, indices.size)
    execute(plan_gather(gather, "float32", "float32", "int32"), [x, indices, out])
    assert np.array_equal(out, x[:, indices])


def test_an_index_out_of_range_reads_no_foreign_memory(execute: Execute) -> None:
    x, indices, out = numbers((4, 3), "float32"), np.array([99, -99]), np.zeros((2, 3), np.float32)
    execute(plan_gather(Gather((1, 4, 3), (0, 12, 4), 2), "float32", "float32"), [x, indices, out])
    assert np.array_equal(out, x[[3, 0]])


def test_the_slots_that_are_bound_anew() -> None:
    launch = plan_gather(Gather((1, 60, 28, 28), (0, 784, 28, 1), 7), "uint8", "float32")
    block = launch.block([1111, 2222, 3333])
    assert block[SOURCE_ROWS] == 60
    assert block[SOURCE_ADDRESS + 1] == 1111
    assert block[SOURCE_STRIDES + 1 : SOURCE_STRIDES + 4] == [0, 784, 1]
