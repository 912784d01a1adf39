"""Layers, losses, training and callbacks give what real Keras gives, recorded by make_training_values.py."""

from __future__ import annotations

import importlib
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from training_scenarios import MODULES, SCENARIOS, plain

import pronghorn

VALUES: dict[str, Any] = {}
for _module in MODULES:
    importlib.import_module(_module)
    VALUES |= json.loads(Path(__file__).with_name(f"{_module}.json").read_text())

DIFFERENT: dict[str, tuple[Any, str]] = {
    ".recurrent_layers.states go on over epochs": (True, "on JAX Keras forgets them in fit; on TensorFlow it does not"),
    ".masks_of_layers.a row that may look at nothing": ([-1.0, 0.0, 1.0], "is the bias: no value enters"),
    ".losses_reduced.weights of shape (2,)": (14.0, "a weight for each row is one for each of its values"),
    ".losses_reduced.with a weight for each row": ([1.13836, 0.98134, 0.98965], "likewise, with a mask"),
    ".losses_together.an output without a loss": ({"loss": 1.18496, "q_accuracy": 0.31818}, "needs no target"),
    ".losses_together.though there is a target": ({"loss": 1.18496, "q_accuracy": 0.31818}, "nor does one harm"),
    ".optimizers_step_by_step.names of slots.Nadam[4]": ("u_product", "Keras leaves it unnamed: variable_4"),
    ".automatic_names.names of a dict[1]": (["a", "b"], "shapes have the structure of what they are of"),
    ".configs_of_layers.RandomSaturation.factor[0]": (0.0, "a number stands for (0, factor), as Keras's documents say"),
    ".configs_of_layers.TextVectorization.vocabulary_size": (None, "there is no vocabulary yet"),
}
"""What is deliberately not as in Keras, with what it is instead."""
WITH_MORE = {
    ".configs_of_layers.RandomGrayscale": "seed",
    ".configs_of_losses_and_metrics.metrics.CosineSimilarity": "axis",
    ".configs_of_losses_and_metrics.metrics.SparseTopKCategoricalAccuracy": "from_sorted_ids",
    ".configs_of_the_others.initializers.Identity": "gain",
}
"""Configs that hold an argument which Keras's forget, so that it outlives a file."""


def differences(found: Any, expected: Any, path: str = "") -> list[str]:
    """Where two structures differ, numbers by more than float32 rounding after some steps."""
    if path in DIFFERENT:
        assert found != expected
        return differences(found, DIFFERENT[path][0], f"{path} (other than Keras)")
    if path in WITH_MORE:
        assert WITH_MORE[path] not in expected
        found = {key: value for key, value in found.items() if key != WITH_MORE[path]}
    if isinstance(expected, dict) and isinstance(found, dict) and set(found) == set(expected):
        return [line for key in expected for line in differences(found[key], expected[key], f"{path}.{key}")]
    if isinstance(expected, list) and isinstance(found, list) and len(found) == len(expected):
        pairs = enumerate(zip(found, expected, strict=True))
        return [line for i, (a, b) in pairs for line in differences(a, b, f"{path}[{i}]")]
    numbers = all(isinstance(x, (int, float)) and not isinstance(x, bool) for x in (found, expected))
    same = np.isclose(found, expected, rtol=1e-4, atol=2e-5, equal_nan=True) if numbers else found == expected
    return [] if same else [f"{path}: {found!r} instead of {expected!r}"]


@pytest.mark.parametrize("name", SCENARIOS)
def test_as_in_keras(name: str) -> None:
    if name == "dtypes_of_layers":
        pytest.importorskip("ml_dtypes", reason="bfloat16 needs the extra `bfloat16`")
    pronghorn.backend.clear_session()  # names are counted from the first again
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of those that run dry: the numbers matter here
        found = plain(SCENARIOS[name](pronghorn))
    assert differences(json.loads(json.dumps(found)), VALUES[name], f".{name}") == []
