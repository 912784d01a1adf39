"""Philox draws against the definition in NumPy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pronghorn.ops.random import philox_bits, philox_normal, philox_uniform
from pronghorn_cpu.random import Draw, plan_random

Execute = Callable[..., None]

COUNTS = (0, 1, 63, 64, 65, 5000)
STATES = [(0, 0, 0), (123456789012345, 7, 3), (-5, 2**40 + 3, 2**62)]


def test_the_known_answer(execute: Execute) -> None:
    """The published vector: counter and key zero."""
    words = np.zeros(64, np.uint32)
    execute(plan_random("bits", "uint32", [Draw(64)]), [np.zeros(3, np.int64), words])
    assert [hex(w) for w in words[::16]] == ["0x6627e8d5", "0xe169c58d", "0xbc57ac4c", "0x9b00dbd8"]


@pytest.mark.parametrize("state", STATES)
def test_bits_and_uniform_equal_the_reference(execute: Execute, state: tuple[int, int, int]) -> None:
    seed, stream, offset = state
    cell = np.array(state, np.int64)
    for count in COUNTS:
        bits = np.zeros(count, np.uint32)
        execute(plan_random("bits", "uint32", [Draw(count, call=5)]), [cell, bits], threads=2)
        assert np.array_equal(bits, philox_bits(seed, stream, offset + 5, count))
        for dtype in ("float32", "float64"):
            got = np.zeros(count, dtype)
            execute(plan_random("uniform", dtype, [Draw(count, call=5)]), [cell, got], threads=2)
            assert np.array_equal(got, philox_uniform(seed, stream, offset + 5, count, dtype))
            assert not count or (got.min() >= 0 and got.max() < 1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_normal_draws(execute: Execute, dtype: str) -> None:
    got = np.zeros(40000, dtype)
    execute(plan_random("normal", dtype, [Draw(got.size)]), [np.array([3, 1, 0]), got], threads=3)
    tolerance = 1e-6 if dtype == "float32" else 1e-14
    assert np.allclose(got, philox_normal(3, 1, 0, got.size, dtype), rtol=0, atol=tolerance)
    assert abs(got.mean()) < 0.02 and abs(got.std() - 1) < 0.02


def test_a_table_of_draws(execute: Execute) -> None:
    cell, other = np.array([1, 2, 3]), np.array([4, 5, 6])
    a, b, c = (np.zeros(n, np.float32) for n in (100, 33, 20000))
    execute(
        plan_random("uniform", "float32", [Draw(100), Draw(33, 1), Draw(20000)]),
        [cell, a, cell, b, other, c],
        4,
    )
    assert np.array_equal(a, philox_uniform(1, 2, 3, 100))
    assert np.array_equal(b, philox_uniform(1, 2, 4, 33))
    assert np.array_equal(c, philox_uniform(4, 5, 6, 20000))


def test_what_cannot_be_drawn() -> None:
    with pytest.raises(ValueError, match="no kernel draws int32"):
        plan_random("uniform", "int32", [Draw(3)])
