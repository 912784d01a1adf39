"""Softmax: values by its formula, stability, gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pronghorn import ops
from pronghorn.autodiff import check_gradients

rng = np.random.default_rng(0)
LOGITS = rng.normal(size=(2, 3, 4))


@pytest.mark.parametrize("axis", [-1, 0, 1, (0, 2), None])
def test_softmax(axis: Any) -> None:
    powers = np.exp(LOGITS)
    expected = powers / powers.sum(axis=axis, keepdims=True)
    np.testing.assert_allclose(ops.softmax(LOGITS, axis), expected, rtol=1e-12)
    check_gradients(lambda t: ops.softmax(t, axis), [LOGITS[:, :2, :2]], order=2, rtol=1e-4, atol=1e-6)


def test_softmax_of_extremes() -> None:
    x = np.array([[1e4, 0.0, -1e4], [-np.inf, 0.0, 0.0]], "float32")
    np.testing.assert_allclose(ops.softmax(x), [[1, 0, 0], [0, 0.5, 0.5]])
    assert ops.softmax(np.array([1, 2])).dtype == "float32"
