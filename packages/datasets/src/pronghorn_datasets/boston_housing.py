"""Boston housing: 506 prices of 1970, inside this distribution (see `data/SOURCES.md`, and its caution)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pronghorn_datasets.download import local_file
from pronghorn_datasets.pickles import read_npz
from pronghorn_datasets.tables import split

Arrays = tuple[NDArray[np.float64], NDArray[np.float64]]

_DEFAULT = "boston_housing.npz"


def load_data(path: str = _DEFAULT, test_split: float = 0.2, seed: int = 113) -> tuple[Arrays, Arrays]:
    """The training and the test set: `(x_train, y_train), (x_test, y_test)`, shuffled as Keras shuffles them.

    The 13 features are float64 of shape (n, 13), the prices in thousands of dollars float64 of shape (n,).

    Args:
        path: another .npz file with arrays `x` and `y`: absolute, or below the data set directory.
        test_split: the share of the rows that become the test set, from 0 up to but not including 1.
        seed: of the shuffle.

    Raises:
        ValueError: `test_split` is outside of its range, or the file is damaged.
        FileNotFoundError: `path` is given and there is no such file.
    """
    if not 0 <= test_split < 1:
        raise ValueError(f"boston_housing.load_data: test_split is {test_split}; pass a share in [0, 1)")
    file = Path(__file__).with_name("data") / _DEFAULT if path == _DEFAULT else local_file(path)
    arrays = read_npz(file)
    return split(arrays["x"], arrays["y"], test_split, seed)
