"""Control flow: traced bodies give what Python gives, with gradients, effects and draws."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pronghorn import accelerator, ops, random
from pronghorn.autodiff import GradientTape
from pronghorn.interpreter import Tracer, using
from pronghorn.program import jit
from pronghorn.random import SeedGenerator
from pronghorn.tensor import Tensor, Variable, constant


def tensors(*arrays: Any, dtype: str = "float64") -> list[Tensor]:
    return [constant(a, dtype) for a in arrays]


def gradients_of(function: Any) -> Any:
    def gradient(*args: Tensor) -> list[Tensor]:
        with GradientTape() as tape:
            for x in args:
                tape.watch(x)
            total = function(*args)
        return tape.gradient(total, list(args))  # type: ignore[no-any-return]

    return gradient


def squared(function: Any) -> Any:
    return lambda *args: sum((ops.sum(g * g) for g in function(*args)), ops.zeros((), "float64"))


def assert_same(left: Any, right: Any, rtol: float = 1e-10) -> None:
    for a, b in zip(left, right, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=rtol, atol=1e-12)


class TestScan:
    @staticmethod
    def masked_recurrence(
        xs: Tensor, h0: Tensor, w: Tensor, r: Tensor, mask: Tensor, keep: Tensor, recompute: bool
    ) -> Tensor:
        """A recurrent cell with dropout (one mask for all steps) whose masked steps keep the state."""

        def step(h: Tensor, item: Any) -> tuple[Tensor, Tensor]:
            x, valid = item
            new = ops.tanh(ops.matmul(x * keep, w) + ops.matmul(h, r))
            h = ops.where(valid, new, h)
            return h, h * 2.0

        h, ys = ops.scan(step, h0, (xs, mask), recompute=recompute)
        return ops.sum(h * h) + ops.sum(ops.sin(ys))

    @pytest.fixture(params=[False, True], ids=["kept", "recomputed"])
    def problem(self, request: pytest.FixtureRequest) -> tuple[Any, list[Tensor]]:
        rng = np.random.default_rng(0)
        mask = constant(rng.random((5, 3, 1)) > 0.3, "bool")
        args = tensors(
            rng.standard_normal((5, 3, 2)),
            rng.standard_normal((3, 4)),
            rng.standard_normal((2, 4)),
            0.3 * rng.standard_normal((4, 4)),
        )

        def function(xs: Tensor, h0: Tensor, w: Tensor, r: Tensor) -> Tensor:
            draws = random.uniform((3, 2), seed=11, dtype="float64")
            keep = ops.cast(draws < 0.7, "float64") / 0.7
            return self.masked_recurrence(xs, h0, w, r, mask, keep, request.param)

        return function, args

    def test_traced_value_is_the_eager_one(self, problem: Any) -> None:
        function, args = problem
        assert_same([function(*args)], [jit(function)(*args)])

    def test_gradient_is_a_reverse_scan_and_equals_the_unrolled_one(self, problem: Any) -> None:
        function, args = problem
        program = jit(gradients_of(function))
        assert_same(gradients_of(function)(*args), program(*args))
        assert sum(i.kind == "loop" for i in program.instructions()) == 2

    def test_recomputing_keeps_the_carries_alone(self) -> None:
        def residuals(recompute: bool) -> set[tuple[int, ...]]:
            def step(h: Tensor, x: Tensor) -> tuple[Tensor, None]:
                wide = ops.tanh(ops.matmul(h, ops.ones((2, 50), "float64")) + x)
                return ops.sum(ops.sin(wide), axis=1, keepdims=True) * h, None

            tracer = Tracer()
            args = [tracer.placeholder(shape, "float64") for shape in ((7, 3, 50), (3, 2))]
            with using(tracer):
                gradients_of(lambda xs, h: ops.sum(ops.scan(step, h, xs, recompute=recompute)[0]))(*args)
            forward = next(node for node in tracer.nodes if node.op.name == "scan")
            return {t.shape for t in forward.outputs[1:]}

        assert (7, 3, 50) in residuals(recompute=False)
        assert residuals(recompute=True) == {(7, 3, 2)}

    def test_second_derivative(self, problem: Any) -> None:
        function, args = problem
        second = gradients_of(squared(gradients_of(function)))
        assert_same(second(*args), jit(second)(*args))

    def test_gradient_against_central_differences(self, problem: Any) -> None:
        function, args = problem
        found = jit(gradients_of(function))(*args)
        w = args[2].numpy()
        eps = 1e-6
        for index in ((0, 0), (1, 3)):
            moved = [w.copy(), w.copy()]
            moved[0][index] += eps
            moved[1][index] -= eps
            up, down = (float(function(args[0], args[1], constant(m, "float64"), args[3])) for m in moved)
            np.testing.assert_allclose(found[2].numpy()[index], (up - down) / (2 * eps), rtol=1e-6)

    def test_reverse_and_none_outputs(self) -> None:
        xs = constant([1.0, 2.0, 3.0], "float64")
        step = lambda c, x: (c * 0.5 + x, c)  # noqa: E731
        for function in (
            lambda x: ops.scan(step, x[0], x, reverse=True),
            lambda x: ops.scan(lambda c, v: (c + v, None), x[0], x)[:1],
        ):
            assert_same(ops_leaves(function(xs)), ops_leaves(jit(function)(xs)))

    def test_draws_in_a_body_differ_by_step_and_equal_eager(self) -> None:
        def function(generator: SeedGenerator) -> Any:
            return lambda x: ops.scan(lambda c, _: (c, random.uniform((3,), seed=generator)), x, length=4)[1]

        eager_generator, traced_generator = SeedGenerator(7), SeedGenerator(7)
        x = constant(0.0, "float32")
        eager = function(eager_generator)(x).numpy()
        traced = jit(function(traced_generator))(x).numpy()
        np.testing.assert_array_equal(eager, traced)
        assert len(np.unique(eager)) == eager.size
        np.testing.assert_array_equal(eager_generator.state.numpy(), traced_generator.state.numpy())

    def test_variables_assigned_in_the_body_are_carried(self) -> None:
        total = Variable(np.float64(0.0))

        def function(xs: Tensor) -> Tensor:
            return ops.scan(lambda c, x: (c + total.assign_add(x).value, total.value), xs[0], xs)[1]

        xs = constant([1.0, 2.0, 3.0], "float64")
        eager = function(xs).numpy()
        total.assign(0.0)
        np.testing.assert_allclose(jit(function)(xs).numpy(), eager)
        assert float(total) == 6.0

    def test_a_carry_that_changes_shape_is_named(self) -> None:
        with pytest.raises(
            ValueError, match=r"carried value 0 enters the body as float64\[\] and leaves it as float64\[2\]"
        ):
            jit(lambda x: ops.scan(lambda c, v: (ops.stack([c, v]), None), x[0], x))(constant([1.0, 2.0], "float64"))

    def test_disagreeing_lengths(self) -> None:
        with pytest.raises(ValueError, match="agree on the number of steps"):
            ops.scan(lambda c, x: (c, x), 0.0, (np.zeros(3), np.zeros(4)))


def ops_leaves(structure: Any) -> list[Tensor]:
    from pronghorn import tree

    return [leaf for leaf in tree.flatten(structure) if leaf is not None]


class TestCond:
    def test_only_the_branch_taken_is_computed_and_its_assignments_kept(self) -> None:
        v = Variable(np.float64(1.0))

        def function(x: Tensor) -> Tensor:
            y = ops.cond(x > 0, lambda: v.assign_add(x).value, lambda: x * 3.0)
            return y + v

        program = jit(function)
        assert float(program(constant(2.0, "float64"))) == 6.0
        assert float(v) == 3.0
        assert float(program(constant(-2.0, "float64"))) == -3.0
        assert float(v) == 3.0

    def test_gradient_follows_the_branch(self) -> None:
        function = gradients_of(
            lambda x, y: ops.cond(ops.sum(x) > 0, lambda: ops.sum(x * x * y), lambda: ops.sum(ops.sin(y)))
        )
        for sign in (1.0, -1.0):
            args = tensors([sign, 2 * sign], [0.5, 0.25])
            eager = [ops.zeros_like(x) if g is None else g for x, g in zip(args, function(*args), strict=True)]
            assert_same(eager, jit(function)(*args))

    def test_branches_may_return_nothing_and_are_run_for_what_they_assign(self) -> None:
        """Gradients of three batches are summed up before they are applied."""
        weight, total, count = (Variable(np.float64(v)) for v in (1.0, 0.0, 0.0))

        def apply_and_reset() -> None:
            weight.assign_sub(total / 3)
            total.assign(0.0)
            count.assign(0.0)

        def step(gradient: Tensor) -> Tensor:
            total.assign_add(gradient)
            count.assign_add(1.0)
            assert ops.cond(ops.equal(count, 3), apply_and_reset, lambda: None) is None
            return total.value

        program = jit(step)
        totals = [float(program(constant(g, "float64"))) for g in (1.0, 2.0, 6.0, 4.0)]
        assert totals == [1.0, 3.0, 0.0, 4.0]
        assert [float(v) for v in (weight, total, count)] == [-2.0, 4.0, 1.0]

    def test_places_of_none_stay(self) -> None:
        def function(x: Tensor) -> Any:
            found = ops.cond(x > 0, lambda: {"a": (x, None), "b": None}, lambda: {"b": None, "a": (x * 3.0, None)})
            assert found["b"] is found["a"][1] is None
            assert ops.cond(x > 0, lambda: None, lambda: None) is None
            assert ops.cond(x > 0, lambda: (None, []), lambda: (None, [])) == (None, [])
            return found["a"][0]

        for value in (2.0, -2.0):
            x = constant(value, "float64")
            assert_same([function(x)], [jit(function)(x)])
            assert_same(gradients_of(function)(x), jit(gradients_of(function))(x))

    def test_none_of_one_branch_alone(self) -> None:
        for other in (lambda x: x, lambda x: (x, x)):
            with pytest.raises(ValueError, match=r"cond: the true branch returns None and the false branch .*<Tensor"):
                jit(lambda x: ops.cond(x > 0, lambda: None, lambda: other(x)))(constant(1.0, "float32"))  # noqa: B023
        with pytest.raises(ValueError, match=r"cond: the true branch returns .* with None in the same places"):
            jit(lambda x: ops.cond(x > 0, lambda: (x, x), lambda: (x, None)))(constant(1.0, "float32"))

    def test_branches_of_different_shapes(self) -> None:
        with pytest.raises(ValueError, match="output 0 is"):
            jit(lambda x: ops.cond(x > 0, lambda: x, lambda: ops.stack([x, x])))(constant(1.0, "float64"))


class TestWhile:
    @staticmethod
    def grow(x: Tensor, **options: Any) -> Any:
        start = (constant(0, "int32"), x)
        return ops.while_loop(lambda i, y: y < 50.0, lambda i, y: (i + 1, y * y * 0.9), start, **options)

    def test_value(self) -> None:
        x = constant(2.0, "float64")
        assert_same(self.grow(x), jit(self.grow)(x))

    def test_limit(self) -> None:
        x = constant(1.2, "float64")
        limited = jit(lambda v: self.grow(v, maximum_iterations=3))(x)
        assert int(limited[0]) == 3
        assert_same(self.grow(x, maximum_iterations=3), limited)

    def test_gradient_needs_a_limit(self) -> None:
        with pytest.raises(NotImplementedError, match="maximum_iterations"):
            jit(gradients_of(lambda x: self.grow(x)[1]))(constant(2.0, "float64"))

    def test_gradient_with_a_limit(self) -> None:
        function = gradients_of(lambda x: self.grow(x, maximum_iterations=8)[1])
        x = constant(2.0, "float64")
        assert_same(function(x), jit(function)(x))


def test_draws_inside_and_outside_of_a_loop_differ() -> None:
    generator = random.SeedGenerator(5)
    tracer = Tracer()
    with using(tracer):
        before = random.uniform((4,), seed=generator)
        _, inside = ops.scan(lambda carry, _: (carry, random.uniform((4,), seed=generator)), ops.zeros(()), length=3)
        after = random.uniform((4,), seed=generator)
        graph = tracer.finish([before, inside, after])
    results = accelerator.current().compile(graph)([])
    drawn = np.concatenate([r.ravel() for r in results])
    assert len(np.unique(drawn)) == 5 * 4
    np.testing.assert_array_equal(generator.state.numpy(), [5, 0, 5])
