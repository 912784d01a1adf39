"""fit, evaluate, predict and callbacks give what real Keras gives, recorded by make_training_values.py."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from training_scenarios import SCENARIOS, plain

import pronghorn

VALUES = json.loads(Path(__file__).with_name("training_values.json").read_text())


def differences(found: Any, expected: Any, path: str = "") -> list[str]:
    """Where two structures differ, numbers by more than float32 rounding after some steps."""
    if isinstance(expected, dict) and isinstance(found, dict) and set(found) == set(expected):
        return [line for key in expected for line in differences(found[key], expected[key], f"{path}.{key}")]
    if isinstance(expected, list) and isinstance(found, list) and len(found) == len(expected):
        pairs = enumerate(zip(found, expected, strict=True))
        return [line for i, (a, b) in pairs for line in differences(a, b, f"{path}[{i}]")]
    numbers = all(isinstance(x, (int, float)) and not isinstance(x, bool) for x in (found, expected))
    same = np.isclose(found, expected, rtol=1e-4, atol=2e-5) if numbers else found == expected
    return [] if same else [f"{path}: {found!r} instead of {expected!r}"]


@pytest.mark.parametrize("name", SCENARIOS)
def test_as_in_keras(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of those that run dry: the numbers matter here
        found = plain(SCENARIOS[name](pronghorn))
    assert differences(json.loads(json.dumps(found)), VALUES[name]) == []
