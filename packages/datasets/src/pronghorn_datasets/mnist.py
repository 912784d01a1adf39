"""MNIST: 70,000 handwritten digits, inside this distribution (source and licence: `data/SOURCES.md`)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pronghorn_datasets.download import local_file
from pronghorn_datasets.packing import unpack
from pronghorn_datasets.pickles import read_npz

Arrays = tuple[NDArray[np.uint8], NDArray[np.uint8]]

_DEFAULT = "mnist.npz"


def load_data(path: str = _DEFAULT) -> tuple[Arrays, Arrays]:
    """The training and the test set: `(x_train, y_train), (x_test, y_test)`.

    Images are uint8 of shape (60000, 28, 28) and (10000, 28, 28), 0 the background and 255 the ink; labels
    are uint8, 0 to 9. By default they come from inside this distribution: nothing is downloaded or written.

    Args:
        path: another .npz file with these four arrays: absolute, or below the data set directory.

    Raises:
        FileNotFoundError: `path` is given and there is no such file.
        ValueError: that file is damaged.
    """
    if path != _DEFAULT:
        file = read_npz(local_file(path))
        return (file["x_train"], file["y_train"]), (file["x_test"], file["y_test"])
    images, labels = unpack(Path(__file__).with_name("data").joinpath("mnist.packed").read_bytes())
    return (images[:60000], labels[:60000]), (images[60000:], labels[60000:])
