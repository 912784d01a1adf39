"""MultiOptimizer: each variable moves as its optimizer alone would move it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from pronghorn import optimizers
from pronghorn.optimizers import SGD, Adam, LossScaleOptimizer, MultiOptimizer, OptimizerMap
from pronghorn.program import jit
from pronghorn.tensor import Variable

GRADIENTS = [np.random.default_rng(k).normal(size=(2, 3)).astype("float32") for k in range(3)]


def variables() -> list[Variable]:
    return [Variable(np.ones(3, "float32"), name=name) for name in ("encoder_a", "decoder", "encoder_b")]


@pytest.mark.parametrize("compiled", [False, True])
def test_variables_move_as_by_their_own_optimizer(compiled: bool) -> None:
    together, alone = variables(), variables()
    optimizer = MultiOptimizer(OptimizerMap(SGD(0.5), {"encoder_.*": Adam(0.1, use_ema=True)}))
    adam, sgd = Adam(0.1, use_ema=True), SGD(0.5)

    def step(gradients: Any) -> Any:
        optimizer.apply([gradients[0], gradients[1], gradients[0]], together)
        return ()

    run = jit(step) if compiled else step
    for gradients in GRADIENTS:
        run(gradients)
        adam.apply([gradients[0], gradients[0]], [alone[0], alone[2]])
        sgd.apply([gradients[1]], [alone[1]])
    optimizer.finalize_variable_values(together)
    adam.finalize_variable_values([alone[0], alone[2]])
    for found, expected in zip(together, alone, strict=True):
        np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-6)
    assert int(optimizer.iterations) == 3
    count = 2 + len(adam.variables) + len(sgd.variables)
    assert len(optimizer.variables) == count
    again = MultiOptimizer(OptimizerMap(SGD(0.5), {"encoder_.*": Adam(0.1, use_ema=True)}))
    again.build(variables())
    again.set_weights([v.numpy() for v in optimizer.variables])
    assert int(again.optimizers[0].iterations) == 3


def test_a_function_chooses() -> None:
    adam, sgd = Adam(), SGD()
    optimizer = MultiOptimizer(lambda v: adam if "encoder" in v.path else sgd, loss_scale_factor=4.0)
    optimizer.build(variables())
    assert optimizer.optimizers == [adam, sgd] and adam.loss_scale_factor == 4.0
    assert float(optimizer.scale_loss(np.float32(2))) == 8.0
    with pytest.raises(AttributeError, match="has no learning rate; each of its `optimizers` has one"):
        _ = optimizer.learning_rate


def test_config() -> None:
    optimizer = MultiOptimizer(OptimizerMap(SGD(0.5), {"a": Adam(0.1)}), name="both")
    config = json.loads(json.dumps(optimizers.serialize(optimizer)))
    again = optimizers.deserialize(config)
    assert optimizers.serialize(again) == config
    assert float(again.optimizers[0].learning_rate) == pytest.approx(0.1)


def test_what_does_not_fit() -> None:
    table = OptimizerMap(SGD(), {"a.*": Adam(), ".*b": SGD()})
    with pytest.raises(ValueError, match=r"'ab' matches the keys \['a\.\*', '\.\*b'\]"):
        table["ab"]
    with pytest.raises(ValueError, match="the key 'a.*' is taken"):
        table["a.*"] = SGD()
    with pytest.raises(ValueError, match="no MultiOptimizer or LossScaleOptimizer"):
        table["c"] = LossScaleOptimizer(SGD())
    with pytest.raises(ValueError, match="must be an OptimizerMap or a function"):
        MultiOptimizer(SGD())  # type: ignore[arg-type]
    del table["a.*"]
    assert list(table) == [".*b"] and len(table) == 1
