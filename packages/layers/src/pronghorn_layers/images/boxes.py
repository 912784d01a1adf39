"""Bounding boxes that are moved along with the pixels of images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pronghorn import ops, plugins

Size = tuple[Any, Any]
"""Height and width of an image."""
Points = tuple[Any, Any]
"""x and y, in pixels from the left and the upper edge: pixel k reaches from k to k + 1."""


def dense(boxes: Any, title: str) -> dict[str, Any]:
    """The parts of bounding boxes.

    Raises:
        ValueError: they are not "boxes" (…, 4) and "labels".
    """
    if not isinstance(boxes, Mapping) or set(boxes) != {"boxes", "labels"}:
        given = ", ".join(map(repr, boxes)) if isinstance(boxes, Mapping) else type(boxes).__name__
        raise ValueError(f"{title}: 'bounding_boxes' must be a dict of 'boxes' and 'labels', got {given}")
    return {"boxes": ops.cast(boxes["boxes"], "float32"), "labels": ops.convert_to_tensor(boxes["labels"])}


def moved(
    boxes: Mapping[str, Any], box_format: str, before: Size, after: Size, move: Callable[[Any, Any], Points]
) -> dict[str, Any]:
    """The smallest boxes around the moved corners of boxes, cut at the edges of the image.

    Args:
        boxes: "boxes" (batch, boxes, 4) and "labels" (batch, boxes), which become -1 where nothing of a box is left.
        box_format: of the boxes, as `utils.bounding_boxes` names it.
        before, after: the sizes of the images.
        move: takes points, (batch, boxes, 4) each, to where they are afterwards.
    """
    formats: Any = plugins.load("utils", "bounding_boxes")
    corners = formats.convert_format(boxes["boxes"], box_format, "xyxy", *before)
    left, top, right, bottom = ops.unstack(corners, axis=-1)
    x, y = move(ops.stack([left, right, left, right], axis=-1), ops.stack([top, top, bottom, bottom], axis=-1))
    ends = [ops.min(x, axis=-1), ops.min(y, axis=-1), ops.max(x, axis=-1), ops.max(y, axis=-1)]
    cut = formats.clip_to_image_size({**boxes, "boxes": ops.stack(ends, axis=-1)}, *after)
    return {**cut, "boxes": formats.convert_format(cut["boxes"], "xyxy", box_format, *after)}
