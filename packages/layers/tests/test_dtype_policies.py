"""Dtype policies: of all layers, of each path, and what they do to inputs, variables and outputs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import pronghorn as keras
from pronghorn import dtype_policies, layers, mixed_precision, ops
from pronghorn.saving.registry import deserialize_keras_object
from pronghorn.testing.kernels import using_accelerator


@pytest.fixture(autouse=True)
def _global_policy() -> Iterator[None]:
    before = keras.config.dtype_policy()
    yield
    keras.config.set_dtype_policy(before)


@pytest.mark.parametrize(
    ("name", "compute", "variable"),
    [
        ("float16", "float16", "float16"),
        ("float64", "float64", "float64"),
        ("mixed_float16", "float16", "float32"),
        ("mixed_bfloat16", "bfloat16", "float32"),
    ],
)
def test_policies_of_all_layers(name: str, compute: str, variable: str) -> None:
    if compute == "bfloat16":
        pytest.importorskip("ml_dtypes")
    mixed_precision.set_global_policy(name)
    assert mixed_precision.global_policy().name == name
    layer = layers.Dense(3)
    outputs = layer(np.ones((2, 4), "float32"))
    assert (outputs.dtype, layer.kernel.dtype) == (compute, variable)
    assert (layer.compute_dtype, layer.variable_dtype, layer.dtype) == (compute, variable, variable)
    assert keras.Input((4,)).dtype == "float32"
    assert layers.Embedding(5, 3)(np.array([[1, 2]])).dtype == compute
    assert layers.Identity()(np.array([1, 2])).dtype == "int64"


def test_the_computation_is_rounded_to_16_bits() -> None:
    """1 + 2⁻¹² is no float16: it is lost in the inputs and the kernel, and so is the sum."""
    x = np.full((1, 2), 1 + 2.0**-12, "float32")
    for policy, expected in (("float32", 2 + 2.0**-11), ("mixed_float16", 2.0)):
        layer = layers.Dense(1, use_bias=False, kernel_initializer="ones", dtype=policy)
        assert float(layer(x)[0, 0]) == expected
    layer = layers.Dense(1, use_bias=False, dtype="mixed_float16")
    layer.build((1, 2))
    layer.set_weights([np.full((2, 1), 1 + 2.0**-12, "float32")])
    assert float(layer(np.ones((1, 2)))[0, 0]) == 2.0
    assert layer.get_weights()[0][0, 0] == np.float32(1 + 2.0**-12)  # the variable keeps it


def test_autocast() -> None:
    class Probe(keras.Layer):
        def build(self, input_shape: Any) -> None:
            self.cast = self.add_weight(shape=(), name="cast")
            self.kept = self.add_weight(shape=(), name="kept", autocast=False)

        def call(self, x: Any) -> Any:
            self.seen = (x.dtype, ops.convert_to_tensor(self.cast).dtype, ops.convert_to_tensor(self.kept).dtype)
            return x

    for autocast, seen in ((True, ("float16", "float16", "float32")), (False, ("float32",) * 3)):
        layer = Probe(dtype="mixed_float16", autocast=autocast)
        layer(np.ones(2, "float32"))
        assert layer.seen == seen


def test_a_policy_for_each_path() -> None:
    policies = dtype_policies.DTypePolicyMap("float32", {"encoder/.*": "mixed_float16", "decoder": "float64"})
    keras.config.set_dtype_policy(policies)
    assert (policies.name, policies.compute_dtype, len(policies), "decoder" in policies) == (
        "map_float32",
        "float32",
        2,
        True,
    )

    class Encoder(keras.Layer):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.inner = layers.Dense(2, name="inner")

        def call(self, x: Any) -> Any:
            return self.inner(x)

    x = np.ones((1, 2), "float32")
    encoder = Encoder(name="encoder")
    assert encoder(x).dtype == "float16"
    assert (encoder.inner.compute_dtype, encoder.inner.kernel.dtype) == ("float16", "float32")
    assert layers.Dense(2, name="decoder")(x).dtype == "float64"
    assert layers.Dense(2, name="other")(x).dtype == "float32"
    policies["encoder/in.*"] = "float64"
    with pytest.raises(ValueError, match="matches 'encoder/.*' and 'encoder/in.*'"):
        policies["encoder/inner"]
    with pytest.raises(ValueError, match="is there already"):
        policies["decoder"] = "float32"
    del policies["encoder/in.*"]
    written = json.loads(json.dumps(dtype_policies.serialize(dtype_policy=policies)))
    assert written["config"]["default_policy"] == "float32"
    assert dtype_policies.deserialize(written) == policies == dtype_policies.get(written)
    again = deserialize_keras_object(json.loads(json.dumps(layers.serialize(layers.Dense(2, name="decoder")))))
    assert again.compute_dtype == "float64"


def test_the_default_of_a_map_is_the_global_policy() -> None:
    policies = dtype_policies.DTypePolicyMap()
    keras.config.set_dtype_policy("mixed_float16")
    assert policies["anything"].name == "mixed_float16"
    keras.config.set_dtype_policy(policies)
    assert policies["anything"].name == "float32"


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (lambda: dtype_policies.DTypePolicy("mixed_float8"), ValueError, "unknown policy 'mixed_float8'"),
        (lambda: dtype_policies.DTypePolicy("float7"), ValueError, "unknown dtype 'float7'"),
        (lambda: dtype_policies.DTypePolicy(16), TypeError, "must be a string"),
        (lambda: layers.Dense(2, dtype="int8_from_float32"), NotImplementedError, "quantized"),
        (lambda: dtype_policies.QuantizedDTypePolicy("int8", "float32"), NotImplementedError, "quantized"),
        (lambda: dtype_policies.DTypePolicyMap(dtype_policies.DTypePolicyMap()), ValueError, "got a map"),
        (lambda: dtype_policies.DTypePolicyMap(policy_map=["float32"]), TypeError, "must be a dict"),
    ],
)
def test_bad_policies(wrong: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        wrong()


def test_mixed_precision_trains() -> None:
    """Loss and variables are float32; what was too small for float16 arrives by loss scaling."""
    pytest.importorskip("pronghorn_optimizers")
    mixed_precision.set_dtype_policy("mixed_float16")
    model = keras.Sequential([layers.Dense(4, activation="tanh"), layers.Dense(1)])
    x = np.random.default_rng(0).normal(size=(16, 3)).astype("float32")
    y = x[:, :1] * 1e-4
    with using_accelerator("numpy"):
        model.compile("sgd", lambda y_true, y_pred: ops.mean(ops.square(y_pred - y_true), axis=-1))
        before = model.evaluate(x, y, verbose=0)
        model.fit(x, y, epochs=5, verbose=0)
        assert model.evaluate(x, y, verbose=0) < before
    assert type(model.optimizer).__name__ == "LossScaleOptimizer"
    assert {v.dtype for v in model.trainable_variables} == {"float32"}
