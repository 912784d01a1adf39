"""Runs planned launches on NumPy arrays, by hand instead of by the runner; compares programs with the reference."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from pronghorn import tree
from pronghorn.body import Body, Step
from pronghorn.program import jit
from pronghorn.tensor import constant
from pronghorn.testing.kernels import using_accelerator
from pronghorn_cpu import cache
from pronghorn_cpu.launch import Launch

Execute = Callable[..., None]
MakeBody = Callable[..., Body]


@pytest.fixture
def execute() -> Execute:
    """`execute(launch or launches, arrays, threads=1)`: every thread's share in turn, the last thread's
    first.
    """

    def run(launches: Launch | Sequence[Launch], arrays: Sequence[Any], threads: int = 1) -> None:
        planned = [launches] if isinstance(launches, Launch) else list(launches)
        scratch = np.zeros(max(launch.scratch_bytes for launch in planned) + 64, np.uint8)
        start = -(-scratch.ctypes.data // 64) * 64
        for launch in planned:
            kernel = cache.load(launch.source)
            block = np.array(launch.block([a.ctypes.data for a in arrays], start), np.int64)
            for t in reversed(range(threads)):
                kernel(block.ctypes.data, t, threads)

    return run


@pytest.fixture
def make_body() -> MakeBody:
    """`make_body(inputs, (expression, arguments, dtype), …, outputs=ids)`; parameters are x, y, z, w; the
    last is the output.
    """

    def make(
        inputs: Sequence[str], *steps: tuple[str, Sequence[int], str], outputs: Sequence[int] | None = None
    ) -> Body:
        rows = tuple(
            Step(expression, expression, tuple("xyzw"[: len(arguments)]), tuple(arguments), dtype)
            for expression, arguments, dtype in steps
        )
        last = (len(inputs) + len(steps) - 1,)
        return Body(tuple(inputs), rows, last if outputs is None else tuple(outputs))

    return make


@pytest.fixture
def on_cpu() -> Iterator[None]:
    with using_accelerator("cpu"):
        yield


@pytest.fixture
def compare() -> Callable[..., None]:
    """`compare(function, arrays, dtype)`: the program gives on the current device what the reference gives; arrays of
    floats are of `dtype`.
    """

    def run(function: Callable[..., Any], arrays: Sequence[Any], dtype: str) -> None:
        tensors = [constant(a, dtype if a.dtype.kind == "f" else str(a.dtype)) for a in arrays]
        got = jit(function)(*tensors)
        with using_accelerator("numpy"):
            want = jit(function)(*tensors)
        rtol, atol = (1e-4, 1e-5) if dtype == "float32" else (1e-12, 1e-12)
        for g, w in zip(tree.flatten(got), tree.flatten(want), strict=True):
            if w is None:
                continue
            assert (g.shape, g.dtype) == (w.shape, w.dtype)
            np.testing.assert_allclose(g.numpy(), w.numpy(), rtol=rtol, atol=atol)

    return run
