"""The state of a model as nested dicts, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pronghorn import ops
from pronghorn.functional import Input
from pronghorn.sequential import Sequential
from pronghorn.testing import Affine, Descent

X = np.linspace(-1, 1, 12, dtype="float32").reshape(4, 3)


def trained() -> Any:
    model = Sequential([Input((3,)), Affine(1, name="a")], name="net")
    model.compile(Descent(0.1, name="descent"), lambda t, p: ops.mean(ops.square(p - t), axis=-1))
    model.fit(X, X[:, :1], epochs=2, verbose=0)
    return model


def test_state_goes_round() -> None:
    model, other = trained(), trained()
    tree = model.get_state_tree(value_format="numpy_array")
    assert list(tree) == ["trainable_variables", "non_trainable_variables", "optimizer_variables", "metrics_variables"]
    kernel = tree["trainable_variables"]["net"]["a"]["kernel"]
    np.testing.assert_array_equal(kernel, model.get_weights()[0])
    assert int(tree["optimizer_variables"]["descent"]["iteration"]) == 2
    assert set(tree["metrics_variables"]["loss"]) == {"total", "count"}
    other.set_weights([np.zeros_like(w) for w in other.get_weights()])
    other.set_state_tree({"trainable_variables": model.get_state_tree()["trainable_variables"]})
    np.testing.assert_array_equal(other.get_weights()[0], kernel)


def test_what_does_not_fit() -> None:
    model = trained()
    with pytest.raises(ValueError, match=r"value_format must be one of \['backend_tensor', 'numpy.*, got 'list'"):
        model.get_state_tree("list")
    with pytest.raises(ValueError, match="unknown kind 'weights'; there are trainable_variables"):
        model.set_state_tree({"weights": {}})
    with pytest.raises(ValueError, match="model 'net' has no variable 'net/b/kernel' among its trainable_variables"):
        model.set_state_tree({"trainable_variables": {"net": {"b": {"kernel": 0}}}})
    model = Sequential([Input((3,)), Affine(1, name="a")], name="net")
    for v in model.trainable_variables:
        v.path = "net/a/kernel"
    with pytest.raises(ValueError, match="two variables of model 'net' have the path 'net/a/kernel'"):
        model.get_state_tree()
