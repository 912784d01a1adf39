"""Values put, or added, at places that tensors name; segments of rows."""

# mypy: disable-error-code="has-type,no-any-return"
# (rules name ops that are defined further down; what a primitive returns is only known at run time)

from __future__ import annotations

from typing import Any

import numpy as np

from pronghorn import dtypes, ops
from pronghorn.op import composed, primitive
from pronghorn.ops.shape import as_sizes, known_value
from pronghorn.tensor import Tensor, constant, convert_to_tensor

Array = np.ndarray[Any, Any]

_REDUCTIONS: dict[str | None, Any] = {
    None: None,
    "add": np.add,
    "max": np.maximum,
    "min": np.minimum,
    "mul": np.multiply,
}


def _along(mask: Any, like: Any) -> Any:
    """A mask of rows, so that it broadcasts against rows."""
    return ops.reshape(mask, (*mask.shape, *(1,) * (len(like.shape) - 1)))


def _updated_gradient(g: Any, out: Any, x: Any, rows: Any, indices: Any, reduction: str | None) -> Any:
    taken = ops.gather(g, indices, axis=0)
    if reduction == "add":
        return g, taken, None
    if reduction is None:
        order = constant(np.arange(rows.shape[0]), "int32")
        last = updated(ops.full((x.shape[0],), -1, "int32"), order, indices, reduction=None)
        return (
            ops.where(_along(last < 0, x), g, 0),
            ops.where(_along(ops.equal(ops.gather(last, indices, axis=0), order), rows), taken, 0),
            None,
        )
    if reduction == "mul":
        others = updated(ops.ones_like(x), rows, indices, reduction="mul")
        return g * others, ops.gather(g * out, indices, axis=0) / rows, None
    kept = ops.cast(ops.equal(x, out), x.dtype)
    chosen = ops.cast(ops.equal(rows, ops.gather(out, indices, axis=0)), x.dtype)
    share = g / updated(kept, chosen, indices, reduction="add")
    return share * kept, chosen * ops.gather(share, indices, axis=0), None


@primitive(lambda x, rows, indices, reduction: x, _updated_gradient, name="scatter_update")
def updated(x: Array, rows: Array, indices: Array, reduction: str | None) -> Array:
    """`x` with rows[k] put at, or combined with, its row indices[k], in the order of k."""
    out = x.copy()
    if reduction is None:
        out[indices] = rows
    else:
        _REDUCTIONS[reduction].at(out, indices, rows)
    return out


def _flat_places(op: str, indices: Any, sizes: Any) -> tuple[Any, int]:
    """Places along the first axes, (…, depth), as numbers of rows of the flattened axes; and how many these are."""
    indices = convert_to_tensor(indices)
    if not dtypes.is_integer(indices.dtype) or not indices.shape:
        raise ValueError(
            f"{op}: `indices` must be integers (…, axes), got dtype {indices.dtype}, shape {indices.shape}"
        )
    depth: Any = indices.shape[-1]
    if depth > len(sizes):
        raise ValueError(f"{op}: `indices` name {depth} axes of a tensor that has {len(sizes)}")
    indices = ops.cast(indices, "int32")
    first = constant(np.asarray(sizes[:depth], np.int32), "int32")
    indices = ops.where(ops.less(indices, 0), ops.add(indices, first), indices)
    strides = [int(np.prod(sizes[i + 1 : depth], dtype=np.int64)) for i in range(depth)]
    places = ops.sum(ops.multiply(indices, constant(strides, "int32")), -1)
    return ops.ravel(places), int(np.prod(sizes[:depth], dtype=np.int64))


@composed
def scatter(indices: Any, values: Any, shape: Any) -> Any:
    """Zeros of `shape` with `values` added at `indices`, whose last axis goes along the first axes."""
    values, sizes = convert_to_tensor(values), as_sizes(shape, "scatter")
    places, count = _flat_places("scatter", indices, sizes)
    depth = convert_to_tensor(indices).shape[-1]
    rows = ops.reshape(values, (places.shape[0], *sizes[depth:]))
    return ops.reshape(ops.scatter_rows(rows, places, rows=count), sizes)


