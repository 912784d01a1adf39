"""Pictures from files and into files, through Pillow, which is imported at the first use."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from pronghorn import config, dtypes
from pronghorn.arguments import as_integer
from pronghorn_utils.resampling import INTERPOLATIONS, centre, resize

MODES = {"grayscale": "L", "rgb": "RGB", "rgba": "RGBA"}
"""Pillow's modes by Keras's names."""

_GREY = ("L", "I;16", "I")
"""Grey pictures of 8, 16 and 32 bits, which stay what they are."""


def pillow(caller: str) -> Any:
    """The module PIL.Image.

    Raises:
        ImportError: it is not installed; the error says how to get it.
    """
    try:
        from PIL import Image
    except ImportError:
        raise ImportError(
            f"{caller} needs Pillow, which is not installed: pip install 'pronghorn-utils[image]'"
        ) from None
    return Image


def load_img(
    path: str | bytes | os.PathLike[str] | IO[bytes],
    color_mode: str = "rgb",
    target_size: Sequence[int] | None = None,
    interpolation: str = "nearest",
    keep_aspect_ratio: bool = False,
) -> Any:
    """The picture in a file, as a PIL image.

    Args:
        path: of the file, or a binary file object.
        color_mode: "rgb", "rgba" or "grayscale"; pictures that are grey with 16 or 32 bits stay so.
        target_size: (height, width) to resize to; None keeps the size.
        interpolation: Pillow's filter for that: "nearest", "bilinear", "bicubic", "hamming", "box" or "lanczos".
        keep_aspect_ratio: whether to cut the picture to the proportions of `target_size` instead of stretching it.

    Raises:
        ImportError: Pillow is not installed.
        OSError: there is no such file, or it is no whole picture.
        ValueError: an argument is wrong.
    """
    image = pillow("load_img")
    if color_mode not in MODES:
        raise ValueError(f"load_img: color_mode is {color_mode!r}; pass one of {', '.join(MODES)}")
    source = path if hasattr(path, "read") else io.BytesIO(Path(os.fsdecode(path)).read_bytes())
    try:
        picture = image.open(source)
        picture.load()
    except OSError as error:
        raise OSError(f"load_img: {path!r} is damaged or no picture ({error}); replace the file") from error
    mode = MODES[color_mode]
    if picture.mode != mode and not (mode == "L" and picture.mode in _GREY):
        picture = picture.convert(mode)
    if target_size is None:
        return picture
    height, width = _size(target_size, "load_img: target_size")
    filters = {name.lower(): value for name, value in image.Resampling.__members__.items()}
    if interpolation not in filters:
        raise ValueError(f"load_img: interpolation is {interpolation!r}; pass one of {', '.join(sorted(filters))}")
    if picture.size == (width, height):
        return picture
    box = None
    if keep_aspect_ratio:
        columns, rows = picture.size
        kept_rows, kept_columns = min(rows, columns * height // width), min(columns, rows * width // height)
        top, left = (rows - kept_rows) // 2, (columns - kept_columns) // 2
        box = (left, top, left + kept_columns, top + kept_rows)
    return picture.resize((width, height), filters[interpolation], box=box)


def img_to_array(img: Any, data_format: str | None = None, dtype: DTypeLike | None = None) -> NDArray[Any]:
    """A PIL image as an array (height, width, channels), or channels first; of dtype floatx by default.

    Raises:
        ValueError: it is no picture of two or three dimensions.
    """
    array = np.asarray(img, dtypes.numpy_dtype(config.floatx()) if dtype is None else dtype)
    if array.ndim not in (2, 3):
        raise ValueError(f"img_to_array: img has the shape {array.shape}; pass one picture")
    array = array.reshape(*array.shape[:2], -1)
    return array.transpose(2, 0, 1) if config.standardize_data_format(data_format) == "channels_first" else array


def array_to_img(x: Any, data_format: str | None = None, scale: bool = True, dtype: DTypeLike | None = None) -> Any:
    """An array (height, width, channels), or channels first, as a PIL image of mode L, RGB or RGBA.

    Args:
        x: of 1, 3 or 4 channels.
        data_format: "channels_last" or "channels_first"; the configured one by default.
        scale: whether values are stretched so that the least is 0 and the largest 255; else they are cut to
            whole numbers as they are, and one channel above 255 gives a picture of 32 bits (mode I).
        dtype: in which that is computed; floatx by default.

    Raises:
        ImportError: Pillow is not installed.
        ValueError: `x` is no such array.
    """
    image = pillow("array_to_img")
    array = np.asarray(x, dtypes.numpy_dtype(config.floatx()) if dtype is None else dtype)
    if array.ndim == 3 and config.standardize_data_format(data_format) == "channels_first":
        array = array.transpose(1, 2, 0)
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4):
        raise ValueError(f"array_to_img: x has the shape {np.shape(x)}; pass one picture of 1, 3 or 4 channels")
    if scale:
        array = array - array.min()
        peak = array.max()
        array = (array / peak if peak else array) * 255
    if array.shape[2] > 1:
        return image.fromarray(array.astype(np.uint8))
    return image.fromarray(array[:, :, 0].astype(np.int32 if array.max() > 255 else np.uint8))


def save_img(
    path: str | os.PathLike[str] | IO[bytes],
    x: Any,
    data_format: str | None = None,
    file_format: str | None = None,
    scale: bool = True,
    **kwargs: Any,
) -> None:
    """Writes an array to a picture file.

    Args:
        path: of the file, or a binary file object.
        x, data_format, scale: as in `array_to_img`.
        file_format: such as "png"; by default what the suffix of the path says.
        **kwargs: options of Pillow's `Image.save`.

    Raises:
        ImportError: Pillow is not installed.
        ValueError: `x` is no picture, or there is no such format.
    """
    if file_format is None and not hasattr(path, "write"):
        file_format = Path(os.fspath(path)).suffix[1:]
    if file_format is not None and file_format.lower() == "jpg":
        file_format = "jpeg"
    picture = array_to_img(x, data_format, scale)
    if picture.mode == "RGBA" and (file_format or "").lower() == "jpeg":
        warnings.warn("save_img: JPEG has no transparency; the fourth channel is dropped", stacklevel=2)
        picture = picture.convert("RGB")
    picture.save(path, format=file_format, **kwargs)


def smart_resize(
    x: Any, size: Sequence[int], interpolation: str = "bilinear", data_format: str = "channels_last"
) -> NDArray[np.float32]:
    """Pictures in another size, cut to its proportions in the middle instead of stretched; float32.

    Args:
        x: array (height, width, channels) or (batch, height, width, channels), or channels first.
        size: (height, width).
        interpolation: "bilinear", "nearest", "bicubic", "area", "lanczos3", "lanczos5", "gaussian" or "mitchellcubic".
        data_format: "channels_last" or "channels_first".

    Raises:
        ValueError: an argument is wrong.
    """
    height, width = _size(size, "smart_resize: size")
    if interpolation not in INTERPOLATIONS:
        raise ValueError(f"smart_resize: interpolation is {interpolation!r}; pass one of {', '.join(INTERPOLATIONS)}")
    array = np.asarray(x)
    if array.ndim not in (3, 4):
        raise ValueError(f"smart_resize: x has the shape {array.shape}; pass a picture or a batch of pictures")
    first = config.standardize_data_format(data_format) == "channels_first"
    pictures = np.moveaxis(array, -3, -1) if first else array
    batch = pictures.reshape(-1, *pictures.shape[-3:])
    resized = np.stack([resize(centre(picture, height, width), height, width, interpolation) for picture in batch])
    resized = resized.reshape(*pictures.shape[:-3], height, width, pictures.shape[-1])
    return np.moveaxis(resized, -1, -3) if first else resized


def _size(size: Any, name: str) -> tuple[int, int]:
    """(height, width)."""
    if not isinstance(size, (tuple, list, np.ndarray)) or len(size) != 2:
        raise ValueError(f"{name} is {size!r}; pass (height, width)")
    height, width = (as_integer(part, name) for part in size)
    return height, width
