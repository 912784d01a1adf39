"""Cutting, padding, taking, sorting and constants against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pronghorn import Input, Model, ops
from pronghorn.autodiff import check_gradients

X = np.random.default_rng(0).normal(size=(2, 3, 4))


def same(found: Any, expected: Any) -> None:
    np.testing.assert_array_equal(found, expected, strict=True)


def test_splitting() -> None:
    same(ops.swapaxes(X, 0, -1), np.swapaxes(X, 0, -1))
    for found, expected in zip(ops.split(X, 2, -1), np.split(X, 2, -1), strict=True):
        same(found, expected)
    for found, expected in zip(ops.split(X, [1, 3], 2), np.split(X, [1, 3], 2), strict=True):
        same(found, expected)
    same(ops.unstack(X, axis=1)[2], X[:, 2])
    with pytest.raises(ValueError, match="split: axis 2 of size 4 cannot be cut into 3"):
        ops.split(X, 3, -1)
    with pytest.raises(ValueError, match="unstack: argument `num` is 2"):
        ops.unstack(X, 2, 1)
    check_gradients(lambda a: ops.stack(ops.split(a, 3, 1), 0)[1:], [X], order=2)


def test_stacking() -> None:
    for axis in (0, 1, -1):
        same(ops.stack([X, X[::-1]], axis), np.stack([X, X[::-1]], axis))
    assert ops.stack([np.ones(1, "int32"), np.ones(1, "float32")]).dtype == "float32"
    check_gradients(lambda a: ops.stack([a[:, 0], a[:, 2]], 1)[1:], [X], order=2)
    with pytest.raises(ValueError, match=r"stack: the tensors must have one shape, got \[\(1, 3, 4\), \(2, 3, 4\)\]"):
        ops.stack([X, X[:1]])
    with pytest.raises(ValueError, match="stack: needs at least one tensor"):
        ops.stack([])


def test_unknown_sizes_of_what_is_stacked_fit_known_ones() -> None:
    a, b = Input((None, 3)), Input((4, 3), batch_size=2)
    for tensors in ([a, b], [b, a]):
        assert ops.stack(tensors, axis=1).shape == (2, 2, 4, 3)
    assert ops.stack([a, Input((4, 3))]).shape == (2, None, 4, 3)
    assert ops.stack([a, np.zeros((2, 4, 3), "float32")], -1).shape == (2, 4, 3, 2)
    x = X.swapaxes(1, 2).astype("float32")
    same(Model([a, b], ops.stack([a, b], 1))([x, x + 1]), np.stack([x, x + 1], 1))
    for other in (Input((4, 5)), Input((3,))):
        with pytest.raises(ValueError, match="stack: the tensors must have one shape"):
            ops.stack([a, other])


def test_padding() -> None:
    widths = ((1, 0), (2, 1), (0, 3))
    same(ops.pad(X, widths), np.pad(X, widths))
    same(ops.pad(X, 1, constant_values=-2.5), np.pad(X, 1, constant_values=-2.5))
    for mode in ("reflect", "symmetric", "edge"):
        same(ops.pad(X, widths, mode), np.pad(X, widths, mode))
    with pytest.raises(ValueError, match="unknown mode 'wrapped'"):
        ops.pad(X, 1, "wrapped")
    with pytest.raises(ValueError, match="must not be negative"):
        ops.pad(X, -1)
    check_gradients(lambda a: ops.pad(a, ((1, 2), (0, 1)), "reflect"), [X[0]])
    check_gradients(lambda a: ops.flip(ops.pad(a, 1), 0), [X[0]], order=2)


def test_taking() -> None:
    places = np.array([[0, 2], [-1, 1]])
    same(ops.take(X, places, 1), np.take(X, places, 1))
    same(ops.take(X, [3, 7]), np.take(X, [3, 7]))
    with pytest.raises(IndexError, match=r"take: index 3 is out of range for axis 1 of size 3"):
        ops.take(X, [3], 1)
    check_gradients(lambda t: ops.take(t, [[0, 2, 2], [1, 0, 2]], 1), [X], order=2)


def test_taking_along_an_axis() -> None:
    order = np.argsort(X, axis=1)
    same(ops.take_along_axis(X, order, 1), np.take_along_axis(X, order, 1))
    same(ops.take_along_axis(X, order[:1, -1:], 1), np.take_along_axis(X, order[:1, -1:], 1))
    check_gradients(lambda t: ops.take_along_axis(t, np.array([[0, 0, 2]]), 1), [X[0, :, :3]])


def test_constants_and_facts() -> None:
    same(ops.full_like(X, 3), np.full_like(X, 3))
    same(ops.arange(3), np.arange(3, dtype="int32"))
    same(ops.arange(1.0, 2.0, 0.25), np.arange(1, 2, 0.25, dtype="float32"))
    same(ops.arange(5, 1, -2, dtype="int64"), np.arange(5, 1, -2))
    assert (ops.ndim(X), ops.size(X), ops.dtype(X)) == (3, 24, "float64")
    assert isinstance(ops.convert_to_numpy(ops.ones(2)), np.ndarray)
    same(ops.copy(X), X)


def test_blocks_at_places_that_are_tensors() -> None:
    same(ops.slice(X, (0, 1, 2), (2, 2, 2)), X[:2, 1:3, 2:4])
    same(ops.slice(X, (0, 1, 2), (-1, 2, -1)), X[:, 1:3, 2:])
    same(ops.slice(X, ops.convert_to_tensor([0, 9, 0]), (2, 2, 4)), X[:, 1:3])  # moved inside
    updated = X.copy()
    updated[1:, 1:, 2:] = 7
    same(ops.slice_update(X, (1, 1, 2), np.full((1, 2, 2), 7.0)), updated)
    with pytest.raises(ValueError, match=r"slice: a block of shape \(3, 1, 1\)"):
        ops.slice(X, (0, 0, 0), (3, 1, 1))
    check_gradients(lambda t: ops.slice(t, (0, 1, 2), (2, 2, 2)), [X], order=2)
    check_gradients(lambda t, u: ops.slice_update(t, (0, 1, 2), u), [X, X[:, :2, :2]])


def test_sorting() -> None:
    x = np.array([[3.0, np.nan, -1.0, 3.0], [0.0, 2.0, 2.0, -np.inf]])
    same(ops.sort(x), np.sort(x))
    same(ops.argsort(x, 1), np.argsort(x, 1, kind="stable").astype("int32"))
    same(ops.sort(x, None), np.sort(x, None))
    values, indices = ops.top_k(np.array([1, 5, 5, 2], "uint8"), 3)
    same(values, np.array([5, 5, 2], "uint8"))
    same(indices, np.array([1, 2, 3], "int32"))
    with pytest.raises(ValueError, match="top_k: argument `k` is 5"):
        ops.top_k(x, 5)
    check_gradients(ops.sort, [X[0]])
    check_gradients(lambda t: ops.top_k(t, 2)[0], [X[0]])
