"""CIFAR: small archives in the real format, from a server."""

from __future__ import annotations

import hashlib
import io
import pickle
import tarfile

import numpy as np
import pytest

from pronghorn import config
from pronghorn.datasets import cifar10, cifar100
from pronghorn_datasets.pickles import read_pickle

LABELS = [3, 1]
IMAGES = np.arange(2 * 3072, dtype=np.uint8).reshape(2, 3072)


def lines(*parts: object) -> bytes:
    return "".join(f"{part}\n" for part in parts).encode("ascii")


def python_2_array(array: np.ndarray) -> bytes:
    """The pickle of an array of bytes as Python 2 wrote it, which is how CIFAR's are."""
    content = "".join(f"\\x{byte:02x}" for byte in array.tobytes())
    empty = lines("cnumpy.core.multiarray", "_reconstruct", "(cnumpy", "ndarray", "(I0", "tS'b'", "tR(I1")
    shape = lines("(I" + "\nI".join(map(str, array.shape)))
    dtype = lines("tcnumpy", "dtype", "(S'u1'", "I0", "I1", "tR(I3", "S'|'", "NNNI-1", "I-1", "I0")
    return empty + shape + dtype + lines("tbI00", f"S'{content}'") + b"tb"


def batch(**labels: list[int]) -> bytes:
    """A pickled dict of pictures and labels."""
    items = b"".join(
        lines(f"S'{key}'", "(" + "".join(f"I{label}\n" for label in value) + "ls")[:-1] for key, value in labels.items()
    )
    return lines("(dS'data'") + python_2_array(IMAGES) + b"s" + items + b"."


def serve(monkeypatch, site, module, files: dict[str, bytes]) -> None:
    folder, address = site
    with tarfile.open(folder / "cifar.tar.gz", "w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    monkeypatch.setattr(module, "ADDRESS", f"{address}cifar.tar.gz")
    monkeypatch.setattr(module, "HASH", hashlib.sha256((folder / "cifar.tar.gz").read_bytes()).hexdigest())


@pytest.fixture
def ten(monkeypatch, site):
    names = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
    serve(monkeypatch, site, cifar10, {f"cifar-10-batches-py/{name}": batch(labels=LABELS) for name in names})


def test_the_pickles_made_here_are_those_of_python_2():
    found = pickle.loads(batch(labels=LABELS), encoding="bytes")
    np.testing.assert_array_equal(found[b"data"], IMAGES)
    assert found[b"labels"] == LABELS


def test_batches_become_pictures_and_labels(ten):
    (x_train, y_train), (x_test, y_test) = cifar10.load_data()
    assert (x_train.shape, x_test.shape, y_train.shape) == ((10, 32, 32, 3), (2, 32, 32, 3), (10, 1))
    assert {array.dtype for array in (x_train, y_train, x_test, y_test)} == {np.dtype("uint8")}
    assert y_test.tolist() == [[3], [1]]
    np.testing.assert_array_equal(x_test, IMAGES.reshape(2, 3, 32, 32).transpose(0, 2, 3, 1))
    assert x_train.flags.writeable


def test_channels_come_first_where_that_is_configured(ten, monkeypatch):
    monkeypatch.setattr(config, "_image_data_format", "channels_first")
    np.testing.assert_array_equal(cifar10.load_data()[1][0], IMAGES.reshape(2, 3, 32, 32))


@pytest.mark.parametrize(("mode", "expected"), [("fine", [[30], [99]]), ("coarse", [[4], [19]])])
def test_labels_of_cifar100_are_fine_or_coarse(monkeypatch, site, mode, expected):
    content = batch(fine_labels=[30, 99], coarse_labels=[4, 19])
    serve(monkeypatch, site, cifar100, {f"cifar-100-python/{part}": content for part in ("train", "test")})
    (x_train, y_train), (_, y_test) = cifar100.load_data(mode)
    assert x_train.shape == (2, 32, 32, 3)
    assert y_train.tolist() == y_test.tolist() == expected
    with pytest.raises(ValueError, match="label_mode"):
        cifar100.load_data("rough")


@pytest.mark.parametrize(
    "content",
    [b"cos\nsystem\n(S'echo executed'\ntR.", b"cnumpy\nload\n(S'x'\ntR.", batch(labels=LABELS)[:-50], b"", b"I1\n."],
)
def test_other_pickles_are_refused(content):
    with pytest.raises(ValueError, match="data_batch_1"):
        read_pickle(io.BytesIO(content), "data_batch_1")


def test_a_batch_of_something_else_is_named(monkeypatch, site):
    content = batch(other=[1])
    serve(monkeypatch, site, cifar100, {f"cifar-100-python/{part}": content for part in ("train", "test")})
    with pytest.raises(ValueError, match="fine_labels"):
        cifar100.load_data()
