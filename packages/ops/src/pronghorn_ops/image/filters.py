"""Smoothing, edges, and how alike two images are."""

from __future__ import annotations

from typing import Any

import numpy as np

from pronghorn import dtypes, ops
from pronghorn.op import composed
from pronghorn.ops.shape import as_sizes
from pronghorn.tensor import constant, convert_to_tensor
from pronghorn_ops.image.batches import as_batch, wide


def _gaussian(size: int, sigma: Any, dtype: str) -> Any:
    """`size` shares of a normal distribution around the middle."""
    x: Any = constant(np.arange(size) - (size - 1) / 2, dtype)
    density: Any = ops.exp(-0.5 * ops.square(x / sigma))
    return density / ops.sum(density)


def _filtered(x: Any, kernel: Any, padding: str) -> Any:
    """Each channel of `x` convolved with the matrix `kernel`."""
    channels = x.shape[-1]
    whole = ops.broadcast_to(ops.reshape(kernel, (*kernel.shape, 1, 1)), (*kernel.shape, channels, 1))
    return ops.depthwise_conv(x, whole, 1, padding, "channels_last")


def _smoothed(x: Any, vertical: Any, horizontal: Any, padding: str) -> Any:
    """Each channel of `x` convolved with two vectors, one along each axis."""
    return _filtered(_filtered(x, ops.expand_dims(vertical, 1), padding), ops.expand_dims(horizontal, 0), padding)


@composed
def gaussian_blur(images: Any, kernel_size: Any = (3, 3), sigma: Any = (1.0, 1.0), data_format: Any = None) -> Any:
    """Images smoothed by a Gaussian, with zeros outside.

    Args:
        kernel_size: cells of the window along width and height.
        sigma: standard deviations along width and height; tensors too. Gradients flow through them.
    """
    sizes = as_sizes(kernel_size, "gaussian_blur")
    if len(sizes) != 2 or min(sizes) < 1:
        raise ValueError(f"gaussian_blur: argument `kernel_size` must be two positive integers, got {kernel_size!r}")
    x, restore = as_batch("gaussian_blur", images, data_format)
    pixels = wide(x)
    deviations = ops.cast(convert_to_tensor(sigma), pixels.dtype)
    if deviations.shape != (2,):
        raise ValueError(f"gaussian_blur: argument `sigma` must be two numbers, got shape {deviations.shape}")
    horizontal, vertical = (_gaussian(sizes[k], deviations[k], pixels.dtype) for k in (0, 1))
    return restore(ops.cast(_smoothed(pixels, vertical, horizontal, "same"), x.dtype))


@composed
def sobel_edges(images: Any, data_format: Any = None) -> Any:
    """The slopes of images by Sobel's filter, (vertical, horizontal) along a new last axis; zeros are outside."""
    x, restore = as_batch("sobel_edges", images, data_format)
    pixels = wide(x)
    slope = constant(np.outer([-1, 0, 1], [1, 2, 1]), pixels.dtype)
    edges = [restore(ops.cast(_filtered(pixels, k, "same"), x.dtype)) for k in (slope, ops.transpose(slope))]
    return ops.stack(edges, axis=-1)


@composed
def ssim(
    image1: Any,
    image2: Any,
    max_val: float = 1.0,
    filter_size: int = 11,
    filter_sigma: float = 1.5,
    k1: float = 0.01,
    k2: float = 0.03,
    data_format: Any = None,
) -> Any:
    """Structural similarity of two images (Wang et al., 2004): 1 where they are equal.

    Args:
        image1, image2: images, or batches of them, of one shape.
        max_val: the largest value that a pixel can have.
        filter_size, filter_sigma: of the Gaussian window.
        k1, k2: keep the quotients of means and of variances stable.

    Returns:
        One number for each image, in the dtype of `image1`.
    """
    (x, _), (y, _) = (as_batch("ssim", image, data_format) for image in (image1, image2))
    if x.shape != y.shape:
        raise ValueError(f"ssim: the images must have one shape, got {x.shape} and {y.shape}")
    if any(n < filter_size for n in x.shape[1:3]):  # type: ignore[operator]
        raise ValueError(f"ssim: images of shape {x.shape} are smaller than the window; make `filter_size` smaller")
    a, b = wide(x), wide(y)
    window = _gaussian(filter_size, filter_sigma, a.dtype)

    def local_mean(t: Any) -> Any:
        return _smoothed(t, window, window, "valid")

    mean_a, mean_b = local_mean(a), local_mean(b)
    variances = local_mean(a * a) - mean_a * mean_a + local_mean(b * b) - mean_b * mean_b
    covariance = local_mean(a * b) - mean_a * mean_b
    c1, c2 = (k1 * max_val) ** 2, (k2 * max_val) ** 2
    luminance = (2 * mean_a * mean_b + c1) / (mean_a * mean_a + mean_b * mean_b + c1)
    values: Any = ops.mean(luminance * ((2 * covariance + c2) / (variances + c2)), axis=(1, 2, 3))
    values = values if len(convert_to_tensor(image1).shape) == 4 else ops.squeeze(values, 0)
    return ops.cast(values, x.dtype) if dtypes.is_float(x.dtype) else values
