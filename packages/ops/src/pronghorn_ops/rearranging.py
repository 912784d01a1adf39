"""Further ways to cut, choose and lay out tensors."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from pronghorn import dtypes, ops
from pronghorn.graph import Spec
from pronghorn.op import composed, primitive, promote
from pronghorn.ops.axes import canonical_axis
from pronghorn.ops.shape import as_sizes
from pronghorn.tensor import convert_to_tensor

Array = np.ndarray[Any, Any]


def _cut(op: str, x: Any, sections: Any, axis: int) -> Any:
    x = convert_to_tensor(x)
    if len(x.shape) <= axis:
        raise ValueError(f"{op}: `x` must have more than {axis} axes, got shape {x.shape}")
    return ops.split(x, sections, axis)


@composed
def hsplit(x: Any, indices_or_sections: Any) -> Any:
    """`x` cut along its second axis, or its only one, into equal sections or before each of the indices."""
    return _cut("hsplit", x, indices_or_sections, min(len(convert_to_tensor(x).shape), 2) - 1)


@composed
def vsplit(x: Any, indices_or_sections: Any) -> Any:
    """`x` cut along its first axis into equal sections or before each of the indices."""
    return _cut("vsplit", x, indices_or_sections, 0)


@composed
def dsplit(x: Any, indices_or_sections: Any) -> Any:
    """`x` cut along its third axis into equal sections or before each of the indices."""
    return _cut("dsplit", x, indices_or_sections, 2)


@composed
def diagflat(x: Any, k: int = 0) -> Any:
    """A matrix with all elements of `x` on its diagonal `k`."""
    return ops.diag(ops.ravel(x), k)


@composed
def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """The matrix of the powers of a vector: x ** (N - 1), …, x, 1 in each row, or from 1 up."""
    x = convert_to_tensor(x)
    if len(x.shape) != 1:
        raise ValueError(f"vander: `x` must be a vector, got shape {x.shape}")
    count = x.shape[0] if N is None else N
    column = ops.expand_dims(x, 1)
    powers = [ops.ones_like(column)]
    for _ in range(1, count):
        powers.append(ops.multiply(powers[-1], column))
    matrix = ops.concatenate(powers[:count] if count else [column[:, :0]], 1)
    return matrix if increasing else ops.flip(matrix, 1)


@composed
def select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    """For each element the first of the choices whose condition holds, else `default`."""
    if len(condlist) != len(choicelist) or not len(condlist):
        raise ValueError(f"select: {len(condlist)} conditions and {len(choicelist)} choices; give one for each")
    choices = promote([*choicelist, default])
    result: Any = choices.pop()
    for condition, choice in zip(reversed(list(condlist)), reversed(choices), strict=True):
        result = ops.where(condition, choice, result)
    return result


@composed
def unravel_index(indices: Any, shape: Any) -> Any:
    """The place along each axis of `shape` of elements that are numbered in row-major order."""
    rest: Any = convert_to_tensor(indices)
    places = []
    for n in reversed(as_sizes(shape, "unravel_index")):
        places.append(ops.mod(rest, n))
        rest = ops.floor_divide(rest, n) if dtypes.is_float(rest.dtype) else _quotient(rest, n)
    return tuple(reversed(places))


def _quotient(x: Any, n: int) -> Any:
    return ops.cast(ops.floor_divide(x, n), x.dtype)


@composed
def argpartition(x: Any, kth: int, axis: int | None = -1) -> Any:
    """Indices (int32) along `axis` by which the `kth` element is where sorting puts it, smaller ones before it."""
    x = convert_to_tensor(x)
    n: Any = x.size if axis is None else x.shape[canonical_axis(axis, len(x.shape), "argpartition")]
    if not -n <= kth < n:
        raise ValueError(f"argpartition: argument `kth` is {kth}, but axis {axis} of shape {x.shape} has {n} elements")
    return ops.argsort(x, axis)


@composed
def geomspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0) -> Any:
    """`num` values from `start` to `stop`, each the same multiple of the one before."""
    first, last = promote([convert_to_tensor(start), convert_to_tensor(stop)], "float")
    sign = ops.sign(first)
    logarithms = [ops.log10(ops.multiply(v, sign)) for v in (first, last)]
    values = ops.logspace(*logarithms, num=num, endpoint=endpoint, axis=axis)
    values = ops.multiply(values, ops.expand_dims(sign, axis))
    return values if dtype is None else ops.cast(values, dtype)


# ------------------------------------------------------------------------------ the same bits as another dtype


@primitive(lambda x, dtype, shape: Spec(shape, dtype), name="view")
def reinterpreted(x: Array, dtype: str, shape: tuple[int, ...]) -> Array:
    """The bytes of `x` as elements of another dtype."""
    return np.ascontiguousarray(x).view(dtypes.numpy_dtype(dtype)).reshape(shape).copy()


@composed
def view(x: Any, dtype: Any = None) -> Any:
    """The bytes of `x` as elements of another dtype; the last axis shrinks or grows with the size of one."""
    x = convert_to_tensor(x)
    name = x.dtype if dtype is None else dtypes.standardize(dtype)
    before, after = dtypes.itemsize(x.dtype), dtypes.itemsize(name)
    if name == x.dtype:
        return x
    if before != after and (not x.shape or x.shape[-1] * before % after):
        raise ValueError(f"view: the last axis of shape {x.shape}, {x.dtype}, is no whole number of {name}")
    shape = x.shape if before == after else (*x.shape[:-1], x.shape[-1] * before // after)
    return reinterpreted(x, dtype=name, shape=shape)


# ------------------------------------------------------------------------------ rearrange


def _groups(pattern: str, side: str) -> list[list[str]]:
    """The axes of one side of a pattern: a list of names for each."""
    if re.sub(r"\.\.\.|[\w\s()]", "", side) or re.search(r"\([^()]*\(|\)[^()]*\)", f"){side}("):
        raise ValueError(f"rearrange: cannot read the pattern {pattern!r}; write names, (groups of names), 1 and '...'")
    tokens = re.findall(r"\([^()]*\)|\.\.\.|\w+", side)
    return [t.strip("()").split() if t.startswith("(") else _BARE.get(t, [t]) for t in tokens]


_ANY = ["... as axes of their own"]
_BARE: dict[str, list[str]] = {"...": _ANY, "1": []}


def _sizes_of(pattern: str, groups: list[list[str]], shape: Sequence[Any], given: dict[str, int]) -> dict[str, Any]:
    """The size of each name on the left side."""
    sizes: dict[str, Any] = dict(given)
    for group, n in zip(groups, shape, strict=True):
        known = int(np.prod([sizes[name] for name in group if name in sizes], dtype=np.int64))
        free = [name for name in group if name not in sizes]
        if len(free) > 1 or (not free and known != n) or (free and n % known):
            raise ValueError(
                f"rearrange: the axis ({' '.join(group) or 1}) of {pattern!r} does not fit its size {n}; give "
                "the sizes of all but one of its names, so that they multiply to it"
            )
        if free:
            sizes[free[0]] = n // known
    return sizes


@composed
def rearrange(tensor: Any, pattern: str, **axes_lengths: int) -> Any:
    """Axes in another order, split and merged, by names: "b (h p) c -> b h (p c)" (Rogozhnikov, 2022).

    Args:
        pattern: the axes before and after "->": names, groups of them in parentheses, 1, and ... for any others.
        axes_lengths: sizes of names that the shape does not tell.
    """
    x = convert_to_tensor(tensor)
    left, arrow, right = pattern.partition("->")
    if not arrow:
        raise ValueError(f"rearrange: the pattern {pattern!r} has no '->'")
    before, after = _groups(pattern, left), _groups(pattern, right)
    rank = len(x.shape)
    hidden = [f"...{i}" for i in range(rank - len(before) + 1)]
    wide = _ANY in before
    before, after = (
        [g for group in side for g in ([[h] for h in hidden] if group == _ANY else [group])] for side in (before, after)
    )
    after = [[n for name in group for n in (hidden if name == "..." else [name])] for group in after]
    names = [name for group in before for name in group]
    if len(before) != rank or (not wide and "..." in right):
        raise ValueError(f"rearrange: {pattern!r} is for {len(before)} axes, got a tensor of shape {x.shape}")
    if sorted(names) != sorted(name for group in after for name in group) or len(set(names)) != len(names):
        raise ValueError(f"rearrange: both sides of {pattern!r} must have the same names, each once")
    if unknown := set(axes_lengths) - set(names):
        raise ValueError(f"rearrange: {pattern!r} has no axis {', '.join(sorted(unknown))}")
    sizes = _sizes_of(pattern, before, x.shape, axes_lengths)
    apart = ops.reshape(x, [sizes[name] for name in names])
    moved = ops.transpose(apart, [names.index(name) for group in after for name in group])
    return ops.reshape(moved, [int(np.prod([sizes[n] for n in group], dtype=np.int64)) for group in after])
