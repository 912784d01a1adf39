"""Fused map-reduce kernels against NumPy, and their fixed order of summation."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pronghorn.body import Body
from pronghorn_cpu.reduction import ReduceSpace, plan_reduce, turned
from pronghorn_cpu.spaces import Space, broadcast_strides, dense_strides

Array = np.ndarray[Any, Any]
Execute = Callable[..., None]
MakeBody = Callable[..., Body]

SHAPES: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
    ((3, 5, 7), (0,)),
    ((3, 5, 7), (1,)),
    ((3, 5, 7), (2,)),
    ((3, 5, 7), (0, 2)),
    ((4, 5, 6, 7), (1, 3)),
    ((3, 5, 7), (0, 1, 2)),
    ((3, 5), ()),
    ((), ()),
    ((40, 10), (1,)),
    ((5, 9, 3, 4), (1, 3)),
    ((20, 5000), (1,)),
    ((5000, 20), (0,)),
    ((70000,), (0,)),
    ((1, 1), (0,)),
]


def identity(dtype: str) -> Body:
    return Body((dtype,), (), (0,))


def target(shape: tuple[int, ...], axes: tuple[int, ...], *operands: tuple[int, ...]) -> ReduceSpace:
    strides = tuple(broadcast_strides(o, shape) for o in operands or (shape,))
    return ReduceSpace(Space(shape, strides), tuple(k in axes for k in range(len(shape))))


@pytest.fixture
def reduce(execute: Execute) -> Callable[..., Array]:
    """`reduce(x, axes, kind, dtype)` by the identity body."""

    def run(x: Array, axes: tuple[int, ...], kind: str, dtype: str, threads: int = 2) -> Array:
        out = np.full([n for k, n in enumerate(x.shape) if k not in axes], 7).astype(dtype)
        body = identity(str(x.dtype))
        launches = plan_reduce(body, kind, dtype, [turned(target(x.shape, axes), kind, body)])
        execute(launches, [x, out], threads)
        return out

    return run


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "uint8"])
@pytest.mark.parametrize("kind", ["sum", "max", "min"])
def test_values(reduce: Callable[..., Array], kind: str, dtype: str) -> None:
    rng = np.random.default_rng(0)
    out = "int64" if kind == "sum" and dtype in ("int32", "uint8") else dtype
    for shape, axes in SHAPES:
        x = np.asarray(rng.standard_normal(shape) * 50).astype(dtype)
        got = reduce(x, axes, kind, out)
        wide = x.astype("float64" if dtype.startswith("float") else "int64")
        expected = getattr(np, kind)(wide, axis=axes)
        if kind == "sum" and dtype.startswith("float"):
            scale = np.sum(np.abs(wide), axis=axes)
            assert np.all(np.abs(got - expected) <= scale * np.finfo(dtype).eps * 4), (shape, axes)
        else:
            assert np.array_equal(got, expected), (shape, axes)


def test_other_kinds(reduce: Callable[..., Array]) -> None:
    rng = np.random.default_rng(0)
    for shape, axes in SHAPES:
        flags = np.asarray(rng.random(shape) > 0.5)
        assert np.array_equal(reduce(flags, axes, "any", "bool"), flags.any(axis=axes))
        assert np.array_equal(reduce(flags, axes, "all", "bool"), flags.all(axis=axes))
        factors = np.asarray(1 + rng.standard_normal(shape) * 1e-3)
        assert np.allclose(reduce(factors, axes, "prod", "float64"), factors.prod(axis=axes), rtol=1e-11)
    half = np.full((3, 4000), 0.001, np.float16)
    assert np.array_equal(reduce(half, (1,), "sum", "float16"), half.astype(np.float32).sum(1).astype(np.float16))


@pytest.mark.parametrize("kind", ["argmax", "argmin"])
def test_positions(reduce: Callable[..., Array], kind: str) -> None:
    rng = np.random.default_rng(0)
    for shape in [(5, 7), (100, 40), (3, 5000)]:
        for dtype in ("float32", "int32"):
            x = rng.integers(0, 4, shape).astype(dtype)
            if dtype == "float32":
                x[1] = -np.inf
                x[2] = np.inf
                x[0, 3:5] = np.nan
            for axis in (0, 1):
                got = reduce(x, (axis,), kind, "int32")
                assert np.array_equal(got, getattr(np, kind)(x, axis=axis)), (shape, axis)


@pytest.mark.parametrize("kind", ["max", "min"])
def test_nan_wins(reduce: Callable[..., Array], kind: str) -> None:
    for k in range(0, 40, 3):
        x = np.arange(40, dtype=np.float32)
        x[k] = np.nan
        assert np.isnan(reduce(x, (0,), kind, "float32"))
        assert np.isnan(reduce(np.stack([x, x], 1), (0,), kind, "float32")).all()


def test_empty_reductions_give_the_identity(reduce: Callable[..., Array]) -> None:
    assert np.array_equal(reduce(np.zeros((0, 3), np.float32), (0,), "sum", "float32"), [0, 0, 0])
    assert np.array_equal(reduce(np.zeros((3, 0), np.float32), (1,), "prod", "float32"), [1, 1, 1])
    assert reduce(np.zeros((3, 0), np.float32), (0,), "sum", "float32").shape == (0,)


def test_a_fused_body_reads_broadcast_operands(execute: Execute, make_body: MakeBody) -> None:
    rng = np.random.default_rng(0)
    x, mask = rng.standard_normal((4, 30, 9)).astype(np.float32), rng.random((4, 30, 1)) > 0.3
    body = make_body(["float32", "bool"], ("x * x if y else 0.0", [0, 1], "float32"))
    expected = np.where(mask, x.astype(np.float64) ** 2, 0)
    for axes in [(0, 1, 2), (1,), (0, 1), (2,), (1, 2)]:
        out = np.zeros([n for k, n in enumerate(x.shape) if k not in axes], np.float32)
        launches = plan_reduce(body, "sum", "float32", [target(x.shape, axes, x.shape, mask.shape)])
        execute(launches, [x, mask, out], threads=2)
        assert np.allclose(out, expected.sum(axis=axes), rtol=1e-6)


@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1)])
def test_further_outputs_are_written(execute: Execute, make_body: MakeBody, axes: tuple[int, ...]) -> None:
    """The gradient through relu and the bias gradient of it, in one pass."""
    rng = np.random.default_rng(0)
    y, g = (rng.standard_normal((300, 200)).astype(np.float32) for _ in range(2))
    body = make_body(["float32"] * 2, ("y if x > 0 else 0.0", [0, 1], "float32"), outputs=[2, 2])
    written, total = (
        np.zeros_like(y),
        np.zeros([n for k, n in enumerate(y.shape) if k not in axes], np.float32),
    )
    launches = plan_reduce(body, "sum", "float32", [target(y.shape, axes, y.shape, y.shape)])
    execute(launches, [y, g, written, total], threads=2)
    assert np.array_equal(written, np.where(y > 0, g, 0))
    assert np.allclose(total, written.astype(np.float64).sum(axis=axes), rtol=1e-5, atol=1e-4)


def test_a_table_of_reductions(execute: Execute) -> None:
    rng = np.random.default_rng(0)
    for shapes in ([(128, 256), (128, 128), (128, 10)], [(70000, 3), (5, 4), (9000, 40)]):
        arrays = [rng.standard_normal(shape).astype(np.float32) for shape in shapes]
        sums = [np.zeros(shape[1], np.float32) for shape in shapes]
        launches = plan_reduce(identity("float32"), "sum", "float32", [target(s, (0,)) for s in shapes])
        execute(launches, [a for pair in zip(arrays, sums, strict=True) for a in pair], threads=2)
        for x, total in zip(arrays, sums, strict=True):
            assert np.allclose(total, x.astype(np.float64).sum(0), atol=1e-3)


def test_long_sums_stay_accurate(reduce: Callable[..., Array]) -> None:
    x = np.full(3_000_001, 0.1, np.float32)
    exact = float(np.float32(0.1)) * x.size
    assert abs(float(reduce(x, (0,), "sum", "float32")) - exact) < exact * 4e-6


@pytest.mark.parametrize("shape, axes", [((300000,), (0,)), ((9000, 33), (0,)), ((40, 3000), (1,))])
def test_bits_do_not_depend_on_threads(
    reduce: Callable[..., Array], shape: tuple[int, ...], axes: tuple[int, ...]
) -> None:
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    assert len({reduce(x, axes, "sum", "float32", threads).tobytes() for threads in (1, 2, 4, 7)}) == 1


def test_other_sizes_need_no_other_kernel() -> None:
    sources = {
        launch.source
        for n in (128, 96, 7, 1)
        for launch in plan_reduce(identity("float32"), "sum", "float32", [target((n, 256), (0,))])
    }
    assert len(sources) == 1
    assert dense_strides((1, 256)) == (256, 1)


DIGEST = """
import hashlib
import numpy as np
from pronghorn.body import Body, Step
from pronghorn_cpu import cache
from pronghorn_cpu.elementwise import plan_map
from pronghorn_cpu.reduction import ReduceSpace, plan_reduce
from pronghorn_cpu.spaces import Space

