"""Models, and what they are made of, through pickle and copy.deepcopy."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pronghorn import ops
from pronghorn.functional import Functional, Input
from pronghorn.layer import Layer
from pronghorn.sequential import Sequential
from pronghorn.tensor import Variable
from pronghorn.testing.layers import Affine, Descent

X, Y = np.linspace(-1, 1, 12, dtype="float32").reshape(4, 3), np.ones((4, 2), "float32")
COPIES = pytest.mark.parametrize(
    "again", [lambda m: pickle.loads(pickle.dumps(m)), copy.deepcopy], ids=["pickle", "copy"]
)


class Scale(Layer):
    """A layer of one's own, registered nowhere."""

    def build(self, input_shape: Any) -> None:
        self.factor = self.add_weight(shape=(input_shape[-1],), initializer=np.ones)

    def call(self, x: Any) -> Any:
        return x * self.factor


def squares(y_true: Any, y_pred: Any) -> Any:
    return ops.mean(ops.square(y_pred - y_true), axis=-1)


def trained() -> Sequential:
    model = Sequential([Input((3,)), Scale(), Affine(2)])
    model.compile(Descent(0.1), squares)
    model.fit(X, Y, epochs=2, verbose=0)
    return model


@COPIES
def test_a_trained_model_goes_on_as_it_would(again: Callable[[Any], Any]) -> None:
    model = trained()
    other = again(model)
    np.testing.assert_array_equal(other.predict(X, verbose=0), model.predict(X, verbose=0))
    histories = [m.fit(X, Y, shuffle=False, verbose=0).history for m in (model, other)]
    assert histories[0] == histories[1]
    other.layers[0].factor.assign(np.zeros(3))
    assert np.all(model.layers[0].factor.numpy() != 0), "the copy has variables of its own"


@COPIES
def test_models_that_were_never_called(again: Callable[[Any], Any]) -> None:
    inputs = Input((3,))
    model = again(Functional(inputs, Affine(2)(inputs)))
    assert model.predict(X, verbose=0).shape == (4, 2)
    assert not again(Sequential([Affine(2)])).built


@COPIES
def test_histories_layers_and_variables(again: Callable[[Any], Any]) -> None:
    model = trained()
    history = model.fit(X, Y, verbose=0)
    assert again(history).history == history.history
    layer = model.layers[1]
    np.testing.assert_array_equal(again(layer)(X), layer(X))
    variable = Variable(X, name="x", trainable=False)
    other = again(variable)
    assert (other.path, other.dtype, other.trainable) == (variable.path, "float32", False)
    np.testing.assert_array_equal(other.numpy(), X)
    np.testing.assert_array_equal(again(ops.convert_to_tensor(X)).numpy(), X)


def test_what_cannot_be_written_down_is_named() -> None:
    model = trained()
    model.compile(Descent(0.1), lambda y_true, y_pred: squares(y_true, y_pred))
    with pytest.raises(Exception, match="lambda"):
        pickle.dumps(model)
