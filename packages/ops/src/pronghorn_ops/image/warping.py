"""Images read at other places: affine, perspective and elastic transformations."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pronghorn import dtypes, ops
from pronghorn.op import composed
from pronghorn.random import normal
from pronghorn.tensor import Tensor, constant, convert_to_tensor
from pronghorn_ops.image.batches import as_batch, wide
from pronghorn_ops.image.filters import gaussian_blur

_ORDERS = {"nearest": 0, "bilinear": 1}


def _mirrored(i: Any, n: int) -> Any:
    """… 2 1 | 0 1 2 … n-1 | n-2 …: the edge occurs once."""
    return ops.absolute((i + (n - 1)) % max(2 * (n - 1), 1) - (n - 1))


def _reflected(i: Any, n: int) -> Any:
    """… 1 0 | 0 1 … n-1 | n-1 …: the edge occurs twice."""
    i = i % (2 * n)
    return ops.minimum(i, 2 * n - 1 - i)


_FILL_MODES: dict[str, Callable[[Any, int], Any]] = {
    "constant": lambda i, n: ops.clip(i, 0, n - 1),
    "nearest": lambda i, n: ops.clip(i, 0, n - 1),
    "wrap": lambda i, n: i % n,
    "mirror": _mirrored,
    "reflect": _reflected,
}


def _checked(op: str, interpolation: str, fill_mode: str) -> int:
    """The order of an interpolation."""
    if interpolation not in _ORDERS:
        raise ValueError(f"{op}: unknown interpolation {interpolation!r}; expected 'bilinear' or 'nearest'")
    if fill_mode not in _FILL_MODES:
        raise ValueError(f"{op}: unknown fill_mode {fill_mode!r}; expected one of {', '.join(_FILL_MODES)}")
    return _ORDERS[interpolation]


def _nearest_pixel(place: Any) -> Any:
    """Halves are rounded away from zero."""
    return ops.sign(place) * ops.floor(ops.absolute(place) + 0.5)


def _read(x: Tensor, places: Sequence[Any], order: int, fill_mode: str, fill_value: Any) -> Any:
    """The vectors of `x` (batch, *sizes, channels) at `places`, (batch, *shape) for each axis of sizes.

    Returns:
        A tensor (batch, *shape, channels) of the dtype of `x`; integers are rounded.
    """
    batch, *sizes, channels = (int(n) for n in x.shape)  # type: ignore[arg-type]
    shape = places[0].shape[1:]
    pixels = wide(x)
    neighbours: list[list[tuple[Any, Any]]] = []
    for place in places:
        if order == 0:
            neighbours.append([(ops.cast(_nearest_pixel(place), "int32"), None)])
            continue
        below = ops.floor(place)
        share = place - below
        start = ops.cast(below, "int32")
        neighbours.append([(start, 1 - share), (start + 1, share)])
    rows = ops.reshape(pixels, (-1, channels))
    first = constant(np.arange(batch).reshape(-1, *(1,) * len(shape)), "int32")
    total: Any = 0
    for corner in itertools.product(*neighbours):
        row: Any = first
        inside: Any = None
        weight: Any = None
        for (index, share), n in zip(corner, sizes, strict=True):
            row = row * n + _FILL_MODES[fill_mode](index, n)
            if fill_mode == "constant":
                within = (index >= 0) & (index < n)
                inside = within if inside is None else inside & within
            if share is not None:
                weight = share if weight is None else weight * share
        value = ops.take(rows, row, axis=0)
        if inside is not None:
            value = ops.where(ops.expand_dims(inside, -1), value, fill_value)
        total = total + (value if weight is None else value * ops.expand_dims(weight, -1))
    if not dtypes.is_float(x.dtype):
        total = total if order == 0 else _nearest_pixel(total)
    return ops.cast(total, x.dtype)


def _grid(height: int, width: int, dtype: str) -> tuple[Tensor, Tensor]:
    """Row and column numbers that broadcast to (1, height, width)."""
    return constant(np.arange(height)[None, :, None], dtype), constant(np.arange(width)[None, None, :], dtype)


@composed
def map_coordinates(
    inputs: Any, coordinates: Any, order: int, fill_mode: str = "constant", fill_value: float = 0
) -> Any:
    """The values of `inputs` at places between its elements.

    Args:
        inputs: a tensor of any rank.
        coordinates: (rank, *shape): a place for each element of the result, one number for each axis of `inputs`.
        order: 0 takes the nearest element, 1 interpolates linearly.
        fill_mode: what is outside: "constant" (`fill_value`), "nearest" (the edge), "wrap", "mirror" (the edge once)
            or "reflect" (the edge twice).

    Returns:
        A tensor of `shape`, of the dtype of `inputs`.
    """
    x, places = convert_to_tensor(inputs), convert_to_tensor(coordinates)
    if order not in (0, 1):
        raise ValueError(f"map_coordinates: argument `order` must be 0 or 1, got {order!r}")
    _checked("map_coordinates", "bilinear", fill_mode)
    if len(places.shape) < 2 or places.shape[0] != len(x.shape):
        raise ValueError(
            f"map_coordinates: `coordinates` must have the shape ({len(x.shape)}, …), one row for each axis of "
            f"`inputs` of shape {x.shape}, got {places.shape}"
        )
    places = wide(places)
    values = _read(
        ops.expand_dims(x, (0, len(x.shape) + 1)),
        [ops.expand_dims(place, 0) for place in ops.unstack(places)],
        order,
        fill_mode,
        fill_value,
    )
    return ops.squeeze(values, (0, len(values.shape) - 1))


@composed
def affine_transform(
    images: Any,
    transform: Any,
    interpolation: str = "bilinear",
    fill_mode: str = "constant",
    fill_value: float = 0,
    data_format: Any = None,
) -> Any:
    """Images of which pixel (x, y) is the input's at (a0 x + a1 y + a2, b0 x + b1 y + b2).

    Args:
        images: one image, or a batch.
        transform: [a0, a1, a2, b0, b1, b2, 0, 0], one for all images or one for each. Gradients flow through it.
        interpolation: "bilinear" or "nearest".
        fill_mode: what is outside: "constant" (`fill_value`), "nearest" (the edge), "wrap", "mirror" (the edge once)
            or "reflect" (the edge twice).
    """
    order = _checked("affine_transform", interpolation, fill_mode)
    x, restore = as_batch("affine_transform", images, data_format)
    batch, height, width, _ = x.shape
    numbers = wide(convert_to_tensor(transform))
    if numbers.shape not in ((8,), (1, 8), (batch, 8)):
        raise ValueError(f"affine_transform: `transform` must have the shape (8,) or ({batch}, 8), got {numbers.shape}")
    numbers = ops.reshape(numbers, (-1, 8))
    a0, a1, a2, b0, b1, b2 = (ops.reshape(part, (-1, 1, 1)) for part in ops.unstack(numbers, axis=-1)[:6])
    row, column = _grid(height, width, numbers.dtype)  # type: ignore[arg-type]
    places = [b0 * column + b1 * row + b2, a0 * column + a1 * row + a2]
    whole = [ops.broadcast_to(place, (batch, height, width)) for place in places]
    return restore(_read(x, whole, order, fill_mode, fill_value))


def homography(start: Any, end: Any) -> Any:
    """The eight numbers (batch, 8) of the projective map that takes the points `end` to `start`, (batch, 4, 2)."""
    x, y = end[..., 0], end[..., 1]
    one, zero = ops.ones_like(x), ops.zeros_like(x)
    rows = [
        ops.stack([*front, *back, -target * x, -target * y], axis=-1)
        for target, front, back in (
            (start[..., 0], (x, y, one), (zero, zero, zero)),
            (start[..., 1], (zero, zero, zero), (x, y, one)),
        )
    ]
    targets = ops.concatenate([start[..., 0], start[..., 1]], axis=-1)
    return ops.squeeze(ops.solve(ops.concatenate(rows, axis=1), ops.expand_dims(targets, -1)), -1)


@composed
def perspective_transform(
    images: Any,
    start_points: Any,
    end_points: Any,
    interpolation: str = "bilinear",
    fill_value: float = 0,
    data_format: Any = None,
) -> Any:
    """Images seen from another side: what is at the four `start_points` goes to the `end_points`.

    Args:
        images: one image, or a batch.
        start_points, end_points: corners (x, y), of shape (4, 2) or (batch, 4, 2).
        interpolation: "bilinear" or "nearest".
        fill_value: of what lies outside.
    """
    order = _checked("perspective_transform", interpolation, "constant")
    x, restore = as_batch("perspective_transform", images, data_format)
    batch, height, width, _ = x.shape
    start, end = (wide(convert_to_tensor(points)) for points in (start_points, end_points))
    for points, name in ((start, "start_points"), (end, "end_points")):
        if points.shape not in ((4, 2), (1, 4, 2), (batch, 4, 2)):
            raise ValueError(
                f"perspective_transform: `{name}` must have the shape (4, 2) or ({batch}, 4, 2), got {points.shape}"
            )
    numbers = homography(ops.reshape(start, (-1, 4, 2)), ops.reshape(end, (-1, 4, 2)))
    h = [ops.reshape(part, (-1, 1, 1)) for part in ops.unstack(numbers, axis=-1)]
    row, column = _grid(height, width, numbers.dtype)  # type: ignore[arg-type]
    depth = h[6] * column + h[7] * row + 1
    places = [(h[k] * column + h[k + 1] * row + h[k + 2]) / depth for k in (3, 0)]
    whole = [ops.broadcast_to(place, (batch, height, width)) for place in places]
    return restore(_read(x, whole, order, "constant", fill_value))


@composed
def elastic_transform(
    images: Any,
    alpha: float = 20.0,
    sigma: float = 5.0,
    interpolation: str = "bilinear",
    fill_mode: str = "reflect",
    fill_value: float = 0.0,
    seed: Any = None,
    data_format: Any = None,
) -> Any:
    """Images of which each pixel is moved by a smooth random field (Simard et al., 2003).

    Args:
        images: one image, or a batch.
        alpha: how far pixels are moved.
        sigma: standard deviation of the draws, and of the Gaussian that smooths them; a known number.
        seed: an integer or a SeedGenerator.
    """
    order = _checked("elastic_transform", interpolation, fill_mode)
    x, restore = as_batch("elastic_transform", images, data_format)
    batch, height, width, _ = x.shape
    spread = float(sigma)
    extent = int(6 * spread) | 1
    noise = normal((batch, height, width, 2), stddev=spread, dtype=wide(x).dtype, seed=seed)
    moved: Any = gaussian_blur(noise, (extent, extent), (spread, spread), "channels_last")
    row, column = _grid(height, width, moved.dtype)  # type: ignore[arg-type]
    places = [row + alpha * moved[..., 1], column + alpha * moved[..., 0]]
    return restore(_read(x, places, order, fill_mode, fill_value))
