"""Shapes of samples as arguments of layers."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from pronghorn import Sequential
from pronghorn.testing import Affine


def test_an_input_shape_given_to_a_layer_is_taken_with_a_warning() -> None:
    with pytest.warns(UserWarning, match="do not pass `input_shape` to a layer") as caught:
        model = Sequential([Affine(4, input_shape=(3,)), Affine(2)])
    assert caught[0].filename == __file__
    assert model.input_shape == (None, 3)
    assert model(np.ones((2, 3))).shape == (2, 2)


@pytest.mark.parametrize(
    "given", [{"input_dim": 4}, {"input_shape": (4,)}, {"batch_input_shape": (None, 4)}, {"batch_shape": (None, 4)}]
)
def test_all_of_its_names(given: dict[str, object]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert Affine(2, **given)._sample_shape == (None, 4)
