"""Layers of strings and categories compute what Keras 3 computes; see fixtures/make_strings.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pronghorn import layers
from pronghorn.program import jit
from pronghorn.tensor import convert_to_tensor

FIXTURES = Path(__file__).parent / "fixtures"
CASES = {
    f"{case[0]}/{name}": case
    for cases in json.loads((FIXTURES / "strings.json").read_text(encoding="utf-8")).values()
    for name, case in cases.items()
}
KERAS = json.loads((FIXTURES / "strings_keras.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES)
def test_outputs_vocabulary_and_config_are_those_of_keras(case: str) -> None:
    name, options, data, inputs = CASES[case]
    layer: Any = getattr(layers, name)(**options, name="layer")
    if data is not None:
        layer.adapt(np.array(data))
    expected = KERAS[case]
    if "vocabulary" in expected:
        assert layer.get_vocabulary() == expected["vocabulary"]
    arrays = [np.array(x) for x in inputs] if name == "HashedCrossing" else np.array(inputs)
    for found in (layer(arrays), layer(inputs), jit(layer)(arrays)):
        if found.dtype == "string":
            assert found.numpy().tolist() == expected["outputs"]
        else:
            np.testing.assert_allclose(found.numpy(), expected["outputs"], rtol=1e-6)
    config = json.loads(json.dumps(layer.get_config()))
    assert config == expected["config"]
    again: Any = type(layer).from_config(config)
    if data is None:
        np.testing.assert_array_equal(again(arrays).numpy(), layer(arrays).numpy())


def test_bytes_are_texts_in_the_encoding_of_the_layer() -> None:
    for encoding in ("utf-8", "latin-1"):
        words = np.array([word.encode(encoding) for word in ("é", "a", "ü")])
        layer = layers.StringLookup(encoding=encoding)
        layer.adapt(words)
        assert layer.get_vocabulary() == ["[UNK]", "ü", "é", "a"]
        assert layer(words).numpy().tolist() == layer(["é", "a", "ü"]).numpy().tolist() == [2, 3, 1]
        vectors = layers.TextVectorization(vocabulary=["é"], encoding=encoding)
        assert vectors(np.array([word.encode(encoding) for word in ("a é", "é")])).numpy().tolist() == [[1, 2], [2, 0]]


def test_a_single_text() -> None:
    assert layers.StringLookup(vocabulary=["a", "b"])("b").numpy().tolist() == 2
    assert layers.TextVectorization(vocabulary=["a", "b"])("B, a!").numpy().tolist() == [3, 2]
    assert layers.TextVectorization(vocabulary=["a", "b"], output_mode="count")("a a").numpy().tolist() == [0, 2, 0]
    assert layers.Hashing(3)(convert_to_tensor("A")).shape == ()
