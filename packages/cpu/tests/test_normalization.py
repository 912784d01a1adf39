"""Layer normalization of rows against the reference: ragged rows and parts, threads, gradients, other parameters."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest

from pronghorn import ops
from pronghorn.autodiff import check_gradients
from pronghorn.op import Op
from pronghorn.program import jit
from pronghorn.testing import KernelContract
from pronghorn_ops.normalization import normalized_rows, normalized_rows_gradient

SIZES = [(1, 1), (7, 16), (128, 33), (129, 5), (700, 128), (3, 3000)]
"""Rows and columns: more and fewer than are summed in one go."""


class TestOfRows(KernelContract):
    op: ClassVar[Op] = normalized_rows
    attrs: ClassVar[dict[str, Any]] = {"epsilon": 1e-3}
    shapes: ClassVar[Any] = [((n, c), (c,), (c,)) for n, c in SIZES] + [((3, 5, 37), (37,), (37,))]


class TestOfTheirGradients(KernelContract):
    op: ClassVar[Op] = normalized_rows_gradient
    attrs: ClassVar[dict[str, Any]] = {"epsilon": 1e-3}
    shapes: ClassVar[Any] = [((n, c), (n, c), (c,)) for n, c in SIZES] + [((3, 50, 37), (3, 50, 37), (37,))]


def test_gradients_of_normalized_rows_of_both_orders() -> None:
    rng = np.random.default_rng(0)
    operands = rng.normal(size=(2, 3, 4)), rng.normal(size=4), rng.normal(size=4)
    check_gradients(lambda x, gamma, beta: normalized_rows(x, gamma, beta, epsilon=1e-3), operands, order=2)


@pytest.mark.parametrize("size", [0, 1])
def test_sums_of_columns_of_no_rows_are_zero(size: int, on_cpu: None) -> None:
    g, x, gamma = np.ones((size, 5), "float32"), np.zeros((size, 5), "float32"), np.ones(5, "float32")
    program = jit(lambda g, x, gamma: normalized_rows_gradient(g, x, gamma, epsilon=1e-3))
    program(np.ones((200, 5), "float32"), np.ones((200, 5), "float32"), gamma)
    dx, dgamma, dbeta = program(g, x, gamma)
    assert dx.shape == x.shape
    np.testing.assert_array_equal(dgamma.numpy(), np.zeros(5))
    np.testing.assert_array_equal(dbeta.numpy(), np.full(5, size))


def test_layer_normalization_of_integers_is_no_integer(on_cpu: None) -> None:
    x, gamma, beta = np.arange(12).reshape(3, 4), np.full(4, 0.5, "float32"), np.full(4, 0.25, "float32")
    y = jit(lambda *operands: ops.layer_normalization(*operands))(x, gamma, beta)
    want = ops.layer_normalization(x.astype("float32"), gamma, beta)
    assert y.dtype == "float32"
    np.testing.assert_allclose(y.numpy(), want.numpy(), rtol=1e-5)


@pytest.mark.parametrize("shape", [(1, 4), (3, 4)])
def test_parameters_of_layer_normalization_may_have_the_rank_of_its_input(shape: tuple[int, ...], on_cpu: None) -> None:
    rng = np.random.default_rng(0)
    x, gamma, beta = (rng.normal(size=size).astype("float32") for size in ((3, 4), shape, shape))
    y = jit(lambda *operands: ops.layer_normalization(*operands, epsilon=1e-3))(x, gamma, beta)
    normal = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-3)
    np.testing.assert_allclose(y.numpy(), normal * gamma + beta, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [1, 3])
def test_parameters_of_layer_normalization_of_another_size_are_refused(size: int, on_cpu: None) -> None:
    vector = np.ones(size, "float32")
    with pytest.raises(ValueError):
        jit(lambda *operands: ops.layer_normalization(*operands))(np.ones((3, 4), "float32"), vector, vector)
