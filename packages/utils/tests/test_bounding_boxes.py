"""Bounding boxes: Keras's numbers (fixtures/boxes.json, by make_boxes.py), round trips, labels, errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pronghorn import ops
from pronghorn.utils import bounding_boxes

KERAS = json.loads((Path(__file__).with_name("fixtures") / "boxes.json").read_text())
BOXES = np.array([[10, 20, 50, 60], [-5, 0, 30, 120]], "float32")


@pytest.mark.parametrize("name", KERAS)
def test_values(name: str) -> None:
    function, args, options = KERAS[name]["call"]
    arrays = [np.asarray(x, "float32") if isinstance(x, list) else x for x in args]
    found = getattr(bounding_boxes, function)(*arrays, **options)
    assert list(found.shape) == KERAS[name]["shape"] and found.dtype == "float32"
    np.testing.assert_allclose(found.numpy().ravel(), KERAS[name]["values"], rtol=2e-5, atol=2e-5)


def test_there_and_back() -> None:
    deltas = bounding_boxes.encode_box_to_deltas(BOXES, BOXES + 3, "xyxy", "xyxy", variance=[0.1, 0.1, 0.2, 0.2])
    levels = bounding_boxes.decode_deltas_to_boxes(
        {"p3": BOXES}, {"p3": deltas}, "xyxy", "xyxy", variance=[0.1, 0.1, 0.2, 0.2]
    )
    np.testing.assert_allclose(levels["p3"], BOXES + 3, rtol=1e-5)
    whole = {"boxes": BOXES, "labels": np.array([1, 2])}
    assert bounding_boxes.convert_format(whole, "xyxy", "xywh") is whole
    np.testing.assert_allclose(whole["boxes"], [[10, 20, 40, 40], [-5, 0, 35, 120]])
    assert bounding_boxes.convert_format(BOXES, "xyxy", "xyxy", dtype="float16").dtype == "float16"


def test_boxes_that_leave_the_image_lose_their_label() -> None:
    boxes = np.array([[-5, 0, 30, 120], [90, 10, 95, 20]], "float32")
    clipped = bounding_boxes.clip_to_image_size({"boxes": boxes, "labels": np.array([1, 2])}, 100, 80)
    np.testing.assert_array_equal(clipped["boxes"], [[0, 0, 30, 100], [80, 10, 80, 20]])
    np.testing.assert_array_equal(clipped["labels"], [1, -1])
    relative = bounding_boxes.clip_to_image_size({"boxes": ops.array(boxes / 100)}, bounding_box_format="rel_xyxy")
    np.testing.assert_allclose(relative["boxes"], np.clip(boxes / 100, 0, 1))


@pytest.mark.parametrize(("call", "error", "message"), [
    (lambda: bounding_boxes.convert_format(BOXES, "xyzw", "xyxy"), ValueError, "unknown source 'xyzw'"),
    (lambda: bounding_boxes.convert_format(BOXES[:, :3], "xyxy", "xywh"), ValueError, "four numbers"),
    (lambda: bounding_boxes.convert_format(BOXES, "rel_xyxy", "xyxy"), ValueError, "`height` and `width`"),
    (lambda: bounding_boxes.compute_iou(BOXES, BOXES, "rel_xyxy"), ValueError, "`image_shape`"),
    (lambda: bounding_boxes.compute_iou(BOXES[0], BOXES, "xyxy"), ValueError, "must have the shape"),
    (lambda: bounding_boxes.crop(BOXES, 1, 1, 9, 9, "xywh"), NotImplementedError, "format 'xyxy', got 'xywh'"),
    (lambda: bounding_boxes.clip_to_image_size({"boxes": BOXES}), ValueError, "`height` and `width`"),
    (lambda: bounding_boxes.encode_box_to_deltas(BOXES, BOXES, "xyxy", "xyxy", "xywh"), ValueError, "are encoded as"),
    (lambda: bounding_boxes.encode_box_to_deltas(BOXES, BOXES, "xyxy", "xyxy", variance=1), ValueError, "four numbers"),
])  # fmt: skip
def test_errors(call: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        call()
