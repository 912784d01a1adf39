"""Questions about tensors and dtypes."""

from __future__ import annotations

import numpy as np
import pytest

import pronghorn as keras
from pronghorn.utils import clear_session, get_source_inputs, is_keras_tensor, standardize_dtype


def test_symbols_of_a_model_are_told_from_values():
    x = keras.Input((2,))
    assert is_keras_tensor(x) and is_keras_tensor(x + 1)
    assert not is_keras_tensor(keras.ops.ones(2)) and not is_keras_tensor(np.ones(2))


def test_the_inputs_behind_a_tensor_are_found():
    a, b, c = (keras.Input((2,), name=name) for name in "abc")
    assert {t.name for t in get_source_inputs(a * 2 + b)} == {"a", "b"}
    assert get_source_inputs([c]) == [c]
    with pytest.raises(ValueError, match="Input"):
        get_source_inputs(np.ones(2))


def test_dtypes_have_one_name():
    assert [standardize_dtype(kind) for kind in (None, "float64", np.int32, float)] == [
        "float32",
        "float64",
        "int32",
        "float32",
    ]
    with pytest.raises(ValueError, match="decimal"):
        standardize_dtype("decimal")


def test_names_begin_again():
    clear_session()
    assert keras.Input((2,)).name == "input_layer"
    clear_session()
    assert keras.Input((2,)).name == "input_layer"
