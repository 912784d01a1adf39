"""Layers that change the colors of images: at random, or by their own histogram."""

from __future__ import annotations

from typing import Any, ClassVar

from pronghorn import config, ops, random
from pronghorn.arguments import as_integer
from pronghorn.tensor import Tensor
from pronghorn_layers.images.base import ImageLayer, RandomImageLayer, interval, rescaled, value_range


class _RandomColor(RandomImageLayer):
    """A layer with a factor that is drawn for each image, from within `ends`.

    Args:
        factor: the ends of what is drawn; f stands for (-f, f) as far as that is allowed.
        value_range: the smallest and the largest value of a pixel; results are cut to it.
        data_format: "channels_last" or "channels_first"; by default that of the configuration.
        seed: an integer, for the same draws in each process.
    """

    ends: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __init__(
        self,
        factor: Any,
        value_range: Any = (0, 255),
        data_format: str | None = None,
        seed: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed, data_format=data_format, **kwargs)
        self.factor = interval(self, "factor", factor, *self.ends)
        self.value_range = _range(self, value_range)

    def draw(self, images: Tensor, seed: Any) -> dict[str, Any]:
        return {"factor": self.per_image(images, *self.factor, seed)}

    def cut(self, images: Any) -> Any:
        """Values within the range."""
        return ops.clip(images, *self.value_range)

    def factors(self, drawn: Any) -> Any:
        """What was drawn, in the axes of images."""
        return ops.reshape(ops.cast(drawn["factor"], self.compute_dtype), (-1, 1, 1, 1))


_range = value_range


class _InAnotherOrder(_RandomColor):
    """The same with the arguments in Keras's order: (factor, value_range, seed)."""

    def __init__(self, factor: Any, value_range: Any = (0, 255), seed: Any = None, **kwargs: Any) -> None:
        super().__init__(factor, value_range, seed=seed, **kwargs)


class RandomContrast(_InAnotherOrder):
    """(x - mean) f + mean, the mean being that of an image's channel, and f drawn from [1 - low, 1 + high].

    Args:
        factor: (low, high); a number f stands for (0, f). In [0, 1].
        value_range: the smallest and the largest value of a pixel; results are cut to it.
        seed: an integer, for the same draws in each process.
    """

    def draw(self, images: Tensor, seed: Any) -> dict[str, Any]:
        return {"contrast_factor": self.per_image(images, 1 - self.factor[0], 1 + self.factor[1], seed)}

    def transform(self, images: Tensor, drawn: Any) -> Any:
        mean: Any = ops.mean(images, axis=(self.height_axis, self.width_axis), keepdims=True)
        return self.cut((images - mean) * ops.cast(drawn["contrast_factor"], self.compute_dtype) + mean)


class RandomBrightness(_InAnotherOrder):
    """Adds a share of the value range, the same to all pixels of an image.

    Args:
        factor: the ends of the share; f stands for (-f, f). In [-1, 1].
        value_range: the smallest and the largest value of a pixel; results are cut to it.
        seed: an integer, for the same draws in each process.
    """

    ends = (-1.0, 1.0)

    def draw(self, images: Tensor, seed: Any) -> dict[str, Any]:
        low, high = self.value_range
        return {"rgb_delta": self.per_image(images, *self.factor, seed, "float32") * (high - low)}

    def transform(self, images: Tensor, drawn: Any) -> Any:
        return self.cut(images + ops.cast(drawn["rgb_delta"], self.compute_dtype))


class RandomSaturation(_RandomColor):
    """Multiplies the saturation (of HSV) of RGB images with f / (1 - f).

    Args:
        factor: the ends of f: 0 is gray, 0.5 changes nothing, 1 is fully saturated; a number stands for (0, f). In
            [0, 1].
        value_range: the smallest and the largest value of a pixel.
        data_format: "channels_last" or "channels_first"; by default that of the configuration.
        seed: an integer, for the same draws in each process.
    """

    def draw(self, images: Tensor, seed: Any) -> dict[str, Any]:
        factor = random.uniform((images.shape[0],), *self.factor, "float32", seed)
        return {"factor": factor / (1 - factor + config.epsilon())}

    def transform(self, images: Tensor, drawn: Any) -> Any:
        hue, saturation, value = self.channels(ops.image.rgb_to_hsv(images, data_format=self.data_format))
        saturation = self.cut(saturation * self.factors(drawn))
        hsv = ops.concatenate([hue, saturation, value], axis=self.channel_axis)
        return ops.image.hsv_to_rgb(hsv, data_format=self.data_format)


