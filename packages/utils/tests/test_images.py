"""Pictures to arrays and back, and in other sizes as TensorFlow, from which Keras takes them, resizes them."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest

from pronghorn import config
from pronghorn.utils import array_to_img, img_to_array, load_img, save_img, smart_resize
from pronghorn_utils.resampling import INTERPOLATIONS, resize, resize_with_pad

RGB = np.random.RandomState(0).randint(0, 256, (6, 4, 3)).astype(np.uint8)


@pytest.fixture
def pillow():
    return pytest.importorskip("PIL.Image")


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB"), (4, "RGBA")])
def test_arrays_become_pictures_and_arrays_again(pillow, channels, mode):
    pixels = np.random.RandomState(0).randint(0, 256, (6, 4, channels)).astype(np.uint8)
    picture = array_to_img(pixels, scale=False)
    assert (picture.mode, picture.size) == (mode, (4, 6))
    array = img_to_array(picture)
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, pixels)


def test_values_are_stretched_to_the_full_range(pillow):
    assert np.asarray(array_to_img([[[2.0], [3.0], [4.0]]])).tolist() == [[0, 127, 255]]
    assert np.asarray(array_to_img(np.ones((1, 2, 1)))).tolist() == [[0, 0]]
    assert array_to_img([[[70000.0]]], scale=False).mode == "I"


def test_channels_may_come_first(pillow, monkeypatch):
    picture = array_to_img(RGB.transpose(2, 0, 1), data_format="channels_first", scale=False)
    monkeypatch.setattr(config, "_image_data_format", "channels_first")
    np.testing.assert_array_equal(img_to_array(picture, dtype="uint8"), RGB.transpose(2, 0, 1))
    assert img_to_array(picture.convert("L")).shape == (1, 6, 4)


def test_files_are_written_and_read(pillow, tmp_path):
    save_img(tmp_path / "a.png", RGB, scale=False)
    np.testing.assert_array_equal(img_to_array(load_img(str(tmp_path / "a.png"))), RGB)
    assert load_img(tmp_path / "a.png", color_mode="grayscale").mode == "L"
    assert img_to_array(load_img(tmp_path / "a.png", color_mode="rgba")).shape == (6, 4, 4)
    buffer = io.BytesIO()
    save_img(buffer, RGB, file_format="png", scale=False)
    buffer.seek(0)
    np.testing.assert_array_equal(img_to_array(load_img(buffer)), RGB)


def test_jpeg_drops_transparency_with_a_warning(pillow, tmp_path):
    with pytest.warns(UserWarning, match="no transparency"):
        save_img(tmp_path / "a.jpg", np.zeros((2, 2, 4)))
    assert load_img(tmp_path / "a.jpg", color_mode="rgb").size == (2, 2)


def test_loaded_pictures_are_resized_stretched_or_cut(pillow, tmp_path):
    save_img(tmp_path / "a.png", RGB, scale=False)
    assert img_to_array(load_img(tmp_path / "a.png", target_size=(3, 8))).shape == (3, 8, 3)
    cut = load_img(tmp_path / "a.png", target_size=(4, 4), keep_aspect_ratio=True)
    np.testing.assert_array_equal(img_to_array(cut), RGB[1:5])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"color_mode": "cmyk"}, "color_mode is 'cmyk'"),
        ({"target_size": 3}, "target_size is 3"),
        ({"target_size": (2, 2), "interpolation": "cubic"}, "interpolation is 'cubic'"),
    ],
)
def test_wrong_arguments_are_named(pillow, tmp_path, arguments, message):
    save_img(tmp_path / "a.png", RGB)
    with pytest.raises(ValueError, match=message):
        load_img(tmp_path / "a.png", **arguments)


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 2), (1, 4, 4, 3)])
def test_what_is_no_picture_is_refused(pillow, shape):
    with pytest.raises(ValueError, match="pass one picture"):
        array_to_img(np.zeros(shape))


def test_without_pillow_the_error_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "PIL", None)
    for call in (lambda: array_to_img(RGB), lambda: load_img("a.png"), lambda: save_img(tmp_path / "a.png", RGB)):
        with pytest.raises(ImportError, match=r"pronghorn-utils\[image\]"):
            call()
    assert img_to_array(RGB).shape == RGB.shape


# ------------------------------------------------------------------------------------------------- resizing

RAMP = np.array([0, 10, 30, 60, 100, 150], np.float32)[:, None, None]
TENSORFLOW = {
    "bilinear": ([2.5, 25.0, 70.0, 137.5], [0.0, 6.25, 17.5, 33.75, 56.25, 85.0, 118.75, 150.0]),
    "nearest": ([0.0, 30.0, 60.0, 150.0], [0.0, 10.0, 10.0, 30.0, 60.0, 100.0, 100.0, 150.0]),
    "bicubic": ([1.46, 24.062, 69.062, 141.387], [-0.522, 4.864, 16.328, 33.203, 55.703, 83.828, 121.469, 152.612]),
    "area": ([3.333, 23.333, 73.333, 133.333], [0.0, 6.667, 16.667, 30.0, 60.0, 86.667, 116.667, 150.0]),
    "lanczos3": ([1.009, 24.69, 67.267, 142.462], [-0.26, 4.648, 16.59, 32.784, 56.241, 80.418, 123.644, 152.652]),
    "lanczos5": ([1.027, 23.48, 65.596, 142.325], [-0.274, 4.515, 16.191, 33.801, 57.047, 78.052, 124.344, 152.861]),
    "gaussian": ([2.689, 25.864, 69.326, 136.553], [0.759, 6.663, 17.227, 33.871, 57.387, 86.099, 117.791, 146.207]),
    "mitchellcubic": (
        [2.07, 24.618, 69.618, 138.787],
        [0.061, 5.489, 16.884, 33.759, 56.259, 84.384, 120.494, 149.693],
    ),
}
"""`tf.image.resize(RAMP, (4, 1), method)` and `(8, 1)` of TensorFlow, rounded."""


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_values_are_those_of_tensorflow(interpolation):
    smaller, larger = TENSORFLOW[interpolation]
    tolerance = 0.1 if interpolation == "bicubic" else 2e-3  # TensorFlow reads that one from a table
    np.testing.assert_allclose(resize(RAMP, 4, 1, interpolation).ravel(), smaller, atol=tolerance)
    np.testing.assert_allclose(resize(RAMP, 8, 1, interpolation).ravel(), larger, atol=tolerance)


def test_proportions_are_kept_by_cutting_or_padding():
    picture = np.ones((4, 8, 1))
    padded = resize_with_pad(picture, 6, 6, "bilinear")[:, 0, 0]
    np.testing.assert_allclose(padded, [0, 1, 1, 1, 0, 0])
    picture[:, :2] = 0
    np.testing.assert_allclose(smart_resize(picture, (2, 2)), np.ones((2, 2, 1)))
    batch = np.stack([picture, 2 * picture]).transpose(0, 3, 1, 2)
    resized = smart_resize(batch, [3, 3], data_format="channels_first")
    np.testing.assert_allclose(resized, np.ones((2, 1, 3, 3)) * [[[[1]]], [[[2]]]], rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 3}, "size is 3"),
        ({"size": (2, 2), "interpolation": "cubic"}, "interpolation"),
        ({"x": np.zeros((2, 2)), "size": (2, 2)}, r"\(2, 2\)"),
    ],
)
def test_wrong_sizes_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        smart_resize(**{"x": RGB, **arguments})
