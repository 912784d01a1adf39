"""Shapes and places against NumPy: values, gradients, and what errors say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pronghorn import ops
from pronghorn.autodiff import check_gradients
from pronghorn.interpreter import Tracer, using
from pronghorn.tensor import MODEL, Tensor, Variable

X = np.random.default_rng(0).normal(size=(2, 3, 4))


def same(found: Any, expected: Any) -> None:
    np.testing.assert_array_equal(found, expected, strict=True)


# ---------------------------------------------------------------------- reshaping


def test_reshaping_equals_numpy() -> None:
    same(ops.reshape(X, (4, -1)), X.reshape(4, -1))
    same(ops.reshape(X, -1), X.reshape(-1))
    same(ops.ravel(X), X.ravel())
    same(ops.transpose(X), X.transpose())
    same(ops.transpose(X, (1, -1, 0)), X.transpose(1, 2, 0))
    same(ops.moveaxis(X, (0, 1), (-1, 0)), np.moveaxis(X, (0, 1), (-1, 0)))
    same(ops.expand_dims(X, (0, -1)), np.expand_dims(X, (0, -1)))
    same(ops.squeeze(X[:1, :, :1]), X[0, :, 0])
    same(ops.squeeze(X[:1], 0), X[0])
    same(ops.broadcast_to(X[:, :1], (5, 2, 3, 4)), np.broadcast_to(X[:, :1], (5, 2, 3, 4)))
    same(ops.reshape(np.ones((0, 3)), (-1, 3)), np.ones((0, 3)))


def test_reshaping_errors_name_both_shapes() -> None:
    with pytest.raises(ValueError, match=r"reshape: .*\(2, 3, 4\) \(24 elements\).*\(5, 5\)"):
        ops.reshape(X, (5, 5))
    with pytest.raises(ValueError, match=r"reshape: .*\(7, -1\)"):
        ops.reshape(X, (7, -1))
    with pytest.raises(ValueError, match=r"squeeze: axis 1 of shape \(2, 3, 4\)"):
        ops.squeeze(X, 1)
    with pytest.raises(ValueError, match="transpose: `axes`"):
        ops.transpose(X, (0, 0, 1))
    with pytest.raises(ValueError, match=r"broadcast_to: .*\(2, 3, 4\).*\(2, 3, 5\)"):
        ops.broadcast_to(X, (2, 3, 5))


def test_unknown_dimensions_are_kept_or_worked_out() -> None:
    x = Tensor((None, 6), "float32", scope=MODEL)
    assert ops.reshape(x, (-1, 3)).shape == (None, 3)
    assert ops.reshape(x, (4, 3)).shape == (4, 3)
    assert ops.expand_dims(x, 1).shape == (None, 1, 6)
    assert ops.squeeze(ops.expand_dims(x, 1)).shape == (None, 6)
    assert ops.transpose(x).shape == (6, None)
    assert ops.concatenate([x, x], axis=1).shape == (None, 12)
    assert ops.shape(x) == (None, 6)
    assert (x[:, 0] + 1).shape == (None,)


def test_a_view_never_shares_memory_with_a_variable() -> None:
    v = Variable(np.ones(4), dtype="float32")
    views = [
        ops.reshape(v, (2, 2)),
        ops.transpose(ops.reshape(v, (1, 4))),
        v[1:3],
        ops.broadcast_to(v, (2, 4)),
    ]
    v.assign(np.zeros(4))
    assert all((view.numpy() == 1).all() for view in views)


def test_reshaping_gradients() -> None:
    check_gradients(lambda t: ops.transpose(ops.reshape(t, (4, 6))), [X])
    check_gradients(lambda t: ops.broadcast_to(t, (3, 2, 4)), [X[:, 0]], order=2)


# ---------------------------------------------------------------------- joining and flipping


def test_joining() -> None:
    same(ops.concatenate([X, X[:1]], 0), np.concatenate([X, X[:1]], 0))
    same(ops.concatenate([X, X], None), np.concatenate([X, X], None))
    assert ops.concatenate([np.ones(1, "int32"), np.ones(1, "float32")]).dtype == "float32"
    assert ops.convert_to_tensor([ops.ones(()), 2.0]).shape == (2,)


def test_joining_errors() -> None:
    with pytest.raises(ValueError, match=r"concatenate: shapes \[\(2, 3, 4\), \(2, 2, 4\)\]"):
        ops.concatenate([X, X[:, :2]], 0)


def test_flipping() -> None:
    same(ops.flip(X), np.flip(X))
    same(ops.flip(X, (0, -1)), np.flip(X, (0, -1)))


def test_joining_gradients() -> None:
    check_gradients(lambda a, b: ops.concatenate([a, b], 1), [X[:, :2, 0], X[:, :1, 1]], order=2)
    check_gradients(lambda a: ops.convert_to_tensor([a[:, 0], a[:, 2]])[1:], [X], order=2)
    check_gradients(lambda a: ops.flip(a[:, 1:], 0), [X[0]], order=2)


# ---------------------------------------------------------------------- places

KEYS: list[Any] = [
    0,
    -1,
    (1, 2, 3),
    np.s_[1:],
    np.s_[:, ::2],
    np.s_[:, ::-1, 3:0:-2],
    np.s_[..., 1],
    np.s_[None, :, None, 2],
    np.s_[..., None, -1:],
    np.s_[5:, 0],
    np.s_[:0],
    np.array([1, 0, 1]),
    np.s_[:, np.array([[0, -1], [2, 1]])],
    np.s_[np.array([0, 1]), np.array([2, 0])],
    np.s_[np.array([[0], [1]]), np.array([2, 0]), 1:3],
    np.s_[np.array([0, 1]), :, np.array([3, -1])],
    np.s_[:, np.array([0, 2]), None, np.array([1, 3])],
    X > 0,
    np.s_[:, X[0, :, 0] > 0],
]


@pytest.mark.parametrize("key", KEYS, ids=repr)
def test_indexing_equals_numpy(key: Any) -> None:
    same(ops.convert_to_tensor(X)[key], X[key])


@pytest.mark.parametrize("key", KEYS[:16], ids=repr)
def test_indexing_gradients(key: Any) -> None:
    check_gradients(lambda t: t[key] * 2.0 if 0 not in t[key].shape else t, [X])


def test_indexing_errors() -> None:
    x = ops.convert_to_tensor(X)
    with pytest.raises(IndexError, match=r"index 3 is out of range for axis 1 of size 3 \(shape \(2, 3, 4\)\)"):
        x[0, 3]
    with pytest.raises(IndexError, match="4 indices for a tensor of 3 dimensions"):
        x[0, 0, 0, 0]
    with pytest.raises(IndexError, match="one ellipsis"):
        x[..., 0, ...]
    with pytest.raises(TypeError):
        x["a"]


def test_gathering() -> None:
    places = np.array([[0, 2], [-1, 1]])
    same(ops.gather(X, places, axis=1), np.take(X, places, 1))
    with pytest.raises(IndexError, match=r"take: index 3 is out of range for axis 1 of size 3"):
        ops.gather(X, np.array([3]), axis=1)
    with pytest.raises(TypeError, match="`indices` must be integers"):
        ops.gather(X, np.array([0.5]), axis=1)


def test_gradients_of_gathering_add_up_at_repeated_places() -> None:
    places = np.array([[0, 2, 2], [1, 0, 2]])
    check_gradients(lambda t: ops.gather(t, places, axis=1), [X], order=2)
    rows = ops.scatter_rows(np.ones((4, 2), "float32"), np.array([2, 0, 2, 2]), rows=4)
    same(rows, np.array([[1, 1], [0, 0], [3, 3], [0, 0]], "float32"))


# ---------------------------------------------------------------------- sizes


def test_sizes_that_depend_on_values_need_values() -> None:
    for found, expected in zip(ops.nonzero(X > 0), np.nonzero(X > 0), strict=True):
        same(found, expected.astype("int32"))
    tracer = Tracer()
    with using(tracer), pytest.raises(TypeError, match="nonzero: .*ops.where"):
        ops.nonzero(tracer.argument((3,), "bool"))


# ---------------------------------------------------------------------- from nothing


def test_constants() -> None:
    same(ops.zeros((2, 3)), np.zeros((2, 3), "float32"))
    same(ops.ones(2, "int8"), np.ones(2, "int8"))
    same(ops.full((2,), 2.5, "float64"), np.full(2, 2.5))
    same(ops.zeros_like(X, "int32"), np.zeros_like(X, "int32"))


def test_a_large_constant_is_a_scalar_in_a_graph() -> None:
    tracer = Tracer()
    with using(tracer):
        big = ops.zeros((1000, 1000)) + tracer.argument((), "float32")
    graph = tracer.finish([big])
    assert all(t.size == 1 for node in graph.nodes for t in node.inputs if not t.symbolic)


def test_the_shape_of_a_tensor() -> None:
    assert ops.shape(X) == (2, 3, 4)
