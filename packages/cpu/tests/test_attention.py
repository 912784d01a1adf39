"""Attention head by head: KernelContract in both directions, whole heads and blocks; which programs it is found in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from pronghorn import ops
from pronghorn.autodiff import GradientTape
from pronghorn.ops.shape import permute
from pronghorn.program import Program, jit
from pronghorn.tensor import Tensor
from pronghorn.testing import KernelContract
from pronghorn_cpu import attention as module
from pronghorn_cpu import cache, host
from pronghorn_cpu.attention import attention, attention_gradient

RNG = np.random.default_rng(0)
PLACES = (0, 2, 1, 3)
"""Axes of an array of (batch, places, heads, size)."""

SIZES = [(1, 1, 1, 1, 1, 1), (2, 3, 5, 7, 4, 6), (1, 2, 70, 65, 17, 33), (3, 1, 40, 200, 8, 8)]
"""Batch, heads, queries, keys, size, size of values."""


@pytest.fixture(params=["whole", "blocks of many heads", "blocks of few heads"], autouse=True)
def blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Heads in one piece, and cut into blocks of which the last is smaller: in turn, and for all threads."""
    if request.param != "whole":
        monkeypatch.setattr(module, "_BLOCK_SCORES", 1)
        monkeypatch.setattr(module, "_ENOUGH_ROWS", 3)
        monkeypatch.setattr(module, "_ROW_STEP", 3)
        monkeypatch.setattr(module, "_MANY_HEADS", 1 if "many" in request.param else 100)


class TestAttention(KernelContract):
    op = attention
    attrs = {"axes": (PLACES, (0, 1, 2, 3), (2, 0, 1, 3), PLACES)}
    rtol = 1e-5

    @property
    def shapes(self) -> Any:
        return [((b, q, h, d), (b, h, k, d), (k, b, h, v)) for b, h, q, k, d, v in SIZES]


class TestAttentionGradient(KernelContract):
    op = attention_gradient
    attrs = {"axes": (PLACES, (0, 1, 2, 3), (0, 2, 1, 3), (0, 1, 2, 3), PLACES, (0, 1, 2, 3), PLACES)}
    rtol = 2e-5

    @property
    def shapes(self) -> Any:
        return [((b, q, h, d), (b, h, k, d), (b, k, h, v), (b, h, q, v)) for b, h, q, k, d, v in SIZES]

    def cases(self) -> Iterator[Any]:
        """The rows' numbers are those of the queries and keys."""
        for q, k, v, g in super().cases():
            axes = (*self.attrs["axes"][:3], PLACES)
            yield [q, k, v, g, *attention.reference(q, k, v, axes=axes)[1:]]


LOW = -1e30
"""The score of what a mask forbids."""


def masks(q: Any, k: Any) -> list[Any]:
    """Padding, which may be all of a row, order in time, and one for each head."""
    (batch, queries, heads, _), keys = q.shape, k.shape[2]
    causal = np.tril(np.ones((1, 1, queries, keys), bool))
    padding = np.arange(keys) < RNG.integers(0, keys + 1, (batch, 1, 1, 1))
    return [padding, causal, RNG.random((batch, heads, queries, keys)) < 0.7]


class TestMaskedAttention(TestAttention):
    attrs = {**TestAttention.attrs, "low": LOW}

    def cases(self) -> Iterator[Any]:
        for q, k, v in super().cases():
            yield from ([q, k, v, mask] for mask in masks(q, k))


class TestMaskedAttentionGradient(TestAttentionGradient):
    attrs = {**TestAttentionGradient.attrs, "low": LOW}

    def cases(self) -> Iterator[Any]:
        for q, k, v, g, *_ in super().cases():
            axes = (*self.attrs["axes"][:3], PLACES)
            for mask in masks(q, k):
                numbers = attention.reference(q, k, v, mask, axes=axes, low=LOW)[1:]
                yield [q, k, v, g, *numbers, mask]


class TestSequences(KernelContract):
    """One batch dimension."""

    op = attention
    attrs = {"axes": ((0, 1, 2),) * 4}
    shapes = [((3, 5, 4), (3, 6, 4), (3, 6, 2)), ((2, 33, 16), (2, 31, 16), (2, 31, 16))]
    rtol = 1e-5


def heads(x: Tensor) -> Tensor:
    return permute(x, axes=PLACES)


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    scores = ops.matmul(heads(q), ops.swapaxes(heads(k), -1, -2))
    return heads(ops.matmul(ops.softmax(scores), heads(v)))


