"""Optimizer: what all update rules share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from pronghorn import ops
from pronghorn.optimizer import LearningRateSchedule, Optimizer
from pronghorn.program import jit
from pronghorn.tensor import Tensor, Variable, convert_to_tensor
from pronghorn.testing import Descent


class Momentum(Optimizer):
    def __init__(self, learning_rate: Any = 0.1, decay: float = 0.9, **options: Any) -> None:
        super().__init__(learning_rate, **options)
        self.decay = decay

    def build(self, variables: Sequence[Variable]) -> None:
        super().build(variables)
        self.first, self.second = self.add_optimizer_variables(variables, ["first", "second"])

    def update_step(self, gradient: Tensor, variable: Variable, learning_rate: Tensor) -> None:
        m = self.first[self._get_variable_index(variable)]
        self.assign(m, self.decay * m + gradient)
        self.assign_sub(variable, learning_rate * m)


class Halving(LearningRateSchedule):
    def __init__(self, start: float = 1.0) -> None:
        self.start = start

    def __call__(self, step: Any) -> Tensor:
        return self.start * ops.power(0.5, ops.cast(step, "float32"))


def weights(*values: Any, name: str = "w") -> list[Variable]:
    return [Variable(np.array(v, "float32"), name=f"{name}{k}") for k, v in enumerate(values)]


def ones(variables: Sequence[Variable]) -> list[Tensor]:
    return [convert_to_tensor(np.ones(v.shape, "float32")) for v in variables]


def test_variables_are_in_the_order_of_files() -> None:
    a, b = weights([1.0], [2.0, 3.0])
    optimizer = Momentum(name="rule")
    optimizer.build([a, b])
    assert [v.path for v in optimizer.variables] == [
        "rule/iteration",
        "rule/learning_rate",
        "rule/w0_first",
        "rule/w0_second",
        "rule/w1_first",
        "rule/w1_second",
    ]
    assert [v.name for v in Descent(Halving()).variables] == ["iteration"]


def test_learning_rate_can_be_set() -> None:
    (w,) = weights(1.0)
    optimizer = Descent(0.5)
    step = jit(lambda: optimizer.apply_gradients([(convert_to_tensor(1.0), w)]))
    step()
    optimizer.learning_rate = 0.25
    step()
    assert float(w) == 0.25
    assert float(optimizer.learning_rate) == 0.25


def test_learning_rate_from_a_schedule_or_function() -> None:
    (w,) = weights(4.0)
    optimizer = Descent(Halving(1.0))
    step = jit(lambda: optimizer.apply_gradients([(convert_to_tensor(1.0), w)]))
    for expected in (3.0, 2.5, 2.25):
        step()
        assert float(w) == expected
    with pytest.raises(TypeError, match="is the schedule .* and cannot be set to 0.1"):
        optimizer.learning_rate = 0.1
    assert float(Descent(lambda: 0.3).learning_rate) == pytest.approx(0.3)
    again = Descent.from_config(optimizer.get_config() | {"learning_rate": Halving(0.5)})
    assert float(again.learning_rate) == 0.5


def test_a_setting_changed_later_reaches_the_program() -> None:
    (w,) = weights(1.0)
    optimizer = Momentum(1.0, decay=0.0)
    step = jit(lambda: optimizer.apply_gradients([(convert_to_tensor(1.0), w)]))
    step()
    assert float(w) == 0
    optimizer.decay = 3.0
    step()
    assert float(w) == -4


def test_weight_decay_spares_what_is_excluded() -> None:
    kernel, bias, other = (Variable(np.array(1.0, "float32"), name=n) for n in ("kernel", "bias", "other"))
    optimizer = Descent(0.5, weight_decay=0.2)
    optimizer.exclude_from_weight_decay(var_list=[other], var_names=["bias"])
    optimizer.apply([convert_to_tensor(0.0)] * 3, [kernel, bias, other])
    assert [round(float(v), 6) for v in (kernel, bias, other)] == [0.9, 1.0, 1.0]
    with pytest.raises(ValueError, match="must be called before the optimizer is built"):
        optimizer.exclude_from_weight_decay(var_names=["x"])


def test_constraints_come_after_the_update() -> None:
    (w,) = weights(1.0)
    w.constraint = lambda value: ops.maximum(value, 0.0)
    Descent(1.0).apply([convert_to_tensor(5.0)], [w])
    assert float(w) == 0


def test_a_variable_without_gradient_stays() -> None:
    used, unused = weights(1.0, 1.0)
    optimizer = Descent(1.0)
    with pytest.warns(UserWarning, match=r"\['w1'\]"):
        optimizer.apply([convert_to_tensor(1.0), None], [used, unused])
    assert (float(used), float(unused)) == (0, 1)
    with pytest.raises(ValueError, match="there is no gradient for any variable"):
        optimizer.apply([None, None])


def test_wrong_use_is_explained() -> None:
    a, b = weights(1.0, 1.0)
    optimizer = Descent(1.0, name="rule")
    with pytest.raises(ValueError, match="needs a built optimizer"):
        optimizer.apply([convert_to_tensor(1.0)])
    optimizer.build([a])
    with pytest.raises(ValueError, match="rule: unknown variable 'w1'"):
        optimizer.apply([convert_to_tensor(1.0)], [b])
    with pytest.raises(ValueError, match="got 2 gradients for 1 variables"):
        optimizer.apply([convert_to_tensor(1.0)] * 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"learning_rate": "fast"}, "`learning_rate` must be a number"),
        ({"lr": 0.1}, "unknown arguments .*instead of lr use learning_rate"),
    ],
)
def test_bad_arguments(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Descent(**{"learning_rate": 1.0} | options)


def test_state_of_another_size_is_not_loaded() -> None:
    optimizer = Descent(1.0, name="rule")
    with pytest.warns(UserWarning, match="the file has 3 variables and the optimizer 2, since it is not built yet"):
        optimizer.load_own_variables({"0": 1, "1": 2, "2": 3})
    optimizer.load_own_variables({"0": np.int32(7), "1": np.float32(0.5)})
    assert int(optimizer.iterations) == 7
    optimizer.build(weights(1.0))
    optimizer.set_weights([3, 0.25])
    assert float(optimizer.learning_rate) == 0.25


def test_slots_are_made_outside_of_a_trace() -> None:
    (w,) = weights([1.0, 2.0])
    optimizer = Momentum(0.5)
    step = jit(lambda: optimizer.apply_gradients([(ops.ones_like(w), w)]))
    step()
    step()
    np.testing.assert_allclose(w.numpy(), [1 - 0.5 - 0.95, 2 - 0.5 - 0.95], rtol=1e-6)


def test_a_scalar_is_computed_once_per_step() -> None:
    calls = []

    class Counting(Descent):
        def update_step(self, gradient: Tensor, variable: Variable, learning_rate: Tensor) -> None:
            super().update_step(gradient, variable, self.once(self.half, learning_rate))

        def half(self, rate: Tensor) -> Tensor:
            calls.append(rate)
            return rate / 2

    variables = weights(1.0, 2.0, 3.0)
    optimizer = Counting(1.0)
    optimizer.apply(ones(variables), variables)
    assert len(calls) == 1
    optimizer.apply(ones(variables), variables)
    assert len(calls) == 2
