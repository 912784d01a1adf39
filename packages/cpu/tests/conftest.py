"""Runs planned launches on NumPy arrays, by hand instead of by the runner."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from pronghorn.body import Body, Step
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
