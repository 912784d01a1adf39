"""KernelContract on the recurrences, in both directions, plain, masked and with noise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import pytest

from pronghorn import ops
from pronghorn.autodiff import GradientTape
from pronghorn.graph import Node
from pronghorn.program import Program
from pronghorn.tensor import Tensor
from pronghorn.testing import KernelContract
from pronghorn.testing.kernels import using_accelerator
from pronghorn_cpu import cache, host
from pronghorn_cpu.lowered import LoweredGraph
from pronghorn_cpu.recurrent import backward, forward
from pronghorn_ops.primitives.recurrent import (
    ACTIVATIONS,
    GRU,
    LSTM,
    SIMPLE,
    Recurrence,
    activated,
    recurrence,
    recurrence_gradient,
)

SIZES = [
    (1, 1, 1),
    (4, 2, 5),
    (3, 17, 16),
    (2, 9, 40),
    (5, 33, 3),
    (2, 13, 70),
    (3, 6, 128),
    (2, 4, 256),
    (0, 2, 3),
    (3, 0, 4),
]
"""Steps, sequences, units. With 128 and 256 units (but for the simple cell with 128) threads share the units."""


class RecurrenceContract(KernelContract):
    op = recurrence
    cell: ClassVar[Recurrence]
    rtol = 2e-6

    @property
    def attrs(self) -> Any:
        return {"cell": self.cell, "masked": self.masked, "noisy": self.noisy}

    masked = False
    noisy = False

    @property
    def shapes(self) -> Any:
        return [self.operands(*sizes) for sizes in SIZES]

    def operands(self, steps: int, batch: int, units: int) -> list[tuple[int, ...]]:
        cell, width = self.cell, self.cell.gates * units
        states = [(batch, units)] * len(cell.states)
        last = [(steps, batch)] * self.masked + [(cell.gates, batch, units)] * self.noisy
        return [(steps, batch, width), (units, width), *[(width,)] * cell.bias, *states, *last]

    def values(self, rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> Any:
        scale = 1 / max(1, shape[0]) ** 0.5 if len(shape) == 2 else 1
        return (rng.normal(size=shape) * scale).astype(dtype)

    def cases(self) -> Any:
        for arrays in super().cases():
            yield self.with_mask(list(arrays))

    def with_mask(self, arrays: list[Any]) -> Sequence[Any]:
        if self.masked:
            place = len(arrays) - 1 - self.noisy
            arrays[place] = arrays[place] > 0
        return arrays


class GradientContract(RecurrenceContract):
    op = recurrence_gradient
    rtol = 5e-6

    def operands(self, steps: int, batch: int, units: int) -> list[tuple[int, ...]]:
        cell, states = self.cell, len(self.cell.states)
        sequence = (steps, batch, units)
        saved = [(steps, batch, len(cell.saved) * units)] if cell.saved else []
        extra = [(steps, batch)] * self.masked + [(cell.gates, batch, units)] * self.noisy
        kernel = (units, cell.gates * units)
        return [kernel, *[(batch, units)] * states, *[sequence] * states, *saved, *extra, *[sequence] * states]

    def with_mask(self, arrays: list[Any]) -> Sequence[Any]:
        if self.masked:
            place = 1 + 2 * len(self.cell.states) + bool(self.cell.saved)
            arrays[place] = arrays[place] > 0
        return arrays


class TestSimple(RecurrenceContract):
    cell = SIMPLE


class TestLSTM(RecurrenceContract):
    cell = LSTM


class TestGRUMasked(RecurrenceContract):
    cell = GRU
    masked = True


class TestSimpleGradientMasked(GradientContract):
    cell = SIMPLE
    masked = True


class TestLSTMGradient(GradientContract):
    cell = LSTM


class TestLSTMGradientMasked(GradientContract):
    cell = LSTM
    masked = True


class TestGRUGradient(GradientContract):
    cell = GRU


class TestSimpleNoisyMasked(RecurrenceContract):
    cell = SIMPLE
    masked = noisy = True


class TestLSTMNoisy(RecurrenceContract):
    cell = LSTM
    noisy = True


class TestGRUNoisyMasked(RecurrenceContract):
    cell = GRU
    masked = noisy = True


class TestSimpleGradientNoisy(GradientContract):
    cell = SIMPLE
    noisy = True


class TestLSTMGradientNoisyMasked(GradientContract):
    cell = LSTM
    masked = noisy = True


class TestGRUGradientNoisy(GradientContract):
    cell = GRU
    noisy = True


@pytest.mark.usefixtures("on_cpu")
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_other_activations(name: str) -> None:
    rng = np.random.default_rng(0)
    for test in (TestLSTM(), TestLSTMGradient()):
        attrs = {"cell": activated("lstm", name, name), "masked": False}
        arrays = [test.values(rng, shape, "float32") for shape in test.operands(3, 9, 20)]
        found = Program(lambda *ts, op=test.op, attrs=attrs: op(*ts, **attrs))(*arrays)
        for got, want in zip(found, test.op.reference(*arrays, **attrs), strict=True):
            assert got.dtype == want.dtype
            np.testing.assert_allclose(got.numpy(), want, rtol=1e-5, atol=1e-5 * np.abs(want).max())


@pytest.mark.parametrize(
    ("contract", "steps", "count"),
    [
        (TestSimple, 5, 1),
        (TestLSTM, 5, 1),
        (TestLSTMNoisy, 5, 1),
        (TestLSTMNoisy, 4, 0),
        (TestGRUMasked, 5, 0),
        (TestSimpleGradientMasked, 5, 2),
        (TestLSTMGradientMasked, 5, 2),
        (TestLSTMGradientNoisyMasked, 5, 2),
        (TestLSTMGradientNoisyMasked, 4, 0),
        (TestGRUGradient, 5, 1),
        (TestGRUGradientNoisy, 5, 1),
    ],
)
def test_sequences_take_over_the_memory_of_sequences(
    contract: type[RecurrenceContract], steps: int, count: int
) -> None:
    """Operands that the program made itself and needs no more give the bits of operands that stay; not noise, which has
    the shape of sequences of as many steps as there are gates.
    """
    rng, test = np.random.default_rng(0), contract()
    arrays = test.with_mask([rng.normal(size=s).astype("float32") / 2 for s in test.operands(steps, 19, 21)])

    def from_opposites(*operands: Any) -> Any:
        return contract.op(*(t if t.dtype == "bool" else -t for t in operands), **test.attrs)

    with using_accelerator("cpu"):
        staying = Program(lambda *operands: contract.op(*operands, **test.attrs))(*arrays)
        program = Program(from_opposites)
        made = program(*(a if a.dtype == bool else -a for a in arrays))
    for a, b in zip(staying, made, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    lowered = LoweredGraph(program.executable.graph)
    node = next(node for node in lowered.graph.nodes if node.op is contract.op)
    homes = {lowered.plan.places[t].offset for t in node.inputs if len(t.shape) == 3 and t.dtype != "bool"}
    taken = [t for t in node.outputs if len(t.shape) == 3 and lowered.plan.places[t].offset in homes]
    assert len(taken) == count


@pytest.mark.skipif(not host.has_fma(), reason="without fused multiply-add every width rounds twice")
@pytest.mark.parametrize("contract", [TestLSTM, TestLSTMNoisy])
def test_bits_do_not_depend_on_the_vector_width(
    contract: type[RecurrenceContract], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tiles of products differ with the width; their sums do not."""
    rng, attrs = np.random.default_rng(0), contract().attrs
    shapes = contract().operands(4, 11, 37)
    arrays = [rng.normal(size=shape).astype("float32") / 4 for shape in shapes]

    def run() -> list[Any]:
        with using_accelerator("cpu"):
            forward = Program(lambda *ts: recurrence(*ts, **attrs))(*arrays)
            results = [t.numpy() for t in forward]
            back = [*arrays[1:4], *results, *arrays[4:], *results[:2]]
            gradient = Program(lambda *ts: recurrence_gradient(*ts, **attrs))
            return [*results, *(t.numpy() for t in gradient(*back))]

    found = []
    for lanes in (16, 8, 4):
        monkeypatch.setattr(host, "float32_lanes", lambda lanes=lanes: lanes)
        monkeypatch.setattr(host, "vector_registers", lambda lanes=lanes: 32 if lanes == 16 else 16)
        found.append(run())
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("contract", [TestLSTM, TestLSTMNoisy, TestGRUGradient, TestGRUGradientNoisy])
def test_bits_do_not_depend_on_the_number_of_threads(contract: type[RecurrenceContract], execute: Any) -> None:
    test, rng = contract(), np.random.default_rng(0)
    plan = forward if contract.op is recurrence else backward
    for sizes in ((3, 29, 21), (2, 4, 256)):
        arrays = [rng.normal(size=shape).astype("float32") / 4 for shape in test.operands(*sizes)]
        inputs = [Tensor(a.shape, "float32") for a in arrays]
        outputs = [Tensor(spec.shape, "float32") for spec in contract.op.specs(inputs, test.attrs)]
        launches = plan(Node(contract.op, inputs, test.attrs, outputs))
        found = []
        for threads in (1, 2, 5):
            results = [np.full(t.shape, np.nan, "float32") for t in outputs]
            execute(launches, [*arrays, *results], threads)
            found.append(np.concatenate([a.ravel() for a in results]))
        assert np.isfinite(found[0]).all()
        for other in found[1:]:
            np.testing.assert_array_equal(found[0], other)


