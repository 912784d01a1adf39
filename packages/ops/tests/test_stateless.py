"""Layers, metrics and optimizers as functions of their variables' values, eager and traced."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pronghorn import ops, random
from pronghorn.autodiff import GradientTape
from pronghorn.layer import Layer
from pronghorn.metric import Mean
from pronghorn.program import jit
from pronghorn.sequential import Sequential
from pronghorn.tensor import Variable
from pronghorn.testing import Affine, Descent, Momentum
from pronghorn_ops.stateless import StatelessScope

X = np.random.default_rng(0).normal(size=(6, 4)).astype("float32")
Y = X[:, :1] * 2


class Noise(Layer):
    def __init__(self) -> None:
        super().__init__()
        self.seeds = random.SeedGenerator(7)
        self.calls = self.add_weight((), "zeros", trainable=False, name="calls")

    def call(self, inputs: Any) -> Any:
        self.calls.assign(self.calls + 1)
        self.add_loss(ops.sum(self.calls) * 0.5)
        return inputs + random.normal(inputs.shape, seed=self.seeds)


def values(variables: list[Variable]) -> list[Any]:
    return [v.value for v in variables]


@pytest.mark.parametrize("compiled", [False, True])
def test_a_training_loop_without_effects(compiled: bool) -> None:
    model, reference = (Sequential([Affine(1, name="a"), Affine(1, name="b")]) for _ in range(2))
    for m in (model, reference):
        m.build((None, 4))
    reference.set_weights(model.get_weights())
    optimizer = Momentum(0.1)
    optimizer.build(model.trainable_variables)
    before = [v.numpy() for v in [*model.variables, *optimizer.variables]]

    def step(trainable: list[Any], state: list[Any]) -> tuple[Any, list[Any], list[Any]]:
        with GradientTape() as tape:
            for t in trainable:
                tape.watch(t)
            y_pred, _ = model.stateless_call(trainable, [], X)
            loss = ops.mean(ops.square(y_pred - Y))
        trainable, state = optimizer.stateless_apply(state, tape.gradient(loss, trainable), trainable)
        return loss, trainable, state

    run = jit(step) if compiled else step
    trainable, state = values(model.trainable_variables), values(optimizer.variables)
    reference.compile(Momentum(0.1), loss=lambda t, p: ops.mean(ops.square(p - t), axis=-1))
    for _ in range(3):
        loss, trainable, state = run(trainable, state)
        assert float(loss) == pytest.approx(reference.train_on_batch(X, Y), rel=1e-5)
    for found, expected in zip(trainable, reference.trainable_variables, strict=True):
        np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-5, atol=1e-6)
    for v, old in zip([*model.variables, *optimizer.variables], before, strict=True):
        np.testing.assert_array_equal(v.numpy(), old)
    assert int(state[0]) == 3


def test_seeds_states_and_losses_are_passed_on() -> None:
    layer = Noise()
    layer.build((6, 4))
    state = values(layer.non_trainable_variables)

    def twice(state: list[Any]) -> Any:
        first, state, losses = layer.stateless_call([], state, X, return_losses=True)
        second, state = layer.stateless_call([], state, X)
        return first, second, losses[0], state

    eager, traced = twice(state), jit(twice)(state)
    for found, expected in zip([*eager[:3], *eager[3]], [*traced[:3], *traced[3]], strict=True):
        np.testing.assert_array_equal(found.numpy(), expected.numpy())
    assert not np.allclose(eager[0].numpy(), eager[1].numpy())
    assert float(eager[2]) == 0.5 and float(layer.calls) == 0
    np.testing.assert_array_equal(layer(X).numpy(), eager[0].numpy())


def test_a_metric_as_a_function_of_its_state() -> None:
    mean = Mean()
    mean.update_state([8.0])
    state = mean.stateless_reset_state()
    for value in (1.0, 2.0):
        state = mean.stateless_update_state(state, [value])
    assert float(mean.stateless_result(state)) == 1.5 and float(mean.result()) == 8.0


def test_a_loss_as_a_function_of_all_variables() -> None:
    model = Sequential([Affine(1)])
    model.compile(Descent(0.1), loss=lambda t, p: ops.mean(ops.square(p - t), axis=-1))
    model.evaluate(X, Y, verbose=0)
    arguments = (values(model.trainable_variables), [], values(model.metrics_variables))
    loss, after = model.stateless_compute_loss(*arguments, x=X, y=Y, y_pred=np.zeros_like(Y))
    assert float(loss) == pytest.approx(float(np.mean(Y**2)), rel=1e-6)
    assert [len(part) for part in after] == [2, 0, len(model.metrics_variables)]


def test_the_scope_itself() -> None:
    v, w = Variable(np.zeros(2, "float32")), Variable(np.ones(2, "float32"))
    with StatelessScope([(v, [1.0, 2.0])]) as scope:
        v.assign(v + 1)
        scope.add_update((w, [5.0, 5.0]))
        np.testing.assert_array_equal(w.numpy(), [5, 5])
    np.testing.assert_array_equal(scope.get_current_value(v).numpy(), [2, 3])  # type: ignore[union-attr]
    np.testing.assert_array_equal(v.numpy(), [0, 0])
    assert scope.get_current_value(Variable(np.zeros(1))) is None


def test_bad_arguments() -> None:
    v = Variable(np.zeros(2, "float32"))
    with pytest.raises(ValueError, match=r"has shape \(2,\), its value \(3,\)"):
        StatelessScope([(v, np.zeros(3))])
    with pytest.raises(ValueError, match="the keys must be Variables"):
        StatelessScope([(np.zeros(2), v)])  # type: ignore[list-item]
    with pytest.raises(NotImplementedError, match="collect_losses=False"):
        StatelessScope(collect_losses=True)
    layer = Affine(2, name="a")
    with pytest.raises(ValueError, match="build 'a' first"):
        layer.stateless_call([], [], X)
    layer.build((None, 4))
    with pytest.raises(ValueError, match="a: argument `trainable_variables` must hold a value for each of the 2"):
        layer.stateless_call([], [], X)
