"""Labels as one-hot rows, vectors of length one: small things done to arrays before training."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pronghorn import ops
from pronghorn.tensor import Tensor


def to_categorical(x: ArrayLike | Tensor, num_classes: int | None = None) -> NDArray[np.float64] | Tensor:
    """Class numbers as one-hot vectors: (...) or (..., 1) becomes (..., num_classes), float64 as in Keras.

    Args:
        x: class numbers from 0 to num_classes - 1, of an integer dtype or of whole numbers. A tensor gives a
            tensor of dtype floatx, by `ops.one_hot`.
        num_classes: by default the largest number in `x`, plus 1; a tensor needs it given.

    Raises:
        ValueError: a number is no class: negative, not whole, or not below `num_classes`.
    """
    if isinstance(x, Tensor):
        if num_classes is None:
            raise ValueError("to_categorical: x is a tensor; pass num_classes, which its shape does not tell")
        return ops.one_hot(ops.squeeze(x, -1) if len(x.shape) > 1 and x.shape[-1] == 1 else x, num_classes)  # type: ignore[no-any-return]
    given = np.asarray(x)
    with np.errstate(invalid="ignore"):  # NaN is refused below
        labels = given.astype(np.int64)
    if not np.array_equal(labels, given):
        wrong = given[labels != given].flat[0]
        raise ValueError(f"to_categorical: x holds {wrong}; class numbers must be whole, from 0 upwards")
    if labels.ndim > 1 and labels.shape[-1] == 1:
        labels = labels[..., 0]
    if num_classes is None:
        if labels.size == 0:
            raise ValueError("to_categorical: x is empty; pass num_classes, which cannot be seen from it")
        num_classes = int(labels.max()) + 1
    classes = int(num_classes)
    if classes != num_classes or classes < 0:
        raise ValueError(f"to_categorical: num_classes is {num_classes!r}; pass a whole number of classes")
    if labels.size and not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(
            f"to_categorical: x holds numbers from {labels.min()} to {labels.max()}, but there are {classes} "
            f"classes, 0 to {classes - 1}; pass a larger num_classes, or number the classes from 0"
        )
    one_hot = np.zeros((labels.size, classes))
    one_hot[np.arange(labels.size), labels.ravel()] = 1
    return one_hot.reshape(*labels.shape, classes)


def normalize(x: ArrayLike | Tensor, axis: int = -1, order: float = 2) -> NDArray[Any] | Tensor:
    """`x` divided by its norm along `axis`, so that each vector has length 1; a vector of zeros stays zero.

    Args:
        x: numbers of any shape; integers give float64. A tensor gives a tensor, by `ops.normalize`.
        axis: the axis the norm is taken along.
        order: of the norm: 1 (sum of magnitudes), 2 (Euclidean), infinity (largest magnitude), or another p.
    """
    if isinstance(x, Tensor):
        unit: Tensor = ops.normalize(x, axis=axis, order=order)
        return unit
    array = np.atleast_1d(np.asarray(x))
    norm = np.linalg.norm(array, ord=order, axis=axis, keepdims=True)
    return np.asarray(array / np.where(norm == 0, 1, norm))
