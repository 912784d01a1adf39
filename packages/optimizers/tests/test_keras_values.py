"""Optimizers and schedules give real Keras's numbers and configs, recorded by make_keras_values.py."""

from __future__ import annotations

import json
import re
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


ROUNDING = {"float32": 2e-6, "float16": 2e-3, "bfloat16": 2e-2}
"""Of some steps in a dtype."""


@pytest.mark.parametrize(
    "case", VALUES["variants"], ids=lambda case: f"{_label(case)}-{case['dtype']}-{case['exclude']}"
)
def test_variables_without_decay_and_of_other_dtypes(case: dict[str, Any]) -> None:
    if case["dtype"] == "bfloat16":
        pytest.importorskip("ml_dtypes")
    optimizer = getattr(optimizers, case["name"])(**case["options"])
    initial = enumerate(VALUES["initial"])
    variables = [Variable(np.array(w, "float32"), dtype=case["dtype"], name=f"w{k}") for k, w in initial]
    if case["exclude"]:
        optimizer.exclude_from_weight_decay(var_names=case["exclude"])
    for gradients, expected in zip(GRADIENTS, case["path"], strict=True):
        optimizer.apply(list(map(convert_to_tensor, gradients)), variables)
        for v, value in zip(variables, expected, strict=True):
            tolerance = ROUNDING[case["dtype"]]
            np.testing.assert_allclose(v.numpy().astype("float32"), value, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("case", VALUES["loss_scales"], ids=_label)
def test_loss_scales(case: dict[str, Any]) -> None:
    optimizer = optimizers.LossScaleOptimizer(getattr(optimizers, case["name"])(0.1), **case["options"])
    variables = [Variable(np.array(w, "float32"), name=f"w{k}") for k, w in enumerate(VALUES["initial"])]
    optimizer.build(variables)
    state, values = [v.value for v in optimizer.variables], [v.value for v in variables]
    for step, (gradients, expected) in enumerate(zip(GRADIENTS, case["path"], strict=True)):
        factor = np.float32(np.inf) if step == 1 else optimizer.scale_loss(np.float32(1)).numpy()
        scaled = [convert_to_tensor(g * factor) for g in gradients]
        values, state = optimizer.stateless_apply(state, scaled, values)
        optimizer.apply(scaled, variables)
        for v, value, target in zip(variables, values, expected, strict=True):
            _close(value.numpy(), target)
            _close(v.numpy(), target)
        assert float(optimizer.dynamic_scale) == case["scales"][step]
    assert [v.name for v in optimizer.variables] == case["slots"]


@pytest.mark.parametrize("case", VALUES["optimizers"], ids=_label)
def test_slots_have_the_names_of_keras(case: dict[str, Any]) -> None:
    optimizer = getattr(optimizers, case["name"])(**case["options"])
    optimizer.build([Variable(np.array(w, "float32"), name=f"w{k}") for k, w in enumerate(VALUES["initial"])])
    numbered = [re.sub(r"^variable(_\d+)?$", "u_product", name) for name in case["slots"]]  # Nadam's has no name there
    assert [v.name for v in optimizer.variables] == numbered


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
