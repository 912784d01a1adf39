"""Every layer gives Keras's numbers: outputs, gradients, masks, losses, configs and dtypes (fixtures/layers.npz).

The file holds what Keras computed in float64, some functions of which it has in float32 only. Of gradients, and of what
is computed in 16 bits, it holds digests: norms and two products with fixed directions.
"""

from __future__ import annotations

import json
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pronghorn as keras
from pronghorn import layers, ops, tree
from pronghorn.autodiff import GradientTape
from pronghorn.layer import get_mask
from pronghorn.saving.registry import serialize_keras_object
from pronghorn.tensor import convert_to_tensor
from pronghorn.testing.kernels import using_accelerator

FIXTURES = Path(__file__).with_name("fixtures")
TABLE = runpy.run_path(str(FIXTURES / "cases.py"))
CASES, KERAS = TABLE["CASES"], TABLE["unpack"](np.load(FIXTURES / "layers.npz"))
TOLERANCE = {"float64": 5e-6, "float16": 3e-3, "bfloat16": 2e-2}
"""What digests may differ by, as a share of the norm."""
LEFT_OUT = {"activity_regularizer", "data_format", "seed", "trainable"}
"""What Keras leaves out of some configs, and takes."""


@pytest.fixture(autouse=True)
def _on_the_reference_accelerator() -> Iterator[None]:
    before = keras.config.dtype_policy()
    with using_accelerator("numpy"):
        yield
    keras.config.set_dtype_policy(before)


class Computed:
    """A case as Pronghorn computes it under a policy."""

    def __init__(self, name: str, policy: str) -> None:
        self.case = CASES[name]
        policy = policy if self.case.exact or policy != "float64" else "float32"
        keras.config.set_dtype_policy(policy)
        self.rng = TABLE["generator"](name)
        self.layer = self.case.make(layers)
        self.arrays = TABLE["draw_inputs"](self.case, self.rng, "float64" if policy == "float64" else "float32")
        self.leaves = [convert_to_tensor(a) for a in tree.flatten(self.arrays) if a.dtype.kind == "f"]
        self.run()
        self.weights = TABLE["draw_weights"](self.layer, self.rng)
        self.layer.set_weights(self.weights)
        self.outputs = self.run()

    def run(self) -> list[Any]:
        given = iter(self.leaves)
        tensors = tree.map_structure(
            lambda a: next(given) if a.dtype.kind == "f" else convert_to_tensor(a), self.arrays
        )
        if self.case.drawn is not None:
            return tree.flatten(self.layer.transform_images(tensors[0], self.case.drawn, training=True))
        mask = self.case.mask
        tensors = _masked(tensors, mask if isinstance(mask, tuple) or mask is None else (mask,))
        return tree.flatten(self.layer(*tensors, **self.case.call))

    def digests(self, arrays: Any) -> Any:
        return np.array([TABLE["digest"](np.asarray(a), self.rng) for a in arrays])

    def gradient(self) -> list[Any]:
        self.layer.set_weights(self.weights)
        sources = [*self.layer.trainable_variables, *self.leaves]
        with GradientTape() as tape:
            for leaf in self.leaves:
                tape.watch(leaf)
            parts = [ops.sum(ops.sin(y)) for y in self.run() if y.dtype.startswith("float")]
            total: Any = sum(parts[1:], parts[0]) if parts else None
        found = [None] * len(sources) if total is None else tape.gradient(total, sources)
        return [np.zeros(s.shape) if g is None else g.numpy() for s, g in zip(sources, found, strict=True)]


def _masked(tensors: Any, mask: Any) -> Any:
    if mask is None:
        return tensors
    if isinstance(tensors, (list, tuple)):
        return type(tensors)(_masked(t, m) for t, m in zip(tensors, mask, strict=True))
    return layers.Masking(dtype=tensors.dtype)(tensors * ops.cast(mask, tensors.dtype))


def kept(name: str, short: str, key: str) -> Any:
    """What Keras computed; nothing was kept of what is empty."""
    return KERAS.get(f"{name}/{short}/{key}", np.zeros(0))


def close(found: Any, expected: Any, share: float) -> None:
    """Digests are equal to a share of the norm."""
    found, expected = found.reshape(-1, 3), expected.reshape(-1, 3)
    assert len(found) == len(expected)
    difference = np.abs(found - expected).max(axis=1, initial=0)
    assert (difference <= share * np.maximum(expected[:, 0], 0.5)).all(), (found, expected)


@pytest.mark.parametrize("name", CASES)
def test_in_float32(name: str) -> None:
    found = Computed(name, "float32")
    assert len(found.outputs) == sum(key.startswith(f"{name}/float64/y") for key in KERAS)
    for k, y in enumerate(found.outputs):
        expected = kept(name, "float64", f"y{k}")
        assert y.shape == expected.shape and (y.dtype == "float32") == (expected.dtype == np.float32)
        np.testing.assert_allclose(y.numpy(), expected, rtol=1e-5, atol=1e-6 * max(1, np.abs(expected).max(initial=0)))
        mask = kept(name, "float64", f"mask{k}")
        assert (get_mask(y) is not None) == (mask.size > 0)
        if mask.size:
            np.testing.assert_array_equal(get_mask(y).numpy(), mask)
    np.testing.assert_allclose([float(x) for x in found.layer.losses], kept(name, "float64", "losses"), rtol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_in_float64(name: str) -> None:
    found = Computed(name, "float64")
    close(found.digests(found.outputs), kept(name, "float64", "digest"), TOLERANCE["float64"])
    after = [v for v in found.layer.non_trainable_weights if v.dtype.startswith("float")]
    close(found.digests(after), kept(name, "float64", "after"), TOLERANCE["float64"])
    # Keras on JAX has no gradients through masks, and others through an assignment to a trainable variable.
    if found.case.mask is None and name != "SpectralNormalization training":
        close(found.digests(found.gradient()), kept(name, "float64", "gradient"), TOLERANCE["float64"])
    config = TABLE["plain"](json.loads(json.dumps(serialize_keras_object(found.layer)["config"])))
    expected = json.loads(str(kept(name, "float64", "config")))
    more = {key: value for key, value in config.items() if key not in expected}
    assert {key: value for key, value in config.items() if key in expected} == expected
    assert more.keys() <= LEFT_OUT, more


@pytest.mark.parametrize("name", [name for name in CASES if TABLE["is_low"](name)])
@pytest.mark.parametrize("short", ["float16", "bfloat16"])
def test_in_16_bits(name: str, short: str) -> None:
    if short == "bfloat16":
        pytest.importorskip("ml_dtypes")
    found = Computed(name, f"mixed_{short}")
    assert [y.dtype for y in found.outputs] == kept(name, short, "dtypes").tolist()
    close(found.digests(found.outputs), kept(name, short, "digest"), TOLERANCE[short])
    assert {v.dtype for v in found.layer.weights} <= {"float32", "int32"}
