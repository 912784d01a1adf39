"""Rows added at indices against NumPy, and updates that read sums of rows against those that read a dense gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pronghorn import ops
from pronghorn.autodiff import GradientTape
from pronghorn.program import Program
from pronghorn.tensor import Tensor, Variable
from pronghorn_cpu import executable
from pronghorn_cpu.row_gradients import sum_rows
from pronghorn_cpu.runner import default_pool
from pronghorn_cpu.scatter import plan_scatter, plan_sum_rows

Array = np.ndarray[Any, Any]
Execute = Callable[..., None]
SIZES = [(50, 17, 300), (3, 1, 10), (200, 64, 0), (1, 5, 3), (400, 130, 90)]
"""Rows, columns, indices."""


def _operands(rows: int, columns: int, count: int, dtype: str) -> tuple[Array, Array, Array]:
    """Values, indices of which some count from the end, and the dense sums."""
    rng = np.random.default_rng(0)
    values = (rng.standard_normal((count, columns)) * 100).astype(dtype)
    indices = rng.integers(-rows, rows, count)
    expected = np.zeros((rows, columns), dtype)
    np.add.at(expected, indices, values)
    return values, indices, expected


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
def test_scatter_adds_in_the_order_of_the_indices(execute: Execute, dtype: str) -> None:
    for rows, columns, count in SIZES:
        values, indices, expected = _operands(rows, columns, count, dtype)
        for threads in (1, 3):
            out = np.full((rows, columns), 7, dtype)
            execute(plan_scatter(rows, columns, count, dtype), [values, indices, out], threads)
            assert out.tobytes() == expected.tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("index", ["int32", "int64"])
def test_sums_of_rows_are_the_rows_of_the_dense_array(execute: Execute, dtype: str, index: str) -> None:
    for rows, columns, count in SIZES:
        values, indices, expected = _operands(rows, columns, count, dtype)
        for threads in (1, 3):
            sums, places = np.full((count + 1, columns), 7, dtype), np.full(rows, 7, np.int32)
            planned = plan_sum_rows(rows, columns, count, dtype, index)
            for launch in planned:  # the first is for one thread
                execute(launch, [values, indices.astype(index), sums, places], threads if launch.parallel else 1)
            assert sums[places].tobytes() == expected.tobytes()
            by_reference, noted = sum_rows.reference(values, indices, rows)
            assert by_reference.reshape(-1, columns)[noted].tobytes() == expected.tobytes()
            np.testing.assert_array_equal(places, noted)


def test_an_index_out_of_range_is_left_out(execute: Execute) -> None:
    values, indices = np.ones((3, 4), np.float32), np.array([5, 1, -9])
    sums, places = np.full((4, 4), 7, np.float32), np.full(5, 7, np.int32)
    execute(plan_sum_rows(5, 4, 3, "float32"), [values, indices, sums, places])
    np.testing.assert_array_equal(places, [0, 2, 0, 0, 0])
    np.testing.assert_array_equal(sums[[0, 2]], [[0] * 4, [1] * 4])


class Embedding:
    """Lookups in a table that momentum updates, beside another weight."""

    def __init__(self, clip: bool = False, lookups: int = 1) -> None:
        rng = np.random.default_rng(1)
        self.table, self.weight = Variable(rng.standard_normal((70, 20))), Variable(rng.standard_normal((20, 3)))
        self.variables = [self.table, self.weight]
        self.slots = [Variable(np.zeros(v.shape, "float32")) for v in self.variables]
        self.clip, self.lookups = clip, lookups
        self.program = Program(self.step)

    def step(self, *words: Tensor) -> Tensor:
        with GradientTape() as tape:
            rows = sum(ops.take(self.table, w, axis=0) for w in words)
            loss = ops.sum(ops.square(ops.matmul(rows, self.weight)))
        gradients = tape.gradient(loss, self.variables)
        if self.clip:
            norm = ops.sqrt(sum(ops.sum(ops.square(g)) for g in gradients))
            gradients = [g / norm for g in gradients]
        for variable, slot, gradient in zip(self.variables, self.slots, gradients, strict=True):
            momentum = 0.9 * slot + gradient
            slot.assign(momentum)
            variable.assign(variable - 1e-3 * momentum)
        return loss  # type: ignore[no-any-return]

    def train(self) -> list[bytes]:
        rng = np.random.default_rng(2)
        for count in (30, 30, 1, 200):  # with indices that repeat, and more of them than rows
            words = [rng.integers(-70, 70, (count, 1)) for _ in range(self.lookups)]
            self.program(*words)
        return [v.numpy().tobytes() for v in (*self.variables, *self.slots)]

    def ops(self) -> set[str]:
        return {node.op.name for node in self.program.executable.graph.nodes}


@pytest.mark.usefixtures("on_cpu")
@pytest.mark.parametrize(("clip", "lookups", "kept"), [(False, 1, True), (True, 1, False), (False, 2, False)])
def test_updates_equal_those_of_a_dense_gradient(
    monkeypatch: pytest.MonkeyPatch, clip: bool, lookups: int, kept: bool
) -> None:
    model = Embedding(clip, lookups)
    found, names = model.train(), model.ops()
    assert ("sum_rows" in names, "scatter_rows" in names) == (kept, not kept)
    with monkeypatch.context() as dense:
        dense.setattr(executable, "keep_row_gradients", lambda graph: graph)
        assert Embedding(clip, lookups).train() == found
    pool = default_pool()
    before = pool.threads
    try:
        for threads in (1, 2, 4):
            pool.resize(threads)
            assert Embedding(clip, lookups).train() == found
    finally:
        pool.resize(before)
