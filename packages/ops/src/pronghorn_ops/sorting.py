"""Order: sorting, the largest, and where they are."""

# mypy: disable-error-code="has-type,no-any-return"
# (rules name ops that are defined further down; what a primitive returns is only known at run time)

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pronghorn import ops
from pronghorn.graph import Spec
from pronghorn.op import Op, composed, primitive
from pronghorn.ops.axes import canonical_axis
from pronghorn.ops.reduction import reduction
from pronghorn.ops.shape import count_from_start, slice_axis
from pronghorn.tensor import Tensor, constant, convert_to_tensor

Array = np.ndarray[Any, Any]


def _index(name: str, function: Any) -> Op:
    """The index of the first extreme element along one axis; NaN is the most extreme."""

    def reference(x: Array, axis: tuple[int], keepdims: bool) -> Array:
        return np.asarray(function(x, axis=axis[0], keepdims=keepdims), dtype=np.int32)

    return reduction(name, reference, dtype="int32")


index_of_max = _index("argmax", np.argmax)
index_of_min = _index("argmin", np.argmin)


@primitive(lambda x, axis, descending: Spec(x.shape, "int32"), name="argsort")
def sorting_indices(x: Array, axis: int, descending: bool) -> Array:
    """Indices that sort along `axis`; equal elements keep their order, NaN counts as largest."""
    if not descending:
        return np.argsort(x, axis=axis, kind="stable").astype(np.int32)
    flipped = np.argsort(np.flip(x, axis), axis=axis, kind="stable")
    return np.ascontiguousarray(x.shape[axis] - 1 - np.flip(flipped, axis), dtype=np.int32)


@composed
def argmax(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Index (int32) of the first largest element along `axis`, or in the flattened tensor."""
    return _arg(index_of_max, "argmax", x, axis, keepdims)


@composed
def argmin(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Index (int32) of the first smallest element along `axis`, or in the flattened tensor."""
    return _arg(index_of_min, "argmin", x, axis, keepdims)


def _arg(op: Op, name: str, x: Any, axis: Any, keepdims: bool) -> Tensor:
    x = convert_to_tensor(x)
    place = None if axis is None else canonical_axis(axis, len(x.shape), name)
    if not (x.size if place is None else x.shape[place]):
        raise ValueError(f"{name}: no element to choose along axis {axis} of shape {x.shape}")
    if place is None:
        index = op(ops.reshape(x, (-1,)), axis=(0,), keepdims=False)
        return ops.reshape(index, (1,) * len(x.shape)) if keepdims else index
    return op(x, axis=(place,), keepdims=bool(keepdims))


@composed
def argsort(x: Any, axis: int | None = -1) -> Tensor:
    """Indices (int32) that sort along `axis` (the flattened tensor, for None), stably; a number counts as a vector."""
    x = convert_to_tensor(x)
    if axis is None or not x.shape:
        x, axis = ops.ravel(x), -1
    return sorting_indices(x, axis=canonical_axis(axis, len(x.shape), "argsort"), descending=False)


@composed
def sort(x: Any, axis: int | None = -1) -> Tensor:
    """Elements in ascending order along `axis`, NaN last."""
    x = convert_to_tensor(x)
    if axis is None:
        x, axis = ops.ravel(x), -1
    axis = canonical_axis(axis, len(x.shape), "sort")
    return take_along_axis(x, argsort(x, axis), axis)


@composed
def top_k(x: Any, k: int, sorted: bool = True) -> tuple[Tensor, Tensor]:
    """The `k` largest elements of the last axis, in descending order, and their indices (int32)."""
    x = convert_to_tensor(x)
    if not 0 <= k <= x.shape[-1]:
        raise ValueError(f"top_k: argument `k` is {k}, but the last axis of shape {x.shape} has {x.shape[-1]} elements")
    order = sorting_indices(x, axis=len(x.shape) - 1, descending=True)
    indices = slice_axis(order, -1, 0, k)
    return take_along_axis(x, indices, -1), indices


@composed
def take_along_axis(x: Any, indices: Any, axis: int | None = None) -> Tensor:
    """x[..., indices[..., i, ...], ...]: one index for each place; the other axes broadcast.

    Negative indices count from the end of the axis. An index beyond it raises IndexError where values are at hand; in a
    compiled program it becomes the nearest.
    """
    x, places = convert_to_tensor(x), convert_to_tensor(indices)
    if axis is None:
        return ops.take(ops.ravel(x), ops.ravel(places), 0)
    rank = len(x.shape)
    axis = canonical_axis(axis, rank, "take_along_axis")
    if len(places.shape) != rank:
        raise ValueError(
            f"take_along_axis: `indices` of shape {places.shape} must have the rank of `x` of shape {x.shape}"
        )
    others = np.broadcast_shapes(*(tuple(1 if i == axis else n for i, n in enumerate(t.shape)) for t in (x, places)))
    x = ops.broadcast_to(x, [x.shape[axis] if i == axis else n for i, n in enumerate(others)])
    places = ops.broadcast_to(places, [places.shape[axis] if i == axis else n for i, n in enumerate(others)])
    n: int = x.shape[axis]
    rows = ops.moveaxis(x, axis, -1)
    columns = ops.moveaxis(places, axis, -1)
    columns = count_from_start(columns, n)
    first = constant(np.arange(math.prod(rows.shape[:-1])).reshape(*columns.shape[:-1], 1) * n, columns.dtype)  # type: ignore[arg-type]
    return ops.moveaxis(ops.gather(ops.ravel(rows), ops.add(columns, first), axis=0), -1, axis)
