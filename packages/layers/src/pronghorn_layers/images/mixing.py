"""Layers that mix images with each other, with noise, or with their neighbourhood."""

from __future__ import annotations

from typing import Any

from pronghorn import ops, random
from pronghorn.arguments import as_integer
from pronghorn.tensor import Tensor, convert_to_tensor
from pronghorn_layers.images.base import RandomImageLayer, interval


class MixUp(RandomImageLayer):
    """w x + (1 - w) y, with y another image of the batch, and the same of their labels (Zhang et al., 2018).

    Args:
        alpha: w is drawn from Beta(alpha, alpha) for each image.
        data_format: "channels_last" or "channels_first"; by default that of the configuration.
        seed: an integer, for the same draws in each process.
    """

    moves_pixels = True

    def __init__(self, alpha: float = 0.2, data_format: str | None = None, seed: Any = None, **kwargs: Any) -> None:
        super().__init__(seed, data_format=data_format, **kwargs)
        self.alpha = alpha

    def draw(self, images: Tensor, seed: Any) -> dict[str, Any]:
        batch = images.shape[0]
        order = random.shuffle(ops.arange(batch), seed=seed)
        return {"mix_weight": random.beta((batch,), self.alpha, self.alpha, seed=seed), "permutation_order": order}

    def transform(self, images: Tensor, drawn: Any) -> Any:
        return _mixed(images, drawn)

    def transform_labels(self, labels: Any, transformation: Any, training: bool = True) -> Any:
        return _mixed(convert_to_tensor(labels), transformation) if training else labels

    def transform_bounding_boxes(self, bounding_boxes: Any, transformation: Any, training: bool = True) -> Any:
        """The boxes of both images, (batch, 2 * boxes, 4)."""
        if not training:
            return bounding_boxes
        order = transformation["permutation_order"]
        return {k: ops.concatenate([x, ops.take(x, order, axis=0)], axis=1) for k, x in bounding_boxes.items()}


def _mixed(x: Tensor, drawn: Any) -> Any:
    """w x + (1 - w) y, in a float dtype."""
    x = x if x.dtype.startswith(("float", "bfloat")) else ops.cast(x, "float32")
    weight = ops.reshape(ops.cast(drawn["mix_weight"], x.dtype), (-1, *(1,) * (len(x.shape) - 1)))
    return weight * x + (1 - weight) * ops.take(x, drawn["permutation_order"], axis=0)


class _Patching(RandomImageLayer):
    """Replaces a rectangle of each image."""

    def rectangles(self, images: Tensor, shares: tuple[Tensor, Tensor], seed: Any) -> tuple[Any, Any]:
        """Which pixels are in a rectangle (batch, height, width, 1) of a share of the width and one of the height, and
        its share of the area.
        """
        inside, area = None, 1.0
        for share, axis in zip(shares, (self.width_axis, self.height_axis), strict=True):
            n: Any = images.shape[axis]
            length = ops.reshape(share, (-1, 1, 1, 1)) * n
            start = self.per_image(images, 0.0, 1.0, seed) * (n - length)
            pixels = ops.reshape(ops.arange(n, dtype=self.compute_dtype), (n, *(1,) * (-1 - axis)))
            hit = ops.logical_and(pixels >= start, pixels < start + length)
            inside = hit if inside is None else ops.logical_and(inside, hit)
            area = area * length / n
        return inside, ops.reshape(area, (-1,))


