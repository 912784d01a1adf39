"""OptimizerContract: what every optimizer must do, as tests to inherit."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import numpy as np

from pronghorn import ops
from pronghorn.autodiff import GradientTape
from pronghorn.optimizer import Optimizer
from pronghorn.program import jit
from pronghorn.tensor import Tensor, Variable

SHAPES = ((), (3,), (4, 1), (2, 3), (2, 1, 3, 2))


class OptimizerContract:
    """Checks an optimizer. Subclass it in a test module and say how to make one:

    ```python
    class TestLion(OptimizerContract):
        def make(self, **options):
            return Lion(learning_rate=0.05, **options)
    ```

    `make` passes `options`, those that every optimizer has, on to the constructor.
    """

    steps: ClassVar[int] = 200
    """Steps in which the quadratic must have fallen to `share` of its first value."""
    share: ClassVar[float] = 0.05

    def make(self, **options: Any) -> Optimizer:
        """A new optimizer with a learning rate that suits variables of size 1."""
        raise NotImplementedError(f"{type(self).__name__} must define make(**options)")

    def test_converges_on_a_quadratic(self) -> None:
        problem = _Quadratic()
        optimizer = self.make()
        start = problem.loss()
        step = jit(lambda: problem.step(optimizer))
        for _ in range(self.steps):
            step()
        assert problem.loss() <= self.share * start, f"fell from {start} to {problem.loss()} only in {self.steps} steps"

    def test_program_equals_eager(self) -> None:
        eager, traced = _Quadratic(), _Quadratic()
        first, second = self.make(), self.make()
        step = jit(lambda: traced.step(second))
        for _ in range(5):
            eager.step(first)
            step()
        _assert_close(eager.values(), traced.values())
        _assert_close([v.numpy() for v in first.variables], [v.numpy() for v in second.variables])
        assert int(second.iterations) == 5

    def test_the_number_and_shapes_of_variables_do_not_matter(self) -> None:
        together = _Quadratic()
        optimizer = self.make()
        for _ in range(3):
            together.step(optimizer)
        for shape, expected in zip(SHAPES, together.values(), strict=True):
            alone = _Quadratic((shape,))
            optimizer = self.make()
            for _ in range(3):
                alone.step(optimizer)
            _assert_close(alone.values(), [expected])

    def test_config_round_trip(self) -> None:
        first = self.make(weight_decay=0.01, clipvalue=2.0)
        config = json.loads(json.dumps(first.get_config()))
        second = type(first).from_config(config)
        assert second.get_config() == config == first.get_config()
        left, right = _Quadratic(), _Quadratic()
        for _ in range(3):
            left.step(first)
            right.step(second)
        np.testing.assert_equal(left.values(), right.values())

    def test_state_round_trip(self) -> None:
        left, right = _Quadratic(), _Quadratic()
        first, second = self.make(), self.make()
        for _ in range(3):
            left.step(first)
        store: dict[str, Any] = {}
        first.save_own_variables(store)
        second.build(right.variables)
        second.load_own_variables(store)
        for v, value in zip(right.variables, left.values(), strict=True):
            v.assign(value)
        left.step(first)
        right.step(second)
        np.testing.assert_equal(left.values(), right.values())

    def test_float64_variables_are_updated_in_float64(self) -> None:
        problem = _Quadratic(((3,),), "float64")
        optimizer = self.make()
        problem.step(optimizer)
        assert all(v.dtype == "float64" for v in optimizer.variables if v.shape == (3,))
        assert problem.values()[0].dtype == np.float64


class _Quadratic:
    """½ · curvature · (w - target)², summed over variables of several shapes."""

    def __init__(self, shapes: tuple[tuple[int, ...], ...] = SHAPES, dtype: str = "float32") -> None:
        self.variables: list[Variable] = []
        self.targets: list[np.ndarray[Any, Any]] = []
        self.curvatures: list[np.ndarray[Any, Any]] = []
        for k, shape in enumerate(shapes):
            rng = np.random.default_rng([17, *shape])
            self.variables.append(Variable(rng.uniform(-1, 1, shape), dtype=dtype, name=f"weight_{k}"))
            self.targets.append(rng.uniform(-1, 1, shape).astype(dtype))
            self.curvatures.append(rng.uniform(0.5, 2, shape).astype(dtype))

    def _total(self) -> Tensor:
        parts = [
            ops.sum(0.5 * curvature * ops.square(v - target))
            for v, target, curvature in zip(self.variables, self.targets, self.curvatures, strict=True)
        ]
        return ops.sum(ops.stack(parts))

    def step(self, optimizer: Optimizer) -> Tensor:
        with GradientTape() as tape:
            loss = self._total()
        gradients = tape.gradient(loss, self.variables)
        optimizer.apply_gradients(zip(gradients, self.variables, strict=True))
        return loss

    def loss(self) -> float:
        return float(self._total())

    def values(self) -> list[np.ndarray[Any, Any]]:
        return [v.numpy() for v in self.variables]


def _assert_close(left: list[np.ndarray[Any, Any]], right: list[np.ndarray[Any, Any]]) -> None:
    for a, b in zip(left, right, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-6, atol=2e-7)
