"""Loops and branches: traced, they give what they give step by step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pronghorn import ops
from pronghorn.program import jit
from pronghorn.tensor import constant

FUNCTIONS = {
    "fori_loop": lambda v: ops.fori_loop(0, 4, lambda i, c: c * 1.5 + ops.cast(i, "float64"), v),
    "map": lambda v: ops.map(lambda item: item * item, v),
    "switch": lambda v: ops.switch(ops.cast(v[1], "int32"), [lambda u: u, lambda u: u * 2.0, lambda u: u * 3.0], v),
}
EXPECTED = {"fori_loop": [5.0625 + 8.25, 10.125 + 8.25], "map": [1, 4], "switch": [3, 6]}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_loops_and_branches(name: str) -> None:
    x: Any = constant([1.0, 2.0], "float64")
    for function in (FUNCTIONS[name], jit(FUNCTIONS[name])):
        np.testing.assert_allclose(function(x).numpy(), EXPECTED[name], rtol=1e-10)
