"""Tables of numbers, cut into a training and a test set as Keras does it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = tuple[NDArray[Any], NDArray[Any]]


def split(x: NDArray[Any], y: NDArray[Any], test_split: float, seed: int) -> tuple[Arrays, Arrays]:
    """Rows of x and y, shuffled by `seed`: `(x_train, y_train), (x_test, y_test)`."""
    order = np.arange(len(x))
    np.random.RandomState(seed).shuffle(order)
    x, y = x[order], y[order]
    train = int(len(x) * (1 - test_split))
    return (x[:train], y[:train]), (x[train:], y[train:])
