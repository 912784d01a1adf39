"""Bounding boxes in image layers: Keras's where Keras moves them rightly, and those of moved pictures everywhere.

And CLAHE, and MaxNumBoundingBoxes.
"""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pronghorn as keras
from pronghorn import layers, ops, random
from pronghorn.testing.kernels import using_accelerator
from pronghorn.utils import bounding_boxes as formats

FIXTURES = Path(__file__).with_name("fixtures")
KERAS = dict(np.load(FIXTURES / "boxes.npz"))
ASKED = runpy.run_path(str(FIXTURES / "box_cases.py"))
SIZE, BOXES, LABELS = ASKED["SIZE"], ASKED["BOXES"], ASKED["LABELS"]
CASES, DRAWN, CLAHE = ASKED["CASES"], ASKED["DRAWN"], ASKED["CLAHE"]


def boxes_in(form: str) -> dict[str, Any]:
    return {"boxes": formats.convert_format(BOXES, "xyxy", form, *SIZE[1:3]), "labels": ops.array(LABELS)}


@pytest.mark.parametrize("form", ["xyxy", "rel_center_xywh"])
@pytest.mark.parametrize("name", CASES)
def test_boxes_are_those_of_keras(name: str, form: str) -> None:
    kind, arguments = CASES[name]
    layer = getattr(layers, kind)(**arguments, bounding_box_format=form)
    if name in DRAWN:
        moved = layer.transform_bounding_boxes(boxes_in(form), DRAWN[name])
    else:
        moved = layer({"images": np.zeros(SIZE, "float32"), "bounding_boxes": boxes_in(form)})["bounding_boxes"]
    for key, value in moved.items():
        np.testing.assert_allclose(value.numpy(), KERAS[f"{name}_{form}_{key}"], rtol=1e-5, atol=1e-4)


MOVERS: dict[str, Any] = {
    "flip": lambda: layers.RandomFlip(seed=1, bounding_box_format="xyxy"),
    "rotation": lambda: layers.RandomRotation(0.15, **CONSTANT),
    "translation": lambda: layers.RandomTranslation(0.2, 0.3, **CONSTANT),
    "zoom": lambda: layers.RandomZoom((-0.3, 0.4), (-0.2, 0.3), **CONSTANT),
    "shear": lambda: layers.RandomShear(0.3, 0.2, **CONSTANT),
    "perspective": lambda: layers.RandomPerspective(
        1.0, 0.4, interpolation="nearest", seed=5, bounding_box_format="xyxy"
    ),
    "crop": lambda: layers.RandomCrop(40, 50, seed=2, bounding_box_format="xyxy"),
    "crop_wide": lambda: layers.RandomCrop(70, 20, seed=2, bounding_box_format="xyxy"),
    "center": lambda: layers.CenterCrop(41, 51, bounding_box_format="xyxy"),
    "center_wide": lambda: layers.CenterCrop(100, 40, bounding_box_format="xyxy"),
    "resizing": lambda: layers.Resizing(90, 35, interpolation="nearest", bounding_box_format="xyxy"),
    "resizing_crop": lambda: layers.Resizing(
        40, 30, interpolation="nearest", crop_to_aspect_ratio=True, bounding_box_format="xyxy"
    ),
    "resizing_pad": lambda: layers.Resizing(
        40, 30, interpolation="nearest", pad_to_aspect_ratio=True, bounding_box_format="xyxy"
    ),
    "randaugment": lambda: layers.RandAugment(
        interpolation="nearest", num_ops=3, factor=0.2, seed=4, bounding_box_format="xyxy"
    ),
}
CONSTANT: dict[str, Any] = {
    "fill_mode": "constant",
    "interpolation": "nearest",
    "seed": 3,
    "bounding_box_format": "xyxy",
}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", MOVERS)
def test_a_box_goes_where_its_pixels_go(name: str, training: bool) -> None:
    """Rectangles in the mask, one for each image of a batch, and their boxes."""
    random.set_global_seed(0)
    with using_accelerator("numpy"):
        _goes_along(MOVERS[name](), training)


def _goes_along(layer: Any, training: bool) -> None:
    corners = np.array([[20, 25, 44, 40], [30, 12, 41, 45], [24, 30, 60, 42], [33, 22, 45, 36]])
    masks = np.zeros((4, 64, 80, 1), "float32")
    for mask, (left, top, right, bottom) in zip(masks, corners, strict=True):
        mask[top:bottom, left:right] = 1
    boxes = {"boxes": corners[:, None].astype("float32"), "labels": np.ones((4, 1), "int32")}
    data = {"images": masks * 255, "segmentation_masks": masks, "bounding_boxes": boxes}
    outputs = layer(data, training=training)
    moved = outputs["bounding_boxes"]["boxes"].numpy()[:, 0]
    for mask, box, label in zip(
        outputs["segmentation_masks"].numpy(), moved, outputs["bounding_boxes"]["labels"].numpy()[:, 0], strict=True
    ):
        rows, columns = np.nonzero(mask[..., 0] > 0.5)
        assert label == (1 if len(rows) else -1)
        if len(rows):
            found = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            np.testing.assert_allclose(box, found, atol=1.5)


def test_boxes_that_leave_the_image_lose_their_label() -> None:
    layer = layers.RandomTranslation(0.0, (0.5, 0.5), bounding_box_format="xyxy")
    boxes = {"boxes": np.array([[[12, 2, 18, 5], [2, 2, 14, 5]]], "float32"), "labels": np.array([[7, 8]])}
    moved = layer({"images": np.zeros((1, 10, 20, 3), "float32"), "bounding_boxes": boxes})["bounding_boxes"]
    assert moved["labels"].numpy().tolist() == [[-1, 8]]
    assert moved["boxes"].numpy()[0, 1].tolist() == [12, 2, 20, 5]


