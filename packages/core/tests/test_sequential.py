"""Stacks of layers."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from pronghorn.functional import Functional, Input
from pronghorn.layer import Layer
from pronghorn.saving.registry import CustomObjectScope, deserialize_keras_object, serialize_keras_object
from pronghorn.sequential import Sequential
from pronghorn.testing.layers import Affine


def test_with_an_input_it_is_built_at_once() -> None:
    model = Sequential([Input((3,)), Affine(4, name="one"), Affine(2, name="two")], name="s")
    assert model.built and (model.input_shape, model.output_shape) == ((None, 3), (None, 2))
    assert [layer.name for layer in model.layers] == ["one", "two"]
    assert [v.path for v in model.weights][::2] == ["s/one/kernel", "s/two/kernel"]
    assert model.summary is not None and model.count_params() == 26


def test_without_one_it_is_built_by_the_first_call_or_build() -> None:
    model = Sequential([Affine(4), Affine(2)])
    with pytest.raises(AttributeError, match="has no `output_shape` yet; put an Input first"):
        model.output_shape  # noqa: B018
    assert model(np.ones((5, 3))).shape == (5, 2)
    assert model(np.ones((7, 3))).shape == (7, 2)
    other = Sequential([Affine(2)])
    other.build([None, 3])
    assert other.output_shape == (None, 2)


def test_add_and_pop() -> None:
    model = Sequential(name="s")
    model.add(Input((3,)))
    model.add(Affine(4, name="one"))
    assert model.output_shape == (None, 4)
    model.add(Affine(2))
    assert model.output_shape == (None, 2)
    model.pop()
    assert model.output_shape == (None, 4) and len(model.layers) == 1
    with pytest.raises(ValueError, match="'one' is taken"):
        model.add(Affine(1, name="one"))
    with pytest.raises(ValueError, match="add.. takes layers, got 3 of type int"):
        model.add(3)
    with pytest.raises(ValueError, match="an Input comes first"):
        model.add(Input((2,)))
    with pytest.raises(ValueError, match="cannot be built for"):
        model.build((None, 7))


def test_the_first_layer_may_be_a_model() -> None:
    base = Sequential([Input((3,)), Affine(4)], name="base")
    model = Sequential([base, Affine(2)])
    assert model.built and model.output_shape == (None, 2)
    assert len(model.weights) == 4


def test_inputs_are_converted() -> None:
    model = Sequential([Input((3,), dtype="int32"), Affine(2)])
    assert model(np.ones((2, 3))).dtype == "float32"
    with pytest.raises(ValueError, match=r"matmul: shapes \(2, 4\) and \(3, 2\) do not fit"):
        model(np.ones((2, 4)))


def test_layers_without_a_graph() -> None:
    class Pair(Layer):
        def call(self, inputs: Any) -> Any:
            return inputs[0] + inputs[1]

    assert Sequential([Pair()])([np.ones((1, 2)), np.ones((1, 2))]).shape == (1, 2)


def test_config_round_trip() -> None:
    model = Sequential([Input((3,)), Affine(4), Affine(2)], name="s")
    with CustomObjectScope({"Affine": Affine}):
        config = json.loads(json.dumps(serialize_keras_object(model)))
        again = deserialize_keras_object(config)
        deferred = deserialize_keras_object(json.loads(json.dumps(serialize_keras_object(Sequential([Affine(2)])))))
    assert (config["module"], config["class_name"], config["registered_name"]) == ("keras", "Sequential", None)
    assert config["config"]["build_input_shape"] == config["build_config"]["input_shape"] == [None, 3]
    assert [layer["class_name"] for layer in config["config"]["layers"]] == ["InputLayer", "Affine", "Affine"]
    assert [v.path for v in again.weights] == [v.path for v in model.weights]
    assert not deferred.built and len(deferred.layers) == 1


def test_freezing_reaches_all_layers() -> None:
    model = Sequential([Input((3,)), Affine(4), Affine(2)])
    model.trainable = False
    assert model.trainable_weights == [] and len(model.non_trainable_weights) == 4
    model.layers[0].trainable = True
    model.trainable = True
    assert len(model.trainable_weights) == 4


def test_outputs_of_layers_that_were_added_one_by_one() -> None:
    model = Sequential([Input((3,))])
    for name in ("first", "second", "third"):
        model.add(Affine(4, name=name))
    model.pop()
    model.add(Affine(5, name="head"))
    x = np.ones((2, 3), "float32")
    features = Functional(model.inputs, model.layers[1].output)
    np.testing.assert_array_equal(features(x), model.layers[1](model.layers[0](x)))
    np.testing.assert_array_equal(Functional(model.inputs, model.layers[-1].output)(x), model(x))
