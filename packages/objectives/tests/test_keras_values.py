"""Losses and metrics give the numbers and the configs of real Keras, recorded by make_keras_values.py."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pronghorn import losses, metrics
from pronghorn.tensor import convert_to_tensor

VALUES = json.loads(Path(__file__).with_name("keras_values.json").read_text())
WEIGHTS = np.array(VALUES["weights"], "float32")


def _label(case: dict[str, Any]) -> str:
    return case["name"] + "".join(f"-{key}={value}" for key, value in case["options"].items())


def _unnumbered(name: str) -> str:
    """The name without the count of such objects in the process."""
    return re.sub(r"_\d+$", "", name)


def _arrays(case: dict[str, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    y_true = np.array(case["y_true"])
    y_true = y_true if y_true.dtype.kind == "i" else y_true.astype("float32")
    return y_true, np.array(case["y_pred"], "float32")


@pytest.mark.parametrize("case", VALUES["losses"], ids=_label)
def test_loss(case: dict[str, Any]) -> None:
    def loss(**more: Any) -> Any:
        return getattr(losses, case["name"])(**case["options"], **more)

    y_true, y_pred = _arrays(case)
    weights = WEIGHTS[: len(case["values"])] if np.ndim(case["values"]) else WEIGHTS[0]
    tolerance: dict[str, Any] = {"rtol": 2e-5, "atol": 1e-6}
    np.testing.assert_allclose(loss(reduction="none")(y_true, y_pred).numpy(), case["values"], **tolerance)
    np.testing.assert_allclose(loss()(y_true, y_pred).numpy(), case["loss"], **tolerance)
    np.testing.assert_allclose(
        np.ravel(loss()(y_true, y_pred, weights).numpy()), np.ravel(case["weighted"]), **tolerance
    )
    by_weights = loss(reduction="mean_with_sample_weight")(y_true, y_pred, weights).numpy()
    np.testing.assert_allclose(np.ravel(by_weights), np.ravel(case["mean_with_sample_weight"]), **tolerance)


ROUNDING = {"float32": 2e-5, "float16": 4e-3, "bfloat16": 4e-2}


@pytest.mark.parametrize("situation", VALUES["situations"], ids=lambda situation: situation[0])
@pytest.mark.parametrize("case", VALUES["sequences"], ids=_label)
def test_losses_per_step(case: dict[str, Any], situation: list[Any]) -> None:
    name, mask, weights, dtype = situation
    if name not in case["results"]:
        pytest.skip("Keras cannot align the mask with values of other axes")
    if dtype == "bfloat16":
        pytest.importorskip("ml_dtypes")
    y_true, scores = _arrays(case)
    y_pred = convert_to_tensor(scores)
    if mask is not None:
        y_pred._keras_mask = convert_to_tensor(np.array(mask))
    weights = None if weights is None else np.array(weights, "float32")
    for reduction, expected in zip(VALUES["reductions"], case["results"][name], strict=True):
        loss = getattr(losses, case["name"])(reduction=reduction, dtype=dtype, **case["options"])
        found = loss(y_true, y_pred, weights)
        assert found.dtype == dtype
        tolerance = {"rtol": ROUNDING[dtype], "atol": ROUNDING[dtype] / 10}
        np.testing.assert_allclose(found.numpy().astype("float32"), expected, **tolerance)


@pytest.mark.parametrize("case", VALUES["losses"], ids=_label)
def test_loss_config(case: dict[str, Any]) -> None:
    loss = getattr(losses, case["name"])(**case["options"])
    config = json.loads(json.dumps(loss.get_config()))
    lost_by_keras = {key: case["options"][key] for key in case["options"] if key not in case["config"]}
    assert config == case["config"] | lost_by_keras
    assert type(loss).from_config(config).get_config() == loss.get_config()
    assert losses.deserialize(losses.serialize(loss)).get_config() == loss.get_config()


@pytest.mark.parametrize("case", VALUES["metrics"], ids=_label)
def test_metric(case: dict[str, Any]) -> None:
    y_true, y_pred = _arrays(case)
    metric = getattr(metrics, case["name"])(**case["options"])
    metric.update_state(y_true, y_pred)
    results = [metric.result().numpy()]
    metric.update_state(y_true[::-1], y_pred, WEIGHTS.astype(metric.dtype))
    results.append(metric.result().numpy())
    metric.reset_state()
    metric.update_state(y_true[:2], y_pred[:2])
    results.append(metric.result().numpy())
    for result, expected in zip(results, case["results"], strict=True):
        np.testing.assert_allclose(result, expected, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("case", VALUES["metrics"], ids=_label)
def test_metric_config(case: dict[str, Any]) -> None:
    metric = getattr(metrics, case["name"])(**case["options"])
    config = json.loads(json.dumps(metric.get_config()))
    expected = case["config"] | {"name": config["name"]}
    assert _unnumbered(config["name"]) == _unnumbered(case["config"]["name"])
    lost_by_keras = {key: config[key] for key in config if key not in expected}
    assert set(lost_by_keras) <= {"axis", "from_logits", "label_smoothing", "from_sorted_ids"}
    assert config == expected | lost_by_keras
    assert type(metric).from_config(config).get_config() == metric.get_config()
    assert metrics.deserialize(metrics.serialize(metric)).get_config() == metric.get_config()
