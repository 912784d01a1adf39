"""The primitives of convolution and pooling over one to three spatial dimensions.

Arrays are (batch, *spatial, channels). The three of convolution are the three ways to read one trilinear form, so each
is the gradient of the others. The public functions are in `pronghorn_ops.convolution`.
"""

# mypy: disable-error-code="has-type,no-any-return"
# (rules name ops that are defined further down; what a primitive returns is only known at run time)

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from functools import reduce
from typing import Any

import numpy as np

from pronghorn.arguments import per_dimension
from pronghorn.graph import Spec
from pronghorn.op import primitive
from pronghorn.ops.attributes import Windows
from pronghorn_ops.primitives import rounded_once

Array = np.ndarray[Any, Any]
Ints = tuple[int, ...]


def _places(windows: Windows, count: Ints) -> Iterator[tuple[Ints, tuple[slice, ...]]]:
    """Each place in a window, and the index of the cells of a padded array that are there in `count` windows."""
    for place in itertools.product(*map(range, windows.size)):
        cells = [
            slice(k * d, k * d + (n - 1) * s + 1, s)
            for k, d, s, n in zip(place, windows.dilation, windows.strides, count, strict=True)
        ]
        yield place, (slice(None), *cells)


def _padded(windows: Windows, x: Array, value: float = 0) -> Array:
    """The array with its padding."""
    widths = [(0, 0), *((low, max(high, 0)) for low, high in windows.padding), (0, 0)]
    return np.pad(x, widths, constant_values=value)


def _cut(windows: Windows, x: Array, sizes: Ints) -> Array:
    """The part of a padded array that is not padding."""
    inner = (slice(low, low + n) for (low, _), n in zip(windows.padding, sizes, strict=True))
    return np.ascontiguousarray(x[(slice(None), *inner)])


# ---------------------------------------------------------------------------------------------- convolution


