"""Arrays as users pass them: conversion without copies, and the checks before a step sees them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from pronghorn import accelerator, plugins, tree
from pronghorn.tensor import Tensor, Variable

Array = np.ndarray[Any, Any]
Triple = tuple[Any, Any, Any]
ROLES = ("x", "y", "sample_weight")


def as_array(value: Any, name: str) -> Array:
    """Tensor, list, data frame or foreign tensor as a NumPy array, without copying where that is possible.

    A single string is one sample.

    Raises:
        ValueError: it is no array of numbers or strings, or has no rows to take batches from.
    """
    if isinstance(value, Tensor) and value.symbolic:
        raise ValueError(f"{name}: got the symbol {value}, which has no value; pass an array")
    if type(value) is np.ndarray:
        array = value
    elif isinstance(value, (Tensor, Variable)):
        array = accelerator.to_numpy(value.buffer)
    elif isinstance(value, (str, bytes)):
        array = np.array([value], object)
    elif hasattr(value, "to_numpy"):
        array = np.asarray(value.to_numpy())
        array = array[:, None] if array.ndim == 1 else array  # a pandas Series is one feature
    elif hasattr(value, "toarray"):
        raise NotImplementedError(f"{name}: sparse matrices are not supported; pass {name}.toarray()")
    else:
        try:
            array = np.asarray(value)
        except ValueError as error:
            raise ValueError(
                f"{name}: the rows of the list have different lengths; pad them to one ({error})"
            ) from None
    if array.dtype == object and array.size and not isinstance(array.flat[0], (str, bytes)):
        raise ValueError(f"{name}: expected numbers, got an array of {type(array.flat[0]).__name__} objects")
    if array.dtype.kind in "mM":
        raise ValueError(f"{name}: expected numbers, got {array.dtype}; convert it with {name}.astype('int64')")
    if array.ndim == 0:
        raise ValueError(f"{name}: expected an array with one row per sample, got the scalar {value!r}")
    return array


def _scalars(value: Any) -> bool:
    """Whether `value` is a nested list of numbers, which stands for one array."""
    while isinstance(value, (list, tuple)) and value:
        value = value[0]
    return isinstance(value, (bool, int, float, str, np.generic))


def in_file(value: Any) -> bool:
    """Whether `value` lives in a file and is read by rows (memory-mapped, h5py, zarr …)."""
    sliceable = all(hasattr(value, name) for name in ("shape", "dtype", "__getitem__", "__len__"))
    in_memory = ("__array_interface__", "__dlpack__", "to_numpy", "toarray", "numpy")
    return isinstance(value, np.memmap) or (sliceable and not any(hasattr(value, n) for n in in_memory))


def is_arrays(structure: Any) -> bool:
    """Whether `structure` holds arrays (and not a generator or data set)."""
    if structure is None or _scalars(structure):
        return True
    kinds = ("__array__", "__dlpack__", "to_numpy", "toarray")
    leaves = tree.flatten(structure)
    return bool(leaves) and all(
        leaf is None or _scalars(leaf) or in_file(leaf) or any(hasattr(leaf, kind) for kind in kinds) for leaf in leaves
    )


def _named(structure: Any, name: str) -> Iterator[tuple[str, Any]]:
    """The leaves of a structure with names such as "x[1]" or "y['age']"."""
    if isinstance(structure, Mapping):
        for key in structure:
            yield from _named(structure[key], f"{name}[{key!r}]")
    elif isinstance(structure, (list, tuple)):
        for i, item in enumerate(structure):
            yield from _named(item, f"{name}[{i}]")
    elif structure is not None:
        yield name, structure


def _convert(structure: Any, name: str, lazy: bool) -> Any:
    if structure is None:
        return None
    if _scalars(structure):
        return as_array(structure, name)
    if isinstance(structure, Mapping):
        return {key: _convert(item, f"{name}[{key!r}]", lazy) for key, item in structure.items()}
    if isinstance(structure, (list, tuple)):
        return type(structure)([_convert(item, f"{name}[{i}]", lazy) for i, item in enumerate(structure)])
    return structure if lazy and in_file(structure) else as_array(structure, name)


def as_arrays(x: Any, y: Any = None, sample_weight: Any = None, lazy: bool = False, batch: bool = False) -> Triple:
    """The three with arrays as leaves, of equal length; with `lazy`, what is in files stays there. In a `batch` that is
    nested, arrays may have lengths of their own: its model knows what for.
    """
    parts = zip((x, y, sample_weight), ROLES, strict=True)
    x, y, sample_weight = (_convert(part, role, lazy) for part, role in parts)
    if not (batch and any(map(tree.is_nested, (x, y, sample_weight)))):
        count_rows((x, y, sample_weight))
    return x, y, sample_weight


def count_rows(data: Triple) -> int:
    """The number of rows of the arrays of (x, y, sample_weight).

    Raises:
        ValueError: they differ, or there are none.
    """
    named = (pair for part, role in zip(data, ROLES, strict=True) for pair in _named(part, role))
    sizes = [(name, leaf.shape) for name, leaf in named]
    if not sizes:
        raise ValueError("x: expected an array, a generator or a data set, got None")
    first, shape = sizes[0]
    for name, other in sizes[1:]:
        if other[0] != shape[0]:
            raise ValueError(
                f"{first} has {shape[0]} rows and {name} has {other[0]} (shapes {shape} and {other}); "
                f"they need one row per sample each: pass arrays of equal length"
            )
    if shape[0] == 0:
        raise ValueError(f"{first} has no rows (shape {shape}); pass at least one sample")
    return int(shape[0])


def refuse_nan_labels(y: Any) -> None:
    """Raises ValueError where targets hold NaN, which would make every weight NaN in one step."""
    for name, leaf in _named(y, "y"):
        floats = type(leaf) is np.ndarray and leaf.dtype.kind == "f"
        if floats and np.isnan(np.sum(leaf)) and np.isnan(leaf).any():
            row = int(np.argwhere(np.isnan(leaf))[0][0])
            raise ValueError(
                f"{name} holds NaN, first in row {row}, which makes the loss NaN; drop or fill in these rows"
            )


def weighted(data: Triple, class_weight: Mapping[Any, float] | None) -> Triple:
    """The arrays with sample weights by class."""
    if class_weight is None:
        return data
    if data[2] is not None:
        raise ValueError("class_weight and sample_weight exclude each other; multiply them into one sample_weight")
    if data[1] is None:
        raise ValueError("class_weight needs targets, but y is None; pass y")
    return data[0], data[1], plugins.load("utils", "fit.class_weight")(data[1], class_weight)