digest = hashlib.sha256()
def execute(launches, arrays):
    scratch = np.zeros(1 << 20, np.int64)
    for launch in launches:
        block = np.array(launch.block([a.ctypes.data for a in arrays], scratch.ctypes.data), np.int64)
        cache.load(launch.source)(block.ctypes.data, 0, 1)
    digest.update(arrays[-1].tobytes())

x = np.random.default_rng(0).standard_normal((1003, 37)).astype(np.float32)
for name in ("exp", "tanh", "erf", "sin", "log1p"):
    body = Body(("float32",), (Step(name, f"{name}(x) * 3.0 + x", ("x",), (0,), "float32"),), (1,))
    execute([plan_map(body, [Space(x.shape, ((37, 1),))])], [np.abs(x), np.zeros_like(x)])
for reduced, count in (((True, False), 37), ((False, True), 1003), ((True, True), 1)):
    target = ReduceSpace(Space(x.shape, ((37, 1),)), reduced)
    launches = plan_reduce(Body(("float32",), (), (0,)), "sum", "float32", [target])
    execute(launches, [x, np.zeros(count, np.float32)])
print(digest.hexdigest())
"""


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="compiles for older x86 processors")
def test_bits_are_equal_on_processors_with_other_vectors() -> None:
    def digest(**environment: str) -> str:
        run = [sys.executable, "-c", DIGEST]
        return subprocess.run(run, env={**os.environ, **environment}, capture_output=True, text=True, check=True).stdout

    here = digest()
    assert len(here.strip()) == 2 * hashlib.sha256().digest_size
    assert digest(NUMBA_CPU_NAME="haswell", NUMBA_CPU_FEATURES="+avx2,+fma") == here
    assert digest(NUMBA_CPU_NAME="nehalem", NUMBA_CPU_FEATURES="+sse4.1") == here