def _rows(x: Array, groups: int) -> Array:
    """(…, channels) as (groups, rows, channels of a group), for sums in at least float32."""
    x = x.astype(np.float32) if x.dtype.itemsize == 2 else x
    return x.reshape(-1, groups, x.shape[-1] // groups).swapaxes(0, 1)


def _joined(x: Array, shape: Ints) -> Array:
    """What `_rows` took apart."""
    return x.swapaxes(0, 1).reshape(shape)


def _convolved(x: Spec, kernel: Spec, windows: Windows, groups: int) -> Spec:
    return Spec((x.shape[0], *windows.count(x.shape[1:-1]), kernel.shape[-1]), x.dtype)  # type: ignore[arg-type]


def _convolution_gradient(g: Any, out: Any, x: Any, kernel: Any, windows: Windows, groups: int) -> tuple[Any, Any]:
    dx = convolution_input_gradient(g, kernel, sizes=x.shape[1:-1], windows=windows, groups=groups)
    return dx, convolution_kernel_gradient(x, g, windows=windows, groups=groups)


@primitive(_convolved, _convolution_gradient)
def convolution(x: Array, kernel: Array, windows: Windows, groups: int) -> Array:
    """x (batch, *spatial, channels) with the kernel (*window, channels // groups, filters)."""
    count = windows.count(x.shape[1:-1])
    padded, shape = _padded(windows, x), (len(x), *count, kernel.shape[-1])
    out = np.zeros((groups, math.prod(shape[:-1]), shape[-1] // groups), np.promote_types(x.dtype, np.float32))
    for place, cells in _places(windows, count):
        out += _rows(padded[cells], groups) @ _rows(kernel[place], groups)
    return _joined(out, shape).astype(x.dtype)


def _input_gradient_rule(
    g: Any, out: Any, dy: Any, kernel: Any, sizes: Ints, windows: Windows, groups: int
) -> tuple[Any, Any]:
    return (
        convolution(g, kernel, windows=windows, groups=groups),
        convolution_kernel_gradient(g, dy, windows=windows, groups=groups),
    )


def _input_spec(dy: Spec, kernel: Spec, sizes: Ints, windows: Windows, groups: int) -> Spec:
    return Spec((dy.shape[0], *sizes, kernel.shape[-2] * groups), dy.dtype)  # type: ignore[operator]


@primitive(_input_spec, _input_gradient_rule)
def convolution_input_gradient(dy: Array, kernel: Array, sizes: Ints, windows: Windows, groups: int) -> Array:
    """The gradient of `convolution` with respect to an input of spatial `sizes`, for that of its output."""
    rows, channels = _rows(dy, groups), kernel.shape[-2] * groups
    whole = _padded(windows, np.zeros((len(dy), *sizes, channels), np.promote_types(dy.dtype, np.float32)))
    for place, cells in _places(windows, dy.shape[1:-1]):
        whole[cells] += _joined(rows @ _rows(kernel[place], groups).swapaxes(1, 2), (*dy.shape[:-1], channels))
    return _cut(windows, whole, sizes).astype(dy.dtype)


def _kernel_gradient_rule(g: Any, out: Any, x: Any, dy: Any, windows: Windows, groups: int) -> tuple[Any, Any]:
    return (
        convolution_input_gradient(dy, g, sizes=x.shape[1:-1], windows=windows, groups=groups),
        convolution(x, g, windows=windows, groups=groups),
    )


@primitive(
    lambda x, dy, windows, groups: Spec((*windows.size, x.shape[-1] // groups, dy.shape[-1]), x.dtype),
    _kernel_gradient_rule,
)
def convolution_kernel_gradient(x: Array, dy: Array, windows: Windows, groups: int) -> Array:
    """The gradient of `convolution` with respect to its kernel, for that of its output."""
    padded, rows, channels = _padded(windows, x), _rows(dy, groups), x.shape[-1] // groups
    out = np.empty((*windows.size, channels, dy.shape[-1]), x.dtype)
    for place, cells in _places(windows, dy.shape[1:-1]):
        product = _rows(padded[cells], groups).swapaxes(1, 2) @ rows
        out[place] = _joined(product, out.shape[-2:])
    return out


# ---------------------------------------------------------------------------------------------- pooling


def _pooled(x: Spec, *_: Spec, windows: Windows) -> Spec:
    return Spec((x.shape[0], *windows.count(x.shape[1:-1]), x.shape[-1]), x.dtype)  # type: ignore[arg-type]


def _lowest(x: Array) -> float:
    return -np.inf if x.dtype.kind in "fV" else np.iinfo(x.dtype).min


def _first_hits(x: Array, out: Array, windows: Windows) -> Iterator[tuple[tuple[slice, ...], Array]]:
    """For each place in a window, its cells, and in which windows it is the first that has the maximum."""
    padded, open_ = _padded(windows, x, _lowest(x)), np.ones(out.shape, bool)
    for _, cells in _places(windows, out.shape[1:-1]):
        here = padded[cells]
        hit = open_ & ((here == out) | (here != here))
        open_ &= ~hit
        yield cells, hit


@primitive(_pooled, lambda g, out, x, windows: (max_pool_gradient(x, out, g, windows=windows),), name="max_pool")
def maximum_of_windows(x: Array, windows: Windows) -> Array:
    """The maximum of each window; padding is no candidate, NaN wins."""
    count = windows.count(x.shape[1:-1])
    padded = _padded(windows, x, _lowest(x))
    return reduce(np.maximum, (padded[cells] for _, cells in _places(windows, count))).copy()


@primitive(
    lambda x, out, g, windows: Spec(x.shape, g.dtype),
    lambda gg, _, x, out, g, windows: (None, None, max_pool_pick(x, out, gg, windows=windows)),
)
@rounded_once
def max_pool_gradient(x: Array, out: Array, g: Array, windows: Windows) -> Array:
    """Each window's gradient goes to the first of its maxima."""
    whole = _padded(windows, np.zeros_like(x, dtype=g.dtype))
    for cells, hit in _first_hits(x, out, windows):
        whole[cells] += np.where(hit, g, np.zeros((), g.dtype))
    return _cut(windows, whole, x.shape[1:-1])


@primitive(
    lambda x, out, values, windows: Spec(out.shape, values.dtype),
    lambda g, _, x, out, values, windows: (None, None, max_pool_gradient(x, out, g, windows=windows)),
)
def max_pool_pick(x: Array, out: Array, values: Array, windows: Windows) -> Array:
    """The element of `values` where each window of x has its first maximum."""
    padded, picked = _padded(windows, values), np.zeros_like(out, dtype=values.dtype)
    for cells, hit in _first_hits(x, out, windows):
        picked = np.where(hit, padded[cells], picked)
    return picked


@primitive(_pooled, lambda g, out, x, windows: (sum_pool_gradient(g, sizes=x.shape[1:-1], windows=windows),))
@rounded_once
def sum_pool(x: Array, windows: Windows) -> Array:
    """The sum of each window."""
    padded, count = _padded(windows, x), windows.count(x.shape[1:-1])
    return reduce(np.add, (padded[cells] for _, cells in _places(windows, count))).copy()


@primitive(
    lambda g, sizes, windows: Spec((g.shape[0], *sizes, g.shape[-1]), g.dtype),
    lambda gg, _, g, sizes, windows: (sum_pool(gg, windows=windows),),
)
@rounded_once
def sum_pool_gradient(g: Array, sizes: Ints, windows: Windows) -> Array:
    """Each window's gradient goes to all of its cells."""
    whole = _padded(windows, np.zeros((len(g), *sizes, g.shape[-1]), g.dtype))
    for _, cells in _places(windows, g.shape[1:-1]):
        whole[cells] += g
    return _cut(windows, whole, sizes)


# ---------------------------------------------------------------------------------------------- where windows lie


def place_windows(op: str, sizes: Ints, window: Ints, strides: Any, padding: str, dilation_rate: Any = 1) -> Windows:
    """Windows by Keras's rules; "same" gives ceil(size / stride) windows, the odd cell of padding at the end.

    Raises:
        ValueError: an argument is out of range, or a dimension is smaller than the window.
    """
    steps = per_dimension(strides, len(sizes), f"{op}: strides")
    dilation = per_dimension(dilation_rate, len(sizes), f"{op}: dilation_rate")
    windows = Windows(window, steps, ((0, 0),) * len(sizes), dilation)
    if str(padding).lower() == "same":
        missing = [max(-(-n // s) * s - s + k - n, 0) for n, s, k in zip(sizes, steps, windows.extent, strict=True)]
        return Windows(window, steps, tuple((m // 2, m - m // 2) for m in missing), dilation)
    if str(padding).lower() != "valid":
        raise ValueError(f"{op}: padding must be 'valid' or 'same', got {padding!r}")
    if any(n < k for n, k in zip(sizes, windows.extent, strict=True)):
        raise ValueError(
            f"{op}: the spatial sizes {sizes} are smaller than the window's extent {windows.extent}; make the window "
            "or dilation_rate smaller, or pass padding='same'"
        )
    return windows


def transposed_sizes(
    sizes: Sequence[int | None], extent: Ints, strides: Ints, padding: str, output_padding: Ints | None
) -> tuple[int | None, ...]:
    """Spatial sizes of a transposed convolution's output, None where the input's are unknown."""

    def size(n: int | None, k: int, s: int, added: int | None) -> int | None:
        if n is None:
            return None
        if padding == "same":
            return n * s if added is None else (n - 1) * s + k % 2 + added
        return (n - 1) * s + (max(k, s) if added is None else k + added)

    return tuple(map(size, sizes, extent, strides, output_padding or (None,) * len(extent)))