class RandomHue(_RandomColor):
    """Turns the hue (of HSV) of RGB images, by half of a drawn share of the circle, to one side or the other.

    Args:
        factor: the ends of the share; a number stands for (0, f). In [0, 1].
        value_range: the smallest and the largest value of a pixel; results are cut to it.
        data_format: "channels_last" or "channels_first"; by default that of the configuration.
        seed: an integer, for the same draws in each process.
    """

    def draw(self, images: Tensor, seed: Any) -> dict[str, Any]:
        inverted = random.uniform((images.shape[0],), 0.0, 1.0, "float32", seed) > 0.5
        factor = random.uniform((images.shape[0],), *self.factor, "float32", seed) * 0.5
        return {"factor": ops.where(inverted, -factor, factor)}

    def transform(self, images: Tensor, drawn: Any) -> Any:
        images = rescaled(images, self.value_range, (0, 1))
        hue, saturation, value = self.channels(ops.image.rgb_to_hsv(images, data_format=self.data_format))
        hue: Any = hue + self.factors(drawn)  # type: ignore[no-redef]
        hue = ops.where(hue > 1, hue - 1, hue)
        hue = ops.where(hue < 0, hue + 1, hue)
        hsv = ops.concatenate([hue, saturation, value], axis=self.channel_axis)
        rgb = ops.clip(ops.image.hsv_to_rgb(hsv, data_format=self.data_format), 0, 1)
        return rescaled(rgb, (0, 1), self.value_range)


class RandomColorDegeneration(_RandomColor):
    """x + f (gray - x): mixes RGB images with their gray.

    Args:
        factor: the ends of f; a number stands for (0, f). In [0, 1].
        value_range: the smallest and the largest value of a pixel; results are cut to it.
        data_format: "channels_last" or "channels_first"; by default that of the configuration.
        seed: an integer, for the same draws in each process.
    """

    ends = (-1.0, 1.0)

    def transform(self, images: Tensor, drawn: Any) -> Any:
        gray = ops.image.rgb_to_grayscale(images, data_format=self.data_format)
        return self.cut(images + self.factors(drawn) * (gray - images))


class RandomSharpness(_RandomColor):
    """smooth + 2 f (x - smooth): f below 1/2 makes images smoother, above it sharper.

    Args:
        factor: the ends of f; a number stands for (0, f). In [0, 1].
        value_range: the smallest and the largest value of a pixel; results are cut to it.
        data_format: "channels_last" or "channels_first"; by default that of the configuration.
        seed: an integer, for the same draws in each process.
    """

    def transform(self, images: Tensor, drawn: Any) -> Any:
        channels = images.shape[self.channel_axis]
        window = ops.reshape(
            ops.convert_to_tensor([1.0] * 4 + [5.0] + [1.0] * 4, self.compute_dtype) / 13, (3, 3, 1, 1)
        )
        kernel = ops.broadcast_to(window, (3, 3, channels, 1))
        smooth = ops.depthwise_conv(images, kernel, 1, "same", self.data_format)
        return self.cut(images + (1 - 2 * self.factors(drawn)) * (smooth - images))


