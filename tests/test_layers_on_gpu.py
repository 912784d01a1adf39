"""Gradients of every layer on a GPU, or under Numba's simulator, are those of the reference.

The layers are those of the contracts in packages/layers/tests, which compare the outputs.
"""

from __future__ import annotations

import inspect
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pronghorn import accelerator, ops, tree
from pronghorn.autodiff import GradientTape
from pronghorn.program import jit
from pronghorn.testing import LayerContract
from pronghorn.testing.kernels import using_accelerator

FOLDER = Path(__file__).parents[1] / "packages" / "layers" / "tests"

pytestmark = pytest.mark.skipif(
    "gpu" not in accelerator.installed(), reason="needs a CUDA device or NUMBA_ENABLE_CUDASIM=1"
)


def contracts() -> list[type[LayerContract]]:
    """The classes that say how to make a layer."""
    found = []
    for path in sorted(FOLDER.glob("test_*.py")):
        if "LayerContract" in path.read_text(encoding="utf-8"):
            spec = spec_from_file_location(f"layers_{path.stem}", path)
            assert spec is not None and spec.loader is not None
            module = module_from_spec(spec)
            spec.loader.exec_module(module)
            for name, value in inspect.getmembers(module, inspect.isclass):
                if issubclass(value, LayerContract) and value.__module__ == spec.name and name.startswith("Test"):
                    found.append(value)
    return found


def gradients(contract: LayerContract) -> dict[str, list[Any]]:
    """Of a sum of the outputs with respect to the layer's variables, by accelerator."""
    layer, arrays = contract.make(), contract.arrays()
    layer(arrays)

    def step() -> list[Any]:
        with GradientTape() as tape:
            outputs = [t for t in tree.flatten(layer(arrays)) if t.dtype == "float32"]
            total = sum(ops.sum(ops.sin(t)) for t in outputs)
        return [g for g in tape.gradient(total, layer.trainable_variables) if g is not None]

    found = {}
    for name in ("numpy", "gpu"):
        with using_accelerator(name):
            found[name] = [t.numpy() for t in jit(step)()] if layer.trainable_variables else []
    return found


@pytest.mark.parametrize("contract", contracts() if "gpu" in accelerator.installed() else [], ids=lambda c: c.__name__)
def test_gradients_on_a_gpu(contract: type[LayerContract]) -> None:
    found = gradients(contract())
    for got, want in zip(found["gpu"], found["numpy"], strict=True):
        np.testing.assert_allclose(got, want, rtol=2e-5, atol=2e-5 * max(1.0, float(np.abs(want).max(initial=0))))
