"""Loops and branches: traced, they give what they give step by step, and so do their gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pronghorn import Input, ops
from pronghorn.autodiff import GradientTape, check_gradients
from pronghorn.program import jit
from pronghorn.tensor import constant

FUNCTIONS = {
    "fori_loop": lambda v: ops.fori_loop(0, 4, lambda i, c: c * 1.5 + ops.cast(i, "float64"), v),
    "map": lambda v: ops.map(lambda item: item * item, v),
    "vectorized_map": lambda v: ops.vectorized_map(lambda pair: pair[0] * pair[1], (v, v)),
    "switch": lambda v: ops.switch(ops.cast(v[1], "int32"), [lambda u: u, lambda u: u * 2.0, lambda u: u * u * 3.0], v),
    "nested": lambda v: ops.fori_loop(
        0, 3, lambda i, c: ops.cond(i > 0, lambda: ops.map(lambda item: ops.sin(item) * 2.0, c), lambda: c * c), v
    ),
    "bounded while": lambda v: ops.while_loop(lambda c: ops.sum(c) < 40, lambda c: (c * c,), (v,), 6)[0],
}
EXPECTED = {
    "fori_loop": [5.0625 + 8.25, 10.125 + 8.25],
    "map": [1, 4],
    "vectorized_map": [1, 4],
    "switch": [3, 12],
    "nested": 2 * np.sin(2 * np.sin([1.0, 4.0])),
    "bounded while": [1, 256],
}
X: Any = constant([1.0, 2.0], "float64")


def slope(function: Any) -> Any:
    def gradient(x: Any) -> Any:
        with GradientTape() as tape:
            tape.watch(x)
            total = ops.sum(ops.square(function(x)))
        return tape.gradient(total, x)

    return gradient


@pytest.mark.parametrize("name", FUNCTIONS)
def test_loops_and_branches(name: str) -> None:
    for function in (FUNCTIONS[name], jit(FUNCTIONS[name])):
        np.testing.assert_allclose(function(X).numpy(), EXPECTED[name], rtol=1e-10)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients(name: str) -> None:
    function = FUNCTIONS[name]
    check_gradients(function, [[1.1, 2.1]], rtol=1e-4)
    start: Any = constant([1.1, 2.1], "float64")
    np.testing.assert_allclose(jit(slope(function))(start), slope(function)(start), rtol=1e-10)
    twice = slope(slope(function))
    np.testing.assert_allclose(jit(twice)(start), twice(start), rtol=1e-9)


def test_bounds_that_are_tensors() -> None:
    def powers(x: Any, n: Any) -> Any:
        return ops.fori_loop(0, n, lambda i, c: {"power": c["power"] * x, "count": c["count"] + 1}, {
            "power": ops.ones_like(x), "count": 0,
        })  # fmt: skip

    for count in (0, 3):
        for function in (powers, jit(powers)):
            found = function(X, constant(count, "int32"))
            np.testing.assert_allclose(found["power"], X.numpy() ** count)
            assert int(found["count"]) == count
    with pytest.raises(NotImplementedError, match="maximum_iterations"):
        jit(lambda x, n: slope(lambda v: powers(v, n)["power"])(x))(X, constant(2, "int32"))


def test_a_branch_out_of_range_is_the_last_or_the_first() -> None:
    def chosen(i: Any) -> Any:
        return ops.switch(i, [lambda: 10, lambda: 20, lambda: 30])

    for function in (chosen, jit(chosen)):
        assert [int(function(constant(i, "int32"))) for i in (-5, 0, 1, 2, 9)] == [10, 10, 20, 30, 30]


def test_shapes_in_a_model_graph() -> None:
    x = Input((3,))
    assert ops.map(lambda row: ops.sum(row), x).shape == (None,)
    assert ops.vectorized_map(lambda row: row * 2, x).shape == (None, 3)
    assert ops.fori_loop(0, 3, lambda i, c: c * 2, x).shape == (None, 3)
    assert ops.associative_scan(ops.add, x, axis=1).shape == (None, 3)
