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


@pytest.mark.parametrize("sizes", [(2, 2), (2, 3), (3, 2), (3, 3)])
def test_cross_of_vectors_in_the_plane_and_in_space(sizes: tuple[int, int]) -> None:
    a, b = (array(2, 4, n) for n in sizes)
    space = [np.concatenate([t, np.zeros((*t.shape[:-1], 3 - t.shape[-1]))], -1) for t in (a, b)]
    expected = np.cross(*space)
    if sizes == (2, 2):
        np.testing.assert_allclose(ops.cross(a, b), expected[..., 2])
        np.testing.assert_allclose(ops.cross(a.swapaxes(0, 2), b.swapaxes(0, 2), axis=0), expected[..., 2].T)
        np.testing.assert_allclose(ops.cross(a, b[0, 0], axisc=0), np.cross(space[0], space[1][0, 0])[..., 2])
    else:
        np.testing.assert_allclose(ops.cross(a, b), expected)
        np.testing.assert_allclose(ops.cross(np.moveaxis(a, -1, 0), b, axisa=0, axisc=1), np.moveaxis(expected, -1, 1))
        np.testing.assert_allclose(ops.cross(a, b[0, 0]), np.cross(space[0], space[1][0, 0]))
    check_gradients(ops.cross, [a, b[0]])


def test_cross_of_other_vectors() -> None:
    assert ops.cross(np.ones((2, 2), "int32"), np.ones(3, "int32")).dtype == "int32"
    with pytest.raises(ValueError, match=r"the vectors must have 2 or 3 elements, got shapes \(4,\) and \(3,\)"):
        ops.cross(np.ones(4), np.ones(3))


@pytest.mark.parametrize("product", [ops.inner, ops.kron, ops.outer, ops.dot, lambda a, b: ops.tensordot(a, b, 0)])
def test_numbers_take_the_dtype_of_their_partner(product: Any) -> None:
    x = array(2, 3).astype("float16")
    for found in (product(x, 1.5), product(1.5, x)):
        assert found.dtype == "float16"
        np.testing.assert_array_equal(found.numpy().ravel(), (x * np.float16(1.5)).ravel())
    assert product(x, np.float32(1.5)).dtype == "float32"
