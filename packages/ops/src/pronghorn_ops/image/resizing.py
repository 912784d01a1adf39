"""Images in another size: each axis is multiplied by a matrix of weights."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from pronghorn import dtypes, interpreter, ops
from pronghorn.op import composed
from pronghorn.ops.axes import canonical_axis
from pronghorn.ops.shape import as_sizes, slice_axis
from pronghorn.tensor import Tensor, convert_to_tensor
from pronghorn_ops.image.batches import as_batch, wide

# ------------------------------------------------------------------------------ kernels


def _triangle(x: Any) -> Any:
    return ops.maximum(1 - x, 0)


def _cubic(x: Any) -> Any:
    """Keys, "Cubic convolution interpolation for digital image processing" (1981), with a = -1/2."""
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return ops.where(x < 1, near, ops.where(x < 2, far, 0))


def _lanczos(radius: int) -> Callable[[Any], Any]:
    return lambda x: ops.where(x <= radius, ops.sinc(x) * ops.sinc(x / radius), 0)


_KERNELS: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("linear", "bilinear", "trilinear"), _triangle),
    **dict.fromkeys(("cubic", "bicubic", "tricubic"), _cubic),
    "lanczos3": _lanczos(3),
    "lanczos5": _lanczos(5),
}
INTERPOLATIONS = ("bilinear", "nearest", "bicubic", "lanczos3", "lanczos5")


def _weights(n: int, target: int, scale: Any, translation: Any, method: str, antialias: bool) -> Any:
    """The share of each of `n` pixels in each of `target` ones, (n, target); none in what lies outside.

    Pixel centres are at i + 1/2; the place p of the input is at scale * p + translation of the output.
    """
    dtype = scale.dtype
    step = 1 / scale
    places = (ops.arange(target, dtype=dtype) + 0.5 - translation) * step - 0.5
    distance: Any = ops.absolute(places - ops.expand_dims(ops.arange(n, dtype=dtype), 1))
    shares: Any = _KERNELS[method](distance / ops.maximum(step, 1) if antialias else distance)
    total: Any = ops.sum(shares, axis=0, keepdims=True)
    inside = (places >= -0.5) & (places <= n - 0.5) & (ops.absolute(total) > 1e-4)
    return ops.where(inside, shares / ops.where(inside, total, 1), 0)


def _weighted(x: Any, axis: int, weights: Any) -> Any:
    return ops.moveaxis(ops.tensordot(x, weights, [[axis], [0]]), -1, axis)


def _narrowed(x: Any, dtype: str) -> Any:
    """Mixed pixels in the dtype of the images: integers are rounded and limited to their range."""
    if dtypes.is_float(dtype):
        return ops.cast(x, dtype)
    return ops.saturate_cast(ops.round(x), dtype)


# ------------------------------------------------------------------------------ public


@composed
def scale_and_translate(
    images: Any,
    output_shape: Any,
    scale: Any,
    translation: Any,
    spatial_dims: Any,
    method: str,
    antialias: bool = True,
) -> Any:
    """`images` scaled and moved along the axes `spatial_dims`, black outside.

    Args:
        output_shape: of the result, all axes.
        scale, translation: of each spatial axis: what is at place p, with pixel centres at i + 1/2, goes to
            scale * p + translation. Gradients flow through both.
        method: "linear", "cubic" (with the names for two and three dimensions), "lanczos3" or "lanczos5".
        antialias: widens the kernel where images get smaller.
    """
    if method not in _KERNELS:
        raise ValueError(f"scale_and_translate: unknown method {method!r}; expected one of {', '.join(_KERNELS)}")
    x = convert_to_tensor(images)
    shape = as_sizes(output_shape, "scale_and_translate")
    axes = [canonical_axis(a, len(x.shape), "scale_and_translate") for a in as_sizes(spatial_dims, "spatial_dims")]
    result = wide(x)
    scales, shifts = (ops.cast(convert_to_tensor(v), result.dtype) for v in (scale, translation))
    if len(shape) != len(x.shape) or any(shape[i] != n for i, n in enumerate(x.shape) if i not in axes):
        raise ValueError(
            f"scale_and_translate: `output_shape` {shape} may differ from the shape {x.shape} on axes {axes} only"
        )
    if scales.shape != (len(axes),) or shifts.shape != (len(axes),):
        raise ValueError(
            f"scale_and_translate: `scale` and `translation` need one number for each of the axes {axes}, got shapes "
            f"{scales.shape} and {shifts.shape}"
        )
    for k, axis in enumerate(axes):
        n: Any = x.shape[axis]
        result = _weighted(result, axis, _weights(n, shape[axis], scales[k], shifts[k], method, antialias))
    return ops.cast(result, x.dtype) if dtypes.is_float(x.dtype) else result


def _fitted(x: Tensor, size: tuple[int, int], crop: bool, pad: bool, fill_value: Any) -> Any:
    """`x` (batch, height, width, channels) cut, or padded, at its centre to the shape of `size`."""
    height, width = x.shape[1:3]
    same_width, same_height = int(width * size[0] / size[1]), int(height * size[1] / size[0])  # type: ignore[operator]
    if crop:
        for axis, n, wanted in ((1, height, same_width), (2, width, same_height)):
            kept = max(min(n, wanted), 1)  # type: ignore[type-var]
            start = (n - kept) // 2  # type: ignore[operator]
            x = slice_axis(x, axis, start, start + kept)  # type: ignore[operator]
    if pad:
        margins = [max(wanted - n, 0) // 2 for n, wanted in ((height, same_width), (width, same_height))]  # type: ignore[operator]
        pairs = [(0, 0), *((m, m) for m in margins), (0, 0)]
        x = ops.pad(x, pairs, constant_values=fill_value) if any(margins) else x
    return x


@composed
def resize(
    images: Any,
    size: Any,
    interpolation: str = "bilinear",
    antialias: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    fill_mode: str = "constant",
    fill_value: float = 0.0,
    data_format: Any = None,
) -> Any:
    """Images (of one, or of a batch) in another size, with pixel centres at i + 1/2.

    Args:
        size: (height, width) of the result.
        interpolation: "bilinear", "nearest", "bicubic", "lanczos3" or "lanczos5".
        antialias: widens the kernel where images get smaller.
        crop_to_aspect_ratio: cuts the image at its centre first, to the shape of `size`.
        pad_to_aspect_ratio: fills it up with `fill_value` instead.
        fill_mode: "constant" only.

    Returns:
        Images of the same dtype; integers are rounded.
    """
    if interpolation not in INTERPOLATIONS:
        raise ValueError(
            f"resize: unknown interpolation {interpolation!r}; expected one of {', '.join(INTERPOLATIONS)}"
        )
    if fill_mode != "constant":
        raise ValueError(f"resize: argument `fill_mode` can be 'constant' only, got {fill_mode!r}")
    if crop_to_aspect_ratio and pad_to_aspect_ratio:
        raise ValueError("resize: give one of `crop_to_aspect_ratio` and `pad_to_aspect_ratio`, not both")
    sizes = as_sizes(size, "resize")
    if len(sizes) != 2 or min(sizes) < 1:
        raise ValueError(f"resize: argument `size` must be (height, width), at least 1 each, got {size!r}")
    x, restore = as_batch("resize", images, data_format)
    if crop_to_aspect_ratio or pad_to_aspect_ratio:
        x = _fitted(x, sizes, crop_to_aspect_ratio, pad_to_aspect_ratio, fill_value)
    result: Any = x if interpolation == "nearest" else wide(x)
    for axis, target in enumerate(sizes, start=1):
        n: Any = x.shape[axis]
        if n == target:
            continue
        if interpolation == "nearest":
            places = [math.floor((i + 0.5) * n / target) for i in range(target)]
            result = ops.take(result, ops.array(places, "int32"), axis)
            continue
        with interpreter.eagerly():
            scale = convert_to_tensor(target / n, "float64")
            weights = ops.cast(_weights(n, target, scale, 0.0, interpolation, antialias), result.dtype)
        result = _weighted(result, axis, weights)
    return restore(_narrowed(result, x.dtype))


def _margins(op: str, size: Any, given: tuple[Any, ...], names: tuple[str, str, str]) -> tuple[int, int]:
    """What is added or cut before and after, from two of: that before, that after, the size of the result."""
    before, after, target = given
    if sum(v is None for v in given) != 1:
        raise ValueError(f"{op}: give two of `{names[0]}`, `{names[1]}` and `{names[2]}`")
    sign = 1 if op == "pad_images" else -1
    if before is None:
        before = sign * (target - size) - after
    elif after is None:
        after = sign * (target - size) - before
    if before < 0 or after < 0:
        raise ValueError(
            f"{op}: `{names[0]}` {before} and `{names[1]}` {after} of an image of size {size} must not be negative"
        )
    return int(before), int(after)


def _edges(op: str, x: Tensor, vertical: tuple[Any, ...], horizontal: tuple[Any, ...], word: str) -> Any:
    sides = (("top", "bottom", "height"), ("left", "right", "width"))
    return [
        _margins(op, n, given, (f"{first}_{word}", f"{last}_{word}", f"target_{name}"))
        for n, given, (first, last, name) in zip(x.shape[1:3], (vertical, horizontal), sides, strict=True)
    ]


@composed
def pad_images(
    images: Any,
    top_padding: int | None = None,
    left_padding: int | None = None,
    bottom_padding: int | None = None,
    right_padding: int | None = None,
    target_height: int | None = None,
    target_width: int | None = None,
    data_format: Any = None,
) -> Any:
    """Images with zeros around them: two of top, bottom and target height, two of left, right and target width."""
    x, restore = as_batch("pad_images", images, data_format)
    given = (top_padding, bottom_padding, target_height), (left_padding, right_padding, target_width)
    return restore(ops.pad(x, [(0, 0), *_edges("pad_images", x, *given, "padding"), (0, 0)]))


@composed
def crop_images(
    images: Any,
    top_cropping: int | None = None,
    left_cropping: int | None = None,
    bottom_cropping: int | None = None,
    right_cropping: int | None = None,
    target_height: int | None = None,
    target_width: int | None = None,
    data_format: Any = None,
) -> Any:
    """The inner part of images: two of top, bottom and target height, two of left, right and target width."""
    x, restore = as_batch("crop_images", images, data_format)
    given = (top_cropping, bottom_cropping, target_height), (left_cropping, right_cropping, target_width)
    cuts = _edges("crop_images", x, *given, "cropping")
    sizes: Any = x.shape[1:3]
    for axis, (n, (before, after)) in enumerate(zip(sizes, cuts, strict=True), start=1):
        x = slice_axis(x, axis, before, max(n - after, before))
    return restore(x)
