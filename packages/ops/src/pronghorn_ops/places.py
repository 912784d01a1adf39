"""Cutting, padding, and blocks at places that tensors name."""

# mypy: disable-error-code="has-type,no-any-return"
# (rules name ops that are defined further down; what a primitive returns is only known at run time)

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from pronghorn import ops
from pronghorn.graph import Spec
from pronghorn.op import Composed, composed, primitive
from pronghorn.ops.axes import canonical_axis
from pronghorn.ops.shape import as_sizes, pad_with, slice_axis
from pronghorn.tensor import Tensor, convert_to_tensor

Array = np.ndarray[Any, Any]
Ints = tuple[int, ...]

# ------------------------------------------------------------------------------ cutting and padding


@composed
def take(x: Any, indices: Any, axis: int | None = None) -> Tensor:
    """Elements at `indices` along `axis` (of the flattened tensor, for None); negative ones from the end.

    An index beyond the axis raises IndexError where values are at hand; in a compiled program it becomes the nearest.
    """
    x, places = convert_to_tensor(x), convert_to_tensor(indices)
    if axis is None:
        x, axis = ops.ravel(x), 0
    return ops.gather(x, places, axis=canonical_axis(axis, len(x.shape), "take"))


@composed
def swapaxes(x: Any, axis1: int, axis2: int) -> Tensor:
    """Two axes exchanged."""
    x = convert_to_tensor(x)
    order = list(range(len(x.shape)))
    first, second = (canonical_axis(a, len(order), "swapaxes") for a in (axis1, axis2))
    order[first], order[second] = order[second], order[first]
    return ops.transpose(x, order)


@composed
def split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Tensor]:
    """`x` cut along `axis` into equal sections, or before each of the given indices."""
    x = convert_to_tensor(x)
    axis = canonical_axis(axis, len(x.shape), "split")
    n: int = x.shape[axis]
    if isinstance(indices_or_sections, int):
        if indices_or_sections < 1 or n % indices_or_sections:
            raise ValueError(f"split: axis {axis} of size {n} cannot be cut into {indices_or_sections} equal sections")
        width = n // indices_or_sections
        cuts = list(range(0, n + 1, width)) if width else [0] * (indices_or_sections + 1)
    else:
        places = as_sizes(indices_or_sections, "split")
        cuts = [0, *(range(n + 1)[min(i, n)] for i in places), n]
    return [slice_axis(x, axis, a, max(a, b)) for a, b in zip(cuts[:-1], cuts[1:], strict=True)]


class _Unstack(Composed):
    """The number of results must be known, though the axis need not be."""

    def compute_output_spec(self, x: Any, num: int | None = None, axis: int = 0) -> Any:
        axis = canonical_axis(axis, len(x.shape), "unstack")
        count = x.shape[axis] if num is None else num
        if count is None:
            raise ValueError(
                f"unstack: axis {axis} of shape {x.shape} is unknown; say with `num` how many slices it has"
            )
        return [Spec(x.shape[:axis] + x.shape[axis + 1 :], x.dtype) for _ in range(count)]


@_Unstack
def unstack(x: Any, num: int | None = None, axis: int = 0) -> list[Tensor]:
    """The slices along `axis`, without it."""
    x = convert_to_tensor(x)
    axis = canonical_axis(axis, len(x.shape), "unstack")
    count = x.shape[axis]
    if num is not None and num != count:
        raise ValueError(f"unstack: argument `num` is {num}, but axis {axis} of shape {x.shape} has size {count}")
    return [ops.squeeze(slice_axis(x, axis, i, i + 1), axis) for i in range(count)]