def attend_where(mask: Tensor, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """As the layers do: forbidden scores are low, and forbidden weights 0."""
    scores = ops.matmul(heads(q), ops.swapaxes(heads(k), -1, -2))
    weights = ops.where(mask, ops.softmax(ops.where(mask, scores, LOW)), 0.0)
    return heads(ops.matmul(weights, heads(v)))


def step(q: Tensor, k: Tensor, v: Tensor, w: Tensor, mask: Tensor | None = None) -> Any:
    with GradientTape() as tape:
        for t in (q, k, v):
            tape.watch(t)
        y = attend(q, k, v) if mask is None else attend_where(mask, q, k, v)
        total = ops.sum(y * w)
    return y, tape.gradient(total, [q, k, v])


def arrays(batch: int, heads: int, queries: int, keys: int, size: int, values: int) -> list[Any]:
    shapes = [(queries, heads, size), (keys, heads, size), (keys, heads, values), (queries, heads, values)]
    return [RNG.standard_normal((batch, *shape)).astype("float32") for shape in shapes]


def names(program: Program) -> list[str]:
    return [instruction.name for instruction in program.executable.instructions()]


@pytest.mark.usefixtures("on_cpu")
class TestPattern:
    def test_a_training_step(self, compare: Callable[..., None]) -> None:
        """Two instructions; the scores have no memory."""
        inputs = arrays(2, 3, 20, 30, 4, 5)
        for dtype in ("float32", "float64"):
            compare(step, inputs, dtype)
        program = Program(step)
        program(*inputs)
        assert names(program) == ["attention", "fused(multiply)", "attention_gradient"]
        shapes = {t.shape for i in program.executable.instructions() for t in (*i.inputs, *i.outputs)}
        assert (2, 3, 20, 30) not in shapes

    @pytest.mark.parametrize("kind", range(3), ids=["padding", "causal", "each head"])
    def test_masks(self, kind: int, compare: Callable[..., None]) -> None:
        """The same two instructions."""
        inputs = arrays(2, 3, 20, 30, 4, 5)
        inputs.append(masks(inputs[0], inputs[1].transpose(PLACES))[kind])
        for dtype in ("float32", "float64"):
            compare(step, inputs, dtype)
        program = Program(step)
        program(*inputs)
        assert names(program) == ["attention", "fused(multiply)", "attention_gradient"]
        inference = Program(attend_where)
        inference(inputs[-1], *inputs[:3])
        assert names(inference) == ["attention"]

    @pytest.mark.parametrize("kind", ["other mask", "other value", "kept", "scores", "infinite", "zero"])
    def test_other_masks_keep_the_weights(self, kind: str, compare: Callable[..., None]) -> None:
        def function(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Any:
            with GradientTape() as tape:
                tape.watch(q)
                low = {"infinite": -np.inf, "zero": 0.0}.get(kind, LOW)
                scores = ops.matmul(q, ops.swapaxes(k, -1, -2))
                weights = ops.softmax(ops.where(mask, scores, low))
                behind = ops.logical_not(mask) if kind == "other mask" else mask
                allowed = ops.where(behind, weights, 1.0 if kind == "other value" else 0.0)
                y = ops.matmul(allowed, v)
            return y, {"kept": weights, "scores": scores}.get(kind, y), tape.gradient(y, q)

        inputs = [RNG.standard_normal((2, 6, 4)) for _ in range(3)]
        inputs.append(np.tril(np.ones((2, 6, 6), bool)))
        compare(function, inputs, "float32")
        program = Program(function)
        program(*(a.astype("float32") for a in inputs[:3]), inputs[3])
        assert "attention" not in names(program)

    def test_inference(self, compare: Callable[..., None]) -> None:
        inputs = arrays(1, 2, 4, 4, 3, 3)[:3]
        compare(attend, inputs, "float32")
        program = Program(attend)
        program(*inputs)
        assert names(program) == ["attention"]

    @pytest.mark.parametrize("kind", ["weights", "mask", "scores", "one gradient", "other axis"])
    def test_what_else_needs_the_weights_keeps_them(self, kind: str, compare: Callable[..., None]) -> None:
        def function(q: Tensor, k: Tensor, v: Tensor) -> Any:
            with GradientTape() as tape:
                tape.watch(q)
                scores = ops.matmul(q, ops.swapaxes(k, -1, -2))
                if kind == "mask":
                    scores = ops.where(scores > 0.0, scores, -1e9)
                weights = ops.softmax(scores, axis=-2 if kind == "other axis" else -1)
                y = ops.matmul(weights, v)
            extra = {"weights": weights, "scores": scores}.get(kind, y)
            return y, extra, tape.gradient(y, q) if kind == "one gradient" else y

        inputs = [RNG.standard_normal((2, 6, 4)) for _ in range(3)]
        compare(function, inputs, "float32")
        program = Program(function)
        program(*(a.astype("float32") for a in inputs))
        assert "attention" not in names(program)

    def test_other_sizes_need_no_other_kernel(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """But for the map behind it, in which axes merge where one has size 1."""
        wanted: set[str] = set()
        load_all = cache.load_all
        monkeypatch.setattr(cache, "load_all", lambda sources: wanted.update(sources) or load_all(sources))
        program = Program(step)
        program(*arrays(1, 2, 4, 5, 3, 3))
        before = {source for source in wanted if "map_kernel" not in source}
        for sizes in ((2, 1, 300, 290, 8, 16), (1, 1, 1, 1, 1, 1)):
            program(*arrays(*sizes))
        assert len(before) >= 5
        assert {source for source in wanted if "map_kernel" not in source} == before

    def test_two_in_a_row(self, compare: Callable[..., None]) -> None:
        def function(q: Tensor, k: Tensor, v: Tensor) -> Any:
            with GradientTape() as tape:
                for t in (q, k, v):
                    tape.watch(t)
                total = ops.sum(attend(attend(q, k, v), k, v) ** 2)
            return tape.gradient(total, [q, k, v])

        compare(function, arrays(2, 2, 9, 11, 4, 4)[:3], "float32")


@pytest.mark.usefixtures("on_cpu")
@pytest.mark.skipif(not host.has_fma(), reason="without fused multiply-add every width rounds twice")
def test_bits_do_not_depend_on_the_vector_width(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = arrays(2, 2, 50, 40, 20, 24)
    found = []
    for lanes in (16, 8, 4):
        monkeypatch.setattr(host, "float32_lanes", lambda lanes=lanes: lanes)
        monkeypatch.setattr(host, "vector_registers", lambda lanes=lanes: 32 if lanes == 16 else 16)
        y, gradients = jit(step)(*inputs)
        found.append([t.numpy() for t in (y, *gradients)])
    for other in found[1:]:
        for x, y in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(x, y)
