"""CIFAR-10: 60,000 colour pictures of animals and vehicles in ten classes. Krizhevsky 2009."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pronghorn_datasets.cifar import SITE, read_batches
from pronghorn_datasets.download import fetch

Arrays = tuple[NDArray[np.uint8], NDArray[np.uint8]]

ADDRESS = f"{SITE}cifar-10-python.tar.gz"
HASH = "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def load_data() -> tuple[Arrays, Arrays]:
    """The training and the test set: `(x_train, y_train), (x_test, y_test)`.

    Images are uint8 of shape (50000, 32, 32, 3) and (10000, 32, 32, 3), channels first where that is configured;
    labels uint8 of shape (n, 1), 0 to 9, named by `CLASSES`. The file (170 MB) is downloaded the first time.

    Raises:
        OSError: the file is not on this machine and could not be downloaded; it says where to put it.
        ValueError: a file is damaged.
    """
    folder = fetch("cifar-10-batches-py-target", [ADDRESS], HASH, extract=True) / "cifar-10-batches-py"
    x_train, y_train = read_batches([folder / f"data_batch_{i}" for i in range(1, 6)], "labels")
    x_test, y_test = read_batches([folder / "test_batch"], "labels")
    return (x_train, y_train.astype(np.uint8)), (x_test, y_test.astype(np.uint8))