@composed
def scatter_update(inputs: Any, indices: Any, updates: Any, reduction: str | None = None) -> Any:
    """`inputs` with `updates` put at `indices`.

    Args:
        indices: (count, k): places along the first k axes of `inputs`.
        updates: (count, …) with the sizes of the other axes.
        reduction: None (the last update stays), "add", "max", "min" or "mul" with what is there.
    """
    x = convert_to_tensor(inputs)
    if reduction not in _REDUCTIONS:
        raise ValueError(
            f"scatter_update: unknown reduction {reduction!r}; expected None, 'add', 'max', 'min' or 'mul'"
        )
    places, count = _flat_places("scatter_update", indices, x.shape)
    depth: Any = convert_to_tensor(indices).shape[-1]
    rest = x.shape[depth:]
    updates = convert_to_tensor(updates, x.dtype)
    if updates.shape != (*convert_to_tensor(indices).shape[:-1], *rest):
        raise ValueError(
            f"scatter_update: `updates` of shape {updates.shape} do not fit `indices` of shape "
            f"{convert_to_tensor(indices).shape} into `inputs` of shape {x.shape}"
        )
    rows = ops.reshape(updates, (places.shape[0], *rest))
    return ops.reshape(updated(ops.reshape(x, (count, *rest)), rows, places, reduction=reduction), x.shape)


# ------------------------------------------------------------------------------ segments


def _segments(op: str, data: Any, segment_ids: Any, num_segments: int | None) -> tuple[Any, Any, int]:
    """The rows, the segment of each (the one after the last for ids that are none), and how many there are."""
    data, ids = convert_to_tensor(data), convert_to_tensor(segment_ids, "int32")
    if len(ids.shape) != 1 or not data.shape or ids.shape[0] != data.shape[0]:
        raise ValueError(
            f"{op}: `segment_ids` must be a vector with an id for each row of `data`, got the shapes {ids.shape} and "
            f"{data.shape}"
        )
    if num_segments is None:
        known = known_value(ids, op, "the argument `num_segments`")
        num_segments = int(np.max(known, initial=-1)) + 1
    outside = ops.logical_or(ids < 0, ids >= num_segments)
    return data, ops.where(outside, num_segments, ids), num_segments


@composed
def segment_sum(data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False) -> Any:
    """Sums of the rows of `data` with the same id. `sorted` promises what no algorithm here needs."""
    data, ids, count = _segments("segment_sum", data, segment_ids, num_segments)
    return ops.scatter_rows(data, ids, rows=count + 1)[:count]


def _reduced(op: str, data: Any, segment_ids: Any, count: int | None, reduction: str, start: Any) -> Any:
    data, ids, count = _segments(op, data, segment_ids, count)
    empty = ops.full((count + 1, *data.shape[1:]), start(data), data.dtype)
    return updated(empty, data, ids, reduction=reduction)[:count]


def _limit(x: Tensor, least: bool) -> Any:
    if dtypes.is_float(x.dtype):
        return -np.inf if least else np.inf
    if x.dtype == "bool":
        return not least
    info = np.iinfo(x.dtype)
    return int(info.min if least else info.max)


@composed
def segment_max(data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False) -> Any:
    """Largest values of the rows of `data` with the same id, -inf (or the least integer) without any.

    `sorted` promises what no algorithm here needs.
    """
    return _reduced("segment_max", data, segment_ids, num_segments, "max", lambda x: _limit(x, True))


@composed
def segment_min(data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False) -> Any:
    """Smallest values of the rows of `data` with the same id, inf (or the largest integer) without any.

    `sorted` promises what no algorithm here needs.
    """
    return _reduced("segment_min", data, segment_ids, num_segments, "min", lambda x: _limit(x, False))


@composed
def segment_prod(data: Any, segment_ids: Any, num_segments: int | None = None, sorted: bool = False) -> Any:
    """Products of the rows of `data` with the same id, 1 without any. `sorted` promises what no algorithm needs."""
    return _reduced("segment_prod", data, segment_ids, num_segments, "mul", lambda x: 1)
