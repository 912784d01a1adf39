"""Optimizers and schedules give real Keras's numbers and configs, recorded by make_keras_values.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pronghorn import optimizers
from pronghorn.optimizers import schedules
from pronghorn.program import jit
from pronghorn.tensor import Variable, convert_to_tensor

VALUES = json.loads(Path(__file__).with_name("keras_values.json").read_text())
GRADIENTS = [[np.array(g, "float32") for g in step] for step in VALUES["gradients"]]


def _label(case: dict[str, Any]) -> str:
    return case["name"] + "".join(f"-{key}={value}" for key, value in case["options"].items())


def _close(left: Any, right: Any) -> None:
    np.testing.assert_allclose(left, right, rtol=3e-6, atol=1e-6)


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "program"])
@pytest.mark.parametrize("case", VALUES["optimizers"], ids=_label)
def test_updates(case: dict[str, Any], compiled: bool) -> None:
    optimizer = getattr(optimizers, case["name"])(**case["options"])
    variables = [Variable(np.array(w, "float32"), name=f"w{k}") for k, w in enumerate(VALUES["initial"])]

    def step(gradients: Any) -> None:
        optimizer.apply_gradients(zip(map(convert_to_tensor, gradients), variables, strict=True))

    run = jit(lambda gradients: step(gradients) or ()) if compiled else step
    for gradients, expected in zip(GRADIENTS, case["path"], strict=True):
        run(gradients)
        for v, value in zip(variables, expected, strict=True):
            _close(v.numpy(), value)
    assert len(optimizer.variables) == len(case["state"])
    for v, value in zip(optimizer.variables, case["state"], strict=True):
        _close(v.numpy(), value)


@pytest.mark.parametrize("case", VALUES["optimizers"], ids=_label)
def test_config(case: dict[str, Any]) -> None:
    optimizer = getattr(optimizers, case["name"])(**case["options"])
    config = json.loads(json.dumps(optimizer.get_config()))
    assert config | {"name": None} == case["config"]
    assert list(config)[:11] == list(case["config"])[:11]
    assert optimizers.deserialize(optimizers.serialize(optimizer)).get_config() == config


@pytest.mark.parametrize("case", VALUES["schedules"], ids=_label)
def test_schedule(case: dict[str, Any]) -> None:
    schedule = getattr(schedules, case["name"])(**case["options"])
    np.testing.assert_allclose([float(schedule(step)) for step in VALUES["steps"]], case["rates"], rtol=2e-6)
    assert schedule.get_config() == case["config"]
    optimizer = optimizers.SGD(schedule)
    again = optimizers.SGD.from_config(json.loads(json.dumps(optimizer.get_config())))
    assert again.get_config() == optimizer.get_config()
    assert float(again.learning_rate) == pytest.approx(case["rates"][0])
