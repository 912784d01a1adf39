"""Layers that move the pixels of images at random: flips, rotations, translations, zooms, shears, perspectives."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from pronghorn import ops, plugins, random
from pronghorn.graph import Spec
from pronghorn.tensor import Tensor
from pronghorn_layers.images.base import RandomImageLayer, interval


class RandomFlip(RandomImageLayer):
    """Flips each image with probability 1/2.

    Args:
        mode: "horizontal" (left and right change places), "vertical", or "horizontal_and_vertical": both at once.
        seed: an integer, for the same draws in each process.
        data_format: "channels_last" or "channels_first"; by default that of the configuration.
    """

    moves_pixels = True

    def __init__(
        self, mode: str = "horizontal_and_vertical", seed: Any = None, data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(seed, data_format=data_format, **kwargs)
        if mode not in ("horizontal", "vertical", "horizontal_and_vertical"):
            raise ValueError(
                f"layer {self.name!r} (RandomFlip): argument `mode` must be 'horizontal', 'vertical' or "
                f"'horizontal_and_vertical', got {mode!r}"
            )
        self.mode = mode

    def draw(self, images: Tensor, seed: Any) -> dict[str, Any]:
        return {"flips": self.per_image(images, 0.0, 1.0, seed, "float32") <= 0.5, "input_shape": images.shape}

    def transform(self, images: Tensor, drawn: Any) -> Any:
        sides = {"horizontal": self.width_axis, "vertical": self.height_axis}
        axes = tuple(axis for side, axis in sides.items() if side in self.mode)
        return ops.where(drawn["flips"], ops.flip(images, axes), images)

    def move(self, x: Any, y: Any, transformation: Any) -> tuple[Any, Any]:
        flips = ops.reshape(transformation["flips"], (-1, 1, 1))
        height, width = self.size_before(transformation)
        x = ops.where(flips, width - x, x) if "horizontal" in self.mode else x
        return x, ops.where(flips, height - y, y) if "vertical" in self.mode else y


class _Warp(RandomImageLayer):
    """Outputs take their pixels from elsewhere; between pixels, and outside, they are interpolated and filled."""

    moves_pixels = True
    fill_modes: ClassVar[tuple[str, ...]] = ("reflect", "wrap", "constant", "nearest")

    def __init__(
        self,
        fill_mode: str,
        interpolation: str,
        seed: Any,
        fill_value: float,
        data_format: str | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed, data_format=data_format, **kwargs)
        for argument, value, known in (
            ("fill_mode", fill_mode, self.fill_modes),
            ("interpolation", interpolation, ("nearest", "bilinear")),
        ):
            if value not in known:
                raise ValueError(
                    f"layer {self.name!r} ({type(self).__name__}): argument `{argument}` must be one of "
                    f"{', '.join(map(repr, known))}, got {value!r}"
                )
        self.fill_mode = fill_mode
        self.interpolation = interpolation
        self.fill_value = fill_value

    def transform(self, images: Tensor, drawn: Any) -> Any:
        return self.warp(images, drawn, self.interpolation)

    def transform_segmentation_masks(self, masks: Any, transformation: Any, training: bool = True) -> Any:
        masks = ops.cast(masks, self.compute_dtype)
        return self.warp(masks, transformation, "nearest") if training else masks

    def warp(self, images: Tensor, drawn: Any, interpolation: str) -> Any:
        """Images read at the places of `matrix`."""
        return ops.image.affine_transform(
            images,
            self.matrix(images, drawn),
            interpolation=interpolation,
            fill_mode=self.fill_mode,
            fill_value=self.fill_value,
            data_format=self.data_format,
        )

    def matrix(self, images: Tensor, drawn: Any) -> Any:
        """(batch, 8): a, b, c, d, e, f, 0, 0, where a pixel at (x, y) is read at (a x + b y + c, d x + e y + f)."""
        raise NotImplementedError

    def move(self, x: Any, y: Any, transformation: Any) -> tuple[Any, Any]:
        numbers = self.matrix(Spec(transformation["input_shape"], "float32"), transformation)  # type: ignore[arg-type]
        a, b, c, d, e, f = (ops.reshape(part, (-1, 1, 1)) for part in ops.unstack(numbers, axis=-1)[:6])
        x, y = x - 0.5 - c, y - 0.5 - f  # the middle of pixel k is at k + 1/2, for the matrix it is at k
        area = a * e - b * d
        return (e * x - b * y) / area + 0.5, (a * y - d * x) / area + 0.5

    def column(self, images: Tensor, ends: tuple[float, float], seed: Any, dtype: str = "float32") -> Tensor:
        """A draw for each image, (batch, 1)."""
        return random.uniform((images.shape[0], 1), *ends, dtype, seed)


def _rows(batch: int | None, *entries: Any) -> Any:
    """A row for each image, of columns (batch, 1) and numbers."""
    tensors = [x if isinstance(x, Tensor) else ops.full((batch, 1), x, "float32") for x in entries]
    return ops.concatenate([ops.cast(x, "float32") for x in tensors], axis=1)


class RandomRotation(_Warp):
    """Rotates each image about its middle.

    Args:
        factor: the ends of the angle, in turns and counter-clockwise; f stands for (-f, f). In [-1, 1].
        fill_mode: what is outside: "reflect" (d c b a | a b c d | d c b a), "wrap" (a b c d | a b c d | a b c d),
            "constant" or "nearest" (a a a a | a b c d | d d d d).
        interpolation: "bilinear" or "nearest".
        seed: an integer, for the same draws in each process.
        fill_value: of fill_mode "constant".
        data_format: "channels_last" or "channels_first"; by default that of the configuration.
    """

    def __init__(
        self,
        factor: Any,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: Any = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, **kwargs)
        self.factor = interval(self, "factor", factor, -1.0, 1.0)

    def draw(self, images: Tensor, seed: Any) -> dict[str, Any]:
        low, high = self.factor
        angle = random.uniform((images.shape[0],), low * 360, high * 360, "float32", seed)
        return {"angle": angle, "input_shape": images.shape}

    def matrix(self, images: Tensor, drawn: Any) -> Any:
        angle = ops.reshape(drawn["angle"], (-1, 1)) * (math.pi / 180)
        cos, sin = ops.cos(angle), ops.sin(angle)
        y, x = ((n - 1) / 2 for n in self.size(images))
        return _rows(images.shape[0], cos, -sin, x - x * cos + y * sin, sin, cos, y - x * sin - y * cos, 0.0, 0.0)


class RandomTranslation(_Warp):
    """Moves each image up or down and to a side.

    Args:
        height_factor: the ends of how far down, as a share of the height; f stands for (-f, f). In [-1, 1].
        width_factor: likewise, how far to the right.
        fill_mode, interpolation, seed, fill_value, data_format: see `RandomRotation`.
    """

    def __init__(
        self,
        height_factor: Any,
        width_factor: Any,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: Any = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, **kwargs)
        self._down = interval(self, "height_factor", height_factor, -1.0, 1.0)
        self._right = interval(self, "width_factor", width_factor, -1.0, 1.0)
        self.height_factor = height_factor
        self.width_factor = width_factor

    def draw(self, images: Tensor, seed: Any) -> dict[str, Any]:
        height, width = self.size(images)
        down, right = self.column(images, self._down, seed) * height, self.column(images, self._right, seed) * width
        return {"translations": ops.concatenate([right, down], axis=1), "input_shape": images.shape}

    def matrix(self, images: Tensor, drawn: Any) -> Any:
        right, down = drawn["translations"][:, :1], drawn["translations"][:, 1:]
        return _rows(images.shape[0], 1.0, 0.0, -right, 0.0, 1.0, -down, 0.0, 0.0)


class RandomZoom(_Warp):
    """Zooms each image out of its middle, or in.

    Args:
        height_factor: the ends of how much smaller the image becomes; f stands for (-f, f), negative is larger. In
            (-1, 1].
        width_factor: likewise in the width; None for the same as in the height.
        fill_mode, interpolation, seed, fill_value, data_format: see `RandomRotation`.
    """

    def __init__(
        self,
        height_factor: Any,
        width_factor: Any = None,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: Any = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, **kwargs)
        self._height = interval(self, "height_factor", height_factor, -1.0, 1.0)
        self._width = None if width_factor is None else interval(self, "width_factor", width_factor, -1.0, 1.0)
        self.height_factor = height_factor
        self.width_factor = width_factor

    def draw(self, images: Tensor, seed: Any) -> dict[str, Any]:
        height = 1 + self.column(images, self._height, seed)
        width = height if self._width is None else 1 + self.column(images, self._width, seed)
        return {"height_zoom": height, "width_zoom": width, "input_shape": images.shape}

    def matrix(self, images: Tensor, drawn: Any) -> Any:
        high, wide = drawn["height_zoom"], drawn["width_zoom"]
        y, x = ((n - 1) / 2 for n in self.size(images))
        return _rows(images.shape[0], wide, 0.0, x * (1 - wide), 0.0, high, y * (1 - high), 0.0, 0.0)


class RandomShear(_Warp):
    """Shears each image.

    Args:
        x_factor: the ends of how far a pixel moves to a side, as a share of its distance from the upper edge; f stands
            for (-f, f). In [-1, 1]. Half of the images go to the other side.
        y_factor: likewise down, as a share of the distance from the left edge.
        interpolation, fill_mode, fill_value, data_format, seed: see `RandomRotation`.
    """

    def __init__(
        self,
        x_factor: Any = 0.0,
        y_factor: Any = 0.0,
        interpolation: str = "bilinear",
        fill_mode: str = "reflect",
        fill_value: float = 0.0,
        data_format: str | None = None,
        seed: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, **kwargs)
        self.x_factor = interval(self, "x_factor", x_factor, -1.0, 1.0)
        self.y_factor = interval(self, "y_factor", y_factor, -1.0, 1.0)

    def draw(self, images: Tensor, seed: Any) -> dict[str, Any]:
        inverted = self.column(images, (0.0, 1.0), seed) > 0.5
        y, x = self.column(images, self.y_factor, seed), self.column(images, self.x_factor, seed)
        shear = ops.concatenate([x, y], axis=1)
        return {"shear_factor": ops.where(inverted, -shear, shear), "input_shape": images.shape}

    def matrix(self, images: Tensor, drawn: Any) -> Any:
        x, y = drawn["shear_factor"][:, :1], drawn["shear_factor"][:, 1:]
        return _rows(images.shape[0], 1.0, x, 0.0, y, 1.0, 0.0, 0.0, 0.0)


class RandomPerspective(_Warp):
    """Changes the perspective of images: each corner moves by itself.

    Args:
        factor: the ends of the share of images that are changed; f stands for (0, f). In [0, 1].
        scale: how far a corner moves at most, as a share of half of the size. In [0, 1].
        interpolation, fill_value, seed, data_format: see `RandomRotation`; what is outside is constant.
    """

    def __init__(
        self,
        factor: Any = 1.0,
        scale: float = 1.0,
        interpolation: str = "bilinear",
        fill_value: float = 0.0,
        seed: Any = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__("constant", interpolation, seed, fill_value, data_format, **kwargs)
        self.factor = interval(self, "factor", factor, 0.0, 1.0)
        self.scale = interval(self, "scale", scale, 0.0, 1.0)[1]

    def draw(self, images: Tensor, seed: Any) -> dict[str, Any]:
        chosen = ops.reshape(self.chosen(images, self.factor, seed), (-1,))
        height, width = self.size(images)
        corners = [[0.0, 0.0], [width - 1.0, 0.0], [0.0, height - 1.0], [width - 1.0, height - 1.0]]
        start = ops.broadcast_to(ops.convert_to_tensor([corners], self.compute_dtype), (images.shape[0], 4, 2))
        moved = random.uniform(start.shape, -0.5 * self.scale, 0.5 * self.scale, self.compute_dtype, seed)
        return {
            "apply_perspective": chosen,
            "start_points": start,
            "end_points": start + start * moved,
            "input_shape": images.shape,
        }

    def warp(self, images: Tensor, drawn: Any, interpolation: str) -> Any:
        changed = ops.image.perspective_transform(
            images,
            drawn["start_points"],
            drawn["end_points"],
            interpolation=interpolation,
            fill_value=self.fill_value,
            data_format=self.data_format,
        )
        return ops.where(ops.reshape(drawn["apply_perspective"], (-1, 1, 1, 1)), changed, images)

    def move(self, x: Any, y: Any, transformation: Any) -> tuple[Any, Any]:
        homography = plugins.load("utils", "image.homography")
        ends = (ops.cast(transformation[name], "float32") for name in ("end_points", "start_points"))
        h = [ops.reshape(part, (-1, 1, 1)) for part in ops.unstack(homography(*ends), axis=-1)]
        column, row = x - 0.5, y - 0.5
        depth = h[6] * column + h[7] * row + 1
        places = [(h[k] * column + h[k + 1] * row + h[k + 2]) / depth + 0.5 for k in (0, 3)]
        chosen = ops.reshape(transformation["apply_perspective"], (-1, 1, 1))
        return ops.where(chosen, places[0], x), ops.where(chosen, places[1], y)


class RandomElasticTransform(_Warp):
    """Distorts images as if they were drawn on rubber: pixels move at random, neighbours alike.

    Args:
        factor: the ends of the share of images that are changed; f stands for (0, f). In [0, 1].
        scale: the ends of how strongly, drawn for a batch; f stands for (0, f). In [0, 1].
        interpolation, fill_mode, fill_value, seed, data_format: see `RandomRotation`.
        value_range: what results are cut to.
    """

    boxes_follow = False

    def __init__(
        self,
        factor: Any = 1.0,
        scale: Any = 1.0,
        interpolation: str = "bilinear",
        fill_mode: str = "reflect",
        fill_value: float = 0.0,
        value_range: Any = (0, 255),
        seed: Any = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, **kwargs)
        self.factor = interval(self, "factor", factor, 0.0, 1.0)
        self.scale = interval(self, "scale", scale, 0.0, 1.0)
        self.value_range = value_range

    def draw(self, images: Tensor, seed: Any) -> dict[str, Any] | None:
        if self.scale[1] == 0 or self.factor[1] == 0:
            return None
        chosen = ops.reshape(self.chosen(images, self.factor, seed), (-1,))
        strength: Any = random.uniform((), *self.scale, "float32", seed)
        height, width = self.size(images)
        sigma = 0.05 * min(height, width) * strength
        noise = random.normal((images.shape[0], height, width, 2), 0.0, 1.0, "float32", seed) * sigma
        window = int(6 * 0.05 * min(height, width) * self.scale[1]) | 1  # six times the largest sigma
        field = ops.image.gaussian_blur(noise, (window, window), ops.stack([sigma, sigma]), "channels_last")
        return {"apply_transform": chosen, "field": 0.1 * max(height, width) * strength * field}

    def warp(self, images: Tensor, drawn: Any, interpolation: str) -> Any:
        if drawn is None:
            return images
        x = images if self.data_format == "channels_last" else ops.moveaxis(images, 1, -1)
        axes = [ops.reshape(ops.arange(n, dtype="float32"), (-1, *(1,) * (3 - k))) for k, n in enumerate(x.shape)]
        places = [axes[0], axes[1] + drawn["field"][..., 1:], axes[2] + drawn["field"][..., :1], axes[3]]
        coordinates = ops.stack([ops.broadcast_to(place, x.shape) for place in places])
        order = 1 if interpolation == "bilinear" else 0
        changed = ops.image.map_coordinates(x, coordinates, order, self.fill_mode, self.fill_value)
        changed = changed if self.data_format == "channels_last" else ops.moveaxis(changed, -1, 1)
        images = ops.where(ops.reshape(drawn["apply_transform"], (-1, 1, 1, 1)), changed, images)
        return ops.clip(images, *self.value_range)
