"""Layers of images: the contract, what they draw, labels and masks, single images, and what they refuse. The numbers of
given draws are in test_values_of_layers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pronghorn as keras
from pronghorn import layers, ops
from pronghorn.layer import Layer
from pronghorn.program import jit
from pronghorn.testing import LayerContract
from pronghorn.testing.kernels import accelerators, using_accelerator

IMAGES = np.random.default_rng(0).uniform(0, 255, (4, 6, 5, 3)).astype("float32")

CASES: list[tuple[str, dict[str, Any]]] = [
    # class, arguments that leave nothing to chance
    ("Resizing", {"height": 4, "width": 7}),
    ("Resizing", {"height": 3, "width": 3, "crop_to_aspect_ratio": True, "antialias": True}),
    ("CenterCrop", {"height": 3, "width": 2}),
    ("RandomRotation", {"factor": (0.1, 0.1), "fill_mode": "nearest"}),
    ("RandomTranslation", {"height_factor": (0.2, 0.2), "width_factor": (0.1, 0.1), "fill_mode": "constant"}),
    ("RandomZoom", {"height_factor": (0.2, 0.2), "data_format": "channels_first"}),
    ("RandomBrightness", {"factor": (0.2, 0.2), "value_range": (-10, 10)}),
    ("RandomContrast", {"factor": (0.0, 0.0), "value_range": (-10, 10)}),
    ("RandomColorDegeneration", {"factor": (0.3, 0.3), "value_range": (-10, 10)}),
    ("RandomSharpness", {"factor": (0.8, 0.8), "value_range": (-10, 10)}),
    ("RandomInvert", {"factor": (1.0, 1.0), "value_range": (-10, 10)}),
    ("RandomGrayscale", {"factor": 1.0}),
    ("RandomGaussianBlur", {"factor": (1.0, 1.0), "sigma": (0.5, 0.5), "value_range": (-10, 10)}),
    ("Solarization", {"value_range": (-10, 10)}),
    ("AutoContrast", {"value_range": (-10, 10)}),
    ("Equalization", {"value_range": (-10, 10)}),
    ("ContrastLimitedAdaptiveHistogramEqualization", {"value_range": (-10, 10), "tile_grid_size": (2, 2)}),
    ("RandomPosterization", {"factor": (4, 4), "value_range": (-10, 10)}),
    ("RandomSaturation", {"factor": (0.7, 0.7), "value_range": (-10, 10)}),
    ("RandomColorJitter", {"brightness_factor": (0.2, 0.2), "value_range": (-10, 10)}),
    ("MaxNumBoundingBoxes", {"max_number": 2}),
]

STEPS = ("Equalization", "RandomPosterization", "ContrastLimitedAdaptiveHistogramEqualization")
"""Of these the values are steps: they have no gradient."""


def contract(name: str, options: dict[str, Any]) -> type[LayerContract]:
    def make(self: Any, **common: Any) -> Layer:
        return getattr(layers, name)(**options, **common)  # type: ignore[no-any-return]

    unknown = () if options.get("crop_to_aspect_ratio") or "antialias" in options else (1, 2)
    members = {"input_shape": (1, 3, 4, 3), "unknown": unknown, "make": make, "rtol": 1e-4}
    members["differentiable"] = name not in STEPS
    if options.get("data_format") == "channels_first":
        members |= {"input_shape": (1, 3, 3, 4), "unknown": (2, 3)}
    return type(f"Test{name}", (LayerContract,), members)


for _number, _case in enumerate(CASES):
    globals()[f"Test{_case[0]}{_number}"] = contract(*_case)


# ------------------------------------------------------------------------------------------------ draws

RANDOM: dict[str, dict[str, Any]] = {
    "CutMix": {},
    "MixUp": {},
    "RandomBrightness": {"factor": 0.5},
    "RandomColorDegeneration": {"factor": 0.5},
    "RandomColorJitter": {"brightness_factor": 0.5, "hue_factor": 0.5},
    "RandomContrast": {"factor": 0.5},
    "RandomCrop": {"height": 3, "width": 2},
    "RandomElasticTransform": {"factor": (1.0, 1.0)},
    "RandomErasing": {"factor": (1.0, 1.0)},
    "RandomFlip": {},
    "RandomGaussianBlur": {"factor": (1.0, 1.0)},
    "RandomGrayscale": {},
    "RandomHue": {"factor": 0.5},
    "RandomInvert": {},
    "RandomPerspective": {"factor": (1.0, 1.0)},
    "RandomPosterization": {"factor": (1, 8)},
    "RandomRotation": {"factor": 0.5},
    "RandomSaturation": {"factor": 0.9},
    "RandomSharpness": {"factor": 0.9},
    "RandomShear": {"x_factor": 0.5},
    "RandomTranslation": {"height_factor": 0.3, "width_factor": 0.3},
    "RandomZoom": {"height_factor": 0.3},
    "RandAugment": {"factor": 0.9},
    "AugMix": {"num_chains": 2, "chain_depth": 2},
    "Solarization": {"addition_factor": 0.5, "threshold_factor": 0.5},
}


@pytest.fixture(autouse=True)
def _on_the_reference_accelerator(request: Any) -> Any:
    with using_accelerator("numpy"):
        yield


@pytest.mark.filterwarnings("ignore:operation 'solve':UserWarning")  # LAPACK finds the maps of perspectives
@pytest.mark.parametrize("name", RANDOM)
def test_draws(name: str) -> None:
    """New ones in each call, the same for the same seed, the same in programs anywhere, none outside of training."""
    layer, twin = (getattr(layers, name)(seed=3, **RANDOM[name]) for _ in range(2))
    found = [layer(IMAGES).numpy() for _ in range(4)]
    assert any(not np.array_equal(found[0], later) for later in found[1:])
    np.testing.assert_array_equal(twin(IMAGES).numpy(), found[0])
    for accelerator in sorted({"numpy", *accelerators()}):
        compiled = getattr(layers, name)(seed=3, **RANDOM[name])
        with using_accelerator(accelerator):
            program = jit(lambda x, layer=compiled: layer(x, training=True))
            for expected in found:
                np.testing.assert_allclose(program(IMAGES).numpy(), expected, rtol=1e-5, atol=1e-4)
    still = layer(IMAGES, training=False).numpy()
    if name == "RandomCrop":
        np.testing.assert_array_equal(still, layer(IMAGES, training=False).numpy())
    else:
        np.testing.assert_array_equal(still, IMAGES)
    assert all(y.shape == still.shape and y.dtype == np.float32 and np.isfinite(y).all() for y in found)


def test_a_model_draws_in_fit_alone() -> None:
    inputs = keras.Input((6, 5, 3))
    model = keras.Model(inputs, layers.Flatten()(layers.RandomFlip(seed=1)(inputs)))
    np.testing.assert_array_equal(model.predict(IMAGES, verbose=0), IMAGES.reshape(4, -1))
    flipped = model(IMAGES, training=True).numpy().reshape(IMAGES.shape)
    assert {_flip_of(a, b) for a, b in zip(flipped, IMAGES, strict=True)} == {"none", "both"}


def _flip_of(found: Any, image: Any) -> str:
    return "none" if np.array_equal(found, image) else "both" if np.array_equal(found, image[::-1, ::-1]) else "other"


def test_each_image_has_draws_of_its_own() -> None:
    same = np.broadcast_to(IMAGES[:1], IMAGES.shape)
    found = layers.RandomRotation(0.5, seed=1)(same).numpy()
    assert not np.array_equal(found[0], found[1])


def test_ranges_of_draws() -> None:
    many = np.zeros((200, 2, 2, 3), "float32")
    angles = layers.RandomRotation((-0.1, 0.3), seed=1).get_random_transformation(many)["angle"].numpy()
    assert -36 <= angles.min() < -30 and 100 < angles.max() <= 108
    moved = layers.RandomTranslation(0.5, (0.1, 0.2), seed=1).get_random_transformation(many)["translations"].numpy()
    assert 0.2 <= moved[:, 0].min() and moved[:, 0].max() <= 0.4 and -1 <= moved[:, 1].min() < -0.8
    contrast = layers.RandomContrast((0.1, 0.3), seed=1).get_random_transformation(many)["contrast_factor"].numpy()
    assert 0.9 <= contrast.min() < 0.95 and 1.25 < contrast.max() <= 1.3
    zoom = layers.RandomZoom(0.3, (0.1, 0.2), seed=1).get_random_transformation(many)
    assert 1.1 <= zoom["width_zoom"].numpy().min() and zoom["height_zoom"].numpy().max() <= 1.3
    flips = layers.RandomFlip(seed=1).get_random_transformation(many)["flips"].numpy()
    assert 70 < flips.sum() < 130
    bits = layers.RandomPosterization((2, 5), seed=1).get_random_transformation(many)["shift_factor"].numpy()
    assert set(bits.tolist()) == {4, 5, 6}
    assert layers.RandomFlip().get_random_transformation(many, training=False) is None


# ------------------------------------------------------------------------------------------------ what goes with images


def test_masks_move_with_the_pixels_and_colors_leave_them() -> None:
    masks = (IMAGES[..., :1] > 128).astype("float32")
    data = {"images": IMAGES, "labels": np.eye(4, dtype="float32"), "segmentation_masks": masks}
    turned = layers.RandomRotation((0.25, 0.25), fill_mode="constant")(data)
    assert set(np.unique(turned["segmentation_masks"].numpy())) == {0.0, 1.0}  # without interpolation
    np.testing.assert_array_equal(turned["labels"].numpy(), data["labels"])
    brighter = layers.RandomBrightness((0.2, 0.2))(data)
    np.testing.assert_array_equal(brighter["segmentation_masks"].numpy(), masks)
    small = layers.Resizing(3, 2)(data)
    assert small["images"].shape == (4, 3, 2, 3) and small["segmentation_masks"].shape == (4, 3, 2, 1)
    flipped = layers.RandomFlip("horizontal", seed=1)({"images": masks, "segmentation_masks": masks})
    np.testing.assert_array_equal(flipped["images"].numpy(), flipped["segmentation_masks"].numpy())


def test_labels_are_mixed_with_their_images() -> None:
    labels = np.eye(4, dtype="float32")
    mixup = layers.MixUp(alpha=1.0, seed=1)
    found = mixup({"images": np.ones((4, 2, 2, 1), "float32") * np.arange(4.0).reshape(4, 1, 1, 1), "labels": labels})
    expected = found["labels"].numpy() @ np.arange(4.0)
    np.testing.assert_allclose(found["images"].numpy()[:, 0, 0, 0], expected, rtol=1e-5)
    cutmix = layers.CutMix(seed=1)({"images": IMAGES, "labels": labels})
    np.testing.assert_allclose(cutmix["labels"].numpy().sum(1), 1.0, rtol=1e-6)


def test_one_image() -> None:
    for layer in (layers.Resizing(3, 2), layers.CenterCrop(3, 2), layers.RandomBrightness((0.2, 0.2))):
        np.testing.assert_array_equal(layer(IMAGES[0]).numpy(), layer(IMAGES).numpy()[0])
    assert layers.RandomCrop(3, 2)(keras.Input((6, 5, 3))).shape == (None, 3, 2, 3)


def test_integers() -> None:
    """Resizing keeps their dtype and rounds, others compute in floats."""
    pixels = IMAGES.astype("uint8")
    resized = layers.Resizing(3, 2)(pixels)
    assert resized.dtype == "uint8" and layers.Resizing(3, 2)(keras.Input((6, 5, 3), dtype="uint8")).dtype == "uint8"
    exact = layers.Resizing(3, 2)(pixels.astype("float32")).numpy()
    np.testing.assert_array_equal(resized.numpy(), np.round(exact).astype("uint8"))
    assert layers.RandomFlip()(pixels).dtype == "float32"


def test_random_crop_takes_a_window_and_in_inference_the_middle() -> None:
    layer = layers.RandomCrop(3, 2, seed=1)
    found = layer(IMAGES).numpy()
    places = [(i, j) for i in range(4) for j in range(4) if np.array_equal(IMAGES[:, i : i + 3, j : j + 2], found)]
    assert len(places) == 1
    still = layer(IMAGES, training=False).numpy()  # Keras returns images of another size than it declares here
    middle = ops.image.resize(IMAGES, (3, 2), crop_to_aspect_ratio=True).numpy()
    np.testing.assert_array_equal(still, middle)


def test_a_pipeline_is_its_layers() -> None:
    steps = [layers.RandomFlip(seed=1), layers.Rescaling(1 / 255)]
    pipeline = layers.Pipeline(steps)
    twin = layers.Pipeline.from_config(pipeline.get_config())
    assert [type(layer) for layer in twin.layers] == [type(layer) for layer in steps]
    np.testing.assert_array_equal(pipeline(IMAGES).numpy(), twin(IMAGES).numpy())
    np.testing.assert_allclose(pipeline(IMAGES, training=False).numpy(), IMAGES / 255, rtol=1e-6)


# ------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (lambda: layers.Resizing(0, 3), ValueError, "`height`: expected a whole number of at least 1"),
        (lambda: layers.Resizing(3, 3, interpolation="cubic")(IMAGES), ValueError, "interpolation"),
        (lambda: layers.Resizing(3, 4, fill_mode="wrap", pad_to_aspect_ratio=True)(IMAGES), ValueError, "fill_mode"),
        (lambda: layers.CenterCrop(3, 3)(IMAGES[0, 0]), ValueError, "expected images of the shape"),
        (lambda: layers.RandomFlip("sideways"), ValueError, "`mode` must be 'horizontal'"),
        (lambda: layers.RandomRotation(2), ValueError, r"`factor` must be a number in \[-1.0, 1.0\]"),
        (lambda: layers.RandomRotation((0.1, 0.2, 0.3)), ValueError, "`factor` must be a number"),
        (lambda: layers.RandomZoom(0.1, fill_mode="mirror"), ValueError, "`fill_mode` must be one of"),
        (lambda: layers.RandomZoom(0.1, interpolation="bicubic"), ValueError, "`interpolation` must be one of"),
        (lambda: layers.RandomContrast(-0.5), ValueError, r"`factor` must be a number in \[0.0, 1.0\]"),
        (lambda: layers.RandomBrightness(0.1, value_range=255), ValueError, "`value_range` must be two numbers"),
        (lambda: layers.RandomGaussianBlur(kernel_size=4), ValueError, "`kernel_size` must be an odd number"),
        (lambda: layers.RandomErasing(fill_value=[1, 2]), ValueError, "`fill_value` must be a number"),
        (lambda: layers.RandomGrayscale()(IMAGES[..., :2]), ValueError, "channels"),
        (lambda: layers.RandomFlip()({"images": IMAGES, "depth": IMAGES}), ValueError, "a dict may have"),
        (lambda: layers.RandomFlip()({"images": IMAGES, "bounding_boxes": IMAGES}), ValueError, "bounding_box_format="),
    ],
)
def test_bad_arguments(wrong: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        wrong()
