"""Padding and truncation as in Keras, which does both at the beginning unless told otherwise."""

from __future__ import annotations

import numpy as np
import pytest

from pronghorn.utils import pad_sequences

LISTS = [[1], [2, 3], [4, 5, 6]]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, [[0, 0, 1], [0, 2, 3], [4, 5, 6]]),
        ({"padding": "post"}, [[1, 0, 0], [2, 3, 0], [4, 5, 6]]),
        ({"maxlen": 2}, [[0, 1], [2, 3], [5, 6]]),
        ({"maxlen": 2, "truncating": "post", "value": 9}, [[9, 1], [2, 3], [4, 5]]),
        ({"maxlen": 0}, np.zeros((3, 0))),
    ],
)
def test_lists_become_rows(arguments, expected):
    rows = pad_sequences(LISTS, **arguments)
    assert rows.dtype == np.int32
    np.testing.assert_array_equal(rows, expected)


def test_items_may_be_vectors_and_rows_empty():
    rows = pad_sequences([[], [[1, 2]], [[3, 4], [5, 6]]], dtype="float32", value=-1.0)
    np.testing.assert_array_equal(rows, [[[-1, -1], [-1, -1]], [[-1, -1], [1, 2]], [[3, 4], [5, 6]]])
    assert pad_sequences([]).shape == (0, 0)


def test_strings_need_a_dtype_that_holds_them():
    rows = pad_sequences([["a"], ["b", "c"]], dtype=object, value="pad")
    assert rows.tolist() == [["pad", "a"], ["b", "c"]]
    with pytest.raises(ValueError, match="dtype=object"):
        pad_sequences([["a"]], value="pad")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sequences": [1, 2]}, "sequence 0 is 1"),
        ({"sequences": iter(LISTS)}, "pass a list of lists"),
        ({"sequences": [[[1, 2]], [[1]]]}, r"sequence 1 have shape \(1,\)"),
        ({"sequences": LISTS, "padding": "left"}, "padding is 'left'"),
        ({"sequences": LISTS, "truncating": "left"}, "truncating is 'left'"),
        ({"sequences": LISTS, "maxlen": -1}, "maxlen is -1"),
    ],
)
def test_what_cannot_be_padded_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        pad_sequences(**arguments)
