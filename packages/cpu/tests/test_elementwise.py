"""Fused map kernels: shapes, strides, tables, in-place use, and bits that depend on neither threads nor
lanes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pronghorn.body import Body
from pronghorn.program import jit
from pronghorn_cpu import cache
from pronghorn_cpu.elementwise import CHUNK, plan_map, signature
from pronghorn_cpu.launch import worth_parallel
from pronghorn_cpu.spaces import Space, broadcast_strides, collapse, dense_strides, runs_of

Array = np.ndarray[Any, Any]
Execute = Callable[..., None]
MakeBody = Callable[..., Body]

FMA_FREE = ("x * y + z", [0, 1, 2], "float32")


def space(shape: tuple[int, ...], *operands: tuple[int, ...]) -> Space:
    return Space(shape, tuple(broadcast_strides(operand, shape) for operand in operands))


@pytest.mark.parametrize(
    "shapes",
    [
        [(), (), ()],
        [(0,), (0,), ()],
        [(1,), (1,), (1,)],
        [(17,), (17,), (1,)],
        [(CHUNK + 5,), (CHUNK + 5,), ()],
        [(3, 5), (5,), (3, 1)],
        [(3, CHUNK + 40), (CHUNK + 40,), (3, 1)],
        [(4, 1, 6), (5, 1), (4, 5, 6)],
        [(2, 3, 4, 5), (3, 1, 5), (2, 1, 4, 1)],
        [(7, 0), (0,), (7, 1)],
    ],
)
def test_broadcasting(execute: Execute, make_body: MakeBody, shapes: list[tuple[int, ...]]) -> None:
    rng = np.random.default_rng(0)
    x, y, z = (np.asarray(rng.standard_normal(s), np.float32) for s in shapes)
    expected = x * y + z
    out = np.full(expected.shape, 7, np.float32)
    body = make_body(["float32"] * 3, FMA_FREE)
    execute(plan_map(body, [space(expected.shape, *shapes)]), [x, y, z, out], threads=3)
    assert np.array_equal(out, expected)


def test_strided_operands(execute: Execute, make_body: MakeBody) -> None:
    rng = np.random.default_rng(0)
    base = rng.standard_normal((40, 66))
    for view in (base[:, ::2], base.T[:40, :33], base[::-1, :33]):
        y = rng.standard_normal(33)
        out = np.zeros(view.shape)
        strides = tuple(s // 8 for s in view.strides)
        body = make_body(["float64"] * 2, ("x - y", [0, 1], "float64"))
        execute(plan_map(body, [Space(view.shape, (strides, (0, 1)))]), [view, y, out], threads=2)
        assert np.array_equal(out, view - y)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64", "uint8", "bool", "float16", "int8"])
def test_dtypes(execute: Execute, make_body: MakeBody, dtype: str) -> None:
    x = np.arange(50).astype(dtype)
    out = np.zeros(50, dtype)
    execute(plan_map(make_body([dtype], ("x", [0], dtype)), [space((50,), (50,))]), [x, out])
    assert np.array_equal(out, x)


def test_a_table_of_tensors_is_one_launch(execute: Execute, make_body: MakeBody) -> None:
    """RMSprop over five variables, in place, with the learning rate and the decay read from memory."""
    rng = np.random.default_rng(0)
    body = make_body(
        ["float32"] * 5,
        ("y * z + x * x * (1 - z)", [2, 1, 4], "float32"),
        ("x - y * z / sqrt(w + 1e-7)", [0, 2, 3, 5], "float32"),
        outputs=[5, 6],
    )
    shapes = [(784, 256), (256,), (128, 10), (10,), (1,)]
    rate, decay = np.array(0.01, np.float32), np.array(0.9, np.float32)
    arrays, expected = [], []
    for shape in shapes:
        w, v, g = (rng.random(shape).astype(np.float32) for _ in range(3))
        slot = v * decay + g * g * (1 - decay)
        expected.append((slot, w - g * rate / np.sqrt(slot + np.float32(1e-7))))
        arrays += [w, v, g, rate, decay, v, w]
    launch = plan_map(body, [space(shape, shape, shape, shape, (), ()) for shape in shapes])
    assert launch.parallel
    execute(launch, arrays, threads=2)
    for k, (slot, weights) in enumerate(expected):
        assert np.array_equal(arrays[7 * k + 5], slot) and np.array_equal(arrays[7 * k + 6], weights)


def test_groups_that_collapse_differently_are_refused(make_body: MakeBody) -> None:
    body = make_body(["float32"] * 2, ("x + y", [0, 1], "float32"))
    full, row = space((3, 4), (3, 4), (3, 4)), space((3, 4), (3, 4), (4,))
    assert signature(full) != signature(row)
    with pytest.raises(ValueError, match="plan them apart"):
        plan_map(body, [full, row])


def test_bits_are_equal_for_any_threads_and_lanes(execute: Execute, make_body: MakeBody) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal(5 * CHUNK + 13).astype(np.float32) * 10
    body = make_body(["float32"], ("tanh(x) * exp(-x) + fma(x, x, sin(x)) / 3", [0], "float32"))
    results = []
    for width in (16, 8, 4):
        for threads in (1, 2, 4):
            out = np.zeros_like(x)
            execute(plan_map(body, [space(x.shape, x.shape)], width=width), [x, out], threads)
            results.append(out.tobytes())
    assert len(set(results)) == 1


def test_fused_and_unfused_give_equal_bits(execute: Execute, make_body: MakeBody) -> None:
    rng = np.random.default_rng(0)
    x, y, z = (rng.standard_normal(1000).astype(np.float32) for _ in range(3))
    product, apart, fused = (np.zeros_like(x) for _ in range(3))
    multiply, add = ("x * y", [0, 1], "float32"), ("x + y", [0, 1], "float32")
    two, three = space(x.shape, x.shape, x.shape), space(x.shape, x.shape, x.shape, x.shape)
    execute(plan_map(make_body(["float32"] * 2, multiply), [two]), [x, y, product])
    execute(plan_map(make_body(["float32"] * 2, add), [two]), [product, z, apart])
    body = make_body(["float32"] * 3, multiply, ("x + y", [3, 2], "float32"))
    execute(plan_map(body, [three]), [x, y, z, fused])
    assert apart.tobytes() == fused.tobytes()


def test_other_sizes_need_no_other_kernel(make_body: MakeBody) -> None:
    body = make_body(["float32"] * 2, ("x + y", [0, 1], "float32"))
    sources = {plan_map(body, [space((n, 256), (n, 256), (256,))]).source for n in (128, 96, 7, 1)}
    assert len(sources) == 1
    first = space((128, 1, 5), (128, 1, 5), (1, 1, 5))
    runs = runs_of(first)
    again = plan_map(body, [space((1, 1, 5), (1, 1, 5), (1, 1, 5))], runs=[runs])
    assert cache.load(again.source)  # the operand that is broadcast along 128 rows now looks like a full one
    assert again.source.count("contiguous") == 2


def test_spaces() -> None:
    assert dense_strides((2, 3, 4)) == (12, 4, 1)
    assert dense_strides((2, 3, 4), [False, True, False]) == (4, 0, 1)
    full = space((2, 3, 4), (2, 3, 4), ())
    assert runs_of(full) == (3,)
    assert collapse(full, (3,)) == Space((24,), ((1,), (0,)))
    assert runs_of(space((2, 3, 4), (2, 3, 4), (4,))) == (2, 1)
    assert not worth_parallel(1000) and worth_parallel(1 << 20)


def test_programs_take_subnormal_numbers_for_zeros_and_leave_the_thread_as_it_was(on_cpu: None) -> None:
    x = np.full(1 << 17, 2e-38, np.float32)  # enough for all threads
    assert not jit(lambda t: t * 0.5)(x).numpy().any()
    assert (x * np.float32(0.5)).all()
