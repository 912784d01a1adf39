"""ContrastLimitedAdaptiveHistogramEqualization: histograms made flat, each place by those of the tiles around it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pronghorn import ops
from pronghorn.arguments import per_dimension
from pronghorn.tensor import Tensor
from pronghorn_layers.images.base import ImageLayer, rescaled
from pronghorn_layers.images.base import value_range as checked_range

LEVELS = 256


class ContrastLimitedAdaptiveHistogramEqualization(ImageLayer):
    """Spreads the values of each channel so that the histogram around each pixel becomes flat (Zuiderveld, 1994).

    The image is divided into tiles. Each has a table of 256 levels, the running sum of its histogram; a pixel is looked
    up in the tables of the four tiles whose middles are nearest, and gets their bilinear mean.

    Args:
        value_range: the smallest and the largest value of a pixel.
        clip_limit: how many times the mean a count of the histogram may be; what is above is shared out among all, so
            that noise in even tiles is not amplified. 0 for no limit.
        tile_grid_size: the numbers of tiles, (down, across).
        data_format: "channels_last" or "channels_first"; by default that of the configuration.
    """

    def __init__(
        self,
        value_range: Any = (0, 255),
        clip_limit: float = 4.0,
        tile_grid_size: Sequence[int] = (8, 8),
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.value_range = checked_range(self, value_range)
        self.clip_limit = clip_limit
        title = f"layer {self.name!r} (ContrastLimitedAdaptiveHistogramEqualization): argument `tile_grid_size`"
        self.tile_grid_size = per_dimension(tile_grid_size, 2, title)

    def transform_images(self, images: Any, transformation: Any = None, training: bool = True) -> Any:
        """A batch of images equalized, in training or not; their dtype stays."""
        last = self.data_format == "channels_last"
        x = images if last else ops.moveaxis(images, 1, -1)
        x = self._equalized(rescaled(ops.cast(x, "float32"), self.value_range, (0, 255)))
        x = ops.cast(rescaled(x, (0, 255), self.value_range), images.dtype)
        return x if last else ops.moveaxis(x, -1, 1)

    def _equalized(self, images: Any) -> Any:
        """(batch, height, width, channels) of 0 to 255."""
        batch, *size, channels = images.shape
        tile = [-(-n // count) for n, count in zip(size, self.tile_grid_size, strict=True)]
        margins = [t * count - n for t, count, n in zip(tile, self.tile_grid_size, size, strict=True)]
        padded = ops.pad(images, [(0, 0), *((0, m) for m in margins), (0, 0)], mode="symmetric")
        levels = ops.clip(ops.cast(padded, "int32"), 0, LEVELS - 1)
        rows, columns = (np.arange(t * count) for t, count in zip(tile, self.tile_grid_size, strict=True))
        own = self._places(batch, rows // tile[0], columns // tile[1], channels) + levels
        tables = ops.ravel(self._tables(own, batch * channels * np.prod(self.tile_grid_size), tile[0] * tile[1]))
        (above, below, down), (left, right, across) = map(_around, (rows, columns), tile, self.tile_grid_size)

        def looked_up(row: Any, column: Any) -> Any:
            return ops.take(tables, self._places(batch, row, column, channels) + levels)

        def between(row: Any) -> Any:
            share = ops.convert_to_tensor(across.reshape(-1, 1), "float32")
            return looked_up(row, left) * (1.0 - share) + looked_up(row, right) * share

        share = ops.convert_to_tensor(down.reshape(-1, 1, 1), "float32")
        result = between(above) * (1.0 - share) + between(below) * share
        return result[:, : size[0], : size[1]]

    def _places(self, batch: int, rows: Any, columns: Any, channels: int) -> Tensor:
        """Where the tables of tiles begin, (batch, height, width, channels), for each row and column of pixels."""
        down, across = self.tile_grid_size
        images = np.arange(batch).reshape(-1, 1, 1, 1) * down
        tiles = (images + rows.reshape(-1, 1, 1)) * across + columns.reshape(-1, 1)
        return ops.convert_to_tensor((tiles * channels + np.arange(channels)) * LEVELS, "int32")

    def _tables(self, places: Any, count: int, pixels: int) -> Any:
        """(count, 256): what each level of a tile of `pixels` becomes, from 0 to 255."""
        places = ops.ravel(places)
        counts = ops.scatter_rows(ops.ones(places.shape, "float32"), places, rows=int(count) * LEVELS)
        counts = ops.reshape(counts, (-1, LEVELS))
        if self.clip_limit > 0:
            kept = ops.minimum(counts, self.clip_limit * pixels / LEVELS)
            counts = kept + ops.sum(counts - kept, axis=-1, keepdims=True) / LEVELS
        sums = ops.cumsum(counts, axis=-1)
        least = ops.min(sums, axis=-1, keepdims=True)
        rest = pixels - least
        return ops.clip((sums - least) * 255.0 / ops.where(ops.equal(rest, 0), 1.0, rest), 0, 255)


def _around(pixels: Any, tile: int, count: int) -> tuple[Any, Any, Any]:
    """The tiles before and after pixels along an axis, and how far these are on the way from one middle to the next."""
    place = (pixels - tile / 2) / tile
    before = np.floor(place).astype(int)
    return np.clip(before, 0, count - 1), np.clip(before + 1, 0, count - 1), place - before
