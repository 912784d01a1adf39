"""`.h5` as Keras 3 writes it: files of Keras are read, ours are written alike and read back, by Keras too."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from pronghorn import layers, ops, tree
from pronghorn.functional import Input
from pronghorn.model import Model
from pronghorn.saving import ModelFileError, load_model, register_keras_serializable
from pronghorn.sequential import Sequential

FOLDER = Path(__file__).parent / "fixtures"
RANDOM = np.random.default_rng(0)


def stack() -> Model:
    model = Sequential(
        [
            Input((6, 3)),
            layers.Bidirectional(layers.LSTM(4, return_sequences=True)),
            layers.TimeDistributed(layers.Dense(3)),
            layers.BatchNormalization(),
            layers.GRU(3),
            layers.Dense(2, activation="softmax", kernel_regularizer="l2"),
        ],
        name="stack",
    )
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    model.fit(RANDOM.normal(size=(8, 6, 3)), np.eye(2)[[0, 1] * 4], verbose=0)
    return model


def graph() -> Model:
    left, right = Input((4,), name="left"), Input((4,), name="right")
    base = Sequential([Input((4,)), layers.Dense(3, activation="relu"), layers.Dense(4)], name="base")
    shared = layers.Dense(4, name="shared")
    merged = layers.Concatenate()([base(left), layers.Subtract()([shared(base(right)), shared(left)])])
    model = Model([left, right], [layers.Dense(2, name="a")(merged), layers.Dense(1, name="b")(merged)], name="graph")
    model.compile("sgd", {"a": "mse", "b": "mae"}, loss_weights={"a": 1.0, "b": 0.5})
    return model


def convolution() -> Model:
    x = inputs = Input((8, 8, 2))
    x = layers.Conv2D(4, 3, padding="same", activation="relu")(x)
    x = layers.Add()([layers.SeparableConv2D(4, 3, padding="same")(x), x])
    return Model(inputs, layers.GlobalAveragePooling2D()(layers.MaxPooling2D()(x)), name="convolution")


def with_ops() -> Model:
    x = Input((4,))
    return Model(x, ops.relu(layers.Dense(3)(x) * 2.0)[:, 1:], name="with_ops")


MODELS = {make.__name__: make for make in (stack, graph, convolution, with_ops)}


def inputs_of(model: Model) -> list[Any]:
    return [RANDOM.normal(size=(3, *t.shape[1:])).astype("float32") for t in model.inputs]


def outputs(model: Model, inputs: list[Any]) -> list[Any]:
    return tree.flatten(model.predict(inputs if len(inputs) > 1 else inputs[0], verbose=0))


@pytest.mark.parametrize("name", MODELS)
def test_round_trip(name: str, tmp_path: Path) -> None:
    model = MODELS[name]()
    model.save(tmp_path / "m.h5")
    again = load_model(tmp_path / "m.h5")
    inputs = inputs_of(model)
    for a, b in zip(outputs(model, inputs), outputs(again, inputs), strict=True):
        np.testing.assert_array_equal(a, b)
    assert (again.optimizer is None) == (model.optimizer is None)
    for a, b in zip(*(m.optimizer.variables if m.optimizer else () for m in (model, again)), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_weights_of_a_whole_model_and_weights_alone(tmp_path: Path) -> None:
    model, other = graph(), graph()
    model.save(tmp_path / "m.h5", include_optimizer=False)
    model.save_weights(tmp_path / "w.h5")
    for name in ("m.h5", "w.h5"):
        other = graph()
        other.load_weights(tmp_path / name)
        for a, b in zip(model.weights, other.weights, strict=True):
            np.testing.assert_array_equal(a.numpy(), b.numpy())
    assert load_model(tmp_path / "m.h5").optimizer is None


@pytest.mark.parametrize("name", sorted(path.name for path in FOLDER.glob("keras_3_*.h5")))
def test_files_of_keras_3(name: str) -> None:
    """Some of these Keras 3 cannot read itself: names of losses, ops in the graph."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = load_model(FOLDER / name)
    arrays = np.load(FOLDER / name.replace(".h5", ".npz"))
    inputs = [arrays[key] for key in arrays.files if key.startswith("x")]
    for found, key in zip(outputs(model, inputs), [key for key in arrays.files if key.startswith("y")], strict=True):
        np.testing.assert_allclose(found, arrays[key], rtol=1e-5, atol=1e-6)


