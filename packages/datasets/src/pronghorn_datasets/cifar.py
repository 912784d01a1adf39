"""The batches of CIFAR-10 and CIFAR-100: 32x32 colour pictures in pickled dicts.

Krizhevsky: Learning multiple layers of features from tiny images. 2009.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pronghorn.config import image_data_format
from pronghorn_datasets.pickles import read_pickle

Bytes = NDArray[np.uint8]

SITE = "https://www.cs.toronto.edu/~kriz/"


def read_batches(paths: Sequence[Path], label_key: str) -> tuple[Bytes, NDArray[np.int64]]:
    """Images (uint8, (n, 32, 32, 3), or (n, 3, 32, 32) where `channels_first` is configured) and labels (n, 1).

    Raises:
        ValueError: a file is damaged, or no batch of CIFAR.
    """
    images, labels = [], []
    for path in paths:
        with path.open("rb") as file:
            batch = read_pickle(file, str(path))
        rows, numbers = batch.get(b"data"), batch.get(label_key.encode())
        if getattr(rows, "dtype", None) != np.uint8 or rows.shape[1:] != (3072,) or len(numbers or ()) != len(rows):
            raise ValueError(f"{path} has no pictures and {label_key} of CIFAR; delete its folder and load again")
        images.append(rows.reshape(-1, 3, 32, 32))
        labels.append(np.asarray(numbers, np.int64))
    x = np.concatenate(images)
    if image_data_format() == "channels_last":
        x = np.ascontiguousarray(x.transpose(0, 2, 3, 1))
    return x, np.concatenate(labels)[:, None]
