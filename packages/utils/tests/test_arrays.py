"""One-hot labels and unit vectors, as Keras makes them, with errors where Keras gives nonsense."""

from __future__ import annotations

import numpy as np
import pytest

from pronghorn import ops
from pronghorn.utils import normalize, to_categorical


def test_class_numbers_become_one_hot_rows():
    one_hot = to_categorical([0, 2, 1])
    assert one_hot.dtype == np.float64
    np.testing.assert_array_equal(one_hot, [[1, 0, 0], [0, 0, 1], [0, 1, 0]])


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((), (4,)), ((3,), (3, 4)), ((1,), (1, 4)), ((3, 1), (3, 4)), ((2, 3), (2, 3, 4)), ((0,), (0, 4))],
)
def test_a_last_axis_of_one_is_dropped(shape, expected):
    assert to_categorical(np.zeros(shape, int), 4).shape == expected


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float32", ">f8"])
def test_whole_numbers_of_any_dtype_are_class_numbers(dtype):
    np.testing.assert_array_equal(to_categorical(np.array([1, 0], dtype), 2), [[0, 1], [1, 0]])


@pytest.mark.parametrize(
    ("x", "num_classes", "message"),
    [
        ([-1, 2], 3, "from -1 to 2.*number the classes from 0"),
        ([1, 2, 3], 3, "from 1 to 3.*3 classes, 0 to 2"),
        ([0.5], 3, "0.5.*whole"),
        ([float("nan")], 3, "nan.*whole"),
        ([], None, "pass num_classes"),
        ([0], 1.5, "num_classes is 1.5"),
    ],
)
def test_what_is_no_class_number_is_refused(x, num_classes, message):
    with pytest.raises(ValueError, match=message):
        to_categorical(x, num_classes)


def test_vectors_get_length_one_and_zeros_stay():
    np.testing.assert_allclose(normalize([[3, 4], [0, 0]]), [[0.6, 0.8], [0, 0]])
    assert normalize(np.array([3, 4], np.float32)).dtype == np.float32


@pytest.mark.parametrize(("order", "length"), [(1, 8), (2, np.sqrt(26)), (np.inf, 4)])
def test_axis_and_order_of_the_norm(order, length):
    x = np.array([[3.0, 0.0], [-1.0, 2.0], [4.0, 2.0]])
    np.testing.assert_allclose(normalize(x, axis=0, order=order)[:, 0], x[:, 0] / length)


def test_tensors_give_tensors():
    one_hot = to_categorical(ops.convert_to_tensor([[1], [0]]), 3)
    np.testing.assert_array_equal(one_hot.numpy(), [[0, 1, 0], [1, 0, 0]])
    np.testing.assert_allclose(normalize(ops.convert_to_tensor([3.0, 4.0])).numpy(), [0.6, 0.8], rtol=1e-6)
    with pytest.raises(ValueError, match="tensor; pass num_classes"):
        to_categorical(ops.convert_to_tensor([1, 0]))
