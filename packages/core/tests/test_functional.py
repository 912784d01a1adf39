"""Models made of a graph between tensors."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from pronghorn import ops
from pronghorn.functional import Functional, Input, InputLayer
from pronghorn.layer import Layer
from pronghorn.model import Model
from pronghorn.program import jit
from pronghorn.saving.registry import CustomObjectScope, deserialize_keras_object, serialize_keras_object
from pronghorn.sequential import Sequential
from pronghorn.testing.layers import Affine


class Sum(Layer):
    def call(self, inputs: Any) -> Any:
        return ops.add(*inputs) if isinstance(inputs, list) else sum(inputs.values())


def arrays(*shapes: tuple[int, ...]) -> list[np.ndarray[Any, Any]]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape).astype("float32") for shape in shapes]


def test_one_input_and_one_output() -> None:
    x = Input((3,), name="x")
    y = Affine(2, name="affine")(x)
    model = Model(x, y, name="m")
    assert isinstance(model, Functional) and model.built
    assert (model.input_shape, model.output_shape) == ((None, 3), (None, 2))
    assert [layer.name for layer in model.layers] == ["x", "affine"]
    assert model.get_layer("affine") is model.get_layer(index=1)
    [data] = arrays((4, 3))
    expected = data @ model.layers[1].kernel.numpy()
    for found in (model(data), model([data]), model({"x": data}), jit(model)(data)):
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5)
    assert [v.path for v in model.weights] == ["affine/kernel", "affine/bias"]


def test_a_graph_with_branches_shared_layers_and_operators() -> None:
    a, b = Input((3,), name="a"), Input((3,), name="b")
    shared = Affine(2, name="shared")
    left, right = shared(a), shared(b)
    total = (Sum(name="sum")([left, right]) * 2 + 1)[:, :1]
    model = Model([a, b], [total, left])
    p, q = arrays((4, 3), (4, 3))
    k = shared.kernel.numpy()
    first, second = model([p, q])
    np.testing.assert_allclose(first.numpy(), ((p @ k + q @ k) * 2 + 1)[:, :1], rtol=1e-5)
    np.testing.assert_allclose(second.numpy(), p @ k, rtol=1e-5)
    assert [v.name for v in model.weights] == ["kernel", "bias"]
    assert model.output_names == ["get_item", "shared"]
    names = [model.graph.name(step) if not isinstance(step, Layer) else step.name for step in model.graph.steps]
    assert names == ["a", "b", "shared", "sum", "multiply", "add", "get_item"]


def test_dicts_of_inputs_and_outputs() -> None:
    inputs = {"x": Input((3,), name="x"), "y": Input((3,), name="y")}
    model = Model(inputs, {"sum": Sum()(inputs), "parts": [inputs["x"], inputs["y"]]})
    x, y = arrays((2, 3), (2, 3))
    found = model({"y": y, "x": x, "unused": y})
    np.testing.assert_allclose(found["sum"].numpy(), x + y, rtol=1e-6)
    assert [t.shape for t in found["parts"]] == [(2, 3), (2, 3)]
    assert model.output_shape == {"sum": (None, 3), "parts": [(None, 3), (None, 3)]}


def test_models_inside_of_models() -> None:
    x = Input((3,))
    inner = Sequential([Affine(2, name="affine")], name="inner")
    outer = Model(x, inner(inner_input := x) + inner(inner_input * 2))
    assert [v.path for v in outer.weights] == ["inner/affine/kernel", "inner/affine/bias"]
    assert inner in outer.layers
    [data] = arrays((2, 3))
    np.testing.assert_allclose(outer(data).numpy(), (inner(data) + inner(2 * data)).numpy(), rtol=1e-5)
    nested = Model(x, outer(x))
    np.testing.assert_allclose(nested(data).numpy(), outer(data).numpy())


def test_a_model_between_intermediate_tensors() -> None:
    x = Input((3,))
    hidden = Affine(4)(x)
    top = Affine(2)
    outputs = top(hidden)
    features, head = Model(x, hidden), Model(hidden, outputs)
    [data] = arrays((2, 3))
    np.testing.assert_allclose(head(features(data)).numpy(), Model(x, outputs)(data).numpy(), rtol=1e-5)
    assert isinstance(head.layers[0], InputLayer) and head.layers[1] is top


def test_unknown_sizes_fit_known_ones() -> None:
    unknown, known = Input((None, 3)), Input((5, 3))
    assert (unknown + known).shape == (None, 5, 3)
    assert (unknown + np.ones((1, 5, 3), "float32")).shape == (None, 5, 3)
    assert (unknown + Input((1, 3))).shape == (None, None, 3)
    assert ops.concatenate([unknown, known], -1).shape == (None, 5, 6)
    assert ops.concatenate([unknown, known], 1).shape == (None, None, 3)
    assert ops.matmul(Input((3, None)), known).shape == (None, 3, 3)
    assert (unknown + Input((5, 3), batch_size=2)).shape == (2, 5, 3)
    model = Functional([unknown, known], unknown + known)
    x = np.ones((2, 5, 3), "float32")
    np.testing.assert_array_equal(model([x, x]).numpy(), 2 * x)
    with pytest.raises(ValueError, match="do not broadcast"):
        model([x[:, :4], x])
    with pytest.raises(ValueError, match="do not broadcast"):
        Input((4, 3)) + known


def test_unknown_sizes_stay_unknown() -> None:
    x = Input((None, 3))
    y = ops.reshape(Affine(4)(x), (-1, 4))
    assert Affine(4)(x).shape == (None, None, 4) and y.shape == (None, 4)
    assert Model(x, ops.sum(x, axis=1)).output_shape == (None, 3)


def test_training_reaches_the_layers() -> None:
    class Switch(Layer):
        def call(self, inputs: Any, training: bool = False) -> Any:
            return inputs + 1 if training else inputs

    x = Input((1,))
    model = Model(x, Switch()(x))
    assert float(model(np.zeros((1, 1)), training=True)[0, 0]) == 1
    assert float(model(np.zeros((1, 1)))[0, 0]) == 0


def test_optional_inputs() -> None:
    x, y = Input((2,), name="x"), Input((2,), name="y", optional=True)
    model = Model([x, y], [x * 2, y])
    with pytest.raises(ValueError, match=r"the outputs \[1\] of the model need an input that was given as None"):
        model([np.ones((1, 2)), None])
    assert Model([x, y], x * 2)([np.ones((1, 2)), None]).shape == (1, 2)


def test_a_missing_last_dimension_of_one_is_added() -> None:
    x = Input((1,))
    assert Model(x, x * 2)(np.ones(4)).shape == (4, 1)
    z = Input((2,))
    assert Model(z, z * 2)(np.ones((4, 2, 1))).shape == (4, 2)


def test_subclasses_given_inputs_and_outputs() -> None:
    class Custom(Model):
        def train_step(self, data: Any) -> Any:
            return {}

    x = Input((3,))
    model = Custom(x, Affine(2)(x))
    assert isinstance(model, Custom) and isinstance(model, Functional)
    assert model(np.ones((2, 3))).shape == (2, 2)

    class WithInit(Model):
        def __init__(self, units: int, **kwargs: Any) -> None:
            x = Input((3,))
            super().__init__(inputs=x, outputs=Affine(units)(x), **kwargs)

    assert WithInit(4, name="w")(np.ones((1, 3))).shape == (1, 4)


def test_wrong_graphs_and_inputs_are_explained() -> None:
    x, y = Input((3,), name="x"), Input((3,), name="y")
    with pytest.raises(ValueError, match="depend on the Input 'y', which is not among the model's inputs"):
        Model(x, x + y)
    with pytest.raises(ValueError, match=r"must be tensors that began as pronghorn.Input"):
        Functional(x, 3)
    with pytest.raises(ValueError, match="the name 'same' is used for two layers"):
        Model(x, Affine(2, name="same")(Affine(2, name="same")(x)))
    model = Model([x, y], x + y, name="m")
    with pytest.raises(ValueError, match=r"'m' expects 2 input\(s\), but it received 1"):
        model([np.ones((1, 3))])
    with pytest.raises(ValueError, match=r"no data for the inputs \['y'\]: got a dict with the keys \['x'\]"):
        model({"x": np.ones((1, 3))})
    with pytest.raises(ValueError, match=r"expected shape=\(None, 3\), found shape=\(1, 4\)"):
        model([np.ones((1, 4)), np.ones((1, 4))])
    with pytest.raises(ValueError, match=r"no layer 'z' in 'm'; it has \['x', 'y'\]"):
        model.get_layer("z")
    with pytest.raises(ValueError, match="give either `shape` or `batch_shape`"):
        Input()


def test_config_round_trip() -> None:
    a, b = Input((4,), name="a"), Input((4,), name="b")
    inner = Sequential([Affine(3)], name="inner")
    shared = Affine(3, name="shared")
    joined = ops.concatenate([inner(a), shared(b)], axis=-1)
    sliced = ops.sum(joined[:, ::2], axis=-1, keepdims=True) * 2 + ops.relu(shared(a))[:, :1]
    model = Model([a, b], {"out": sliced, "nested": [Model(a, a * 3, name="triple")(b)]}, name="m")
    with CustomObjectScope({"Affine": Affine}):
        again = deserialize_keras_object(json.loads(json.dumps(serialize_keras_object(model))))
    assert again.name == "m"
    again.set_weights(model.get_weights())
    data = arrays((2, 4), (2, 4))
    found, expected = again(data), model(data)
    np.testing.assert_array_equal(found["out"].numpy(), expected["out"].numpy())
    np.testing.assert_array_equal(found["nested"][0].numpy(), expected["nested"][0].numpy())


def test_the_config_is_that_of_keras() -> None:
    x = Input((4,), name="x")
    model = Model(x, ops.not_equal(x, 0.0), name="m")
    config = model.get_config()
    assert config["input_layers"] == ["x", 0, 0] and config["output_layers"] == ["not_equal", 0, 0]
    tensor = {"class_name": "__keras_tensor__", "config": {"shape": [None, 4], "dtype": "float32"}}
    tensor["config"]["keras_history"] = ["x", 0, 0]
    assert config["layers"] == [
        {
            "module": "keras.layers",
            "class_name": "InputLayer",
            "config": {
                "batch_shape": (None, 4),
                "dtype": "float32",
                "sparse": False,
                "ragged": False,
                "name": "x",
                "optional": False,
            },
            "registered_name": None,
            "name": "x",
            "inbound_nodes": [],
        },
        {
            "module": "keras.src.ops.numpy",
            "class_name": "NotEqual",
            "registered_name": "NotEqual",
            "config": {"name": "not_equal"},
            "name": "not_equal",
            "inbound_nodes": [{"args": [tensor, 0.0], "kwargs": {}}],
        },
    ]


def test_a_config_with_a_loop_is_refused() -> None:
    x = Input((4,), name="x")
    config = json.loads(json.dumps(Model(x, ops.exp(ops.exp(x))).get_config()))
    config["layers"][1]["inbound_nodes"][0]["args"][0]["config"]["keras_history"][0] = "exp_1"
    with pytest.raises(ValueError, match="has a loop among the layers"):
        Model.from_config(config)


def test_a_subclassed_model_is_built_by_its_call() -> None:
    class Net(Model):
        def __init__(self) -> None:
            super().__init__(name="net")
            self.hidden, self.top = Affine(4, name="hidden"), Affine(2, name="top")

        def call(self, inputs: Any, training: bool = False) -> Any:
            return self.top(ops.relu(self.hidden(inputs)))

    model = Net()
    model.build((None, 3))
    assert [v.path for v in model.weights][::2] == ["net/hidden/kernel", "net/top/kernel"]
    assert [layer.name for layer in model.layers] == ["hidden", "top"]
    assert model(np.ones((5, 3))).shape == (5, 2)
