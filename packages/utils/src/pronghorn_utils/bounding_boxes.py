"""keras.utils.bounding_boxes: boxes around things in images, in several formats.

A box is four numbers along the last axis. "xyxy" has the corners (left, top, right, bottom), "yxyx" the same with y
first, "xywh" the corner and the sizes, "center_xywh" the middle and the sizes, "center_yxhw" that with y first;
"rel_" before one of them means shares of the image's width and height.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pronghorn import config, ops
from pronghorn.tensor import convert_to_tensor

_ORDERS = ("xyxy", "yxyx", "xywh", "center_xywh", "center_yxhw")
FORMATS = (*_ORDERS, "rel_xyxy", "rel_yxyx", "rel_xywh", "rel_center_xywh")


def _parts(boxes: Any) -> list[Any]:
    return list(ops.unstack(boxes, axis=-1))


def _joined(*parts: Any) -> Any:
    return ops.stack(parts, axis=-1)


def _corners(boxes: Any, order: str) -> tuple[Any, Any, Any, Any]:
    """Left, top, right and bottom."""
    a, b, c, d = _parts(boxes)
    if order == "xyxy":
        return a, b, c, d
    if order == "yxyx":
        return b, a, d, c
    if order == "xywh":
        return a, b, a + c, b + d
    x, y, width, height = (a, b, c, d) if order == "center_xywh" else (b, a, d, c)
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _in_order(left: Any, top: Any, right: Any, bottom: Any, order: str) -> Any:
    width, height = right - left, bottom - top
    x, y = left + width / 2, top + height / 2
    return {
        "xyxy": lambda: _joined(left, top, right, bottom),
        "yxyx": lambda: _joined(top, left, bottom, right),
        "xywh": lambda: _joined(left, top, width, height),
        "center_xywh": lambda: _joined(x, y, width, height),
        "center_yxhw": lambda: _joined(y, x, height, width),
    }[order]()


def _only(op: str, bounding_box_format: str, *formats: str) -> None:
    if bounding_box_format not in formats:
        raise NotImplementedError(
            f"{op}: boxes must be in the format {' or '.join(map(repr, formats))}, got {bounding_box_format!r}; "
            "convert them with convert_format first"
        )


def convert_format(
    boxes: Any, source: str, target: str, height: Any = None, width: Any = None, dtype: Any = "float32"
) -> Any:
    """Boxes in another format.

    Args:
        boxes: (…, 4), or a dict with such "boxes" and more, which gets the new ones.
        source, target: "xyxy", "yxyx", "xywh", "center_xywh", "center_yxhw", or the first four relative to the image:
            "rel_xyxy", …
        height, width: of the image; from a relative format or to one they are needed.
        dtype: of the result.
    """
    if isinstance(boxes, dict):
        boxes["boxes"] = convert_format(boxes["boxes"], source, target, height, width, dtype)
        return boxes
    boxes = ops.cast(convert_to_tensor(boxes), dtype)
    source, target = source.lower(), target.lower()
    for name, value in (("source", source), ("target", target)):
        if value not in FORMATS:
            raise ValueError(f"convert_format: unknown {name} {value!r}; expected one of {', '.join(FORMATS)}")
    if not boxes.shape or boxes.shape[-1] != 4:
        raise ValueError(f"convert_format: boxes must have four numbers along the last axis, got shape {boxes.shape}")
    relative = source.startswith("rel_"), target.startswith("rel_")
    if any(relative) and (height is None or width is None):
        raise ValueError(f"convert_format: from {source!r} to {target!r} needs `height` and `width` of the image")
    if source == target:
        return boxes
    corners = _corners(boxes, source.removeprefix("rel_"))
    if relative[0] != relative[1]:
        sizes = [ops.cast(convert_to_tensor(v), dtype) for v in (width, height)] * 2
        scale = ops.multiply if relative[0] else ops.divide
        corners = tuple(scale(c, size) for c, size in zip(corners, sizes, strict=True))
    return _in_order(*corners, target.removeprefix("rel_"))


def clip_to_image_size(
    bounding_boxes: Mapping[str, Any], height: Any = None, width: Any = None, bounding_box_format: str = "xyxy"
) -> dict[str, Any]:
    """Boxes cut off at the edges of the image; labels of those that have no area left become -1.

    Args:
        bounding_boxes: a dict with "boxes" (…, 4) and "labels" (…), if any.
        height, width: of the image, for "xyxy".
        bounding_box_format: "xyxy" or "rel_xyxy".
    """
    _only("clip_to_image_size", bounding_box_format, "xyxy", "rel_xyxy")
    if bounding_box_format == "rel_xyxy":
        height = width = 1.0
    elif height is None or width is None:
        raise ValueError("clip_to_image_size: boxes in the format 'xyxy' need `height` and `width` of the image")
    boxes = _clipped(convert_to_tensor(bounding_boxes["boxes"]), height, width)
    result = {**bounding_boxes, "boxes": boxes}
    if bounding_boxes.get("labels") is not None:
        left, top, right, bottom = _parts(boxes)
        labels = convert_to_tensor(bounding_boxes["labels"])
        result["labels"] = ops.where((right - left) * (bottom - top) > 0, labels, -1)
    return result


def _clipped(boxes: Any, height: Any, width: Any) -> Any:
    sizes = [ops.cast(convert_to_tensor(v), boxes.dtype) for v in (width, height)] * 2
    sizes = [ops.expand_dims(size, -1) if size.shape else size for size in sizes]
    return _joined(*(ops.clip(part, 0, size) for part, size in zip(_parts(boxes), sizes, strict=True)))


def crop(boxes: Any, top: Any, left: Any, height: Any, width: Any, bounding_box_format: str = "xyxy") -> Any:
    """Boxes (…, 4) of the part of an image that begins at (left, top) and has this height and width."""
    _only("crop", bounding_box_format, "xyxy")
    return _clipped(_moved(boxes, ops.negative(top), ops.negative(left)), height, width)


def pad(
    boxes: Any, top: Any, left: Any, height: Any = None, width: Any = None, bounding_box_format: str = "xyxy"
) -> Any:
    """Boxes (…, 4) of an image that got `top` rows above it and `left` columns beside it.

    Args:
        height, width: of the image; the boxes do not depend on them.
    """
    _only("pad", bounding_box_format, "xyxy")
    return _moved(boxes, top, left)


def _moved(boxes: Any, down: Any, right: Any) -> Any:
    x1, y1, x2, y2 = _parts(convert_to_tensor(boxes))
    return _joined(x1 + right, y1 + down, x2 + right, y2 + down)


def affine_transform(
    boxes: Any,
    angle: Any,
    translate_x: Any,
    translate_y: Any,
    scale: Any,
    shear_x: Any,
    shear_y: Any,
    height: Any,
    width: Any,
    center_x: Any = None,
    center_y: Any = None,
    bounding_box_format: str = "xyxy",
) -> Any:
    """The boxes around boxes (batch, count, 4) that are turned, moved, scaled and sheared with their image.

    Args:
        angle, shear_x, shear_y: (batch,) in degrees.
        translate_x, translate_y: (batch,) shares of the image's size.
        scale: (batch,) factors.
        height, width: of the image.
        center_x, center_y: of the rotation, shares of the image's size; its middle by default.
    """
    _only("affine_transform", bounding_box_format, "xyxy")
    turned, shift_x, shift_y, factor, skew_x, skew_y = (
        convert_to_tensor(v, "float32") for v in (angle, translate_x, translate_y, scale, shear_x, shear_y)
    )
    turn, skew_x, skew_y = (ops.multiply(v, -math.pi / 180) for v in (turned, skew_x, skew_y))
    x0, y0 = (ops.multiply(0.5 if c is None else c, n - 1) for c, n in ((center_x, width), (center_y, height)))
    moved_x, moved_y = x0 - shift_x * (width - 1), y0 - shift_y * (height - 1)
    # rotation and shear [[a, b], [c, d]], of determinant 1; what is applied is its inverse, scaled
    a, c = ops.cos(turn - skew_y) / ops.cos(skew_y), -ops.sin(turn - skew_y) / ops.cos(skew_y)
    b, d = a * ops.tan(skew_x) + ops.sin(turn), ops.cos(turn) - c * ops.tan(skew_x)
    a0, a1, b0, b1 = (ops.expand_dims(v * factor, (-1, -2)) for v in (d, -b, -c, a))
    a2, b2 = (
        ops.expand_dims(v, (-1, -2))
        - (along_x * ops.expand_dims(moved_x, (-1, -2)))
        - along_y * ops.expand_dims(moved_y, (-1, -2))
        for v, along_x, along_y in ((x0, a0, a1), (y0, b0, b1))
    )
    left, top, right, bottom = _parts(ops.cast(convert_to_tensor(boxes), "float32"))
    x, y = ops.stack([left, right, right, left], -1), ops.stack([top, top, bottom, bottom], -1)
    new_x, new_y = a0 * x + a1 * y + a2, b0 * x + b1 * y + b2
    return _joined(ops.min(new_x, -1), ops.min(new_y, -1), ops.max(new_x, -1), ops.max(new_y, -1))


# ------------------------------------------------------------------------------ how much boxes overlap


def _of_image(op: str, bounding_box_format: str, image_shape: Any) -> tuple[Any, Any]:
    if image_shape is None and "rel" in bounding_box_format:
        raise ValueError(f"{op}: the format {bounding_box_format!r} needs `image_shape`, (height, width, channels)")
    return (None, None) if image_shape is None else (image_shape[0], image_shape[1])


def compute_iou(
    boxes1: Any,
    boxes2: Any,
    bounding_box_format: str,
    use_masking: bool = False,
    mask_val: float = -1,
    image_shape: Any = None,
) -> Any:
    """The area that each two boxes share, as a share of what they cover together.

    Args:
        boxes1, boxes2: (count, 4) or (batch, count, 4) each.
        bounding_box_format: of both.
        use_masking, mask_val: gives `mask_val` for boxes of which all numbers are negative.
        image_shape: (height, width, channels), for relative formats.

    Returns:
        (…, count of boxes1, count of boxes2).
    """
    height, width = _of_image("compute_iou", bounding_box_format, image_shape)
    pair = [convert_format(b, bounding_box_format, "xyxy", height, width) for b in (boxes1, boxes2)]
    if any(len(b.shape) not in (2, 3) for b in pair):
        raise ValueError(
            f"compute_iou: boxes must have the shape (count, 4) or (batch, count, 4), got {pair[0].shape} and "
            f"{pair[1].shape}"
        )
    first, second = ops.expand_dims(pair[0], -2), ops.expand_dims(pair[1], -3)
    (l1, t1, r1, b1), (l2, t2, r2, b2) = _parts(first), _parts(second)
    shared_width = ops.maximum(ops.minimum(r1, r2) - ops.maximum(l1, l2), 0)
    shared_height = ops.maximum(ops.minimum(b1, b2) - ops.maximum(t1, t2), 0)
    shared = shared_width * shared_height
    together = (r1 - l1) * (b1 - t1) + (r2 - l2) * (b2 - t2) - shared
    result = shared / (together + config.epsilon())
    if not use_masking:
        return result
    absent = [ops.max(b, axis=-1) < 0 for b in (first, second)]
    return ops.where(ops.logical_or(*absent), mask_val, result)


def compute_ciou(boxes1: Any, boxes2: Any, bounding_box_format: str, image_shape: Any = None) -> Any:
    """Complete IoU (Zheng et al., 2020) of boxes (…, 4) with their partners: it also counts distance and proportions.

    Args:
        bounding_box_format: of both.
        image_shape: (height, width, channels), for relative formats.
    """
    height, width = _of_image("compute_ciou", bounding_box_format, image_shape)
    least = config.epsilon()
    (l1, t1, r1, b1), (l2, t2, r2, b2) = (
        _parts(convert_format(b, bounding_box_format, "xyxy", height, width)) for b in (boxes1, boxes2)
    )
    width1, height1, width2, height2 = r1 - l1, b1 - t1 + least, r2 - l2, b2 - t2 + least
    shared_width = ops.maximum(ops.minimum(r1, r2) - ops.maximum(l1, l2), 0)
    shared = shared_width * ops.maximum(ops.minimum(b1, b2) - ops.maximum(t1, t2), 0)
    iou = shared / (width1 * height1 + width2 * height2 - shared + 2 * least)
    hull_width, hull_height = ops.maximum(r1, r2) - ops.minimum(l1, l2), ops.maximum(b1, b2) - ops.minimum(t1, t2)
    diagonal = ops.square(hull_width) + ops.square(hull_height) + least
    distance = ops.square((l1 + r1 - l2 - r2) / 2) + ops.square((t1 + b1 - t2 - b2) / 2)
    proportions = ops.square(ops.arctan(width2 / height2) - ops.arctan(width1 / height1)) * (4 / math.pi**2)
    weight = proportions / (proportions - iou + (1 + least))
    return iou - (distance / diagonal + proportions * weight)


# ------------------------------------------------------------------------------ boxes as changes of anchors


def _variance(op: str, variance: Any, encoding: str) -> Any:
    if encoding not in ("center_xywh", "center_yxhw"):
        raise ValueError(f"{op}: boxes are encoded as 'center_xywh' or 'center_yxhw', got {encoding!r}")
    if variance is None:
        return None
    numbers = convert_to_tensor(variance, "float32")
    if not numbers.shape or numbers.shape[-1] != 4:
        raise ValueError(f"{op}: argument `variance` must be four numbers, got shape {numbers.shape}")
    return numbers


def encode_box_to_deltas(
    anchors: Any,
    boxes: Any,
    anchor_format: str,
    box_format: str,
    encoding_format: str = "center_yxhw",
    variance: Any = None,
    image_shape: Any = None,
) -> Any:
    """What changes anchors to boxes: shifts in units of their size, and logarithms of factors of their size.

    Args:
        anchors: (count, 4). boxes: (count, 4) or (batch, count, 4).
        anchor_format, box_format: of each.
        encoding_format: "center_yxhw" or "center_xywh".
        variance: four numbers that the result is divided by.
        image_shape: (height, width, channels), for relative formats.
    """
    scale = _variance("encode_box_to_deltas", variance, encoding_format)
    height, width = (None, None) if image_shape is None else image_shape[:2]
    anchor = convert_format(anchors, anchor_format, encoding_format, height, width)
    box = convert_format(boxes, box_format, encoding_format, height, width)
    sizes = [ops.maximum(b[..., 2:], config.epsilon()) for b in (anchor, box)]
    shift = (box[..., :2] - anchor[..., :2]) / sizes[0]
    deltas = ops.concatenate([shift, ops.log(sizes[1] / sizes[0])], axis=-1)
    return deltas if scale is None else deltas / scale


def decode_deltas_to_boxes(
    anchors: Any,
    boxes_delta: Any,
    anchor_format: str,
    box_format: str,
    encoded_format: str = "center_yxhw",
    variance: Any = None,
    image_shape: Any = None,
) -> Any:
    """The boxes that `encode_box_to_deltas` was given.

    Args:
        anchors, boxes_delta: tensors, or dicts of them by level.
        variance: four numbers that the deltas are multiplied by.
    """
    scale = _variance("decode_deltas_to_boxes", variance, encoded_format)
    if isinstance(anchors, Mapping):
        options = (anchor_format, box_format, encoded_format, variance, image_shape)
        return {level: decode_deltas_to_boxes(anchors[level], boxes_delta[level], *options) for level in anchors}
    height, width = (None, None) if image_shape is None else image_shape[:2]
    anchor = convert_format(anchors, anchor_format, encoded_format, height, width)
    deltas = convert_to_tensor(boxes_delta)
    deltas = deltas if scale is None else deltas * scale
    sizes = anchor[..., 2:]
    centers = deltas[..., :2] * sizes + anchor[..., :2]
    box = ops.concatenate([centers, ops.exp(deltas[..., 2:]) * sizes], axis=-1)
    return convert_format(box, encoded_format, box_format, height, width)
