"""Products, spreads, running sums and places of extremes against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pronghorn import ops
from pronghorn.autodiff import check_gradients
from pronghorn.program import jit

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
    empty = np.ones((0, 3))
    assert getattr(ops, name)(empty, axis=1).shape == jit(lambda x: getattr(ops, name)(x, 1))(empty).shape == (0,)
    assert getattr(ops, name)(empty, axis=1, keepdims=True).shape == (0, 1)
    for axis in (None, 0):
        with pytest.raises(ValueError, match=rf"{name}: no element to choose along axis {axis} of shape \(0, 3\)"):
            getattr(ops, name)(empty, axis)


def test_logsumexp_does_not_overflow() -> None:
    x = np.array([[1000.0, 1000.0], [-1000.0, -np.inf], [-np.inf, -np.inf], [np.inf, 0.0]])
    np.testing.assert_allclose(ops.logsumexp(x, axis=1), [1000 + np.log(2), -1000, -np.inf, np.inf])
    np.testing.assert_allclose(ops.logsumexp(X, axis=(0, 2)), np.log(np.exp(X).sum((0, 2))))
    assert ops.logsumexp(X, axis=1, keepdims=True).shape == (2, 1, 4)


def test_logsumexp_of_nothing() -> None:
    empty = np.zeros((0, 4))
    np.testing.assert_array_equal(ops.logsumexp(empty, axis=0), [-np.inf] * 4)
    np.testing.assert_array_equal(jit(ops.logsumexp)(empty), -np.inf)
    assert ops.logsumexp(empty, axis=0, keepdims=True).shape == (1, 4)
    assert ops.logsumexp(empty, axis=1).shape == (0,)


def test_order_of_nothing_and_of_a_number() -> None:
    empty = np.zeros((0, 4))
    for axis in (0, 1, None):
        for function in (ops.sort, lambda x, axis: jit(lambda t: ops.sort(t, axis))(x)):
            assert function(empty, axis).shape == np.sort(empty, axis).shape
        assert ops.argsort(empty, axis).shape == np.sort(empty, axis).shape
    for axis in (-1, 0, None):
        np.testing.assert_array_equal(ops.argsort(2.0, axis), [0])
    with pytest.raises(ValueError, match="sort: axis -1 is out of range for 0 dimensions"):
        ops.sort(2.0)


def test_correlation_of_one_row() -> None:
    np.testing.assert_allclose(ops.corrcoef([1.0, 2.0, 4.0]), 1.0, rtol=1e-6)
    for single in (1.0, [1.0]):
        np.testing.assert_array_equal(ops.corrcoef(single), np.nan)


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


METHODS = ["linear", "lower", "higher", "nearest", "midpoint"]
AXES_OF_SHARES: list[Any] = [None, 1, (0, 2)]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("axis", AXES_OF_SHARES)
def test_quantiles_of_rows_with_nan_are_nan(method: str, axis: Any) -> None:
    x = X.copy()
    x[1, 2, 0] = np.nan
    shares = [0.0, 0.3, 1.0]
    for values in (X, x):
        expected = np.quantile(values, shares, axis=axis, method=method, keepdims=True)
        np.testing.assert_allclose(ops.quantile(values, shares, axis, method, keepdims=True), expected, rtol=1e-13)
        expected = np.percentile(values, 30, axis=axis, method=method)
        np.testing.assert_allclose(ops.percentile(values, 30, axis, method), expected, rtol=1e-13)
        np.testing.assert_allclose(ops.median(values, axis), np.median(values, axis), rtol=1e-13)
        check_gradients(lambda t: ops.quantile(t, shares, axis, method), [X])


def test_quantiles_among_infinities() -> None:
    x = np.array([[1, 2, np.inf, np.inf], [-np.inf, -np.inf, -np.inf, 3], [-np.inf, -np.inf, np.inf, np.inf]])
    for median in (ops.median, ops.nanmedian):
        np.testing.assert_array_equal(median(x, 1), [np.inf, -np.inf, np.nan])
        np.testing.assert_array_equal(median(x[:2, 3:], 1), [np.inf, 3])
    for quantile in (ops.quantile, ops.nanquantile):
        np.testing.assert_array_equal(quantile(x[0], [0, 1 / 3, 0.5, 0.8]), [1, 2, np.inf, np.inf])
        np.testing.assert_array_equal(quantile(x[1], [0, 0.5, 0.9, 1]), [-np.inf, -np.inf, -np.inf, 3])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["quantile", "nanquantile"])
def test_shares_may_be_computed_in_a_program(name: str, method: str) -> None:
    shares = np.array([0.1, 0.5, 0.9])
    for axis in AXES_OF_SHARES:
        found = jit(lambda x, q: getattr(ops, name)(x, q, axis, method))(X, shares)  # noqa: B023
        np.testing.assert_allclose(found, np.quantile(X, shares, axis, method=method), rtol=1e-13)
    percents = jit(lambda x: getattr(ops, name.replace("quantile", "percentile"))(x, ops.mean(x) * 0 + 50))(X)
    np.testing.assert_allclose(percents, np.median(X), rtol=1e-13)
    mixed = jit(lambda x: getattr(ops, name)(x, [ops.mean(x) * 0 + 0.5, 0.9], method=method))(X)
    np.testing.assert_allclose(mixed, np.quantile(X, [0.5, 0.9], method=method), rtol=1e-6)
    check_gradients(lambda x, q: getattr(ops, name)(x, q, 1, method), [X, shares + 0.01])


def test_quantiles_of_nothing() -> None:
    empty = np.zeros((0, 4))
    assert ops.median(empty, axis=1).shape == ops.nanmedian(empty, axis=1).shape == (0,)
    assert ops.quantile(empty, [0.5, 0.2], axis=1, keepdims=True).shape == (2, 0, 1)
    with pytest.raises(ValueError, match=r"quantile: no element to choose along axis 0 of shape \(0, 4\)"):
        ops.quantile(empty, 0.5, axis=0)
