"""Layers that add cells around an image, cut them off, or repeat them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pronghorn import ops
from pronghorn.arguments import per_dimension
from pronghorn.tensor import Shape, Tensor
from pronghorn_layers.spatial import Spatial

Pairs = tuple[tuple[int, int], ...]


def _pairs(value: Any, rank: int, what: str) -> Pairs:
    """(before, after) for each dimension, of a number, of one or of two for each."""
    if rank == 1 and isinstance(value, (tuple, list)):
        value = (value,)
    entries = tuple(value) if isinstance(value, (tuple, list)) else (value,) * rank
    if len(entries) != rank:
        raise ValueError(f"{what} must be a number, or {rank} numbers or pairs of numbers, got {value!r}")
    first, second = zip(*(per_dimension(entry, 2, what, 0) for entry in entries), strict=True)
    return tuple(zip(first, second, strict=True))


class _ZeroPadding(Spatial):
    def __init__(self, padding: Any, data_format: str | None, **kwargs: Any) -> None:
        super().__init__(data_format=data_format, **kwargs)
        title = f"layer {self.name!r} ({type(self).__name__}): argument `padding`"
        self._pairs = _pairs(padding, self.rank, title)
        self.padding = self._pairs[0] if self.rank == 1 else self._pairs
        self.built = True

    def output_sizes(self, sizes: Shape) -> Shape:
        return tuple(None if n is None else n + sum(pair) for n, pair in zip(sizes, self._pairs, strict=True))

    def call(self, inputs: Tensor) -> Any:
        return ops.pad(inputs, self.arranged((0, 0), self._pairs, (0, 0)))


class ZeroPadding1D(_ZeroPadding):
    """Zeros before and after a sequence (batch, steps, channels).

    Args:
        padding: how many on either side, or (before, after).
        data_format: "channels_last" or "channels_first"; by default that of the configuration.
    """

    rank = 1

    def __init__(self, padding: Any = 1, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(padding, data_format, **kwargs)


class ZeroPadding2D(_ZeroPadding):
    """Zeros around images (batch, height, width, channels).

    Args:
        padding: a number for all sides, (height, width), or ((top, bottom), (left, right)).
        data_format: "channels_last" or "channels_first"; by default that of the configuration.
    """

    rank = 2

    def __init__(self, padding: Any = (1, 1), data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(padding, data_format, **kwargs)


class ZeroPadding3D(_ZeroPadding):
    """`ZeroPadding2D` around volumes (batch, depth, height, width, channels)."""

    rank = 3

    def __init__(self, padding: Any = ((1, 1), (1, 1), (1, 1)), data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(padding, data_format, **kwargs)


class _Cropping(Spatial):
    def __init__(self, cropping: Any, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(data_format=data_format, **kwargs)
        title = f"layer {self.name!r} ({type(self).__name__}): argument `cropping`"
        self._pairs = _pairs(cropping, self.rank, title)
        self.cropping = self._pairs[0] if self.rank == 1 else self._pairs
        self.built = True

    def output_sizes(self, sizes: Shape) -> Shape:
        if any(n is not None and n <= sum(pair) for n, pair in zip(sizes, self._pairs, strict=True)):
            raise self.complaint(
                f"`cropping` {self.cropping} leaves nothing of the spatial sizes {sizes}; make it smaller"
            )
        return tuple(None if n is None else n - sum(pair) for n, pair in zip(sizes, self._pairs, strict=True))

    def call(self, inputs: Tensor) -> Any:
        self.compute_output_shape(inputs.shape)  # refuses to leave nothing
        everything = slice(None)
        inner = [slice(before, -after or None) for before, after in self._pairs]
        return inputs[self.arranged(everything, inner, everything)]


class Cropping1D(_Cropping):
    """Leaves out the first and the last steps of (batch, steps, channels).

    Args:
        cropping: how many on either side, or (first, last).
    """

    rank = 1

    def __init__(self, cropping: Any = (1, 1), **kwargs: Any) -> None:
        super().__init__(cropping, "channels_last", **kwargs)


class Cropping2D(_Cropping):
    """Cuts the borders off images (batch, height, width, channels).

    Args:
        cropping: a number for all sides, (height, width), or ((top, bottom), (left, right)).
        data_format: "channels_last" or "channels_first"; by default that of the configuration.
    """

    rank = 2

    def __init__(self, cropping: Any = ((0, 0), (0, 0)), data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(cropping, data_format, **kwargs)


class Cropping3D(_Cropping):
    """`Cropping2D` of volumes (batch, depth, height, width, channels)."""

    rank = 3

    def __init__(self, cropping: Any = ((1, 1), (1, 1), (1, 1)), data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(cropping, data_format, **kwargs)


class _UpSampling(Spatial):
    """Repeats each cell `factors` times."""

    factors: tuple[int, ...]

    def __init__(self, size: Any, data_format: str | None, **kwargs: Any) -> None:
        super().__init__(data_format=data_format, **kwargs)
        title = f"layer {self.name!r} ({type(self).__name__}): argument `size`"
        self.factors = per_dimension(size, self.rank, title)
        self.size = self.factors[0] if self.rank == 1 else self.factors
        self.built = True

    def output_sizes(self, sizes: Shape) -> Shape:
        return tuple(None if n is None else n * factor for n, factor in zip(sizes, self.factors, strict=True))

    def call(self, inputs: Tensor) -> Any:
        return _repeated(inputs, self.spatial_axes, self.factors)


def _repeated(x: Tensor, axes: Sequence[int], factors: Sequence[int]) -> Any:
    """Each cell so many times along each axis: one broadcast between two reshapes."""
    times = dict(zip(axes, factors, strict=True))
    pairs = [(n, times.get(axis, 1)) for axis, n in enumerate(x.shape)]
    apart = ops.reshape(x, tuple(size for n, _ in pairs for size in (n, 1)))
    spread = ops.broadcast_to(apart, tuple(size for pair in pairs for size in pair))
    return ops.reshape(spread, tuple(n * k for n, k in pairs))  # type: ignore[operator]


class UpSampling1D(_UpSampling):
    """Repeats each step of (batch, steps, channels) `size` times."""

    rank = 1

    def __init__(self, size: int = 2, **kwargs: Any) -> None:
        super().__init__(size, "channels_last", **kwargs)


INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5")


class UpSampling2D(_UpSampling):
    """Enlarges images (batch, height, width, channels).

    Args:
        size: how many times: a number, or (height, width).
        data_format: "channels_last" or "channels_first"; by default that of the configuration.
        interpolation: "nearest" repeats pixels; "bilinear" blends neighbours, with pixels' centres at half numbers;
            "bicubic", "lanczos3" and "lanczos5" are those of `ops.image.resize`.
    """

    rank = 2

    def __init__(
        self, size: Any = (2, 2), data_format: str | None = None, interpolation: str = "nearest", **kwargs: Any
    ) -> None:
        super().__init__(size, data_format, **kwargs)
        self.interpolation = str(interpolation).lower()
        if self.interpolation not in INTERPOLATIONS:
            raise self.complaint(f"`interpolation` must be one of {INTERPOLATIONS}, got {interpolation!r}")

    def call(self, inputs: Tensor) -> Any:
        if self.interpolation == "nearest":
            return super().call(inputs)
        if self.interpolation != "bilinear":
            sizes: list[Any] = [inputs.shape[axis] for axis in self.spatial_axes]
            if None in sizes:
                raise self.complaint(
                    f"interpolation {self.interpolation!r} needs images of a known size, got {tuple(inputs.shape)}"
                )
            size = tuple(n * factor for n, factor in zip(sizes, self.factors, strict=True))
            return ops.image.resize(inputs, size, interpolation=self.interpolation, data_format=self.data_format)
        outputs = inputs
        for axis, factor in zip(self.spatial_axes, self.factors, strict=True):
            outputs = _blended(outputs, axis, factor)
        return outputs


def _blended(x: Tensor, axis: int, factor: int) -> Any:
    """Linear interpolation to `factor` times as many cells along an axis."""
    n: Any = x.shape[axis]
    place = np.clip((np.arange(n * factor) + 0.5) / factor - 0.5, 0, n - 1)
    before = np.floor(place).astype("int32")
    after = np.minimum(before + 1, n - 1)
    shape = [1] * len(x.shape)
    shape[axis] = -1
    share = ops.cast(np.reshape(place - before, shape), x.dtype)
    first, second = ops.take(x, before, axis=axis), ops.take(x, after, axis=axis)
    return first + (second - first) * share


class UpSampling3D(_UpSampling):
    """Repeats each cell of volumes (batch, depth, height, width, channels) `size` times in each dimension."""

    rank = 3

    def __init__(self, size: Any = (2, 2, 2), data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(size, data_format, **kwargs)
