"""The weights of samples by the class of their target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pronghorn import config
from pronghorn.training.arrays import Array


def class_weights(y: Any, class_weight: Mapping[Any, float]) -> Array:
    """The weight of each row by the class of its target: the index of the largest entry, or the number.

    Classes that are not in `class_weight` weigh 1.

    Raises:
        ValueError: there are several targets, or a key that is no class.
    """
    if not isinstance(class_weight, Mapping):
        raise ValueError(
            f"class_weight: expected a dict of class number -> weight such as {{0: 1.0, 1: 5.0}}, got {class_weight!r}"
        )
    if not hasattr(y, "dtype"):
        raise ValueError(f"class_weight needs one target, got {type(y).__name__} of them; use sample_weight")
    labels = np.asarray(y)
    one_hot = labels.ndim > 1 and labels.shape[-1] != 1
    classes = labels.argmax(-1) if one_hot else np.rint(labels).astype(np.int64)
    known = f"0 to {labels.shape[-1] - 1}" if one_hot else "0, 1, …"
    weights: dict[int, float] = {}
    for key, weight in class_weight.items():
        try:
            number = int(key)
            weights[number] = float(weight)
        except (TypeError, ValueError):
            number = -1
        if number < 0 or (one_hot and number >= labels.shape[-1]):
            raise ValueError(
                f"class_weight: expected class number -> weight, got {key!r}: {weight!r}; classes are {known}"
            )
    found, positions = np.unique(classes.reshape(len(labels), -1)[:, 0], return_inverse=True)
    return np.array([weights.get(int(c), 1.0) for c in found], config.floatx())[positions.reshape(-1)]
