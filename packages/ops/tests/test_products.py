"""dot and tensordot against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pronghorn import ops
from pronghorn.autodiff import check_gradients

rng = np.random.default_rng(0)


def array(*shape: int) -> np.ndarray[Any, Any]:
    return rng.normal(size=shape)


def test_dot_and_tensordot() -> None:
    a, b = array(2, 3, 4), array(5, 4, 3)
    np.testing.assert_allclose(ops.dot(a, b), np.dot(a, b))
    np.testing.assert_allclose(ops.dot(a, b[0, :, 0]), np.dot(a, b[0, :, 0]))
    np.testing.assert_allclose(ops.dot(a, 2.0), a * 2)
    for axes in ([[1, 2], [2, 1]], [[2], [1]], 0):
        np.testing.assert_allclose(ops.tensordot(a, b, axes), np.tensordot(a, b, axes))
    np.testing.assert_allclose(ops.tensordot(a, a.transpose(1, 2, 0)), np.tensordot(a, a.transpose(1, 2, 0)))
    with pytest.raises(ValueError, match=r"tensordot: axes 1 of shapes \(2, 3, 4\) and \(5, 4, 3\)"):
        ops.tensordot(a, b, 1)
    check_gradients(lambda x, y: ops.tensordot(x, y, [[1], [0]]), [array(2, 2, 2), array(2, 3)])