def test_one_image_and_a_compiled_pipeline() -> None:
    pipeline = layers.Pipeline(
        [
            layers.RandomFlip("horizontal", seed=1, bounding_box_format="xywh"),
            layers.Resizing(10, 10, bounding_box_format="xywh"),
        ]
    )
    one = {
        "images": np.zeros((20, 30, 3), "float32"),
        "labels": np.array([1]),
        "bounding_boxes": {"boxes": np.array([[3, 4, 6, 8]], "float32"), "labels": np.array([2])},
    }
    found = pipeline(one)
    assert found["images"].shape == (10, 10, 3)
    assert found["bounding_boxes"]["boxes"].numpy().tolist() in ([[1, 2, 2, 4]], [[7, 2, 2, 4]])
    compiled = keras.jit(
        lambda images, boxes, labels: layers.Resizing(10, 10, bounding_box_format="xywh")(
            {"images": images, "bounding_boxes": {"boxes": boxes, "labels": labels}}
        )
    )
    data = one["bounding_boxes"]
    moved = compiled(one["images"][None], data["boxes"][None], data["labels"][None])
    assert moved["bounding_boxes"]["boxes"].numpy().tolist() == [[[1, 2, 2, 4]]]


def test_mixed_images_have_the_boxes_of_both() -> None:
    layer = layers.MixUp(seed=1, bounding_box_format="xyxy")
    drawn = {"mix_weight": np.array([0.3, 0.6], "float32"), "permutation_order": np.array([1, 0])}
    moved = layer.transform_bounding_boxes(boxes_in("xyxy"), drawn)
    np.testing.assert_array_equal(moved["labels"].numpy(), [[1, 2, 3, 4, 5, 6], [4, 5, 6, 1, 2, 3]])
    np.testing.assert_array_equal(moved["boxes"].numpy()[:, :3], BOXES)


def test_config_and_symbolic_shapes() -> None:
    layer = layers.Resizing(8, 9, bounding_box_format="xyxy")
    assert layer.get_config()["bounding_box_format"] == "xyxy"
    assert "bounding_box_format" not in layers.Resizing(8, 9).get_config()
    again = layers.Resizing.from_config(layer.get_config())
    assert again.bounding_box_format == "xyxy"
    limit = layers.MaxNumBoundingBoxes(5, bounding_box_format="xyxy")
    shapes = {"images": (None, 20, 30, 3), "bounding_boxes": {"boxes": (None, 3, 4), "labels": (None, 3)}}
    expected = {"boxes": (None, 5, 4), "labels": (None, 5)}
    assert limit.compute_output_shape(shapes)["bounding_boxes"] == expected
    for step, size in ((layer, (8, 9)), (limit, (20, 30))):
        symbols = {
            "images": keras.Input((20, 30, 3)),
            "bounding_boxes": {"boxes": keras.Input((3, 4)), "labels": keras.Input((3,))},
        }
        found = step(symbols)
        assert found["images"].shape == (None, *size, 3)
        assert found["bounding_boxes"]["boxes"].shape[1:] == ((5, 4) if step is limit else (3, 4))


@pytest.mark.parametrize(
    ("layer", "error", "message"),
    [
        (lambda: layers.RandomFlip(), ValueError, "say what they are by bounding_box_format='xyxy'"),
        (lambda: layers.RandomFlip(bounding_box_format="corners"), ValueError, "unknown source 'corners'"),
        (lambda: layers.CutMix(bounding_box_format="xyxy"), NotImplementedError, "boxes cannot follow it"),
        (lambda: layers.RandomElasticTransform(bounding_box_format="xyxy"), NotImplementedError, "cannot follow it"),
    ],
)
def test_what_is_refused(layer: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        layer()({"images": np.zeros(SIZE, "float32"), "bounding_boxes": boxes_in("xyxy")})


def test_boxes_without_labels_are_refused() -> None:
    with pytest.raises(ValueError, match="must be a dict of 'boxes' and 'labels', got 'boxes'"):
        layers.RandomFlip(bounding_box_format="xyxy")(
            {"images": np.zeros(SIZE, "float32"), "bounding_boxes": {"boxes": BOXES}}
        )


@pytest.mark.parametrize("name", CLAHE)
def test_clahe_is_that_of_keras(name: str) -> None:
    layer = layers.ContrastLimitedAdaptiveHistogramEqualization(**CLAHE[name][0])
    x = KERAS[f"clahe_{name}_x"]
    np.testing.assert_allclose(layer(x).numpy(), KERAS[f"clahe_{name}_y"], rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(keras.jit(layer)(x).numpy(), layer(x).numpy(), rtol=1e-5, atol=1e-3)
    one = layer(x[0])
    np.testing.assert_array_equal(one.numpy(), layer(x[:1]).numpy()[0])
    config = layer.get_config()
    assert type(layer).from_config(config).get_config() == config


def test_clahe_keeps_integers() -> None:
    x = np.random.default_rng(0).integers(0, 256, (1, 16, 16, 3)).astype("uint8")
    assert layers.ContrastLimitedAdaptiveHistogramEqualization(tile_grid_size=(2, 2))(x).dtype == "uint8"
    with pytest.raises(ValueError, match="`tile_grid_size`"):
        layers.ContrastLimitedAdaptiveHistogramEqualization(tile_grid_size=(2, 2, 2))