class CutMix(_Patching):
    """Replaces a rectangle of each image by that of another of the batch, and mixes labels accordingly (Yun et al.,
    2019).

    Args:
        factor: the ends of a; f stands for (0, f). The share of the image that is kept is drawn from Beta(a, a).
        seed: an integer, for the same draws in each process.
        data_format: "channels_last" or "channels_first"; by default that of the configuration.
    """

    moves_pixels = True
    boxes_follow = False

    def __init__(self, factor: Any = 1.0, seed: Any = None, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(seed, data_format=data_format, **kwargs)
        self.factor = interval(self, "factor", factor, 0.0, 1.0)

    def draw(self, images: Tensor, seed: Any) -> dict[str, Any]:
        batch = images.shape[0]
        alpha = random.uniform((), *self.factor, "float32", seed) + 1e-6
        kept = random.beta((batch,), alpha, alpha, "float32", seed=seed)
        share = ops.cast(ops.sqrt(1.0 - kept), self.compute_dtype)
        inside, area = self.rectangles(images, (share, share), seed)
        order = random.shuffle(ops.arange(batch), seed=seed)
        return {"permutation_order": order, "batch_masks": inside, "mix_weight": 1.0 - area}

    def transform(self, images: Tensor, drawn: Any) -> Any:
        return ops.where(drawn["batch_masks"], ops.take(images, drawn["permutation_order"], axis=0), images)

    def transform_labels(self, labels: Any, transformation: Any, training: bool = True) -> Any:
        return _mixed(convert_to_tensor(labels), transformation) if training else labels


class RandomErasing(_Patching):
    """Fills a rectangle of images (Zhong et al., 2020).

    Args:
        factor: the ends of the share of images that are changed; f stands for (0, f). In [0, 1].
        scale: the ends of the share of each side, squared, that the rectangle takes; f stands for (0, f).
        fill_value: a number, or one for each of three channels; None for noise.
        value_range: the smallest and the largest value of a pixel; what is filled in is cut to it.
        seed: an integer, for the same draws in each process.
        data_format: "channels_last" or "channels_first"; by default that of the configuration.
    """

    def __init__(
        self,
        factor: Any = 1.0,
        scale: Any = (0.02, 0.33),
        fill_value: Any = None,
        value_range: Any = (0, 255),
        seed: Any = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed, data_format=data_format, **kwargs)
        self.factor = interval(self, "factor", factor, 0.0, 1.0)
        self.scale = interval(self, "scale", scale, 0.0, 1.0)
        if not isinstance(fill_value, (int, float, type(None))) and len(fill_value) != 3:
            raise ValueError(
                f"layer {self.name!r} (RandomErasing): argument `fill_value` must be a number, three of them or None, "
                f"got {fill_value!r}"
            )
        self.fill_value = fill_value
        self.value_range = value_range

    def draw(self, images: Tensor, seed: Any) -> dict[str, Any]:
        shares = [
            ops.sqrt(random.uniform((images.shape[0],), *self.scale, self.compute_dtype, seed)) for _ in ("x", "y")
        ]
        inside, _ = self.rectangles(images, (shares[0], shares[1]), seed)
        chosen = ops.reshape(self.chosen(images, self.factor, seed), (-1,))
        return {"apply_erasing": chosen, "batch_masks": inside, "fill_value": self._filling(images, seed)}

    def _filling(self, images: Tensor, seed: Any) -> Any:
        low, high = self.value_range
        if self.fill_value is None:
            return ops.clip(random.normal(images.shape, dtype=self.compute_dtype, seed=seed) * high, low, high)
        value = ops.convert_to_tensor(self.fill_value, self.compute_dtype)
        if value.shape and self.data_format == "channels_first":
            value = ops.reshape(value, (-1, 1, 1))
        return ops.clip(value, low, high)

    def transform(self, images: Tensor, drawn: Any) -> Any:
        erased = ops.logical_and(drawn["batch_masks"], ops.reshape(drawn["apply_erasing"], (-1, 1, 1, 1)))
        return ops.where(erased, ops.cast(drawn["fill_value"], self.compute_dtype), images)


class RandomGaussianBlur(RandomImageLayer):
    """Blurs images by a normal density.

    Args:
        factor: the ends of the share of images that are changed; f stands for (0, f). In [0, 1].
        kernel_size: of the window, odd; or height and width.
        sigma: the ends of the density's standard deviation in pixels, drawn for a batch; f stands for (0, f). In
            [0, 1].
        value_range: the smallest and the largest value of a pixel; results are cut to it.
        data_format: "channels_last" or "channels_first"; by default that of the configuration.
        seed: an integer, for the same draws in each process.
    """

    def __init__(
        self,
        factor: Any = 1.0,
        kernel_size: Any = 3,
        sigma: Any = 1.0,
        value_range: Any = (0, 255),
        data_format: str | None = None,
        seed: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed, data_format=data_format, **kwargs)
        self.factor = interval(self, "factor", factor, 0.0, 1.0)
        sizes = tuple(kernel_size) if isinstance(kernel_size, (tuple, list)) else (kernel_size, kernel_size)
        where = f"layer {self.name!r} (RandomGaussianBlur): argument `kernel_size`"
        self.kernel_size = tuple(as_integer(n, where) for n in sizes)
        if len(sizes) != 2 or any(n % 2 == 0 for n in self.kernel_size):
            raise ValueError(f"{where} must be an odd number, or two of them, got {kernel_size!r}")
        self.sigma = interval(self, "sigma", sigma, 0.0, 1.0)
        self.value_range = value_range

    def draw(self, images: Tensor, seed: Any) -> dict[str, Any]:
        chosen = ops.reshape(self.chosen(images, self.factor, seed), (-1,))
        sigma = random.uniform((2,), *self.sigma, self.compute_dtype, seed) + 1e-6
        return {"should_apply_blur": chosen, "blur_factor": sigma}

    def transform(self, images: Tensor, drawn: Any) -> Any:
        blurred = ops.image.gaussian_blur(
            images, kernel_size=self.kernel_size, sigma=drawn["blur_factor"], data_format=self.data_format
        )
        changed = ops.where(ops.reshape(drawn["should_apply_blur"], (-1, 1, 1, 1)), blurred, images)
        return ops.clip(changed, *self.value_range)
