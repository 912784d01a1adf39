"""Pictures in folders that name their classes, as a data set."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pronghorn import config
from pronghorn.arguments import as_integer
from pronghorn_utils.directories import Request, dataset
from pronghorn_utils.images import MODES, pillow
from pronghorn_utils.resampling import INTERPOLATIONS, centre, resize, resize_with_pad

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png")
_NAME = "image_dataset_from_directory"


def image_dataset_from_directory(
    directory: str | os.PathLike[str],
    labels: Any = "inferred",
    label_mode: str | None = "int",
    class_names: Sequence[str] | None = None,
    color_mode: str = "rgb",
    batch_size: int | None = 32,
    image_size: Sequence[int] | int = (256, 256),
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    interpolation: str = "bilinear",
    follow_links: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    data_format: str | None = None,
    format: str = "tf",
    verbose: bool = True,
) -> Any:
    """Batches of the pictures below `directory`, read as they are wanted: images, or (images, labels).

    Images are float32 of shape (batch, height, width, channels), 0 to 255, or channels first; labels int32
    (batch,), float32 (batch, 1) where binary, one-hot float32 (batch, classes) where categorical. The attributes
    `class_names` and `file_paths` have the classes and the files. Read are .bmp, .gif (the first picture), .jpeg,
    .jpg and .png.

    Args:
        directory: has a folder for each class where labels are inferred; else its folders do not matter.
        labels: "inferred", None, or a list of integers for the files in alphabetical order of their paths.
        label_mode: "int", "categorical", "binary", or None for no labels.
        class_names: the folders to read, in the order of their numbers; alphabetical by default.
        color_mode: "rgb", "rgba" or "grayscale".
        batch_size: None for single pictures.
        image_size: (height, width) that every picture is resized to, or one number for both.
        shuffle: whether the files are mixed, and again in each pass; else they stay in alphabetical order.
        seed: of the shuffling.
        validation_split: the share of the files that is for validation.
        subset: "training", "validation", or "both" for a list of the two.
        interpolation: "bilinear", "nearest", "bicubic", "area", "lanczos3", "lanczos5", "gaussian" or "mitchellcubic".
        follow_links: whether folders that are symbolic links are entered.
        crop_to_aspect_ratio: whether pictures are cut to the proportions of `image_size`, not stretched.
        pad_to_aspect_ratio: whether pictures are put on black of these proportions, not stretched.
        data_format: "channels_last" or "channels_first"; the configured one by default.
        format: only "tf", which here stands for NumPy arrays.
        verbose: whether the numbers of files and classes are printed.

    Raises:
        ImportError: Pillow is not installed.
        ValueError: an argument is wrong, or there are no files.
    """
    image = pillow(_NAME)
    if color_mode not in MODES:
        raise ValueError(f"{_NAME}: color_mode is {color_mode!r}; pass one of {', '.join(MODES)}")
    if str(interpolation).lower() not in INTERPOLATIONS:
        raise ValueError(f"{_NAME}: interpolation is {interpolation!r}; pass one of {', '.join(INTERPOLATIONS)}")
    if crop_to_aspect_ratio and pad_to_aspect_ratio:
        raise ValueError(f"{_NAME}: crop_to_aspect_ratio and pad_to_aspect_ratio exclude each other; pass one")
    sizes = list(image_size) if isinstance(image_size, Sequence) else [image_size] * 2
    if len(sizes) != 2:
        raise ValueError(f"{_NAME}: image_size is {image_size!r}; pass (height, width)")
    height, width = (as_integer(size, f"{_NAME}: image_size") for size in sizes)
    first = config.standardize_data_format(data_format) == "channels_first"
    method = str(interpolation).lower()

    def load(path: str) -> NDArray[np.float32]:
        try:
            with image.open(path) as opened:
                pixels = np.asarray(opened.convert(MODES[color_mode]))
        except (OSError, SyntaxError, ValueError) as error:  # Pillow raises SyntaxError for broken PNG files
            raise ValueError(f"{_NAME}: {path} is damaged or no picture ({error}); remove it") from error
        pixels = pixels.reshape(*pixels.shape[:2], -1)
        if pad_to_aspect_ratio:
            return resize_with_pad(pixels, height, width, method)
        return resize(centre(pixels, height, width) if crop_to_aspect_ratio else pixels, height, width, method)

    def read(paths: Sequence[str]) -> NDArray[np.float32]:
        pictures = np.stack([load(path) for path in paths])
        return pictures.transpose(0, 3, 1, 2) if first else pictures

    request = Request(
        _NAME,
        directory,
        SUFFIXES,
        labels,
        label_mode,
        class_names,
        batch_size,
        shuffle,
        seed,
        validation_split,
        subset,
        follow_links,
        format,
        verbose,
    )
    return dataset(request, read)
