"""Ops without a counterpart in NumPy give Keras's numbers (fixtures/keras_values.npz, by make_keras_values.py)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pronghorn import Input, Model, ops, tree
from pronghorn.program import jit
from pronghorn.tensor import Tensor

HERE = Path(__file__).with_name("fixtures")
TABLE = json.loads((HERE / "keras_values.json").read_text())
KERAS = dict(np.load(HERE / "keras_values.npz"))
CALLS = list(enumerate(TABLE["calls"]))


def op_of(name: str) -> Any:
    found: Any = ops
    for part in name.split("."):
        found = getattr(found, part)
    return found


def value(x: Any) -> Any:
    """An argument of the table: "@name" is an input."""
    if isinstance(x, list):
        return [value(item) for item in x]
    return KERAS[f"input/{x[1:]}"] if isinstance(x, str) and x.startswith("@") else x


def check(number: int, result: Any) -> None:
    found = [x.numpy() for x in tree.flatten(result)]
    expected = [KERAS[f"{number}/{k}"] for k in range(sum(key.startswith(f"{number}/") for key in KERAS))]
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=2e-5 if b.dtype.kind in "fc" else 0)


@pytest.mark.parametrize(("number", "call"), CALLS, ids=lambda v: None if isinstance(v, int) else v[0])
def test_values(number: int, call: Any) -> None:
    name, args, options = call
    check(number, op_of(name)(*map(value, args), **{key: value(x) for key, x in options.items()}))


@pytest.mark.parametrize(("number", "call"), CALLS, ids=lambda v: None if isinstance(v, int) else v[0])
def test_in_a_model_and_in_a_program(number: int, call: Any) -> None:
    """The first argument is an input of a functional model; its shape is inferred with and without a batch size."""
    name, (first, *rest), options = call
    if not isinstance(first, str):
        return
    x = value(first)
    known = {key: value(v) for key, v in options.items()}

    def function(t: Any) -> Any:
        return op_of(name)(t, *map(value, rest), **known)

    check(number, jit(function)(ops.convert_to_tensor(x)))
    symbol = Input(batch_shape=x.shape, dtype=x.dtype.name)
    outputs = function(symbol)
    wanted = [KERAS[f"{number}/{k}"] for k in range(len(tree.flatten(outputs)))]
    assert [(t.shape, t.dtype) for t in tree.flatten(outputs) if isinstance(t, Tensor)] == [
        (w.shape, w.dtype.name) for w in wanted
    ]
    check(number, Model(symbol, outputs)(x))
