"""Python's operators on tensors and variables that need more than core's ops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pronghorn import ops
from pronghorn.program import jit
from pronghorn.tensor import Variable, constant, convert_to_tensor

INTEGERS, BOOLS = np.array([5, -6, 0], "int32"), np.array([True, False, True])


@pytest.mark.parametrize("make", [convert_to_tensor, lambda a: Variable(a, dtype=a.dtype.name)])
def test_integers_take_bits_and_bools_truth(make: Any) -> None:
    for x, other in ((INTEGERS, 3), (INTEGERS, INTEGERS[::-1].copy()), (BOOLS, True)):
        t = make(x)
        for found, want in ((t & other, x & other), (t | other, x | other), (t ^ other, x ^ other), (~t, ~x)):
            assert found.dtype == x.dtype.name
            np.testing.assert_array_equal(found.numpy(), want)
    t = make(INTEGERS)
    np.testing.assert_array_equal((3 & t).numpy(), 3 & INTEGERS)
    np.testing.assert_array_equal((t << 2).numpy(), INTEGERS << 2)
    np.testing.assert_array_equal((t >> 1).numpy(), INTEGERS >> 1)


def test_the_same_in_programs() -> None:
    np.testing.assert_array_equal(jit(lambda t: (t & 4) | ~t)(INTEGERS).numpy(), (INTEGERS & 4) | ~INTEGERS)


def test_nothing_is_equal_to_none() -> None:
    t = ops.ones(2)
    assert (t == None) is False and (t != None) is True  # noqa: E711
    with pytest.raises(TypeError, match="unsupported operand"):
        t + None
    assert t[None].shape == (1, 2)


def test_numbers_take_format_specifications() -> None:
    for one in (constant(0.1234, "float32"), Variable(0.1234), ops.ones(1) * 0.1234):
        assert f"{one:.2f}" == "0.12"
    assert f"{constant(1, 'int32')}" == str(constant(1, "int32"))
    assert (
        repr(Variable(np.ones(2, "float32"), name="a")) == "<Variable path=a, shape=(2,), dtype=float32, value=[1. 1.]>"
    )
