"""California housing: a small file in the real format, from a server."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from pronghorn.datasets import california_housing


@pytest.fixture(autouse=True)
def file(monkeypatch, site):
    folder, address = site
    np.savez(folder / "housing.npz", x=np.arange(700 * 8.0).reshape(700, 8), y=np.arange(700.0))
    digits = hashlib.sha256((folder / "housing.npz").read_bytes()).hexdigest()
    monkeypatch.setattr(california_housing, "ADDRESS", f"{address}housing.npz")
    monkeypatch.setattr(california_housing, "HASH", digits)


def test_rows_are_shuffled_together_and_cut():
    (x_train, y_train), (x_test, y_test) = california_housing.load_data()
    assert (x_train.shape, y_test.shape) == ((560, 8), (140,))
    np.testing.assert_array_equal(x_train[:, 0], y_train * 8)
    order = np.arange(700)
    np.random.RandomState(113).shuffle(order)
    np.testing.assert_array_equal(np.concatenate([y_train, y_test]), order)


def test_the_small_version_has_the_first_600_rows():
    (x_train, y_train), (_, y_test) = california_housing.load_data("small", test_split=0.5)
    assert len(x_train) == 300
    assert max(y_train.max(), y_test.max()) == 599


@pytest.mark.parametrize("arguments", [{"version": "tiny"}, {"test_split": 1.0}])
def test_wrong_arguments_are_named(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        california_housing.load_data(**arguments)