class RandomPosterization(_RandomColor):
    """Keeps the highest bits of each value, of 8 that there are.

    Args:
        factor: the ends of how many bits are kept, the upper one excluded; a number stands for just so many. In [1, 8].
        value_range: the smallest and the largest value of a pixel.
        data_format: "channels_last" or "channels_first"; by default that of the configuration.
        seed: an integer, for the same draws in each process.
    """

    ends = (1, 8)

    def draw(self, images: Tensor, seed: Any) -> dict[str, Any]:
        low, high = (int(end) for end in self.factor)
        if low == high:
            return {"shift_factor": ops.full((images.shape[0],), 8 - low, "uint8")}
        kept = random.randint((images.shape[0],), low, high, "int32", seed)
        return {"shift_factor": ops.cast(8 - kept, "uint8")}

    def transform(self, images: Tensor, drawn: Any) -> Any:
        shift = ops.reshape(drawn["shift_factor"], (-1, 1, 1, 1))
        bits = ops.cast(rescaled(images, self.value_range, (0, 255)), "uint8")
        kept = ops.cast(ops.left_shift(ops.right_shift(bits, shift), shift), self.compute_dtype)
        return rescaled(kept, (0, 255), self.value_range)


class RandomInvert(_RandomColor):
    """The largest value minus x.

    Args:
        factor: the ends of the share of images that are inverted; a number stands for (0, f). In [0, 1].
        value_range: the smallest and the largest value of a pixel.
        seed: an integer, for the same draws in each process.
        data_format: "channels_last" or "channels_first"; by default that of the configuration.
    """

    def __init__(
        self,
        factor: Any = 1.0,
        value_range: Any = (0, 255),
        seed: Any = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(factor, value_range, data_format, seed, **kwargs)

    def draw(self, images: Tensor, seed: Any) -> dict[str, Any]:
        return {"apply_inversion": ops.reshape(self.chosen(images, self.factor, seed), (-1,))}

    def transform(self, images: Tensor, drawn: Any) -> Any:
        inverted = ops.reshape(drawn["apply_inversion"], (-1, 1, 1, 1))
        return ops.where(inverted, self.value_range[1] - images, images)


class RandomGrayscale(RandomImageLayer):
    """Makes RGB images gray, in three equal channels.

    Args:
        factor: the probability of each image. In [0, 1].
        data_format: "channels_last" or "channels_first"; by default that of the configuration.
        seed: an integer, for the same draws in each process.
    """

    def __init__(self, factor: float = 0.5, data_format: str | None = None, seed: Any = None, **kwargs: Any) -> None:
        super().__init__(seed, data_format=data_format, **kwargs)
        interval(self, "factor", (0, factor), 0.0, 1.0)
        self.factor = factor

    def draw(self, images: Tensor, seed: Any) -> Any:
        return self.per_image(images, 0.0, 1.0, seed, "float32") < self.factor

    def transform(self, images: Tensor, drawn: Any) -> Any:
        return ops.where(drawn, ops.image.rgb_to_grayscale(images, data_format=self.data_format), images)


class Solarization(RandomImageLayer):
    """255 - (x + a) where x + a is not below a threshold, with a and the threshold drawn for each image.

    Args:
        addition_factor: the ends of a, as shares of 255; f stands for (0, f). In [0, 1].
        threshold_factor: likewise of the threshold.
        value_range: the smallest and the largest value of a pixel.
        seed: an integer, for the same draws in each process.
    """

    def __init__(
        self,
        addition_factor: Any = 0.0,
        threshold_factor: Any = 0.0,
        value_range: Any = (0, 255),
        seed: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed, **kwargs)
        self.addition_factor = interval(self, "addition_factor", addition_factor, 0.0, 1.0)
        self.threshold_factor = interval(self, "threshold_factor", threshold_factor, 0.0, 1.0)
        self.value_range = _range(self, value_range)

    def draw(self, images: Tensor, seed: Any) -> dict[str, Any]:
        ends = {"additions": self.addition_factor, "thresholds": self.threshold_factor}
        return {name: self.per_image(images, low, high * 255, seed) for name, (low, high) in ends.items()}

    def transform(self, images: Tensor, drawn: Any) -> Any:
        x = rescaled(images, self.value_range, (0, 255)) + ops.cast(drawn["additions"], self.compute_dtype)
        x = ops.clip(x, 0, 255)
        x = ops.where(x < ops.cast(drawn["thresholds"], self.compute_dtype), x, 255 - x)
        return rescaled(x, (0, 255), self.value_range)


class AutoContrast(ImageLayer):
    """Stretches each channel of an image over the whole value range; channels of one value stay. Also in inference.

    Args:
        value_range: the smallest and the largest value of a pixel.
    """

    def __init__(self, value_range: Any = (0, 255), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.value_range = _range(self, value_range)

    def transform_images(self, images: Any, transformation: Any = None, training: bool = True) -> Any:
        """A batch of images stretched, in training or not."""
        images = ops.cast(images, self.compute_dtype)
        axes = (self.height_axis, self.width_axis)
        x: Any = rescaled(images, self.value_range, (0, 255))
        low, high = ops.min(x, axis=axes, keepdims=True), ops.max(x, axis=axes, keepdims=True)
        flat = ops.equal(low, high)
        scale = 255.0 / ops.where(flat, 1.0, high - low)
        stretched = ops.clip(x * scale - low * scale, 0.0, 255.0)
        return ops.where(flat, images, rescaled(stretched, (0, 255), self.value_range))


class Equalization(ImageLayer):
    """Spreads the values of each channel so that their histogram, over all images of the batch, becomes flat.

    Args:
        value_range: the smallest and the largest value of a pixel.
        bins: of the histogram.
        data_format: "channels_last" or "channels_first"; by default that of the configuration.
    """

    def __init__(
        self, value_range: Any = (0, 255), bins: int = 256, data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(data_format=data_format, **kwargs)
        self.value_range = _range(self, value_range)
        self.bins = as_integer(bins, f"layer {self.name!r} (Equalization): argument `bins`", least=2)

    def transform(self, images: Tensor, drawn: Any) -> Any:
        channels = [self._equalized(channel) for channel in self.channels(images)]
        return ops.concatenate(channels, axis=self.channel_axis)

    def _equalized(self, channel: Any) -> Any:
        x = rescaled(channel, self.value_range, (0, 255))
        places = ops.clip(ops.cast(ops.cast(x, "float32") * ((self.bins - 1) / 255), "int32"), 0, self.bins - 1)
        counts = ops.sum(ops.one_hot(ops.reshape(places, (-1,)), self.bins, dtype="int32"), axis=0)
        below = ops.cumsum(counts)
        first = ops.min(ops.where(below > 0, below, below[-1]))
        table = ops.round((below - first) * 255 / ops.maximum(below[-1] - first, 1))
        spread = ops.cast(ops.take(ops.clip(table, 0, 255), places), self.compute_dtype)
        several = ops.sum(ops.cast(counts > 0, "int32")) > 1
        return rescaled(ops.where(several, spread, x), (0, 255), self.value_range)


class RandomColorJitter(RandomImageLayer):
    """Changes brightness, contrast, saturation and hue of RGB images, one after the other.

    Args:
        value_range: the smallest and the largest value of a pixel; results are cut to it.
        brightness_factor: of `RandomBrightness`; None to leave it.
        contrast_factor: of `RandomContrast`.
        saturation_factor: of `RandomSaturation`.
        hue_factor: of `RandomHue`.
        seed: an integer, for the same draws in each process.
        data_format: "channels_last" or "channels_first"; by default that of the configuration.
    """

    def __init__(
        self,
        value_range: Any = (0, 255),
        brightness_factor: Any = None,
        contrast_factor: Any = None,
        saturation_factor: Any = None,
        hue_factor: Any = None,
        seed: Any = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed, data_format=data_format, **kwargs)
        self.value_range = value_range
        self.brightness_factor = brightness_factor
        self.contrast_factor = contrast_factor
        self.saturation_factor = saturation_factor
        self.hue_factor = hue_factor
        factors = {
            RandomBrightness: brightness_factor,
            RandomContrast: contrast_factor,
            RandomSaturation: saturation_factor,
            RandomHue: hue_factor,
        }
        same: dict[str, Any] = {"value_range": value_range, "data_format": data_format, "dtype": self.dtype_policy}
        self._parts = [kind(f, seed=seed, **same) for kind, f in factors.items() if f is not None]

    def draw(self, images: Tensor, seed: Any) -> list[Any]:
        return [part.draw(images, seed) for part in self._parts]

    def transform(self, images: Tensor, drawn: Any) -> Any:
        for part, factor in zip(self._parts, drawn, strict=True):
            images = part.transform(images, factor)
        return images
