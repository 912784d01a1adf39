"""LossScaleOptimizer: skips steps that are not finite, and adapts its factor."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from pronghorn.optimizers import Adam, LossScaleOptimizer, serialize
from pronghorn.program import jit
from pronghorn.tensor import Variable
from pronghorn.testing import Descent


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "program"])
def test_steps(compiled: bool) -> None:
    w = Variable(np.array([1.0, 2.0], "float32"), name="w")
    optimizer = LossScaleOptimizer(Descent(0.5), initial_scale=8.0, dynamic_growth_steps=2)

    def apply(gradient: Any) -> Any:
        optimizer.apply([gradient], [w])
        return optimizer.scale_loss(gradient)

    step = jit(apply) if compiled else apply
    seen = []
    for gradient in ([8, 8], [8, np.inf], [4, 4], [4, 4], [8, np.nan]):
        step(np.array(gradient, "float32"))
        seen.append((w.numpy().tolist(), float(optimizer.dynamic_scale)))
    assert seen == [
        ([0.5, 1.5], 8),
        ([0.5, 1.5], 4),
        ([0.0, 1.0], 4),
        ([-0.5, 0.5], 8),
        ([-0.5, 0.5], 4),
    ]
    assert int(optimizer.iterations) == 3


def test_state_and_config_have_the_inner_optimizer() -> None:
    w = Variable(np.zeros(2, "float32"), name="w")
    optimizer = LossScaleOptimizer(Adam(0.1, clipnorm=1.0), name="scaled")
    assert float(optimizer.scale_loss(np.float32(2))) == 2.0**16
    optimizer.build([w])
    names = [v.name for v in optimizer.variables]
    assert names[:4] == ["iteration", "learning_rate", "step_counter", "dynamic_scale"]
    assert names[4:] == ["iteration", "learning_rate", "w_momentum", "w_velocity"]
    optimizer.learning_rate = 0.25
    assert float(optimizer.inner_optimizer.learning_rate) == 0.25
    config = json.loads(json.dumps(optimizer.get_config()))
    assert list(config) == ["name", "inner_optimizer", "initial_scale", "dynamic_growth_steps"]
    again = LossScaleOptimizer.from_config(config)
    assert again.inner_optimizer.clipnorm == 1.0
    assert serialize(again)["config"] == config
    with pytest.raises(ValueError, match="has a loss_scale_factor of its own"):
        LossScaleOptimizer(Adam(loss_scale_factor=2.0))
