"""Products, spreads, running sums and places of extremes against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pronghorn import ops
from pronghorn.autodiff import check_gradients

AXES: list[Any] = [None, 0, -1, (0, 2), (1,), (-1, -3), ()]
X = np.random.default_rng(0).normal(size=(2, 3, 4))


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("name", ["prod", "var", "std"])
def test_equal_to_numpy(name: str, axis: Any, keepdims: bool) -> None:
    found = getattr(ops, name)(X, axis=axis, keepdims=keepdims)
    expected = getattr(np, name)(X, axis=axis, keepdims=keepdims)
    np.testing.assert_allclose(found, expected, rtol=1e-13)
    assert found.shape == np.shape(expected)


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("prod", "int16", "int32"),
        ("cumsum", "bool", "int32"),
        ("cumsum", "int8", "int8"),
        ("var", "int32", "float32"),
    ],
)
def test_dtypes(name: str, given: str, expected: str) -> None:
    assert getattr(ops, name)(np.ones((2, 3), given), axis=0).dtype == expected


@pytest.mark.parametrize("axis", [None, 1, (0, 2)])
@pytest.mark.parametrize("name", ["prod", "var", "logsumexp"])
def test_gradients(name: str, axis: Any) -> None:
    x = X[:, :2, :2]
    check_gradients(lambda t: getattr(ops, name)(t, axis=axis), [x], order=2, rtol=1e-4, atol=1e-6)
    check_gradients(lambda t: getattr(ops, name)(t, axis=axis, keepdims=True), [x])


@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_indices_of_extremes(name: str) -> None:
    ties = np.array([[1.0, 3.0, 3.0], [np.nan, 5.0, np.nan]])
    for axis in (None, 0, 1, -1):
        found = getattr(ops, name)(ties, axis=axis)
        assert found.dtype == "int32"
        np.testing.assert_array_equal(found, getattr(np, name)(ties, axis=axis))
    assert getattr(ops, name)(ties, axis=1, keepdims=True).shape == (2, 1)
    assert getattr(ops, name)(ties, keepdims=True).shape == (1, 1)
    with pytest.raises(ValueError, match="no element to choose"):
        getattr(ops, name)(np.ones((0, 3)))


def test_logsumexp_does_not_overflow() -> None:
    x = np.array([[1000.0, 1000.0], [-1000.0, -np.inf], [-np.inf, -np.inf], [np.inf, 0.0]])
    np.testing.assert_allclose(ops.logsumexp(x, axis=1), [1000 + np.log(2), -1000, -np.inf, np.inf])
    np.testing.assert_allclose(ops.logsumexp(X, axis=(0, 2)), np.log(np.exp(X).sum((0, 2))))
    assert ops.logsumexp(X, axis=1, keepdims=True).shape == (2, 1, 4)


@pytest.mark.parametrize("axis", [None, 0, -1])
def test_running_sums_and_products(axis: Any) -> None:
    np.testing.assert_allclose(ops.cumsum(X, axis), np.cumsum(X, axis))
    np.testing.assert_allclose(ops.cumprod(X, axis), np.cumprod(X, axis))
    assert ops.cumsum(X, axis, dtype="float32").dtype == "float32"


def test_gradients_of_running_sums_and_of_products_with_zeros() -> None:
    x = np.array([[1.5, 0.0, -2.0], [0.0, 0.0, 3.0]])
    check_gradients(lambda t: ops.cumsum(t, 1), [x], order=2)
    check_gradients(lambda t: ops.cumprod(t, 1), [x], order=2)
    check_gradients(lambda t: ops.prod(t, 1), [x], order=2)
    check_gradients(lambda t: ops.std(t, 0), [x[:, ::2]], order=2, rtol=1e-4, atol=1e-6)
