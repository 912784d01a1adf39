"""Python state that a trace read, and that a second trace finds changed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pronghorn
from pronghorn import ops
from pronghorn.program import Program
from pronghorn.tensor import Tensor, constant
from pronghorn.testing.layers import Affine, Descent, squared_error


def test_a_python_counter_is_caught_at_the_second_call() -> None:
    state = {"n": 0}

    def function(x: Tensor) -> Tensor:
        state["n"] += 1
        return x * float(state["n"])

    program = Program(function, verify=True)
    x = constant(1.0, "float64")
    program(x)
    place = r"test_frozen_state\.py:\d+"
    with pytest.raises(RuntimeError, match=rf"constant of operation 'multiply' was 1\.0 .* is 2\.0 .*{place}"):
        program(x)


def test_a_branch_on_python_state_is_caught() -> None:
    flags = [True]

    def function(x: Tensor) -> Tensor:
        return ops.sin(x) if flags.pop() else ops.cos(x)

    program = Program(function, verify=True)
    flags[:] = [False, True]
    program(constant(1.0, "float64"))
    with pytest.raises(RuntimeError, match="operation 'sin' of the first trace is 'cos' in the second"):
        program(constant(1.0, "float64"))


def test_pure_code_passes() -> None:
    program = Program(lambda x: ops.sin(x) * 2.0, verify=True)
    for _ in range(3):
        program(constant(1.0, "float64"))


def test_a_train_step_with_state_is_refused_at_its_second_step() -> None:
    class Counting(pronghorn.Model):
        def __init__(self) -> None:
            super().__init__()
            self.layer = Affine(3)

        def call(self, inputs: Any) -> Any:
            return self.layer(inputs)

        def train_step(self, data: Any) -> dict[str, Any]:
            self.calls = getattr(self, "calls", 0) + 1
            return super().train_step((data[0] * float(self.calls), data[1]))

    x, y = np.ones((70, 5), "float32"), np.ones((70, 3), "float32")
    model = Counting()
    model.compile(Descent(0.1), squared_error)
    with pytest.raises(RuntimeError, match="was 1.0 in the first trace and is 2.0 in the second.*attribute 'calls'"):
        model.fit(x, y, verbose=0)
    model = Counting()
    model.compile(Descent(0.1), squared_error, run_eagerly=True)
    model.fit(x, y, verbose=0)
    assert model.calls == 3
