"""Axis arguments made canonical."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def canonical_axis(axis: Any, ndim: int, op: str) -> int:
    """`axis` as a number from 0 to ndim - 1.

    Raises:
        ValueError: there is no such axis.
    """
    try:
        index = axis.__index__()
    except AttributeError:
        raise TypeError(f"{op}: argument `axis` must be an integer, got {axis!r}") from None
    if not -ndim <= index < ndim:
        raise ValueError(f"{op}: axis {index} is out of range for {ndim} dimensions, which are {-ndim} to {ndim - 1}")
    return int(index % ndim)


def canonical_axes(axis: Any, ndim: int, op: str) -> tuple[int, ...]:
    """`axis` (None for all of them, a number, or several) as sorted numbers from 0 to ndim - 1.

    Raises:
        ValueError: an axis does not exist or is named twice.
    """
    if axis is None:
        return tuple(range(ndim))
    items = axis if isinstance(axis, Sequence) else (axis,)
    axes = tuple(sorted(canonical_axis(a, ndim, op) for a in items))
    if len(set(axes)) != len(axes):
        raise ValueError(f"{op}: axis {axis!r} names a dimension twice")
    return axes


def inverse(axes: Sequence[int]) -> tuple[int, ...]:
    """The permutation that undoes `axes`."""
    return tuple(sorted(range(len(axes)), key=axes.__getitem__))


def many(value: Any) -> Sequence[Any]:
    """An argument that is one thing or several, as a sequence."""
    return value if isinstance(value, (list, tuple)) else (value,)
