"""Files of Keras 1, and of Keras 2 on Theano and cuDNN, built here after their source; outputs against plain NumPy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from pronghorn import layers
from pronghorn.functional import Input
from pronghorn.saving import ModelFileError, load_model, model_from_json
from pronghorn.sequential import Sequential

RANDOM = np.random.default_rng(0)
Config = dict[str, Any]


def normal(*shape: int) -> Any:
    return RANDOM.normal(size=shape).astype("float32")


def write(
    path: Path, config: Any, stored: dict[str, list[Any]], attributes: dict[str, str] | None = None, **root: Any
) -> Path:
    """A whole model as Keras 1 wrote it: without a version, and with byte strings."""
    with h5py.File(path, "w") as file:
        if config is not None:
            file.attrs["model_config"] = json.dumps(config).encode()
        for key, value in root.items():
            file.attrs[key] = json.dumps(value).encode()
        group = file.create_group("model_weights") if config is not None else file
        for key, text in (attributes or {}).items():
            group.attrs[key] = text.encode()
        group.attrs["layer_names"] = [name.encode() for name in stored]
        for name, arrays in stored.items():
            layer = group.create_group(name)
            names = [f"{name}_{i}".encode() for i in range(len(arrays))]
            layer.attrs["weight_names"] = names
            for key, array in zip(names, arrays, strict=True):
                layer.create_dataset(key.decode(), data=array)
    return path


def entry(class_name: str, name: str, **config: Any) -> Config:
    return {"class_name": class_name, "config": {"name": name, "trainable": True, **config}}


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def old_hard_sigmoid(x: Any) -> Any:
    return np.clip(0.2 * x + 0.5, 0, 1)


# ------------------------------------------------------------------------------------------------ Keras 1


def test_dense_of_keras_1_with_its_training(tmp_path: Path) -> None:
    kernel, bias, slope = normal(3, 4), normal(4), normal(4, 1)
    config = {
        "class_name": "Sequential",
        "config": [
            entry(
                "Dense",
                "dense_1",
                output_dim=4,
                init="glorot_uniform",
                activation="tanh",
                bias=True,
                batch_input_shape=[None, 3],
                input_dtype="float32",
                input_dim=3,
                W_regularizer={"name": "WeightRegularizer", "l1": 0.0, "l2": 0.5},
                b_regularizer=None,
                activity_regularizer=None,
                W_constraint={"name": "MaxNorm", "m": 2, "axis": 0},
                b_constraint=None,
            ),
            entry("Dropout", "dropout_1", p=0.5),
            entry("Dense", "dense_2", output_dim=1, init="normal", activation="linear", bias=False, input_dim=None),
        ],
    }
    optimizer = {"class_name": "SGD", "config": {"lr": 0.1, "momentum": 0.0, "decay": 0.5, "nesterov": False}}
    training = {"optimizer_config": optimizer, "loss": "mse", "metrics": [], "loss_weights": None}
    stored = {"dense_1": [kernel, bias], "dropout_1": [], "dense_2": [slope]}
    model = load_model(write(tmp_path / "m.h5", config, stored, training_config=training))
    x = normal(5, 3)
    np.testing.assert_allclose(model.predict(x, verbose=0), np.tanh(x @ kernel + bias) @ slope, rtol=1e-5, atol=1e-6)
    assert model.layers[0].kernel_regularizer.l2 == 0.5
    assert model.layers[0].kernel_constraint.max_value == 2
    assert float(model.optimizer.learning_rate) == pytest.approx(0.1)


def test_convolution_of_keras_1_on_theano(tmp_path: Path) -> None:
    """Kernels are (filters, channels, rows, columns), and flipped."""
    kernel, bias = normal(2, 3, 2, 2), normal(2)
    shared = {"border_mode": "valid", "dim_ordering": "th"}
    config = {
        "class_name": "Sequential",
        "config": [
            entry(
                "Convolution2D",
                "c",
                nb_filter=2,
                nb_row=2,
                nb_col=2,
                subsample=[1, 1],
                activation="linear",
                bias=True,
                init="he_normal",
                batch_input_shape=[None, 3, 4, 5],
                **shared,
            ),
            entry("MaxPooling2D", "p", pool_size=[3, 4], strides=[1, 1], **shared),
            entry("Flatten", "f"),
        ],
    }
    model = load_model(write(tmp_path / "m.h5", config, {"c": [kernel, bias], "p": [], "f": []}, {"backend": "theano"}))
    x = normal(1, 3, 4, 5)
    flipped = kernel[:, :, ::-1, ::-1]
    windows = np.lib.stride_tricks.sliding_window_view(x[0], (2, 2), axis=(1, 2))
    expected = np.einsum("chwij,fcij->fhw", windows, flipped).max((1, 2)) + bias
    np.testing.assert_allclose(model.predict(x, verbose=0)[0], expected, rtol=1e-4)


def test_lstm_of_keras_1(tmp_path: Path) -> None:
    """Twelve arrays, gate by gate: input, cell, forget, output."""
    gates = [[normal(3, 2), normal(2, 2), normal(2)] for _ in range(4)]
    options = {"output_dim": 2, "inner_activation": "hard_sigmoid", "activation": "tanh", "consume_less": "cpu"}
    initial = {"init": "glorot_uniform", "inner_init": "orthogonal", "forget_bias_init": "one", "dropout_U": 0.0}
    config = {
        "class_name": "Sequential",
        "config": [
            entry("LSTM", "l", batch_input_shape=[None, 4, 3], input_dim=3, input_length=4, **options, **initial)
        ],
    }
    model = load_model(write(tmp_path / "m.h5", config, {"l": [array for gate in gates for array in gate]}))
    x = normal(5, 4, 3)
    h, c = np.zeros((5, 2)), np.zeros((5, 2))
    for t in range(4):
        i, z, f, o = (x[:, t] @ kernel + h @ recurrent + bias for kernel, recurrent, bias in gates)
        c = old_hard_sigmoid(f) * c + old_hard_sigmoid(i) * np.tanh(z)
        h = old_hard_sigmoid(o) * np.tanh(c)
    np.testing.assert_allclose(model.predict(x, verbose=0), h, rtol=1e-4, atol=1e-6)


def test_branches_that_merge(tmp_path: Path) -> None:
    a, b, c = normal(3, 2), normal(4, 2), normal(4, 1)
    dense = {"activation": "linear", "bias": False}
    branches = [
        {
            "class_name": "Sequential",
            "config": [entry("Dense", "a", output_dim=2, batch_input_shape=[None, 3], **dense)],
        },
        {
            "class_name": "Sequential",
            "config": [entry("Dense", "b", output_dim=2, batch_input_shape=[None, 4], **dense)],
        },
    ]
    merge = entry("Merge", "merge_1", layers=branches, mode="concat", concat_axis=-1, dot_axes=-1)
    config = {"class_name": "Sequential", "config": [merge, entry("Dense", "c", output_dim=1, **dense)]}
    model = load_model(write(tmp_path / "m.h5", config, {"a": [a], "b": [b], "c": [c]}))
    x, y = normal(5, 3), normal(5, 4)
    expected = np.concatenate([x @ a, y @ b], -1) @ c
    np.testing.assert_allclose(model.predict([x, y], verbose=0), expected, rtol=1e-4, atol=1e-6)


# ------------------------------------------------------------------------------------------------ Keras 2


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_weights_of_cudnn(kind: str, tmp_path: Path) -> None:
    """Kernels are transposed, and the bias is that of the inputs followed by that of the state."""
    gates = 4 if kind == "LSTM" else 3
    kernel, recurrent, bias = normal(3, gates * 2), normal(2, gates * 2), normal(2, gates * 2)
    as_cudnn = np.hstack([part.T.ravel().reshape(part.shape) for part in np.hsplit(kernel, gates)])
    config = {
        "class_name": "Sequential",
        "config": {"name": "s", "layers": [entry(f"CuDNN{kind}", "r", units=2, batch_input_shape=[None, 4, 3])]},
        "keras_version": "2.2.4",
    }
    stored = {"r": [as_cudnn, np.hstack([part.T for part in np.hsplit(recurrent, gates)]), bias.ravel()]}
    path = write(tmp_path / "m.h5", config, stored, {"keras_version": "2.2.4", "backend": "tensorflow"})
    with h5py.File(path, "a") as file:
        file.attrs["keras_version"] = b"2.2.4"
    weights = load_model(path).layers[0].get_weights()
    np.testing.assert_array_equal(weights[0], kernel)
    np.testing.assert_array_equal(weights[1], recurrent)
    np.testing.assert_allclose(weights[2], bias.sum(0) if kind == "LSTM" else bias)


def test_lambda_needs_a_function_of_the_same_meaning() -> None:
    code = ["4wEAAAAAAAAA", None, None]
    inner = {"function": code, "function_type": "lambda", "output_shape": None, "arguments": {}}
    layers_of = [entry("Lambda", "halve", batch_input_shape=[None, 2], **inner)]
    text = json.dumps(
        {"class_name": "Sequential", "config": {"name": "s", "layers": layers_of}, "keras_version": "2.2.4"}
    )
    with pytest.raises(ModelFileError, match=r"layer 'halve' is a Lambda of code.*custom_objects=\{'halve': …\}"):
        model_from_json(text)
    model = model_from_json(text, custom_objects={"halve": lambda x: x / 2})
    np.testing.assert_array_equal(model.predict(np.ones((3, 2), "float32"), verbose=0), np.full((3, 2), 0.5))
    named = text.replace(json.dumps(code), '"relu"').replace('"lambda"', '"function"')
    assert model_from_json(named).predict(np.full((1, 2), -1.0), verbose=0).max() == 0


def test_names_of_weights_split_over_attributes(tmp_path: Path) -> None:
    arrays = {f"d{i}": [normal(2, 2), normal(2)] for i in range(3)}
    path = write(tmp_path / "weights", None, arrays, {"keras_version": "2.3.1", "backend": "tensorflow"})
    with h5py.File(path, "a") as file:
        del file.attrs["layer_names"]
        file.attrs["layer_names0"], file.attrs["layer_names1"] = [b"d0", b"d1"], [b"d2"]
    model = Sequential([Input((2,)), *(layers.Dense(2) for _ in range(3))])
    model.load_weights(path)
    np.testing.assert_array_equal(model.layers[2].kernel.numpy(), arrays["d2"][0])


def test_ops_of_tensorflow_in_graphs_of_tf_keras_2_0() -> None:
    def node(name: str, op: str, inputs: list[str], constants: Any = None, **attributes: Any) -> Config:
        inner = {"name": name, "node_def": {"name": name, "op": op, "attr": attributes}, "constants": constants or {}}
        calls = [[[source, 0, 0, {}] for source in inputs]]
        return {"class_name": "TensorFlowOpLayer", "config": inner, "name": name, "inbound_nodes": calls}

    start = {**entry("InputLayer", "x", batch_input_shape=[None, 4], dtype="float32"), "name": "x", "inbound_nodes": []}
    graph = [
        start,
        node("double", "Mul", ["x"], {"1": 2.0}),
        node("less", "Sub", ["double"], {"0": 1.0}),
        node("mean", "Mean", ["less"], {"1": [1]}, keep_dims={"b": True}),
        node("both", "ConcatV2", ["less", "mean"], {"2": 1}),
    ]
    config = {"name": "m", "layers": graph, "input_layers": [["x", 0, 0]], "output_layers": [["both", 0, 0]]}
    model = model_from_json(json.dumps({"class_name": "Model", "config": config, "keras_version": "2.2.4-tf"}))
    x = normal(3, 4)
    y = 1 - 2 * x
    expected = np.concatenate([y, y.mean(1, keepdims=True)], 1)
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-5, atol=1e-6)
    graph[3] = node("mean", "Nonesuch", ["less"])
    with pytest.raises(ModelFileError, match="layer 'mean' is the op Nonesuch of TensorFlow"):
        model_from_json(json.dumps({"class_name": "Model", "config": config, "keras_version": "2.2.4-tf"}))


def test_what_ended_with_keras_2_is_said(tmp_path: Path) -> None:
    for class_name, options, message in [
        ("LSTM", {"units": 2, "time_major": True}, "time_major=True"),
        ("BatchNormalization", {"mode": 1}, "mode 1 and 2"),
        ("Nonesuch", {}, "unknown class 'Nonesuch'"),
    ]:
        first = entry(class_name, "x", batch_input_shape=[None, 3, 2], **options)
        with pytest.raises(ModelFileError, match=message):
            model_from_json(json.dumps({"class_name": "Sequential", "config": [first]}))
