"""The digits inside the distribution are the real ones, bit for bit."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from pronghorn.datasets import mnist
from pronghorn_datasets.packing import pack, unpack

IDX_SHA256 = {
    "x_train": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "y_train": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "x_test": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "y_test": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
"""Of the files that the authors published, in the IDX format."""


def as_idx(array: np.ndarray) -> bytes:
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


def test_data_are_those_the_authors_published():
    (x_train, y_train), (x_test, y_test) = mnist.load_data()
    found = {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}
    assert {name: hashlib.sha256(as_idx(array)).hexdigest() for name, array in found.items()} == IDX_SHA256


def test_shapes_and_dtypes_are_those_of_keras():
    (x_train, y_train), (x_test, y_test) = mnist.load_data("mnist.npz")
    assert (x_train.shape, y_train.shape) == ((60000, 28, 28), (60000,))
    assert (x_test.shape, y_test.shape) == ((10000, 28, 28), (10000,))
    assert {array.dtype for array in (x_train, y_train, x_test, y_test)} == {np.dtype("uint8")}


def test_arrays_belong_to_the_caller():
    (images, labels), _ = mnist.load_data()
    images[0] = 7
    labels[0] = 11
    (again, labels_again), _ = mnist.load_data()
    assert again[0].max() == 255
    assert labels_again[0] == 5


def test_another_file_is_read_from_its_path_or_from_the_data_set_directory(tmp_path, monkeypatch):
    arrays = {name: np.full(3, value) for value, name in enumerate(IDX_SHA256)}
    (tmp_path / "datasets").mkdir()
    np.savez(tmp_path / "datasets" / "mine.npz", **arrays)
    monkeypatch.setenv("PRONGHORN_HOME", str(tmp_path))
    for path in ("mine.npz", str(tmp_path / "datasets" / "mine.npz")):
        (x_train, _), (_, y_test) = mnist.load_data(path)
        assert (x_train == arrays["x_train"]).all() and (y_test == arrays["y_test"]).all()
    with pytest.raises(FileNotFoundError, match="other.npz"):
        mnist.load_data("other.npz")


@pytest.mark.parametrize("count", [0, 1, 5, 40])
def test_packing_loses_nothing(count):
    random = np.random.default_rng(count)
    images = random.integers(0, 256, (count, 6, 5), np.uint8) * random.integers(0, 2, (count, 6, 5), np.uint8)
    labels = random.integers(0, 10, count, np.uint8)
    unpacked_images, unpacked_labels = unpack(pack(images, labels))
    np.testing.assert_array_equal(unpacked_images, images)
    np.testing.assert_array_equal(unpacked_labels, labels)
