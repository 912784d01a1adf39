"""CIFAR-100: 60,000 colour pictures in 100 classes, which make 20 coarse ones. Krizhevsky 2009."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pronghorn_datasets.cifar import SITE, read_batches
from pronghorn_datasets.download import fetch

Arrays = tuple[NDArray[np.uint8], NDArray[Any]]

ADDRESS = f"{SITE}cifar-100-python.tar.gz"
HASH = "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7"


def load_data(label_mode: str = "fine") -> tuple[Arrays, Arrays]:
    """The training and the test set: `(x_train, y_train), (x_test, y_test)`.

    Images are uint8 of shape (50000, 32, 32, 3) and (10000, 32, 32, 3), channels first where that is configured;
    labels int64 of shape (n, 1). The file (169 MB) is downloaded the first time.

    Args:
        label_mode: "fine" for the 100 classes, "coarse" for the 20.

    Raises:
        OSError: the file is not on this machine and could not be downloaded; it says where to put it.
        ValueError: `label_mode` is something else, or a file is damaged.
    """
    if label_mode not in ("fine", "coarse"):
        raise ValueError(f"cifar100.load_data: label_mode is {label_mode!r}; pass 'fine' or 'coarse'")
    folder = fetch("cifar-100-python-target", [ADDRESS], HASH, extract=True) / "cifar-100-python"
    return read_batches([folder / "train"], f"{label_mode}_labels"), read_batches(
        [folder / "test"], f"{label_mode}_labels"
    )
