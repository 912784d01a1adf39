"""Passes: simplify and fuse keep values, the memory plan keeps lifetimes apart, all are near linear."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pronghorn import ops
from pronghorn.accelerator import interpret
from pronghorn.autodiff import GradientTape
from pronghorn.graph import Graph
from pronghorn.ops.shape import pad_with
from pronghorn.passes import memory
from pronghorn.passes.access import collapse
from pronghorn.passes.fuse import fuse
from pronghorn.passes.simplify import simplify
from pronghorn.program import Program
from pronghorn.tensor import Tensor, Variable


def trace(function: Any, *arrays: Any) -> Graph:
    graph: Graph = Program(function).trace(arrays, {})[0]
    return graph


def evaluate(graph: Graph, *arrays: Any) -> list[np.ndarray[Any, Any]]:
    values: dict[Tensor, Any] = dict(zip(graph.inputs, arrays, strict=True))
    values.update((t, v.numpy()) for v, t in graph.reads.items())
    return interpret(graph, values)[0]


def names(graph: Graph) -> list[str]:
    return [node.op.name for node in graph.nodes]


RNG = np.random.default_rng(0)


def mlp_step() -> tuple[Any, list[np.ndarray[Any, Any]]]:
    w1, b1, w2 = Variable(RNG.standard_normal((6, 5))), Variable(np.zeros(5)), Variable(RNG.standard_normal((5, 3)))

    def step(x: Tensor, y: Tensor) -> Tensor:
        with GradientTape() as tape:
            h = ops.relu(ops.matmul(x, w1) + b1)
            loss = ops.mean(ops.square(ops.matmul(h * 1.25, w2) - y))
        for v, g in zip((w1, b1, w2), tape.gradient(loss, [w1, b1, w2]), strict=True):
            v.assign(v - 0.1 * g / ops.sqrt(ops.square(g) + 1e-3))
        return loss

    return step, [RNG.standard_normal((4, 6)), RNG.standard_normal((4, 3))]


class TestSimplify:
    def test_dead_code_common_subexpressions_and_constants(self) -> None:
        def function(x: Tensor) -> Tensor:
            ops.exp(x)
            return ops.sin(x) * ops.sin(x) + ops.sqrt(ops.full((3,), 4.0)) * 1.0

        graph = simplify(trace(function, np.ones(3)))
        assert names(graph) == ["sin", "multiply", "add"]

    def test_transposes_go_into_matmul(self) -> None:
        graph = simplify(trace(lambda a, b: ops.matmul(ops.transpose(a), b), np.ones((3, 2)), np.ones((3, 4))))
        assert names(graph) == ["matmul"]
        assert graph.nodes[0].attrs["transpose_a"]

    def test_zeros_of_both_signs_stay(self) -> None:
        def function(x: Tensor) -> list[Tensor]:
            return [pad_with(x, low=(1,), high=(0,), interior=(0,), value=zero) for zero in (0.0, -0.0)]

        graph = simplify(trace(function, np.ones(3)))
        assert [np.signbit(padded[0]) for padded in evaluate(graph, np.ones(3))] == [False, True]

    def test_values_stay(self) -> None:
        step, arrays = mlp_step()
        graph = trace(step, *arrays)
        for before, after in zip(evaluate(graph, *arrays), evaluate(simplify(graph), *arrays), strict=True):
            np.testing.assert_allclose(before, after, rtol=1e-12)


class TestFuse:
    def test_values_stay(self) -> None:
        step, arrays = mlp_step()
        graph = simplify(trace(step, *arrays))
        fused = fuse(graph)
        for before, after in zip(evaluate(graph, *arrays), evaluate(fused, *arrays), strict=True):
            np.testing.assert_array_equal(before, after)

    def test_epilogues_reductions_and_one_launch_for_all_updates(self) -> None:
        step, arrays = mlp_step()
        kinds = names(fuse(simplify(trace(step, *arrays))))
        assert kinds.count("table") == 1
        assert "fused_matmul" in kinds and "fused_reduce" in kinds
        assert len(kinds) <= 9

    def test_maps_behind_a_reshaped_product_are_its_epilogue(self) -> None:
        """Operands may be a matrix, a row, a column or a number, in the axes of the reshaped product."""

        def function(x: Tensor, w: Tensor, bias: Tensor, column: Tensor, whole: Tensor) -> tuple[Tensor, Tensor]:
            y = ops.reshape(ops.matmul(ops.reshape(x, (-1, 4)), w), (2, 3, 5, 2)) + bias
            return ops.tanh(y) * column + whole * 2.0, y

        shapes = (2, 3, 4), (4, 10), (5, 2), (2, 3, 1, 1), (2, 3, 5, 2)
        arrays = [RNG.standard_normal(shape) for shape in shapes]
        graph = simplify(trace(function, *arrays))
        fused = fuse(graph)
        assert names(fused) == ["reshape", "fused_matmul"]
        for before, after in zip(evaluate(graph, *arrays), evaluate(fused, *arrays), strict=True):
            np.testing.assert_array_equal(before, after)

    def test_maps_that_fit_no_matrix_stay_behind_the_reshaped_product(self) -> None:
        def function(x: Tensor, w: Tensor, bias: Tensor) -> Tensor:
            return ops.reshape(ops.matmul(x, w), (2, 3, 5, 2)) + bias

        arrays = [RNG.standard_normal(shape) for shape in ((6, 4), (4, 10), (3, 1, 1))]
        assert names(fuse(simplify(trace(function, *arrays)))) == ["matmul", "reshape", "fused"]

    @pytest.mark.parametrize("kept", [False, True], ids=["alone", "and its operand"])
    def test_a_slope_is_kept_in_its_operands_stead(self, kept: bool) -> None:
        """Whatever else reads the operand late keeps it: then the slope is computed where it is used."""

        def function(x: Tensor, w: Tensor) -> Tensor:
            h = ops.matmul(x, w) + 1.0
            slope = ops.sigmoid(h)
            late = ops.matmul(ops.softplus(h), w) * slope
            return late + h if kept else late

        arrays = RNG.standard_normal((3, 4)), RNG.standard_normal((4, 4))
        graph = simplify(trace(function, *arrays))
        first, second = fuse(graph).nodes
        steps = [[step.name for step in node.attrs["body"].steps] for node in (first, second)]
        assert ("sigmoid" in steps[kept]) and ("sigmoid" not in steps[not kept])
        assert len(first.outputs) == 2
        for before, after in zip(evaluate(graph, *arrays), evaluate(fuse(graph), *arrays), strict=True):
            np.testing.assert_array_equal(before, after)

    def test_what_has_another_operand_waits_for_it(self) -> None:
        """That one is computed late, too, though it could be had early."""

        def function(x: Tensor, w: Tensor) -> Tensor:
            h = ops.matmul(x, w) + 1.0
            late = ops.matmul(ops.matmul(ops.softplus(h), w), w)
            return late * ops.maximum(h, ops.exp(ops.square(ops.mean(w))))

        arrays = RNG.standard_normal((3, 4)), RNG.standard_normal((4, 4))
        graph = simplify(trace(function, *arrays))
        for before, after in zip(evaluate(graph, *arrays), evaluate(fuse(graph), *arrays), strict=True):
            np.testing.assert_array_equal(before, after)

    @pytest.mark.parametrize("seed", range(8))
    def test_random_graphs(self, seed: int) -> None:
        """Elementwise ops, reductions, broadcasts and matmuls in random order."""
        rng = np.random.default_rng(seed)

        def function(x: Tensor, y: Tensor) -> Any:
            pool = [x, y, ops.sum(x, axis=0), ops.mean(y, axis=1, keepdims=True)]
            for _ in range(40):
                a, b = (pool[int(k)] for k in rng.integers(0, len(pool), 2))
                choice = rng.integers(0, 6)
                if choice == 0 and a.ndim == 2:
                    pool.append(ops.max(a, axis=int(rng.integers(0, 2)), keepdims=True))
                elif choice == 1 and a.shape == (4, 4) and b.shape == (4, 4):
                    pool.append(ops.matmul(a, b) * 0.1)
                elif choice == 2:
                    pool.append(ops.tanh(a))
                else:
                    pool.append(ops.add(a, b) * 0.5 if choice < 5 else ops.maximum(a, b))
            return pool[-6:]

        arrays = rng.standard_normal((4, 4)), rng.standard_normal((4, 4))
        graph = simplify(trace(function, *arrays))
        for before, after in zip(evaluate(graph, *arrays), evaluate(fuse(graph), *arrays), strict=True):
            np.testing.assert_array_equal(before, after)


class TestCollapse:
    def test_alike_neighbours_merge(self) -> None:
        space = collapse((8, 3, 5), [(8, 3, 5), (5,), ()])
        assert space.sizes == (24, 5)
        assert space.strides == ((5, 1), (0, 1), (0, 0))

    def test_the_pattern_does_not_depend_on_the_batch(self) -> None:
        patterns = {collapse((n, 10), [(n, 10), (10,), (n, 1)]).pattern for n in (128, 96, 7, 1)}
        assert len(patterns) == 1


class TestMemory:
    def test_values_alive_together_do_not_overlap(self) -> None:
        step, arrays = mlp_step()
        graph = fuse(simplify(trace(step, *arrays)))
        self.check(graph)

    @staticmethod
    def check(graph: Graph) -> None:
        plan = memory.plan(graph)
        assert plan.size >= plan.bound
        last = {t: k for k, node in enumerate(graph.nodes) for t in node.inputs}
        last.update(dict.fromkeys(graph.results, len(graph.nodes)))
        made: list[tuple[int, Tensor]] = []
        for k, node in enumerate(graph.nodes):
            alive = [t for _, t in made if last.get(t, -1) > k or (last.get(t) == k and t not in set(node.inputs))]
            readable = [t for _, t in made if last.get(t, -1) >= k]
            for out in node.outputs:
                place = plan.places[out]
                if place.kind != "arena":
                    continue
                taken_over = set(memory.in_place_inputs(node).get(out, ()))
                for t in [*alive, *(r for r in readable if r not in taken_over)]:
                    other = plan.places[t]
                    if other.kind == "arena" and t is not out:
                        apart = (
                            place.offset + memory.nbytes(out) <= other.offset
                            or other.offset + memory.nbytes(t) <= place.offset
                        )
                        assert apart or not memory.nbytes(t) or not memory.nbytes(out)
            made += [(k, out) for out in node.outputs]

    def test_updates_are_in_place(self) -> None:
        step, arrays = mlp_step()
        graph = fuse(simplify(trace(step, *arrays)))
        plan = memory.plan(graph)
        assert not plan.copies
        assert {plan.places[t].kind for t in graph.writes.values()} == {"variable"}

    def test_an_old_value_read_later_forbids_in_place(self) -> None:
        v = Variable(np.ones((4, 4)))

        def function(x: Tensor) -> Tensor:
            old = v.value
            v.assign(v * 2.0)
            return ops.matmul(ops.exp(ops.matmul(v, x)), old)

        graph = fuse(simplify(trace(function, np.ones((4, 4)))))
        plan = memory.plan(graph)
        assert [variable for _, variable in plan.copies] == [v]


def test_ten_thousand_nodes() -> None:
    """Speed is for benchmarks/planning.py; here the passes must only get through."""

    def function(x: Tensor) -> Tensor:
        for k in range(2000):
            y = ops.tanh(x) * 0.5
            x = ops.matmul(y, x) if k % 10 == 0 else ops.sum(y, axis=0, keepdims=True) + x
            x = x - 0.1 * y
        return x

    graph = trace(function, np.ones((4, 4)))
    assert len(graph.nodes) >= 10_000
    plan = memory.plan(fuse(simplify(graph)))
    assert plan.size < 1 << 20
