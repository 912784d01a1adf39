"""Constructor arguments as configs, and the registry that makes objects of configs."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from pronghorn.configurable import Configurable
from pronghorn.initializer import GlorotUniform, RandomInitializer, Zeros
from pronghorn.layer import Layer
from pronghorn.policy import DTypePolicy, dtype_policy, set_dtype_policy
from pronghorn.random import SeedGenerator
from pronghorn.saving.registry import (
    CustomObjectScope,
    deserialize_keras_object,
    get_custom_objects,
    get_registered_name,
    register_keras_serializable,
    serialize_keras_object,
)
from pronghorn.testing.layers import Affine


class Thing(Configurable):
    def __init__(self, size: Any, scale: float = 2.0, *, part: Any = None, **extra: Any) -> None:
        self.size = int(size)
        self.part = Zeros() if part == "zeros" else part
        self._scale = scale


def test_arguments_are_captured_and_attributes_refine_them() -> None:
    thing = Thing("16", part="zeros", mode="x")
    zeros = {"module": "keras.initializers", "class_name": "Zeros", "config": {}, "registered_name": None}
    assert thing.get_config() == {"size": 16, "scale": 2.0, "part": zeros, "mode": "x"}
    thing.size = 3
    assert thing.get_config()["size"] == 3


def test_what_is_made_of_an_argument_does_not_replace_it() -> None:
    class Block(Layer):
        def __init__(self, inner: int) -> None:
            super().__init__()
            self.inner = Affine(inner)

    assert Block(3).get_config()["inner"] == 3


def test_an_argument_that_cannot_be_saved_is_named() -> None:
    class Scorer(Layer):
        def __init__(self, function: Any) -> None:
            super().__init__()

    with pytest.raises(NotImplementedError, match="Scorer: argument `function` cannot be saved: .*lambda"):
        Scorer(lambda x: x).get_config()


def test_a_class_with_its_own_get_config_handles_such_arguments() -> None:
    class Scorer(Layer):
        def __init__(self, function: Any) -> None:
            super().__init__(name="s")
            self.function = function

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "function": "double"}

    assert Scorer(lambda x: 2 * x).get_config()["function"] == "double"


def test_layers_as_arguments() -> None:
    class Wrapper(Layer):
        def __init__(self, layer: Any, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.layer = layer

    with CustomObjectScope({"Wrapper": Wrapper, "Affine": Affine}):
        config = json.loads(json.dumps(serialize_keras_object(Wrapper(Affine(3, name="a"), name="w"))))
        again = deserialize_keras_object(config)
    assert (again.name, again.layer.name, again.layer.units) == ("w", "a", 3)


def test_identity_of_classes() -> None:
    own = serialize_keras_object(GlorotUniform(seed=3))
    assert (own["module"], own["class_name"], own["registered_name"]) == ("keras.initializers", "GlorotUniform", None)
    foreign = serialize_keras_object(Thing(1))
    assert (foreign["class_name"], foreign["registered_name"]) == ("Thing", "Thing")
    policy = serialize_keras_object(DTypePolicy("mixed_float16"))
    assert policy == {
        "module": "keras",
        "class_name": "DTypePolicy",
        "config": {"name": "mixed_float16"},
        "registered_name": None,
    }


def test_registered_classes_and_functions() -> None:
    @register_keras_serializable("my_package")
    class Registered(Configurable):
        def __init__(self, n: int) -> None:
            self.n = n

    @register_keras_serializable("my_package", name="twice")
    def double(x: Any) -> Any:
        return 2 * x

    try:
        config = serialize_keras_object(Registered(4))
        assert config["registered_name"] == get_registered_name(Registered) == "my_package>Registered"
        assert deserialize_keras_object(config).n == 4
        written = serialize_keras_object(double)
        assert written == {
            "module": "builtins",
            "class_name": "function",
            "config": "my_package>twice",
            "registered_name": "function",
        }
        assert deserialize_keras_object(written) is double
    finally:
        for name in ("my_package>Registered", "my_package>twice"):
            del get_custom_objects()[name]
    with pytest.raises(ValueError, match="unknown class 'Registered'.*register_keras_serializable"):
        deserialize_keras_object(config)


def test_plain_values() -> None:
    values = {
        "a": [1, 2.5, None, True, "x"],
        "b": (slice(1, None, 2), Ellipsis, b"\x00\xff"),
        "c": np.arange(3, dtype="int16"),
    }
    again = deserialize_keras_object(json.loads(json.dumps(serialize_keras_object(values))))
    assert again["a"] == values["a"]
    assert again["b"] == [slice(1, None, 2), Ellipsis, b"\x00\xff"]
    np.testing.assert_array_equal(again["c"], values["c"])
    assert again["c"].dtype == "int16"
    assert serialize_keras_object(np.float32(0.5)) == 0.5


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"class_name": "__lambda__", "config": {"value": "eA=="}}, "which is never run"),
        ({"module": "os", "class_name": "system", "config": {}}, "unknown class 'system' of module 'os'"),
        ({"module": "builtins", "class_name": "function", "config": "eval"}, "unknown function 'eval'"),
        ({"module": "keras.layers", "class_name": "Nothing", "config": {}}, "unknown class 'Nothing'"),
    ],
)
def test_nothing_in_a_config_is_imported_or_run(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        deserialize_keras_object(config)


@pytest.mark.parametrize("safe_mode", [True, False, None])
def test_no_mode_runs_code(safe_mode: Any) -> None:
    code = {"class_name": "__lambda__", "config": {"code": "4wEAAAA=", "defaults": None, "closure": None}}
    with pytest.raises(ValueError, match="saved as code, which is never run"):
        deserialize_keras_object(code, safe_mode=safe_mode)


def test_seeds_of_initializers() -> None:
    assert GlorotUniform().get_config()["seed"] is None
    config = serialize_keras_object(RandomInitializer(seed=SeedGenerator(7)))["config"]
    assert config["seed"]["class_name"] == "SeedGenerator"
    assert RandomInitializer.from_config(config).seed.seed == 7


def test_policies() -> None:
    mixed = DTypePolicy("mixed_bfloat16")
    assert (mixed.compute_dtype, mixed.variable_dtype) == ("bfloat16", "float32")
    assert dtype_policy().name == "float32"
    set_dtype_policy("float64")
    try:
        assert Affine(2).compute_dtype == "float64"
    finally:
        set_dtype_policy("float32")
    with pytest.raises(ValueError, match="unknown policy 'mixed_int8'"):
        DTypePolicy("mixed_int8")
