"""clone_model: new weights, shared layers stay shared, functions see every layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pronghorn import models, ops
from pronghorn.functional import Functional, Input
from pronghorn.model import Model
from pronghorn.sequential import Sequential
from pronghorn.testing import Affine, Descent
from pronghorn_utils.cloning import clone_model

X = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")


def shared() -> tuple[Functional, Affine]:
    a, b = Input((4,), name="a"), Input((4,), name="b")
    layer = Affine(4, name="shared")
    inner = Sequential([Input((4,)), Affine(4)], name="inner")
    return Model([a, b], {"sum": ops.add(inner(layer(a)), layer(b)) * 2}, name="m"), layer


def test_a_clone_has_weights_of_its_own() -> None:
    model, _ = shared()
    clone = models.clone_model(model)
    assert clone.name == "m" and clone.output_names == model.output_names
    assert len(clone.weights) == len(model.weights)
    clone.set_weights(model.get_weights())
    np.testing.assert_array_equal(clone([X, X])["sum"].numpy(), model([X, X])["sum"].numpy())
    assert not {id(v) for v in clone.weights} & {id(v) for v in model.weights}


def test_functions_clone_and_call_each_layer_once() -> None:
    model, layer = shared()
    cloned: list[str] = []
    called: list[str] = []

    def clone(layer: Any) -> Any:
        cloned.append(layer.name)
        return layer

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        called.append(layer.name)
        return layer(*args, **kwargs)

    same = clone_model(model, clone_function=clone, call_function=call)
    assert sorted(cloned) == ["inner", "shared"] and called.count("shared") == 2
    assert layer in same.layers
    cloned.clear()
    clone_model(model, clone_function=clone, recursive=True)
    assert sorted(cloned) == sorted(["shared", model.get_layer("inner").layers[0].name])


def test_other_inputs() -> None:
    model, _ = shared()
    start = Input((4,), name="start")
    clone = clone_model(model, [start, start * 2])
    assert clone.input_names[0] == "start"
    first = clone_model(Sequential([Input((4,)), Affine(2)], name="s"), input_tensors=start)
    assert first.name == "s" and first(X).shape == (3, 2)


def test_unbuilt_and_compiled_models() -> None:
    model = Sequential([Affine(2)], name="s")
    assert not clone_model(model).built
    model.compile(Descent(0.5))
    clone = clone_model(model)
    assert clone.compiled and clone.optimizer is not model.optimizer
    assert float(clone.optimizer.learning_rate) == 0.5


class Twice(Model):
    def __init__(self, units: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.inner = Affine(units)

    def call(self, inputs: Any) -> Any:
        return self.inner(inputs) * 2


def test_models_with_a_call() -> None:
    clone = clone_model(Twice(3, name="t"))
    assert isinstance(clone, Twice) and clone.units == 3 and clone.name == "t"
    with pytest.raises(ValueError, match="Functional and Sequential models only, got a Twice"):
        clone_model(Twice(), clone_function=lambda layer: layer)


def test_arguments_that_do_not_fit() -> None:
    model = Sequential([Input((4,)), Affine(2)])
    with pytest.raises(ValueError, match="call_function works on Functional models only"):
        clone_model(model, call_function=lambda layer, x: layer(x))
    with pytest.raises(ValueError, match="must be one tensor of a model graph"):
        clone_model(model, input_tensors=X)
    with pytest.raises(ValueError, match="nested like the inputs"):
        clone_model(shared()[0], input_tensors=[X, X])
    with pytest.raises(ValueError, match="expected a Model"):
        clone_model(Affine(2))  # type: ignore[arg-type]
