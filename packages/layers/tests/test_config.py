"""Configs have Keras's keys and values, made layers are equal after a round trip, and bad arguments are explained."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pronghorn import activations, constraints, initializers, layers, regularizers
from pronghorn.functional import Input
from pronghorn.saving import model_from_json
from pronghorn.saving.registry import deserialize_keras_object, serialize_keras_object
from pronghorn.sequential import Sequential

FLOAT32 = {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float32"}, "registered_name": None}
GLOROT = {
    "module": "keras.initializers",
    "class_name": "GlorotUniform",
    "config": {"seed": None, "input_axes": None, "output_axes": None},
    "registered_name": None,
}
ZEROS = {"module": "keras.initializers", "class_name": "Zeros", "config": {}, "registered_name": None}


def test_dense() -> None:
    """As real Keras 3.15 writes it."""
    layer = layers.Dense(3, "relu", kernel_regularizer="l2", activity_regularizer=regularizers.L1(0.5), name="d")
    assert serialize_keras_object(layer) == {
        "module": "keras.layers",
        "class_name": "Dense",
        "config": {
            "name": "d",
            "trainable": True,
            "dtype": FLOAT32,
            "activity_regularizer": {
                "module": "keras.regularizers",
                "class_name": "L1",
                "config": {"l1": 0.5},
                "registered_name": None,
            },
            "units": 3,
            "activation": "relu",
            "use_bias": True,
            "kernel_initializer": GLOROT,
            "bias_initializer": ZEROS,
            "kernel_regularizer": {
                "module": "keras.regularizers",
                "class_name": "L2",
                "config": {"l2": 0.01},
                "registered_name": None,
            },
            "bias_regularizer": None,
            "kernel_constraint": None,
            "bias_constraint": None,
            "quantization_config": None,
        },
        "registered_name": None,
    }


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (lambda: layers.Dropout(0.5, seed=3), {"rate": 0.5, "seed": 3, "noise_shape": None}),
        (lambda: layers.Activation("relu"), {"activation": "relu"}),
        (lambda: layers.Dense(2), {"activation": "linear"}),
        (lambda: layers.Flatten(), {"data_format": "channels_last"}),
        (lambda: layers.Reshape([3, -1]), {"target_shape": (3, -1)}),
        (lambda: layers.Permute((2, 1)), {"dims": (2, 1)}),
        (lambda: layers.RepeatVector(2.0), {"n": 2}),
        (lambda: layers.Add(), {}),
        (lambda: layers.Concatenate(), {"axis": -1}),
        (lambda: layers.Dot(1), {"axes": 1, "normalize": False}),
        (lambda: layers.Masking(), {"mask_value": 0.0}),
        (lambda: layers.ReLU(), {"max_value": None, "negative_slope": 0.0, "threshold": 0.0}),
        (lambda: layers.LeakyReLU(), {"negative_slope": 0.3}),
        (lambda: layers.ELU(), {"alpha": 1.0}),
        (lambda: layers.Softmax(), {"axis": -1}),
        (
            lambda: layers.PReLU(),
            {"alpha_initializer": ZEROS, "alpha_regularizer": None, "alpha_constraint": None, "shared_axes": None},
        ),
        (lambda: layers.ActivityRegularization(0.1), {"l1": 0.1, "l2": 0.0}),
    ],
)
def test_config(layer: Callable[[], Any], expected: dict[str, Any]) -> None:
    config = layer().get_config()
    for base in ("name", "trainable", "dtype"):
        config.pop(base)
    assert expected.items() <= config.items()
    assert config.keys() == expected.keys() or "units" in config


def test_leaky_relu_takes_the_older_name_of_its_slope() -> None:
    with pytest.warns(UserWarning, match="`alpha` is deprecated; say `negative_slope`"):
        layer = layers.LeakyReLU(alpha=0.25)
    np.testing.assert_array_equal(layer(np.float32([-4, 4])), [-1, 4])
    again = layers.LeakyReLU.from_config(layer.get_config())
    assert again.negative_slope == 0.25 and "alpha" not in again.get_config()


@pytest.mark.parametrize(
    ("made", "class_name", "config"),
    [
        (lambda: regularizers.get("l2"), "L2", {"l2": 0.01}),
        (lambda: regularizers.L1L2(l1=1), "L1L2", {"l1": 1.0, "l2": 0.0}),
        (lambda: constraints.get("max_norm"), "MaxNorm", {"max_value": 2, "axis": 0}),
        (lambda: constraints.MinMaxNorm(), "MinMaxNorm", {"min_value": 0.0, "max_value": 1.0, "rate": 1.0, "axis": 0}),
        (lambda: constraints.NonNeg(), "NonNeg", {}),
        (lambda: initializers.get("normal"), "RandomNormal", {"seed": None, "mean": 0.0, "stddev": 0.05}),
        (
            lambda: initializers.VarianceScaling(),
            "VarianceScaling",
            {
                "seed": None,
                "scale": 1.0,
                "mode": "fan_in",
                "distribution": "truncated_normal",
                "input_axes": None,
                "output_axes": None,
            },
        ),
        (lambda: initializers.get("he_normal"), "HeNormal", {"seed": None, "input_axes": None, "output_axes": None}),
    ],
)
def test_parts(made: Callable[[], Any], class_name: str, config: dict[str, Any]) -> None:
    written = json.loads(json.dumps(serialize_keras_object(made())))
    assert (written["class_name"], written["config"], written["registered_name"]) == (class_name, config, None)
    assert deserialize_keras_object(written).get_config() == config


def test_activations_are_written_by_name() -> None:
    assert activations.serialize(activations.relu) == "relu"
    assert activations.deserialize("swish") is activations.silu
    assert activations.get(None) is activations.linear


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: layers.Dense(0), "`units`: expected a whole number of at least 1, got 0"),
        (lambda: layers.Dense(2.5), "`units`: expected a whole number of at least 1, got 2.5"),
        (lambda: layers.Dense(2, activation="rela"), "did you mean 'relu'"),
        (lambda: layers.Dense(2, unit=3), r"unknown arguments \['unit'\]"),
        (lambda: layers.Dense(2)(np.ones(3)), "expected min_ndim=2, found ndim=1"),
        (lambda: layers.Dropout(2), r"`rate` must be in \[0, 1\], got 2"),
        (lambda: layers.Reshape((4,))(np.ones((2, 3))), "have 3 elements, which do not fit into the target_shape"),
        (lambda: layers.Permute((1, 3)), "`dims` must be the numbers 1 to n"),
        (lambda: layers.Add()(np.ones((2, 3))), r"takes a list of tensors, got one of shape \(2, 3\)"),
        (lambda: layers.Subtract()([np.ones((2, 3))] * 3), "takes exactly two inputs, got 3"),
        (lambda: layers.Concatenate()([np.ones((2, 3)), np.ones((1, 3))]), "must be equal except along axis -1"),
        (lambda: layers.Dot(1)([np.ones((2, 3)), np.ones((2, 4))]), "must have equal sizes"),
        (lambda: regularizers.L2(-1), "`l2` must be a finite number >= 0, got -1"),
        (lambda: layers.Lambda(3), "`function` must be callable"),
    ],
)
def test_bad_arguments(wrong: Callable[[], Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        wrong()


def test_what_is_not_supported_says_so() -> None:
    with pytest.raises(NotImplementedError, match="quantization_config"):
        layers.Dense(2, quantization_config={"mode": "int8"})


def test_a_lambda_is_not_saved() -> None:
    with pytest.raises(
        NotImplementedError, match=r"`function` cannot be saved: .*has no name(.|\n)*@pronghorn.saving.register"
    ):
        layers.Lambda(lambda x: x).get_config()


def double(x: Any) -> Any:
    return x * 2.0


def lambda_config(function: Any) -> dict[str, Any]:
    model = Sequential([Input((2,)), layers.Lambda(double, name="twice")])
    config: dict[str, Any] = json.loads(model.to_json())
    config["config"]["layers"][1]["config"]["function"] = function
    return config


CODE = {"class_name": "__lambda__", "config": {"code": "4wEAAAA=", "defaults": None, "closure": None}}


@pytest.mark.parametrize("function", [CODE, ["4wEAAAA=", None, None]], ids=["Keras 3", "Keras 2"])
def test_a_lambda_saved_as_code_needs_a_function_by_its_name(function: Any) -> None:
    text = json.dumps(lambda_config(function))
    with pytest.raises(ValueError, match="saved as code, which is never run.*custom_objects={'twice': …}"):
        model_from_json(text)
    model = model_from_json(text, custom_objects={"twice": double})
    np.testing.assert_array_equal(model.predict(np.ones((1, 2), "float32"), verbose=0), [[2, 2]])


def test_a_lambda_of_a_named_function_loads_where_that_is_known() -> None:
    text = json.dumps(lambda_config({"class_name": "function", "config": "double"}))
    with pytest.raises(ValueError, match="unknown function 'double'"):
        model_from_json(text)
    assert model_from_json(text, custom_objects={"double": double}).layers[0].function is double


def test_a_get_config_of_ones_own_may_take_away_what_the_base_has() -> None:
    """As in Keras: the config of the base has the arguments of the base, whatever the constructor's are called."""

    class Three(layers.Conv1D):
        def __init__(self, filters: int, **kwargs: Any) -> None:
            super().__init__(filters, kernel_size=3, **kwargs)

        def get_config(self) -> dict[str, Any]:
            config = super().get_config()
            del config["kernel_size"]
            return config

    config = Three(2, padding="same").get_config()
    again = Three.from_config(config)
    assert (again.filters, again.kernel_size, again.padding) == (2, (3,), "same")

    class Renamed(layers.Dense):
        def __init__(self, n: int = 3, **kwargs: Any) -> None:
            super().__init__(units=n, **kwargs)
            self.n = n

        def get_config(self) -> dict[str, Any]:
            config = super().get_config()
            config["n"] = config.pop("units")
            return config

    assert Renamed.from_config(Renamed(4).get_config()).units == 4
