"""MaxNumBoundingBoxes: the same number of boxes for every image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pronghorn import ops
from pronghorn.arguments import as_integer
from pronghorn_layers.images.base import ImageLayer


class MaxNumBoundingBoxes(ImageLayer):
    """The first `max_number` bounding boxes of each image; where there are fewer, others are made of `fill_value`.

    It takes the dicts of image layers with "bounding_boxes", and leaves all else as it is.

    Args:
        max_number: how many boxes images have in the outputs.
        fill_value: what boxes and labels are filled up with.
    """

    def __init__(self, max_number: int, fill_value: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        where = f"layer {self.name!r} (MaxNumBoundingBoxes): argument"
        self.max_number = as_integer(max_number, f"{where} `max_number`")
        self.fill_value = int(fill_value)

    def transform_images(self, images: Any, transformation: Any = None, training: bool = True) -> Any:
        """The images."""
        return images

    def transform_bounding_boxes(self, bounding_boxes: Any, transformation: Any = None, training: bool = True) -> Any:
        """The boxes, (batch, max_number, 4), and their labels, in training or not."""

        def limited(x: Any) -> Any:
            x = x[:, : self.max_number]
            missing = self.max_number - x.shape[1]
            return ops.pad(x, [(0, 0), (0, missing)] + [(0, 0)] * (x.ndim - 2), constant_values=self.fill_value)

        return {key: limited(part) for key, part in bounding_boxes.items()}

    def compute_output_shape(self, input_shape: Any) -> Any:
        if not isinstance(input_shape, Mapping) or "bounding_boxes" not in input_shape:
            return input_shape
        boxes = {key: (n, self.max_number, *rest) for key, (n, _, *rest) in input_shape["bounding_boxes"].items()}
        return {**input_shape, "bounding_boxes": boxes}
