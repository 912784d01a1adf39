"""Decompositions and what is made of them: against NumPy, with gradients, and in batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pronghorn import Input, ops
from pronghorn.autodiff import check_gradients
from pronghorn.program import jit

rng = np.random.default_rng(0)
A = rng.normal(size=(2, 3, 3)) + 2 * np.eye(3)
TALL, WIDE = rng.normal(size=(4, 3)), rng.normal(size=(3, 5))
POSITIVE = A @ A.swapaxes(-1, -2) + np.eye(3)
B = rng.normal(size=(2, 3, 2))


def symmetric(x: Any) -> Any:
    return (x + ops.swapaxes(x, -1, -2)) / 2


def same(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-11)


ALIKE: dict[str, tuple[Any, Any]] = {
    "cholesky": (ops.cholesky, np.linalg.cholesky),
    "det": (ops.det, np.linalg.det),
    "inv": (ops.inv, np.linalg.inv),
    "solve": (lambda a: ops.solve(a, B), lambda a: np.linalg.solve(a, B)),
    "slogdet": (lambda a: ops.slogdet(a)[1], lambda a: np.linalg.slogdet(a)[1]),
    "logdet": (ops.logdet, lambda a: np.log(np.linalg.det(a))),
    "eigh": (lambda a: ops.eigh(a)[0], lambda a: np.linalg.eigh(a)[0]),
    "svd": (lambda a: ops.svd(a, compute_uv=False), lambda a: np.linalg.svd(a, compute_uv=False)),
    "pinv": (ops.pinv, np.linalg.pinv),
    "rank": (ops.matrix_rank, np.linalg.matrix_rank),
    "cholesky_inverse": (lambda a: ops.cholesky_inverse(ops.cholesky(a)), np.linalg.inv),
}


@pytest.mark.parametrize("name", ALIKE)
def test_equal_to_numpy_at_once_and_traced(name: str) -> None:
    function, reference = ALIKE[name]
    same(function(POSITIVE), reference(POSITIVE))
    same(jit(function)(ops.convert_to_tensor(POSITIVE)), reference(POSITIVE))
    narrow = function(POSITIVE.astype("float16"))
    assert narrow.dtype in ("float16", "int32", "float64")


def test_factors_multiply_to_the_matrix() -> None:
    for x in (TALL, WIDE, A):
        for mode in ("reduced", "complete"):
            q, r = ops.qr(x, mode)
            same(q @ r, x)
            same(ops.swapaxes(q, -1, -2) @ q, np.broadcast_to(np.eye(q.shape[-1]), (*x.shape[:-2], *q.shape[-1:] * 2)))
            same(r, np.triu(r))
        for full in (True, False):
            u, s, vh = ops.svd(x, full)
            k = s.shape[-1]
            same((u[..., :k] * ops.expand_dims(s, -2)) @ vh[..., :k, :], x)
            assert u.shape[-1] == (x.shape[-2] if full else k)
    values, vectors = ops.eig(A)
    np.testing.assert_allclose(A @ vectors.numpy(), vectors.numpy() * values.numpy()[:, None], rtol=1e-9, atol=1e-9)
    same(ops.swapaxes(ops.cholesky(POSITIVE, upper=True), -1, -2), np.linalg.cholesky(POSITIVE))
    same(ops.cholesky_inverse(ops.cholesky(POSITIVE, True), True), np.linalg.inv(POSITIVE))


@pytest.mark.parametrize("x", [A[0], TALL, WIDE])
def test_lower_and_upper_with_the_exchanges_undone(x: Any) -> None:
    lu, pivots = (t.numpy() for t in ops.lu_factor(x))
    k = min(x.shape)
    product = (np.tril(lu, -1)[:, :k] + np.eye(*x.shape)[:, :k]) @ np.triu(lu)[:k]
    for i in reversed(range(k)):
        product[[i, pivots[i]]] = product[[pivots[i], i]]
    same(product, x)
    assert pivots.dtype == np.int32


def test_systems_of_equations() -> None:
    same(ops.solve(A[0], B[0][:, 0]), np.linalg.solve(A[0], B[0][:, 0]))
    same(ops.solve(A[0], B), np.linalg.solve(A[0], B))
    same(ops.solve_triangular(A, B), np.linalg.solve(np.triu(A), B))
    same(ops.solve_triangular(A, B[..., 0], lower=True), np.linalg.solve(np.tril(A), B)[..., 0])
    for matrix in (TALL, WIDE):
        b = rng.normal(size=(matrix.shape[0], 2))
        same(ops.lstsq(matrix, b), np.linalg.lstsq(matrix, b, rcond=None)[0])
        same(ops.lstsq(matrix, b[:, 0], rcond=0.5), np.linalg.lstsq(matrix, b[:, 0], rcond=0.5)[0])
    assert int(ops.matrix_rank(np.outer([1.0, 2.0], [3.0, 4.0]))) == 1
    assert int(ops.matrix_rank(np.diag([1.0, 0.1]), tol=0.5)) == 1


def test_rounding_errors_of_bfloat16_are_no_rank() -> None:
    pytest.importorskip("ml_dtypes")
    x = ops.cast(np.outer([1.0, 0.3, 0.7], [0.9, 0.1]), "bfloat16")
    assert int(ops.matrix_rank(x)) == 1
    inverse = ops.pinv(x)
    assert inverse.dtype == "bfloat16"
    np.testing.assert_allclose(
        ops.cast(inverse, "float32"), np.linalg.pinv(np.outer([1, 0.3, 0.7], [0.9, 0.1])), rtol=0.03
    )


@pytest.mark.parametrize("keepdims", [False, True])
def test_norms_by_singular_values(keepdims: bool) -> None:
    for order in ("nuc", 2, -2):
        for axis in ((0, 2), (2, 0)):
            same(ops.norm(A, order, axis, keepdims), np.linalg.norm(A, order, axis, keepdims))
    same(ops.norm(TALL, "nuc"), np.linalg.norm(TALL, "nuc"))


GRADIENTS: dict[str, tuple[Any, list[Any]]] = {
    "cholesky": (lambda x: ops.cholesky(symmetric(x)), [POSITIVE]),
    "upper cholesky": (lambda x: ops.cholesky(symmetric(x), True), [POSITIVE[0]]),
    "cholesky_inverse": (lambda x: ops.cholesky_inverse(x), [np.linalg.cholesky(POSITIVE[0])]),
    "solve": (ops.solve, [A, B]),
    "triangular": (ops.solve_triangular, [A, B]),
    "lower triangular": (lambda a, b: ops.solve_triangular(a, b, True), [A[0], B[0][:, 0]]),
    "det": (ops.det, [A]),
    "slogdet": (lambda x: ops.slogdet(x)[1], [A]),
    "inv": (ops.inv, [A[0]]),
    "qr": (ops.qr, [A[0]]),
    "tall qr": (ops.qr, [TALL]),
    "wide qr": (ops.qr, [WIDE[:, :4]]),
    "eigh": (lambda x: ops.eigh(symmetric(x)), [POSITIVE[0]]),
    "svd": (lambda x: ops.svd(x, False), [A[0]]),
    "tall svd": (lambda x: ops.svd(x, False), [TALL]),
    "wide svd": (lambda x: ops.svd(x, False), [WIDE[:2, :3]]),
    "full svd": (lambda x: ops.svd(x)[1], [TALL]),
    "pinv": (ops.pinv, [TALL]),
    "lstsq": (ops.lstsq, [TALL, rng.normal(size=(4, 1))]),
    "nuclear norm": (lambda x: ops.norm(x, "nuc"), [TALL]),
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients(name: str) -> None:
    function, inputs = GRADIENTS[name]
    check_gradients(function, inputs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["cholesky", "solve", "det", "tall qr", "eigh", "tall svd"])
def test_second_gradients(name: str) -> None:
    function, inputs = GRADIENTS[name]
    small = [x[0] if x.ndim == 3 else x for x in inputs]
    check_gradients(function, small, rtol=1e-3, atol=1e-5, order=2)


def test_shapes_in_a_model() -> None:
    x = Input((4, 3))
    assert [t.shape for t in ops.svd(x, False)] == [(None, 4, 3), (None, 3), (None, 3, 3)]
    assert [t.shape for t in ops.qr(x, "complete")] == [(None, 4, 4), (None, 4, 3)]
    square = Input((3, 3))
    assert ops.det(square).shape == (None,) and ops.inv(square).shape == (None, 3, 3)
    assert ops.solve(square, x[:, :3]).shape == (None, 3, 3)
    assert ops.eig(square)[0].dtype == "complex64"


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"det: expected square matrices .* got shape \(4, 3\)"):
        ops.det(TALL)
    with pytest.raises(ValueError, match="qr: expected matrices"):
        ops.qr(TALL[0])
    with pytest.raises(ValueError, match="cholesky_factor: matrix is not positive definite"):
        ops.cholesky(-POSITIVE)
    with pytest.raises(ValueError, match="solve: singular matrix"):
        ops.inv(np.zeros((2, 2)))
    with pytest.raises(ValueError, match=r"solve: `b` of shape \(2, 2\) does not fit `a` of shape \(3, 3\)"):
        ops.solve(A[0], B[0][:2])
    with pytest.raises(ValueError, match="argument `mode`"):
        ops.qr(TALL, "r")
    with pytest.raises(ValueError, match="unknown `ord`"):
        ops.norm(TALL, 3)
    with pytest.raises(NotImplementedError, match="full_matrices=False"):
        check_gradients(lambda x: ops.svd(x)[0], [TALL])
    with pytest.raises(NotImplementedError, match="no gradient is defined for the operation 'eig'"):
        check_gradients(lambda x: ops.sum(ops.absolute(ops.eig(x)[0])), [A[0]])
