"""Reductions against NumPy: values, dtypes, gradients, empty and degenerate axes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pronghorn import ops
from pronghorn.autodiff import GradientTape, check_gradients

AXES: list[Any] = [None, 0, -1, (0, 2), [1], (-1, -3), ()]
X = np.random.default_rng(0).normal(size=(2, 3, 4))


def axis_of(axis: Any) -> Any:
    return tuple(axis) if isinstance(axis, list) else axis


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("name", "sum max min mean".split())
def test_equal_to_numpy(name: str, axis: Any, keepdims: bool) -> None:
    found = getattr(ops, name)(X, axis=axis, keepdims=keepdims)
    expected = getattr(np, name)(X, axis=axis_of(axis), keepdims=keepdims)
    np.testing.assert_allclose(found, expected, rtol=1e-13)
    assert found.shape == expected.shape


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("name", ["any", "all"])
def test_any_and_all(name: str, axis: Any) -> None:
    for x in (X > 0.5, (X * 2).astype("int32")):
        found = getattr(ops, name)(x, axis=axis)
        assert found.dtype == "bool"
        np.testing.assert_array_equal(found, getattr(np, name)(x, axis=axis_of(axis)))


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("sum", "bool", "int32"),
        ("sum", "int8", "int32"),
        ("sum", "uint8", "uint32"),
        ("sum", "int64", "int64"),
        ("sum", "float16", "float16"),
        ("mean", "int64", "float32"),
        ("mean", "bool", "float32"),
        ("mean", "float16", "float16"),
        ("max", "uint8", "uint8"),
        ("max", "bool", "bool"),
    ],
)
def test_dtypes(name: str, given: str, expected: str) -> None:
    assert getattr(ops, name)(np.ones((2, 3), given), axis=0).dtype == expected


def test_half_precision_is_summed_in_single() -> None:
    x = np.full(4096, 1.0, "float16")
    assert ops.sum(x).item() == 4096  # float16 addition stops at 2048
    assert ops.mean(x).item() == 1


def test_nan_wins_and_initial_bounds() -> None:
    x = np.array([1.0, np.nan, 3.0])
    assert np.isnan(ops.max(x).item()) and np.isnan(ops.min(x).item())
    assert ops.max(np.array([1.0, 2.0]), initial=5.0).item() == 5
    assert ops.min(np.array([1.0, 2.0]), initial=5.0).item() == 1
    np.testing.assert_array_equal(ops.max(np.ones((2, 0)), axis=1, initial=-1.0), [-1, -1])
    with pytest.raises(ValueError, match="give `initial`"):
        ops.max(np.ones((2, 0)), axis=1)


def test_axis_errors_name_the_op() -> None:
    with pytest.raises(ValueError, match="sum: axis 3 is out of range"):
        ops.sum(X, axis=3)
    with pytest.raises(ValueError, match="names a dimension twice"):
        ops.sum(X, axis=(0, -3))
    with pytest.raises(TypeError, match="must be an integer"):
        ops.sum(X, axis=0.5)


@pytest.mark.parametrize("axis", [None, 1, (0, 2)])
@pytest.mark.parametrize("name", "sum max min mean".split())
def test_gradients(name: str, axis: Any) -> None:
    x = X[:, :2, :2]
    check_gradients(lambda t: getattr(ops, name)(t, axis=axis), [x], order=2, rtol=1e-4, atol=1e-6)
    check_gradients(lambda t: getattr(ops, name)(t, axis=axis, keepdims=True), [x])


def test_ties_share_the_gradient() -> None:
    x = ops.convert_to_tensor(np.array([2.0, 5.0, 5.0]))
    with GradientTape() as tape:
        tape.watch(x)
        top = ops.max(x)
    np.testing.assert_array_equal(tape.gradient(top, x), [0, 0.5, 0.5])


def test_stop_gradient_is_a_constant() -> None:
    x = ops.convert_to_tensor(np.array([2.0, 5.0]))
    with GradientTape() as tape:
        tape.watch(x)
        y = ops.sum(x * ops.stop_gradient(x))
    np.testing.assert_array_equal(tape.gradient(y, x), [2, 5])
