"""Image ops: gradients, dtypes, unknown sizes, random fields and errors; the numbers are in test_keras_values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pronghorn import Input, Model, ops
from pronghorn.autodiff import check_gradients
from pronghorn.models import load_model
from pronghorn.random import SeedGenerator

image = ops.image
rng = np.random.default_rng(0)
X = rng.uniform(size=(2, 4, 3, 2))
SHIFT = np.array([0.91, 0.23, -0.57, -0.13, 1.22, 0.71, 0, 0])


@pytest.mark.parametrize("name, function", {
    "resize": lambda x: image.resize(x, (3, 5), "bicubic", antialias=True),
    "nearest": lambda x: image.resize(x, (3, 5), "nearest"),
    "translated": lambda x: image.scale_and_translate(x, (2, 5, 3, 2), [1.3], [0.2], [1], "linear"),
    "affine": lambda x: image.affine_transform(x, SHIFT, fill_mode="reflect"),
    "blur": lambda x: image.gaussian_blur(x),
    "edges": lambda x: image.sobel_edges(x),
    "ssim": lambda x: image.ssim(x, X[::-1], filter_size=3),
    "patches": lambda x: image.extract_patches(x, 2, 1, padding="same"),
    "pad": lambda x: image.pad_images(x, 1, 0, 2, 1),
    "elastic": lambda x: image.elastic_transform(x, 2.0, 1.0, seed=3),
}.items())  # fmt: skip
def test_gradients_of_images(name: str, function: Any) -> None:
    check_gradients(function, [X], rtol=1e-4, atol=1e-6)


def test_gradients_of_transformations() -> None:
    check_gradients(lambda t: image.affine_transform(X, t, fill_mode="wrap"), [SHIFT[None].repeat(2, 0)], rtol=1e-4)
    check_gradients(
        lambda s, t: image.scale_and_translate(X, (2, 5, 4, 2), s, t, [1, 2], "cubic"),
        [np.array([1.3, 0.8]), np.array([0.2, -0.3])],
        rtol=1e-4,
    )
    check_gradients(lambda s: image.gaussian_blur(X, (3, 5), s), [np.array([0.8, 1.1])], rtol=1e-4)
    check_gradients(lambda p: image.map_coordinates(X[0, :, :, 0], p, 1), [rng.uniform(0.1, 1.9, (2, 5))], rtol=1e-4)
    corners = np.array([[0.0, 0.0], [2.2, 0.1], [0.1, 3.3], [1.9, 2.8]])
    check_gradients(
        lambda p: image.perspective_transform(X, corners, p), [corners + rng.uniform(0.1, 0.3, (4, 2))], rtol=1e-3
    )
    colours = rng.uniform(size=(3, 2, 3))
    check_gradients(lambda x: image.hsv_to_rgb(image.rgb_to_hsv(x)), [colours], rtol=1e-4)
    np.testing.assert_allclose(image.hsv_to_rgb(image.rgb_to_hsv(colours)), colours)


def test_one_transformation_for_all_images() -> None:
    np.testing.assert_array_equal(image.affine_transform(X, SHIFT), image.affine_transform(X, np.stack([SHIFT, SHIFT])))


def test_elastic_fields_follow_the_seed() -> None:
    first, again = (image.elastic_transform(X, 3.0, 1.0, seed=7).numpy() for _ in range(2))
    np.testing.assert_array_equal(first, again)
    generator = SeedGenerator(7)
    generator.next()
    assert (image.elastic_transform(X, 3.0, 1.0, seed=generator).numpy() != first).any()
    still = image.elastic_transform(X, 0.0, 1.0, seed=7)
    np.testing.assert_allclose(still, X)
    outside = image.elastic_transform(X, 1e4, 1.0, "nearest", "constant", -2.0, seed=7).numpy()
    assert (outside == -2).mean() > 0.9
    last = image.elastic_transform(np.moveaxis(X, -1, 1), 3.0, 1.0, seed=7, data_format="channels_first")
    np.testing.assert_allclose(np.moveaxis(last.numpy(), 1, -1), first)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "uint8", "int32"])
def test_dtypes_are_kept(dtype: str) -> None:
    pytest.importorskip("ml_dtypes") if dtype == "bfloat16" else None
    x = ops.cast(X[0] * 200, dtype)
    for function in (
        lambda t: image.resize(t, (3, 5)),
        lambda t: image.affine_transform(t, SHIFT),
        lambda t: image.extract_patches(t, 2),
        lambda t: image.gaussian_blur(t),
    ):
        found = function(x)
        wide = function(ops.cast(x, "float64")).numpy()
        assert found.dtype == dtype
        np.testing.assert_allclose(ops.cast(found, "float64"), wide, rtol=1e-2, atol=1.0)


def test_unknown_sizes_in_a_model() -> None:
    x = Input((None, None, 3))
    assert image.resize(x, (4, 5)).shape == (None, 4, 5, 3)
    assert image.crop_images(x, None, None, 1, 2, 4, 5).shape == (None, 4, 5, 3)
    assert image.pad_images(x, 1, 1, 1, 1).shape == (None, None, None, 3)
    assert image.affine_transform(x, SHIFT).shape == (None, None, None, 3)
    assert image.extract_patches(x, 2).shape == (None, None, None, 12)
    assert image.rgb_to_grayscale(x).shape == (None, None, None, 1)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: image.resize(X, (3, 5), "cubic"), "resize: unknown interpolation 'cubic'"),
    (lambda: image.resize(X, 3), "argument `size`"),
    (lambda: image.resize(X[0, 0], (3, 5)), r"resize: expected an image .* got shape \(3, 2\)"),
    (lambda: image.resize(X, (3, 5), fill_mode="reflect"), "fill_mode"),
    (lambda: image.resize(X, (3, 5), crop_to_aspect_ratio=True, pad_to_aspect_ratio=True), "not both"),
    (lambda: image.crop_images(X, 1, 1, 1, 1, 2), "give two of `top_cropping`, `bottom_cropping` and `target_height`"),
    (lambda: image.crop_images(X, 1, 1, target_height=9, target_width=1), "must not be negative"),
    (lambda: image.pad_images(X, 1, 1, target_height=3, target_width=9), "must not be negative"),
    (lambda: image.rgb_to_grayscale(X), r"expected 1 or 3 channels on axis -1, got shape \(2, 4, 3, 2\)"),
    (lambda: image.rgb_to_hsv(np.zeros((2, 2, 3), "uint8")), "float dtype, got uint8"),
    (lambda: image.affine_transform(X, SHIFT[:6]), r"`transform` must have the shape \(8,\) or \(2, 8\)"),
    (lambda: image.affine_transform(X, SHIFT, "bicubic"), "unknown interpolation 'bicubic'"),
    (lambda: image.affine_transform(X, SHIFT, fill_mode="zero"), "unknown fill_mode 'zero'"),
    (lambda: image.perspective_transform(X, np.zeros((3, 2)), np.zeros((4, 2))), "`start_points`"),
    (lambda: image.map_coordinates(X, np.zeros((3, 2)), 1), r"`coordinates` must have the shape \(4, …\)"),
    (lambda: image.map_coordinates(X, np.zeros((4, 2)), 3), "`order` must be 0 or 1"),
    (lambda: image.scale_and_translate(X, (2, 5, 3, 2), [1.0], [0.0], [2], "linear"), "may differ"),
    (lambda: image.scale_and_translate(X, (2, 5, 3, 2), 1.0, [0.0], [1], "linear"), "one number for each"),
    (lambda: image.scale_and_translate(X, (2, 5, 3, 2), [1.0], [0.0], [1], "nearest"), "unknown method 'nearest'"),
    (lambda: image.gaussian_blur(X, 3), "`kernel_size`"),
    (lambda: image.gaussian_blur(X, (3, 3), 1.0), "`sigma`"),
    (lambda: image.ssim(X, X[:1]), "one shape"),
    (lambda: image.ssim(X, X), "smaller than the window"),
    (lambda: image.extract_patches(X, 5), "smaller than the window"),
])  # fmt: skip
def test_errors(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_models_with_ops_of_images_are_saved(tmp_path: Any) -> None:
    x = Input((6, 5, 3))
    y = ops.mean(image.rgb_to_hsv(image.resize(x, (4, 4), "nearest")), axis=-1)
    model = Model(x, [ops.sum(y, axis=1), ops.layer_normalization(y, epsilon=1e-2)])
    model.save(tmp_path / "model.keras")
    values = rng.uniform(size=(2, 6, 5, 3)).astype("float32")
    for found, expected in zip(load_model(tmp_path / "model.keras")(values), model(values), strict=True):
        np.testing.assert_array_equal(found, expected)
    classes = [(each["module"].rpartition(".")[2], each["class_name"]) for each in model.get_config()["layers"]]
    assert classes[1:] == [
        ("image", "Resize"), ("image", "RGBToHSV"), ("numpy", "Mean"), ("numpy", "Sum"), ("nn", "LayerNorm"),
    ]  # fmt: skip
