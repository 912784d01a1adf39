"""Products of matrices against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pronghorn import ops
from pronghorn.autodiff import check_gradients
from pronghorn.interpreter import Tracer, using
from pronghorn.ops.linear import product

rng = np.random.default_rng(0)


def array(*shape: int) -> np.ndarray[Any, Any]:
    return rng.normal(size=shape)


SHAPES = [
    ((2, 3), (3, 4)),
    ((3,), (3, 4)),
    ((2, 3), (3,)),
    ((3,), (3,)),
    ((5, 2, 3), (3, 4)),
    ((5, 2, 3), (5, 3, 4)),
    ((5, 1, 2, 3), (6, 3, 4)),
    ((5, 2, 3), (3,)),
    ((3,), (5, 3, 4)),
    ((0, 3), (3, 4)),
]


@pytest.mark.parametrize(("left", "right"), SHAPES)
def test_matmul(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    a, b = array(*left), array(*right)
    found, expected = ops.matmul(a, b), np.matmul(a, b)
    np.testing.assert_allclose(found, expected, rtol=1e-13)
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)


@pytest.mark.parametrize(("left", "right"), SHAPES[:9])
def test_matmul_gradients(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    left, right = (tuple(min(n, 3) for n in shape) for shape in (left, right))
    check_gradients(ops.matmul, [array(*left)[..., :2], array(*right)[..., :2, :] if len(right) > 1 else array(2)])


@pytest.mark.parametrize("transpose_a", [False, True])
@pytest.mark.parametrize("transpose_b", [False, True])
def test_transposed_operands(transpose_a: bool, transpose_b: bool) -> None:
    a, b = array(2, 2, 3), array(2, 3, 2)
    left = a.swapaxes(1, 2) if transpose_a else a
    right = b.swapaxes(1, 2) if transpose_b else b

    def function(x: Any, y: Any) -> Any:
        return product(x, y, transpose_a=transpose_a, transpose_b=transpose_b)

    np.testing.assert_allclose(function(left, right), a @ b)
    check_gradients(function, [left, right], order=2, rtol=1e-4)


def test_a_shared_matrix_is_one_product() -> None:
    tracer = Tracer()
    with using(tracer):
        ops.matmul(tracer.argument((5, 6, 3), "float32"), tracer.argument((3, 4), "float32"))
    assert [node.op.name for node in tracer.nodes] == ["reshape", "matmul", "reshape"]


@pytest.mark.parametrize("traced", [False, True])
def test_matmul_errors_name_the_shapes(traced: bool) -> None:
    tracer = Tracer()
    with pytest.raises(ValueError, match=r"matmul: shapes \(2, 3\) and \(2, 3\) do not fit"):
        if traced:
            with using(tracer):
                ops.matmul(*(tracer.argument((2, 3), "float32") for _ in range(2)))
        else:
            ops.matmul(array(2, 3), array(2, 3))
    with pytest.raises(ValueError, match="use multiply"):
        ops.matmul(2.0, array(2, 2))


def test_dtypes_of_products() -> None:
    for given, expected in [
        ("int8", "int32"),
        ("int32", "int32"),
        ("float16", "float16"),
        ("float64", "float64"),
    ]:
        assert ops.matmul(np.ones((2, 2), given), np.ones((2, 2), given)).dtype == expected
    assert ops.matmul(np.ones((2, 2), "int32"), np.ones((2, 2), "float32")).dtype == "float32"