def test_many_names_are_split_over_attributes(tmp_path: Path) -> None:
    names = [f"{'n' * 200}{i}" for i in range(330)]
    model = Sequential([Input((1,)), *(layers.Identity(name=name) for name in names), layers.Dense(1)])
    model.save_weights(tmp_path / "w.h5")
    with h5py.File(tmp_path / "w.h5") as file:
        assert "layer_names" not in file.attrs and len(file.attrs["layer_names0"]) > 100
    kernel = model.layers[-1].kernel.numpy()
    model.layers[-1].kernel.assign([[0.0]])
    model.load_weights(tmp_path / "w.h5")
    np.testing.assert_array_equal(model.layers[-1].kernel.numpy(), kernel)


def test_a_registered_class_keeps_its_name(tmp_path: Path) -> None:
    @register_keras_serializable("tests")
    class Twice(layers.Layer):
        def call(self, x: Any) -> Any:
            return x * 2

    model = Sequential([Input((2,)), Twice(), layers.Dense(1)])
    model.save(tmp_path / "m.h5")
    x = np.ones((1, 2), "float32")
    np.testing.assert_array_equal(load_model(tmp_path / "m.h5").predict(x, verbose=0), model.predict(x, verbose=0))


def test_a_class_of_a_plugin_that_is_missing_says_what_to_install(tmp_path: Path) -> None:
    convolution().save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "a") as file:
        config = file.attrs["model_config"].replace('"Add"', '"pronghorn-swash>Swash"')
        file.attrs["model_config"] = config
    with pytest.raises(
        ModelFileError, match=r"unknown class 'Swash'.*'add.*' of the model.*pip install pronghorn-swash"
    ):
        load_model(tmp_path / "m.h5")


def test_options_of_other_formats_are_errors(tmp_path: Path) -> None:
    model = convolution()
    with pytest.raises(TypeError, match="include_optimizer"):
        model.save(tmp_path / "m.keras", include_optimizer=False)
    model.save_weights(tmp_path / "m.weights.h5")
    with pytest.raises((TypeError, ModelFileError), match="by_name"):
        model.load_weights(tmp_path / "m.weights.h5", by_name=True)


KERAS = """
import sys
import keras, numpy as np
folder = sys.argv[1]
for name in sys.argv[2:]:
    model = keras.saving.load_model(f"{folder}/{name}.h5", compile=False)
    arrays = np.load(f"{folder}/{name}.npz")
    inputs = [arrays[key] for key in arrays.files if key.startswith("x")]
    found = model.predict(inputs if len(inputs) > 1 else inputs[0], verbose=0)
    for i, y in enumerate(found if isinstance(found, list) else [found]):
        np.testing.assert_allclose(y, arrays[f"y{i}"], rtol=1e-4, atol=1e-6)
print("equal")
"""


@pytest.mark.deep
def test_keras_reads_what_we_write(tmp_path: Path) -> None:
    python = os.environ.get("KERAS_PYTHON", sys.executable)
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    if subprocess.run([python, "-c", "import keras"], capture_output=True, env=environment).returncode:
        pytest.skip("needs keras and jax, here or in the interpreter KERAS_PYTHON")
    names = [name for name in MODELS if name != "with_ops"]  # Keras does not read ops in .h5
    for name in names:
        model = MODELS[name]()
        model.save(tmp_path / f"{name}.h5")
        inputs = inputs_of(model)
        found = {f"y{i}": y for i, y in enumerate(outputs(model, inputs))}
        np.savez(tmp_path / f"{name}.npz", **{f"x{i}": x for i, x in enumerate(inputs)}, **found)
    command = [python, "-c", KERAS, str(tmp_path), *names]
    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert result.stdout.strip().endswith("equal"), result.stderr


def test_vocabularies_and_what_has_no_place(tmp_path: Path) -> None:
    words = layers.StringLookup()
    words.adapt(np.array([["x"], ["y"], ["y"]]))
    texts = layers.TextVectorization(output_mode="tf_idf")
    texts.adapt(np.array([["a b"], ["b c"]]))
    for layer, given in ((words, [["y"], ["x"], ["?"]]), (texts, [["a c"], ["b"], ["?"]])):
        model = Sequential([Input((1,), dtype="string"), layer])
        model.save(tmp_path / "m.h5")
        again = load_model(tmp_path / "m.h5")
        np.testing.assert_array_equal(again.predict(np.array(given)), model.predict(np.array(given)))

    class Kept(layers.Activation):
        def save_assets(self, dir_path: str) -> None:
            (Path(dir_path) / "a").write_text("b")

    with pytest.warns(UserWarning, match="keeps files beside its weights"):
        Sequential([Input((1,)), Kept("relu")]).save(tmp_path / "m.h5")
