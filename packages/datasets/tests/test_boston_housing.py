"""Boston housing is cut and shuffled as Keras does it."""

from __future__ import annotations

import numpy as np
import pytest

from pronghorn.datasets import boston_housing


def test_the_default_split_is_that_of_keras():
    (x_train, y_train), (x_test, y_test) = boston_housing.load_data()
    assert (x_train.shape, y_train.shape, x_test.shape, y_test.shape) == (
        (404, 13),
        (404,),
        (102, 13),
        (102,),
    )
    np.testing.assert_allclose(
        x_train[0],
        [1.23247, 0.0, 8.14, 0.0, 0.538, 6.142, 91.7, 3.9769, 4.0, 307.0, 21.0, 396.9, 18.72],
    )
    assert y_train[:4].tolist() == [15.2, 42.3, 50.0, 21.1]
    assert y_test[:4].tolist() == [7.2, 18.8, 19.0, 27.0]


def test_split_and_seed_are_obeyed():
    (x_train, _), (x_test, _) = boston_housing.load_data(test_split=0.5)
    assert (len(x_train), len(x_test)) == (253, 253)
    (other, _), _ = boston_housing.load_data(test_split=0.5, seed=1)
    assert not np.array_equal(other, x_train)
    assert len(boston_housing.load_data(test_split=0)[1][0]) == 0


@pytest.mark.parametrize("test_split", [-0.1, 1.0, 20])
def test_a_split_out_of_range_is_refused(test_split):
    with pytest.raises(ValueError, match="test_split"):
        boston_housing.load_data(test_split=test_split)
