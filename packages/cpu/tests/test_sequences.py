"""Programs over sequences: rows that change places do so by their indices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pronghorn import ops
from pronghorn.autodiff import GradientTape
from pronghorn.program import Program
from pronghorn.tensor import Tensor
from pronghorn.testing.kernels import using_accelerator

pytestmark = pytest.mark.usefixtures("on_cpu")


def names(program: Program) -> list[str]:
    return [node.op.name for node in program.executable.graph.nodes]


@pytest.mark.parametrize(
    ("shape", "axes", "moved"),
    [
        ((5, 3), (1, 0, 2), True),
        ((5, 3, 2), (2, 0, 1, 3), True),
        ((5, 3), (0, 2, 1), False),
        ((5, 3), (2, 1, 0), False),
        ((1, 1), (1, 0, 2), True),
    ],
)
def test_looked_up_rows_and_their_gradients(shape: tuple[int, ...], axes: tuple[int, ...], moved: bool) -> None:
    rng = np.random.default_rng(0)
    rows, indices = rng.normal(size=(11, 4)).astype("float32"), rng.integers(-11, 11, shape)
    weights = rng.normal(size=[(*shape, 4)[axis] for axis in axes]).astype("float32")

    def step(x: Tensor, indices: Tensor, weights: Tensor) -> Any:
        with GradientTape() as tape:
            tape.watch(x)
            y = ops.transpose(ops.take(x, indices, axis=0), axes)
            loss = ops.sum(ops.square(y) * weights)
        return y, tape.gradient(loss, x)

    program = Program(step)
    found = program(rows, indices, weights)
    by_indices = [node for node in program.executable.graph.nodes if node.op.name == "transpose"]
    assert all(node.inputs[0].dtype == "int64" for node in by_indices) == moved
    with using_accelerator("numpy"):
        for got, want in zip(found, Program(step)(rows, indices, weights), strict=True):
            np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-6, atol=1e-6)


def test_rows_that_are_used_in_both_orders_are_looked_up_once() -> None:
    rng = np.random.default_rng(0)
    rows, indices = rng.normal(size=(6, 3)).astype("float32"), rng.integers(0, 6, (4, 2))

    def both(x: Tensor, indices: Tensor) -> Any:
        y = ops.take(x, indices, axis=0)
        return y, ops.transpose(y, (1, 0, 2))

    program = Program(both)
    first, second = program(rows, indices)
    assert names(program).count("gather") == 1
    np.testing.assert_array_equal(first.numpy(), rows[indices])
    np.testing.assert_array_equal(second.numpy(), rows[indices].transpose(1, 0, 2))
