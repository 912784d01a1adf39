"""Several image layers after each other: as given, or drawn at random."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from pronghorn import ops, random
from pronghorn.arguments import as_integer
from pronghorn.layer import Layer
from pronghorn.saving.registry import deserialize_keras_object, serialize_keras_object
from pronghorn.tensor import Tensor
from pronghorn_layers.images import colors, warps
from pronghorn_layers.images.base import RandomImageLayer, interval, value_range


class Pipeline(Layer):
    """Layers after each other; a preprocessing layer made of several.

    Args:
        layers: the layers.
        name: as of every layer.
    """

    def __init__(self, layers: Sequence[Layer], name: str | None = None) -> None:
        super().__init__(name=name)
        self._steps = list(layers)

    @property
    def layers(self) -> list[Layer]:
        """The layers, in order."""
        return self._steps

    def call(self, inputs: Any, training: bool = True, mask: Any = None) -> Any:
        for layer in self._steps:
            inputs = layer(inputs)
        return inputs

    def get_config(self) -> dict[str, Any]:
        return {"layers": serialize_keras_object(self._steps), "name": self.name}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Pipeline:
        return cls(**{**config, "layers": [deserialize_keras_object(layer) for layer in config["layers"]]})


class _OfAugmentations(RandomImageLayer):
    """Has one of each kind of layer, all with the same factor."""

    moves_pixels = True
    parts: ClassVar[tuple[str, ...]] = (
        "random_shear random_translation random_rotation random_brightness random_color_degeneration random_contrast "
        "random_sharpness random_posterization solarization auto_contrast equalization"
    ).split()  # type: ignore[assignment]

    def __init__(
        self, value_range: Any, factor: Any, interpolation: str, seed: Any, data_format: str | None, **kwargs: Any
    ) -> None:
        super().__init__(seed, data_format=data_format, **kwargs)
        self.value_range = _range(self, value_range) and value_range
        self.factor = interval(self, "factor", factor, 0.0, 1.0)
        self.interpolation = interpolation
        same: dict[str, Any] = {
            "data_format": data_format,
            "bounding_box_format": self.bounding_box_format,
            "dtype": self.dtype_policy,
        }
        drawn = {**same, "seed": seed}
        moved = {**drawn, "interpolation": interpolation}
        colored = {**drawn, "value_range": value_range}
        bits = max(1, int(8 * self.factor[1]))
        self.random_shear = warps.RandomShear(self.factor, self.factor, **moved)
        self.random_translation = warps.RandomTranslation(self.factor, self.factor, **moved)
        self.random_rotation = warps.RandomRotation(self.factor, **moved)
        self.random_brightness = colors.RandomBrightness(self.factor, **colored)
        self.random_color_degeneration = colors.RandomColorDegeneration(self.factor, **colored)
        self.random_contrast = colors.RandomContrast(self.factor, **colored)
        self.random_sharpness = colors.RandomSharpness(self.factor, **colored)
        self.random_posterization = colors.RandomPosterization((bits, bits), **colored)
        self.solarization = colors.Solarization(self.factor, self.factor, **colored)
        self.auto_contrast = colors.AutoContrast(value_range, **same)
        self.equalization = colors.Equalization(value_range, **same)

    def draws(self, images: Tensor, seed: Any) -> dict[str, Any]:
        """What each layer draws."""
        return {name: getattr(self, name).draw(images, seed) for name in self.parts}

    def one_of(self, method: str, number: Any, x: Any, drawn: dict[str, Any]) -> Any:
        """`x` changed by the layer of a number; by none, if it is that of none."""

        def branch(name: str) -> Callable[[Any], Any]:
            return lambda x: getattr(getattr(self, name), method)(x, drawn[name], True)

        return ops.switch(number, [*map(branch, self.parts), lambda x: x], x)

    def changed(self, method: str, x: Any, drawn: Any) -> Any:
        """Images, or masks, changed by a method of the layers."""
        raise NotImplementedError

    def transform(self, images: Tensor, drawn: Any) -> Any:
        return self.changed("transform_images", images, drawn)

    def transform_segmentation_masks(self, masks: Any, transformation: Any, training: bool = True) -> Any:
        masks = ops.cast(masks, self.compute_dtype)
        return self.changed("transform_segmentation_masks", masks, transformation) if training else masks


_range = value_range


class RandAugment(_OfAugmentations):
    """`num_ops` layers after each other, drawn for each batch out of shear, translation, rotation, brightness, color
    degeneration, contrast, sharpness, posterization, solarization, auto contrast and equalization (Cubuk et al., 2020).

    Args:
        value_range: the smallest and the largest value of a pixel.
        num_ops: how many.
        factor: of each layer; f stands for (0, f). In [0, 1].
        interpolation: "bilinear" or "nearest".
        seed: an integer, for the same draws in each process.
        data_format: "channels_last" or "channels_first"; by default that of the configuration.
    """

    def __init__(
        self,
        value_range: Any = (0, 255),
        num_ops: int = 2,
        factor: Any = 0.5,
        interpolation: str = "bilinear",
        seed: Any = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(value_range, factor, interpolation, seed, data_format, **kwargs)
        self.num_ops = as_integer(num_ops, f"layer {self.name!r} (RandAugment): argument `num_ops`")

    def draw(self, images: Tensor, seed: Any) -> dict[str, Any]:
        numbers = random.randint((self.num_ops,), 0, len(self.parts), seed=seed)
        return {"transforms": self.draws(images, seed), "layer_idxes": numbers}

    def changed(self, method: str, x: Any, drawn: Any) -> Any:
        for k in range(self.num_ops):
            x = self.one_of(method, drawn["layer_idxes"][k], x, drawn["transforms"])
        return x

    def transform_bounding_boxes(self, bounding_boxes: Any, transformation: Any, training: bool = True) -> Any:
        return self.changed("transform_bounding_boxes", bounding_boxes, transformation) if training else bounding_boxes


class AugMix(_OfAugmentations):
    """w x + (1 - w) Σ v y, with y the ends of several chains of drawn layers, and the weights v and w drawn (Hendrycks
    et al., 2020).

    Args:
        value_range: the smallest and the largest value of a pixel; results are cut to it.
        num_chains: the number of chains.
        chain_depth: how many layers a chain has at most.
        factor: of each layer; f stands for (0, f). In [0, 1].
        alpha: w is drawn from Beta(alpha, alpha) and v from a Dirichlet distribution of it.
        all_ops: whether brightness, color degeneration, contrast and sharpness are among the layers.
        interpolation: "bilinear" or "nearest".
        seed: an integer, for the same draws in each process.
        data_format: "channels_last" or "channels_first"; by default that of the configuration.
    """

    def __init__(
        self,
        value_range: Any = (0, 255),
        num_chains: int = 3,
        chain_depth: int = 3,
        factor: Any = 0.3,
        alpha: float = 1.0,
        all_ops: bool = True,
        interpolation: str = "bilinear",
        seed: Any = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(value_range, factor, interpolation, seed, data_format, **kwargs)
        where = f"layer {self.name!r} (AugMix): argument"
        self.num_chains = as_integer(num_chains, f"{where} `num_chains`")
        self.chain_depth = as_integer(chain_depth, f"{where} `chain_depth`")
        self.alpha = alpha
        self.all_ops = all_ops
        if not all_ops:
            without = ("random_brightness", "random_color_degeneration", "random_contrast", "random_sharpness")
            self.parts = [part for part in self.parts if part not in without]  # type: ignore[misc, assignment]

    def draw(self, images: Tensor, seed: Any) -> dict[str, Any]:
        gamma = random.gamma((self.num_chains,), self.alpha, seed=seed)
        shape = (self.num_chains, self.chain_depth)
        return {
            "chain_mixing_weights": gamma / ops.sum(gamma),
            "weight_sample": random.beta((), self.alpha, self.alpha, seed=seed),
            "layer_idxes": random.randint(shape, 0, len(self.parts) + 1, seed=seed),
            "transforms": [[self.draws(images, seed) for _ in range(shape[1])] for _ in range(shape[0])],
        }

    def changed(self, method: str, x: Any, drawn: Any) -> Any:
        mixed: Any = 0.0
        for k, chain in enumerate(drawn["transforms"]):
            y = x
            for depth, transforms in enumerate(chain):
                y = self.one_of(method, drawn["layer_idxes"][k, depth], y, transforms)
            mixed = mixed + y * ops.cast(drawn["chain_mixing_weights"][k], self.compute_dtype)
        weight = ops.cast(drawn["weight_sample"], self.compute_dtype)
        return weight * x + (1 - weight) * mixed

    def transform_bounding_boxes(self, bounding_boxes: Any, transformation: Any, training: bool = True) -> Any:
        """The boxes as they are: what is in them stays there, faded."""
        return bounding_boxes

    def transform(self, images: Tensor, drawn: Any) -> Any:
        return ops.clip(super().transform(images, drawn), *self.value_range)
