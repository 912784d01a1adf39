"""A data set in two parts."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np

from pronghorn import tree
from pronghorn_utils.batches import Batches, Indices


def split_dataset(
    dataset: Any,
    left_size: float | None = None,
    right_size: float | None = None,
    shuffle: bool = False,
    seed: int | None = None,
    preferred_backend: str | None = None,
) -> tuple[Batches, Batches]:
    """The samples of a data set in two parts, from its beginning and its end, such as training and test.

    Args:
        dataset: an array, a tuple or list or dict of arrays with one row for each sample, or anything with a
            length and items, such as a torch data set.
        left_size: the number (integer) or share (float) of samples in the left part; by default what the right
            one leaves.
        right_size: likewise of the right part.
        shuffle: whether the samples are mixed before.
        seed: of the shuffling.
        preferred_backend: only None.

    Returns:
        Two data sets of single samples, which know their length; samples of tuples and lists are tuples.

    Raises:
        ValueError: a size is out of its range, or both together are more than there is.
    """
    if preferred_backend is not None:
        raise NotImplementedError(
            f"split_dataset: preferred_backend={preferred_backend!r} is not supported; the parts hold NumPy arrays"
        )
    samples = _columns(dataset)
    total = len(tree.flatten(samples)[0])
    left, right = _sizes(left_size, right_size, total)
    order = list(range(total))
    if shuffle:
        random.Random(seed).shuffle(order)
    return _part(samples, order[:left]), _part(samples, order[total - right :])


def _columns(dataset: Any) -> Any:
    """The samples as arrays with one row for each, in a tuple or dict where a sample has parts."""
    if isinstance(dataset, (list, tuple, Mapping)):
        parts = list(dataset.values()) if isinstance(dataset, Mapping) else list(dataset)
        arrays = [np.asarray(part) for part in parts]
        if not arrays or any(array.ndim == 0 or len(array) != len(arrays[0]) for array in arrays):
            shapes = [array.shape for array in arrays]
            raise ValueError(f"split_dataset: the arrays have shapes {shapes}; pass arrays of equal length")
        return dict(zip(dataset, arrays, strict=True)) if isinstance(dataset, Mapping) else tuple(arrays)
    if hasattr(dataset, "__array__"):
        return np.asarray(dataset)
    if not (hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")):
        raise TypeError(
            f"split_dataset: dataset is a {type(dataset).__name__}; pass arrays, or an object with a length and items"
        )
    items = [dataset[i] for i in range(len(dataset))]
    if isinstance(items[0], (tuple, list)):
        return tuple(np.stack([np.asarray(item[k]) for item in items]) for k in range(len(items[0])))
    return np.stack([np.asarray(item) for item in items])


def _sizes(left: float | None, right: float | None, total: int) -> tuple[int, int]:
    counts = []
    for name, size in (("left_size", left), ("right_size", right)):
        if size is not None and (isinstance(size, bool) or not isinstance(size, (int, float, np.number))):
            raise TypeError(f"split_dataset: {name} is {size!r}; pass a number of samples or a share")
        share = isinstance(size, (float, np.floating))
        if size is not None and not 0 < size < (1 if share else total):
            wanted = "a share between 0 and 1" if share else f"a number from 1 to {total - 1}"
            raise ValueError(f"split_dataset: {name} is {size}; pass {wanted}")
        counts.append(None if size is None else round(size * total) if share else int(size))
    if left is None and right is None:
        raise ValueError("split_dataset: pass left_size, right_size or both")
    first = total - int(counts[1] or 0) if counts[0] is None else counts[0]
    second = total - first if counts[1] is None else counts[1]
    if first + second > total or not first or not second:
        raise ValueError(
            f"split_dataset: left_size={left} and right_size={right} make {first} and {second} samples of {total}; "
            f"pass sizes that leave both parts some"
        )
    return first, second


def _part(samples: Any, rows: list[int]) -> Batches:
    chosen = np.array(rows, np.intp)

    def read(indices: Indices) -> Any:
        return tree.map_structure(lambda array: array[chosen[indices]], samples)

    return Batches(read, len(rows), batch_size=None)
