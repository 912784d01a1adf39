"""Fashion-MNIST is found on this machine where it can be, and asked for politely where it cannot."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from pronghorn.datasets import fashion_mnist
from pronghorn_datasets.idx import read_idx

SHAPES = {
    "train-images-idx3-ubyte": (5, 28, 28),
    "train-labels-idx1-ubyte": (5,),
    "t10k-images-idx3-ubyte": (3, 28, 28),
    "t10k-labels-idx1-ubyte": (3,),
}


def idx(shape: tuple[int, ...]) -> bytes:
    sizes = b"".join(size.to_bytes(4, "big") for size in shape)
    return bytes([0, 0, 8, len(shape)]) + sizes + bytes(k % 251 for k in range(int(np.prod(shape))))


@pytest.mark.parametrize("packed", [True, False])
def test_files_of_the_system_are_used_packed_or_not(tmp_path, monkeypatch, packed):
    for name, shape in SHAPES.items():
        path = tmp_path / (f"{name}.gz" if packed else name)
        path.write_bytes(gzip.compress(idx(shape)) if packed else idx(shape))
    monkeypatch.setattr(fashion_mnist, "SYSTEM_DIRECTORY", tmp_path)
    (x_train, y_train), (x_test, y_test) = fashion_mnist.load_data()
    assert [array.shape for array in (x_train, y_train, x_test, y_test)] == list(SHAPES.values())
    assert x_train.dtype == np.uint8 and x_train.flags.writeable
    assert x_test[0, 0, :4].tolist() == [0, 1, 2, 3]


def test_without_network_the_error_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(fashion_mnist, "SYSTEM_DIRECTORY", tmp_path / "nothing")
    monkeypatch.setattr(fashion_mnist, "MIRRORS", ("http://127.0.0.1:9/",))
    monkeypatch.setenv("PRONGHORN_HOME", str(tmp_path))
    where = tmp_path / "datasets" / "fashion-mnist" / "train-images-idx3-ubyte.gz"
    with pytest.raises(OSError, match="apt install dataset-fashion-mnist") as failure:
        fashion_mnist.load_data()
    assert str(where) in str(failure.value)


@pytest.mark.parametrize(
    ("content", "message"), [(b"PK\3\4", "no IDX file"), (idx((4,))[:-1], "cut off"), (b"", "no IDX file")]
)
def test_damaged_idx_files_are_named(tmp_path, content, message):
    path = tmp_path / "some-idx1-ubyte"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"{path.name}.*{message}"):
        read_idx(path)
