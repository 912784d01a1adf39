"""ImageLayer: the base of layers that change images, and along with them labels and segmentation masks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pronghorn import config, ops, random, tree
from pronghorn.layer import Layer
from pronghorn.random import SeedGenerator
from pronghorn.tensor import Tensor
from pronghorn_layers.images import boxes


class ImageLayer(Layer):
    """Maps images (batch, height, width, channels), or one image without the batch; with data_format "channels_first"
    the channels come before the height.

    Instead of images it takes a dict with "images" and perhaps "labels", "segmentation_masks" and "bounding_boxes" (a
    dict of "boxes" (batch, boxes, 4) and "labels" (batch, boxes)), which undergo what becomes of the images: masks
    without interpolation, and masks and boxes not at all where only colors change. A box becomes the smallest one
    around its moved corners, cut at the edges of the image; where nothing of it is left, its label becomes -1.

    Random layers draw for each image of a batch. They do so where `training` is True, as it is by default outside of
    models; in a model it is True in `fit` alone.

    A subclass writes `draw` and `transform`, and says whether what it does moves pixels; if so, `move` says where to.

    Args:
        data_format: "channels_last" or "channels_first"; by default that of the configuration.
        bounding_box_format: of boxes, as `utils.bounding_boxes` names it: "xyxy", "rel_xywh", …
    """

    moves_pixels: ClassVar[bool] = False
    boxes_follow: ClassVar[bool] = True
    """Whether `move` says what becomes of points."""

    def __init__(self, data_format: str | None = None, bounding_box_format: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.bounding_box_format = bounding_box_format
        self.data_format = config.standardize_data_format(data_format)
        self.built = True

    # -------------------------------------------------------------------------------------------- shapes

    @property
    def height_axis(self) -> int:
        """The axis of the rows, counted from the last."""
        return -3 if self.data_format == "channels_last" else -2

    @property
    def width_axis(self) -> int:
        """The axis of the columns, counted from the last."""
        return self.height_axis + 1

    @property
    def channel_axis(self) -> int:
        """The axis of the channels, counted from the last."""
        return -1 if self.data_format == "channels_last" else -3

    def size(self, images: Any) -> tuple[int, int]:
        """Height and width."""
        return images.shape[self.height_axis], images.shape[self.width_axis]

    def channels(self, images: Any) -> list[Tensor]:
        """The channels of images, each with its axis."""
        return ops.split(images, images.shape[self.channel_axis], axis=self.channel_axis)  # type: ignore[no-any-return]

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def _checked(self, images: Any) -> Any:
        if len(images.shape) not in (3, 4):
            raise ValueError(
                f"layer {self.name!r} ({type(self).__name__}): expected images of the shape (height, width, channels) "
                f"or (batch, height, width, channels), got {images.shape}; add or drop axes"
            )
        return images

    def get_config(self) -> dict[str, Any]:
        config = {"data_format": self.data_format, **super().get_config()}
        given = {} if self.bounding_box_format is None else {"bounding_box_format": self.bounding_box_format}
        return {key: value for key, value in config.items() if key != "bounding_box_format"} | given

    # -------------------------------------------------------------------------------------------- what it does

    def draw(self, images: Tensor, seed: Any) -> Any:
        """What is drawn for a batch of images; None for nothing."""
        return None

    def transform(self, images: Tensor, drawn: Any) -> Tensor:
        """A batch of images, in the compute dtype, changed."""
        raise NotImplementedError

    def get_random_transformation(self, data: Any, training: bool = True, seed: Any = None) -> Any:
        """What is drawn for a batch of images, None outside of training."""
        images = data["images"] if isinstance(data, Mapping) else data
        return self.draw(images, seed if seed is not None else getattr(self, "generator", None)) if training else None

    def transform_images(self, images: Any, transformation: Any, training: bool = True) -> Any:
        """A batch of images, changed in training."""
        images = ops.cast(images, self.compute_dtype)
        return self.transform(images, transformation) if training else images

    def transform_labels(self, labels: Any, transformation: Any, training: bool = True) -> Any:
        """The labels of a batch of images."""
        return labels

    def transform_segmentation_masks(self, masks: Any, transformation: Any, training: bool = True) -> Any:
        """The masks of a batch of images; they are moved along with the pixels."""
        return self.transform_images(masks, transformation, training) if self.moves_pixels else masks

    def transform_bounding_boxes(self, bounding_boxes: Any, transformation: Any, training: bool = True) -> Any:
        """The boxes of a batch of images, moved along with the pixels."""
        if not self.moves_pixels or not training:
            return bounding_boxes
        if not self.boxes_follow:
            raise NotImplementedError(
                f"layer {self.name!r} ({type(self).__name__}): bounding boxes cannot follow it; leave them out"
            )
        size = self.size_before(transformation)
        return boxes.moved(
            bounding_boxes,
            self.bounding_box_format,
            size,
            self.size_after(size),
            lambda x, y: self.move(x, y, transformation),
        )

    def size_before(self, transformation: Any) -> boxes.Size:
        """Height and width of the images of which a transformation was drawn."""
        shape = transformation["input_shape"]
        return shape[self.height_axis], shape[self.width_axis]

    def size_after(self, size: boxes.Size) -> boxes.Size:
        """Height and width of the outputs."""
        return size

    def move(self, x: Any, y: Any, transformation: Any) -> boxes.Points:
        """Where points of a batch of images, (batch, …, …) each, are afterwards."""
        raise NotImplementedError(f"{type(self).__name__} has no `move`")

    # -------------------------------------------------------------------------------------------- calling

    def call(self, data: Any, training: bool = True) -> Any:
        parts = data if isinstance(data, Mapping) else {"images": data}
        if unknown := parts.keys() - _CHANGES.keys():
            raise ValueError(
                f"layer {self.name!r} ({type(self).__name__}): a dict may have {', '.join(_CHANGES)}, got "
                f"{', '.join(sorted(unknown))}"
            )
        one = len(self._checked(parts["images"]).shape) == 3
        if "bounding_boxes" in parts:
            parts = {**parts, "bounding_boxes": self._boxes(parts["bounding_boxes"])}
        batch = tree.map_structure(lambda part: ops.expand_dims(part, 0), parts) if one else parts
        drawn = self.get_random_transformation(batch, training=training)
        changed = {key: getattr(self, _CHANGES[key])(part, drawn, training) for key, part in batch.items()}
        changed = tree.map_structure(lambda part: ops.squeeze(part, 0), changed) if one else changed
        return changed if isinstance(data, Mapping) else changed["images"]

    def _boxes(self, bounding_boxes: Any) -> Any:
        title = f"layer {self.name!r} ({type(self).__name__})"
        if self.bounding_box_format is None:
            raise ValueError(f"{title}: got 'bounding_boxes'; say what they are by bounding_box_format='xyxy', say")
        return boxes.dense(bounding_boxes, title)

    def per_image(self, images: Tensor, low: Any, high: Any, seed: Any, dtype: Any = None) -> Tensor:
        """A uniform draw for each image, (batch, 1, 1, 1)."""
        return random.uniform((images.shape[0], 1, 1, 1), low, high, dtype or self.compute_dtype, seed)

    def chosen(self, images: Tensor, factor: tuple[float, float], seed: Any) -> Tensor:
        """Whether each image is changed (batch, 1, 1, 1): with a probability that is drawn between two."""
        return self.per_image(images, 0.0, 1.0, seed, "float32") < self.per_image(images, *factor, seed, "float32")


_CHANGES = {
    "images": "transform_images",
    "labels": "transform_labels",
    "segmentation_masks": "transform_segmentation_masks",
    "bounding_boxes": "transform_bounding_boxes",
}
"""Part of the data -> the method that changes it."""


class RandomImageLayer(ImageLayer):
    """An image layer that draws.

    Args:
        seed: an integer, for the same draws in each process.
    """

    def __init__(self, seed: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed = seed
        self.generator = SeedGenerator(seed)


def interval(layer: Layer, argument: str, value: Any, low: float, high: float) -> tuple[float, float]:
    """The two ends of what a factor is drawn from: a number f stands for [-f, f], as far as that is allowed.

    Raises:
        ValueError: it is neither a number nor two of them, or outside of [low, high].
    """
    if isinstance(value, (int, float)):
        ends = [max(-abs(value), low), abs(value)] if low <= value <= high else []
    else:
        ends = sorted(value) if isinstance(value, (tuple, list)) and len(value) == 2 else []
    if not ends or ends[0] < low or ends[1] > high:
        raise ValueError(
            f"layer {layer.name!r} ({type(layer).__name__}): argument `{argument}` must be a number in "
            f"[{low}, {high}], or two of them, got {value!r}"
        )
    return ends[0], ends[1]


def value_range(layer: Layer, value: Any) -> list[float]:
    """The smallest and the largest value that pixels may have.

    Raises:
        ValueError: it is not two numbers.
    """
    if not isinstance(value, (tuple, list)) or len(value) != 2 or not value[0] != value[1]:
        raise ValueError(
            f"layer {layer.name!r} ({type(layer).__name__}): argument `value_range` must be two numbers such as "
            f"(0, 255), got {value!r}"
        )
    return sorted(value)


def rescaled(images: Any, given: Any, wanted: Any) -> Any:
    """Values from one range to another."""
    if tuple(given) == tuple(wanted):
        return images
    return (images - given[0]) * ((wanted[1] - wanted[0]) / (given[1] - given[0])) + wanted[0]
