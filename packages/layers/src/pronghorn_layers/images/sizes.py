"""Layers that change the size of images: Resizing, CenterCrop, RandomCrop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pronghorn import ops, random, tree
from pronghorn.arguments import as_integer
from pronghorn.graph import Spec
from pronghorn.tensor import Tensor
from pronghorn_layers.images.base import ImageLayer, RandomImageLayer
from pronghorn_layers.images.boxes import Points, Size

UNSIZED = ("labels", "bounding_boxes")
"""What has no height and width."""


class _Sized(ImageLayer):
    """Images of a given size."""

    moves_pixels = True

    def __init__(self, height: int, width: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        title = f"layer {self.name!r} ({type(self).__name__}): argument"
        self.height = as_integer(height, f"{title} `height`")
        self.width = as_integer(width, f"{title} `width`")

    def compute_output_shape(self, input_shape: Any) -> Any:
        if isinstance(input_shape, Mapping):
            resized = {key: self.compute_output_shape(s) for key, s in input_shape.items() if key not in UNSIZED}
            return {**input_shape, **resized}
        sizes = list(input_shape)
        sizes[self.height_axis], sizes[self.width_axis] = self.height, self.width
        return tuple(sizes)

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """The size of the images, and for a `RandomCrop` what is drawn, None outside of training."""
        images = data["images"] if isinstance(data, Mapping) else data
        return {"input_shape": images.shape, "place": super().get_random_transformation(data, training, seed)}

    def transform_bounding_boxes(self, bounding_boxes: Any, transformation: Any, training: bool = True) -> Any:
        """The boxes of a batch of images, in the outputs; in training or not."""
        return super().transform_bounding_boxes(bounding_boxes, transformation)

    def size_after(self, size: Size) -> Size:
        return self.height, self.width

    def move(self, x: Any, y: Any, transformation: Any) -> Points:
        (top, left), (high, wide) = self.rectangle(transformation)
        left, top, wide, high = (ops.cast(n, "float32") for n in (left, top, wide, high))
        return (x - left) * (self.width / wide), (y - top) * (self.height / high)

    def rectangle(self, transformation: Any) -> tuple[Size, Size]:
        """The upper left corner and the size of the part of the images that becomes the outputs."""
        raise NotImplementedError

    def fitting(self, size: Size, inside: bool = True) -> tuple[Size, Size]:
        """The largest rectangle of the right proportions in the middle, or the smallest one around all."""
        rows, columns = size
        same = int(columns * self.height / self.width), int(rows * self.width / self.height)
        if inside:
            kept = tuple(max(min(n, wanted), 1) for n, wanted in zip(size, same, strict=True))
            return ((rows - kept[0]) // 2, (columns - kept[1]) // 2), kept
        margins = tuple(max(wanted - n, 0) // 2 for n, wanted in zip(size, same, strict=True))
        return (-margins[0], -margins[1]), (rows + 2 * margins[0], columns + 2 * margins[1])

    def fitted(self, images: Tensor) -> Any:
        """The largest window in the middle that has the right proportions, resized."""
        size = (self.height, self.width)
        return ops.image.resize(images, size, crop_to_aspect_ratio=True, data_format=self.data_format)

    def window(self, images: Tensor, row: Any, column: Any) -> Any:
        """As much of the right size as there is from a pixel on."""
        for axis, first, n in ((self.height_axis, row, self.height), (self.width_axis, column, self.width)):
            limit: Any = images.shape[axis]
            places = ops.arange(min(n, limit - first if isinstance(first, int) else n)) + first
            images = ops.take(images, places, axis=axis)
        return images


class Resizing(_Sized):
    """Images resized to (height, width).

    Images of integers stay what they are: the result is rounded, and cut to the range of the dtype.

    Args:
        height, width: of the outputs.
        interpolation: "bilinear", "nearest", "bicubic", "lanczos3" or "lanczos5".
        crop_to_aspect_ratio: whether images of other proportions lose their margins first, instead of being distorted.
        pad_to_aspect_ratio: whether they get margins instead.
        fill_mode, fill_value: what margins are made of: "constant" and its value.
        antialias: whether details too small for a smaller image are averaged.
        data_format: "channels_last" or "channels_first"; by default that of the configuration.
    """

    def __init__(
        self,
        height: int,
        width: int,
        interpolation: str = "bilinear",
        crop_to_aspect_ratio: bool = False,
        pad_to_aspect_ratio: bool = False,
        fill_mode: str = "constant",
        fill_value: float = 0.0,
        antialias: bool = False,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(height, width, data_format=data_format, **kwargs)
        self.interpolation = interpolation
        self.crop_to_aspect_ratio = crop_to_aspect_ratio
        self.pad_to_aspect_ratio = pad_to_aspect_ratio
        self.fill_mode = fill_mode
        self.fill_value = fill_value
        self.antialias = bool(antialias)

    def transform_images(
        self, images: Any, transformation: Any = None, training: bool = True, interpolation: str | None = None
    ) -> Any:
        """A batch of images resized, in training or not."""
        return ops.image.resize(
            images,
            (self.height, self.width),
            interpolation=interpolation or self.interpolation,
            antialias=self.antialias,
            crop_to_aspect_ratio=self.crop_to_aspect_ratio,
            pad_to_aspect_ratio=self.pad_to_aspect_ratio,
            fill_mode=self.fill_mode,
            fill_value=self.fill_value,
            data_format=self.data_format,
        )

    def transform_segmentation_masks(self, masks: Any, transformation: Any, training: bool = True) -> Any:
        return self.transform_images(masks, interpolation="nearest")

    def rectangle(self, transformation: Any) -> tuple[Size, Size]:
        size = self.size_before(transformation)
        if self.crop_to_aspect_ratio or self.pad_to_aspect_ratio:
            return self.fitting(size, inside=self.crop_to_aspect_ratio)
        return (0, 0), size

    def compute_output_spec(self, data: Any, training: bool = True) -> Any:
        if isinstance(data, Mapping):
            return {
                key: tree.map_structure(lambda t: Spec(t.shape, t.dtype), part)
                if key in UNSIZED
                else self.compute_output_spec(part)
                for key, part in data.items()
            }
        return Spec(self.compute_output_shape(self._checked(data).shape), data.dtype)


class CenterCrop(_Sized):
    """The middle of images, (height, width); images that are smaller are cropped to these proportions and resized.

    Args:
        height, width: of the outputs.
        data_format: "channels_last" or "channels_first"; by default that of the configuration.
    """

    def __init__(self, height: int, width: int, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(height, width, data_format=data_format, **kwargs)

    def transform_images(self, images: Any, transformation: Any = None, training: bool = True) -> Any:
        """The middle of a batch of images, in training or not."""
        images = ops.cast(images, self.compute_dtype)
        rows, columns = self.size(images)
        if rows < self.height or columns < self.width:
            return self.fitted(images)
        return self.window(images, *self.middle(rows, columns))

    def middle(self, rows: int, columns: int) -> tuple[int, int]:
        """The upper left corner of the middle of images."""
        return (rows - self.height) // 2, (columns - self.width) // 2

    def rectangle(self, transformation: Any) -> tuple[Size, Size]:
        rows, columns = size = self.size_before(transformation)
        if rows < self.height or columns < self.width:
            return self.fitting(size)
        return self.middle(rows, columns), (self.height, self.width)


class RandomCrop(_Sized, RandomImageLayer):
    """A window (height, width) at a random place, the same for all images of a batch.

    Images that are not larger are cut and resized. Outside of training it is the largest window in the middle that has
    these proportions, resized.

    Args:
        height, width: of the outputs.
        seed: an integer, for the same draws in each process.
        data_format: "channels_last" or "channels_first"; by default that of the configuration.
        name: as of every layer.
    """

    def __init__(
        self,
        height: int,
        width: int,
        seed: Any = None,
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if seed is None:
            seed = random.make_default_seed()
        super().__init__(height, width, seed=seed, data_format=data_format, name=name, **kwargs)

    def draw(self, images: Tensor, seed: Any) -> tuple[Any, Any]:
        rows, columns = self.size(images)
        if rows > self.height and columns > self.width:
            spare = ((rows, self.height), (columns, self.width))
            places = [random.uniform((), 0.0, n - wanted + 1.0, "float32", seed) for n, wanted in spare]
            return ops.cast(places[0], "int32"), ops.cast(places[1], "int32")
        return self.fitting((rows, columns))[0]

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        images = ops.cast(images, self.compute_dtype)
        if not training:
            return self.fitted(images)
        place = transformation["place"] if isinstance(transformation, Mapping) else transformation
        cut = self.window(images, *place)
        if self.size(cut) != (self.height, self.width):
            cut = ops.image.resize(cut, (self.height, self.width), data_format=self.data_format)
        return cut

    def rectangle(self, transformation: Any) -> tuple[Size, Size]:
        rows, columns = size = self.size_before(transformation)
        if (place := transformation["place"]) is None:
            return self.fitting(size)
        whole = rows > self.height and columns > self.width
        ends = (self.height, self.width) if whole else (rows - place[0], columns - place[1])
        return place, (ops.minimum(self.height, ends[0]), ops.minimum(self.width, ends[1]))