def test_other_sizes_compile_no_kernel() -> None:
    program = Program(lambda *ts: recurrence(*ts, cell=GRU, masked=False))
    contract = TestGRUGradient()
    rng = np.random.default_rng(0)

    def run(*sizes: int) -> None:
        with using_accelerator("cpu"):
            program(
                *(rng.normal(size=shape).astype("float32") for shape in RecurrenceContract.operands(contract, *sizes))
            )

    run(3, 2, 4)
    before = cache.compiled_count()
    for sizes in ((7, 2, 4), (3, 9, 4), (3, 2, 33), (1, 1, 1)):
        run(*sizes)
    assert cache.compiled_count() == before


@pytest.mark.usefixtures("on_cpu")
@pytest.mark.parametrize("cell", [SIMPLE, LSTM, GRU], ids=lambda cell: cell.name)
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("noisy", [False, True])
def test_gradients_that_arrive_at_the_last_step_need_no_zeros(cell: Recurrence, masked: bool, noisy: bool) -> None:
    """The kernel that is given the last step's gradient alone gives what the reference gives for all steps'."""
    rng = np.random.default_rng(3)
    contract = RecurrenceContract()
    contract.cell, contract.masked, contract.noisy = cell, masked, noisy  # type: ignore[misc]
    for sizes in ((1, 1, 1), (4, 9, 5), (6, 17, 33)):
        arrays = contract.with_mask([contract.values(rng, s, "float32") for s in contract.operands(*sizes)])

        def gradients(*operands: Tensor) -> Any:
            differentiated = operands[: len(operands) - masked - noisy]
            with GradientTape() as tape:
                tape.watch(list(differentiated))
                results = recurrence(*operands, **contract.attrs)
                states = results if isinstance(results, (list, tuple)) else (results,)
                loss = ops.sum(ops.square(states[0][-1]))
            return tape.gradient(loss, list(differentiated))

        program = Program(gradients)
        found = program(*arrays)
        assert {node.op.name for node in program.executable.graph.nodes}.isdisjoint({"pad"})
        arriving = [node.attrs["arriving"] for node in program.executable.graph.nodes if "arriving" in node.attrs]
        assert arriving == [("last", *["none"] * (len(cell.states) - 1))]
        with using_accelerator("numpy"):
            expected = Program(gradients)(*arrays)
        for got, want in zip(found, expected, strict=True):
            np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-5, atol=1e-5)