@composed
def pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: Any = None) -> Tensor:
    """`x` with `pad_width` ((before, after) for each axis, or for all) more elements around it.

    Args:
        mode: "constant", "reflect" (without the edge), "symmetric" (with it) or "edge".
        constant_values: a number, 0 by default; for "constant" only.
    """
    x = convert_to_tensor(x)
    widths = _pad_widths(pad_width, len(x.shape))
    if mode == "constant":
        low, high = (tuple(w[k] for w in widths) for k in (0, 1))
        value = 0 if constant_values is None else np.asarray(constant_values).item()
        return pad_with(x, low=low, high=high, interior=(0,) * len(widths), value=value)
    if constant_values is not None:
        raise ValueError(f"pad: `constant_values` goes with mode 'constant' only, got mode {mode!r}")
    if mode not in ("reflect", "symmetric", "edge"):
        raise ValueError(f"pad: unknown mode {mode!r}; expected 'constant', 'reflect', 'symmetric' or 'edge'")
    for axis, (before, after) in enumerate(widths):
        if before or after:
            places: Any = np.pad(np.arange(x.shape[axis]), (before, after), mode=mode)  # type: ignore[call-overload]
            x = take(x, places.astype(np.int32), axis)
    return x


def _pad_widths(pad_width: Any, rank: int) -> list[tuple[int, int]]:
    pairs = np.broadcast_to(np.asarray(pad_width), (rank, 2)).tolist()
    if any(n < 0 for pair in pairs for n in pair):
        raise ValueError(f"pad: argument `pad_width` must not be negative, got {pad_width}")
    return [(int(a), int(b)) for a, b in pairs]


# ------------------------------------------------------------------------------ blocks


def _clamped(x: Array, start: Array, size: Ints) -> tuple[builtins.slice, ...]:
    starts = [min(max(int(a), 0), n - m) for a, n, m in zip(start, x.shape, size, strict=True)]
    return tuple(builtins.slice(a, a + m) for a, m in zip(starts, size, strict=True))


@primitive(
    lambda x, start, size: Spec(size, x.dtype),
    lambda g, out, x, start, size: (dynamic_update_slice(ops.zeros_like(x), g, start), None),
)
def dynamic_slice(x: Array, start: Array, size: Ints) -> Array:
    """The block of shape `size` at `start` (int vector), moved inside where it would stick out."""
    return np.array(x[_clamped(x, start, size)], order="C", copy=True)


def _update_gradient(g: Any, out: Any, x: Any, update: Any, start: Any) -> tuple[Any, Any, None]:
    return (
        dynamic_update_slice(g, ops.zeros_like(update), start),
        dynamic_slice(g, start, size=update.shape),
        None,
    )


@primitive(lambda x, update, start: Spec(x.shape, x.dtype), _update_gradient)
def dynamic_update_slice(x: Array, update: Array, start: Array) -> Array:
    """`x` with the block at `start` (int vector) replaced by `update`."""
    out = x.copy()
    out[_clamped(x, start, update.shape)] = update
    return out


def _index_vector(start: Any) -> Tensor:
    return ops.cast(convert_to_tensor(start), "int32")


@composed
def slice(inputs: Any, start_indices: Any, shape: Any) -> Tensor:
    """The block of `shape` at `start_indices` (which may be tensors); -1 takes the rest of the axis."""
    x = convert_to_tensor(inputs)
    sizes = as_sizes(shape, "slice")
    if -1 in sizes:
        starts = as_sizes(start_indices, "slice")
        sizes = tuple(n - a if m == -1 else m for n, a, m in zip(x.shape, starts, sizes, strict=True))  # type: ignore[operator]
    if len(sizes) != len(x.shape) or any(m > n for m, n in zip(sizes, x.shape, strict=True)):  # type: ignore[operator]
        raise ValueError(f"slice: a block of shape {sizes} does not fit in a tensor of shape {x.shape}")
    return dynamic_slice(x, _index_vector(start_indices), size=sizes)


@composed
def slice_update(inputs: Any, start_indices: Any, updates: Any) -> Tensor:
    """`inputs` with the block at `start_indices` (which may be tensors) replaced by `updates`."""
    x = convert_to_tensor(inputs)
    updates = convert_to_tensor(updates, x.dtype)
    if len(updates.shape) != len(x.shape) or any(m > n for m, n in zip(updates.shape, x.shape, strict=True)):
        raise ValueError(f"slice_update: updates of shape {updates.shape} do not fit in a tensor of shape {x.shape}")
    return dynamic_update_slice(x, updates, _index_vector(start_indices))
