"""Layers that prepare numbers: rescaling, normalization by a data set's moments, bins and categories."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Self

import numpy as np

from pronghorn import config, ops, tree
from pronghorn.arguments import as_integer
from pronghorn.layer import Layer
from pronghorn.ops.axes import canonical_axes, many
from pronghorn.tensor import Tensor, Variable, convert_to_tensor

Array = np.ndarray[Any, Any]


class Rescaling(Layer):
    """inputs * scale + offset, in the layer's dtype.

    Args:
        scale, offset: numbers, or one for each channel.
    """

    def __init__(self, scale: Any, offset: Any = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale = _plain(scale)
        self.offset = _plain(offset)
        self.supports_masking = True
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        scale: Any = convert_to_tensor(self.scale, self.compute_dtype)
        if scale.shape and config.image_data_format() == "channels_first":
            scale = ops.reshape(scale, scale.shape + (1,) * (3 - len(scale.shape)))
        offset = convert_to_tensor(self.offset, self.compute_dtype)
        return ops.cast(inputs, self.compute_dtype) * scale + offset  # type: ignore[no-any-return]


class Normalization(Layer):
    """(inputs - mean) / max(sqrt(variance), config.epsilon()), with given moments or those that `adapt` finds.

    Args:
        axis: the axes along which each place has moments of its own; None for one mean and one variance in all.
        mean, variance: numbers, or arrays that broadcast to the sizes of `axis`; both or neither.
        invert: computes the inputs from the outputs instead.
    """

    def __init__(
        self, axis: Any = -1, mean: Any = None, variance: Any = None, invert: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.axis = () if axis is None else tuple(many(axis))
        self.invert = invert
        if (mean is None) != (variance is None):
            raise ValueError(
                f"layer {self.name!r} (Normalization): give both `mean` and `variance`, or neither and call adapt(); "
                f"got mean={mean!r} and variance={variance!r}"
            )
        self.input_mean = _plain(mean)
        self.input_variance = _plain(variance)
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        self._kept = canonical_axes(self.axis, len(input_shape), f"layer {self.name!r}: argument `axis`")
        sizes = tuple(input_shape[i] for i in self._kept)
        if None in sizes:
            raise ValueError(
                f"layer {self.name!r} (Normalization): the sizes along axis {self.axis} must be known, got inputs of "
                f"shape {tuple(input_shape)}; give Input a shape with numbers there"
            )
        self._sizes = tuple(n if i in self._kept else 1 for i, n in enumerate(input_shape))
        if self.input_mean is None:
            self.adapt_mean = self.add_weight(shape=sizes, initializer="zeros", trainable=False, name="mean")
            self.adapt_variance = self.add_weight(shape=sizes, initializer="ones", trainable=False, name="variance")
            self.count = self.add_weight(shape=(), initializer="zeros", dtype="int32", trainable=False, name="count")

    @property
    def mean(self) -> Any:
        """The mean that is subtracted, in the axes of the inputs; None before the layer is built."""
        return self._moment(self.input_mean, "adapt_mean")

    @property
    def variance(self) -> Any:
        """The variance that is divided by, in the axes of the inputs; None before the layer is built."""
        return self._moment(self.input_variance, "adapt_variance")

    def _moment(self, given: Any, variable: str) -> Any:
        if not self.built:
            return None
        if given is None:
            return ops.cast(ops.reshape(getattr(self, variable), self._sizes), self.compute_dtype)
        value = np.asarray(given, "float64")
        shape = [1] * len(self._sizes)
        for axis, n in zip(reversed(self._kept), reversed(value.shape), strict=False):
            shape[axis] = n
        return ops.broadcast_to(convert_to_tensor(value.reshape(shape), self.compute_dtype), self._sizes)

    def call(self, inputs: Tensor) -> Tensor:
        sizes = tuple(1 if n == 1 else m for n, m in zip(self._sizes, inputs.shape, strict=False))
        if self._kept and (len(inputs.shape) != len(self._sizes) or sizes != self._sizes):
            raise ValueError(
                f"layer {self.name!r} (Normalization): has moments of shape {self._sizes}, which inputs of shape "
                f"{inputs.shape} do not fit; give it inputs like those it was adapted to, or make a new layer"
            )
        x: Any = ops.cast(inputs, self.compute_dtype)
        deviation = ops.maximum(ops.sqrt(self.variance), config.epsilon())
        return self.mean + x * deviation if self.invert else (x - self.mean) / deviation  # type: ignore[no-any-return]

    def adapt(self, data: Any) -> None:
        """Finds the moments of an array, or of an iterable of batches (or of tuples whose first item is one).

        Raises:
            ValueError: there are no batches, their shapes do not fit, or the moments were given to the constructor.
        """
        where = f"layer {self.name!r} (Normalization): adapt"
        if self.input_mean is not None:
            raise ValueError(f"{where} has nothing to do where `mean` and `variance` were given; leave them out")
        count, mean, variance = 0, np.float64(0), np.float64(0)
        for batch in _batches(data, where):
            if not self.built:
                self.build(batch.shape)
            sizes = tuple(batch.shape[i] for i in self._kept) if batch.ndim == len(self._sizes) else None
            if sizes != self.adapt_mean.shape:
                raise ValueError(f"{where} got a batch of shape {batch.shape}, it was built for {self._build_shapes}")
            axes = tuple(i for i in range(batch.ndim) if i not in self._kept)
            places = math.prod(batch.shape[i] for i in axes)
            count, before = count + places, count
            share = places / count if count else 1.0
            center = batch.mean(axes)
            # Parallel variance: Chan, Golub and LeVeque, 1979.
            variance = (1 - share) * variance + share * batch.var(axes) + (center - mean) ** 2 * share * before / count
            mean = mean + (center - mean) * share
        self.adapt_mean.assign(mean)
        self.adapt_variance.assign(variance)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"mean": self.input_mean, "variance": self.input_variance}


class CategoryEncoding(Layer):
    """Integers in [0, num_tokens) as vectors of `num_tokens` numbers; what lies outside counts for nothing.

    Args:
        num_tokens: the number of categories.
        output_mode: "multi_hot": a sample (its second axis) as one vector with 1 at each of its integers; "count": with
            the number of times that they occur; "one_hot": each integer as a vector, in place of a last axis of size 1.
        sparse: not supported.
    """

    def __init__(
        self, num_tokens: int | None = None, output_mode: str = "multi_hot", sparse: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        output_mode = "multi_hot" if output_mode == "binary" else output_mode
        _check_encoding(self, output_mode, ("multi_hot", "one_hot", "count"), sparse)
        self.num_tokens = as_integer(num_tokens, f"layer {self.name!r} (CategoryEncoding): argument `num_tokens`")
        self.output_mode = output_mode
        self.sparse = sparse
        self.built = True

    def call(self, inputs: Tensor, count_weights: Any = None) -> Tensor:
        if count_weights is not None:
            if self.output_mode != "count":
                raise ValueError(
                    f"layer {self.name!r} (CategoryEncoding): argument `count_weights` is for output_mode='count', "
                    f"the layer has {self.output_mode!r}"
                )
            count_weights = ops.cast(count_weights, self.compute_dtype)
        return encode(inputs, self.output_mode, self.num_tokens, self.compute_dtype, count_weights)

    def get_config(self) -> dict[str, Any]:
        return {name: value for name, value in super().get_config().items() if name != "sparse"}


class Discretization(Layer):
    """The number of the bin that each input falls into: how many boundaries are not larger than it.

    Args:
        bin_boundaries: ascending numbers; bin 0 lies below the first.
        num_bins: instead of boundaries: how many bins `adapt` makes, with about equally many of the data in each.
        epsilon: the error allowed in the shares of the data, from which follows how much `adapt` remembers.
        output_mode: "int", or a vector as `CategoryEncoding` makes it: "one_hot", "multi_hot", "count".
        sparse: not supported.
        dtype, name: as of every layer.
    """

    def __init__(
        self,
        bin_boundaries: Any = None,
        num_bins: int | None = None,
        epsilon: float = 0.01,
        output_mode: str = "int",
        sparse: bool = False,
        dtype: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(dtype=dtype, name=name)
        _check_encoding(self, output_mode, ("int", "one_hot", "multi_hot", "count"), sparse)
        if (num_bins is None) == (bin_boundaries is None):
            raise ValueError(
                f"layer {self.name!r} (Discretization): give either `bin_boundaries` or `num_bins`, got "
                f"{bin_boundaries!r} and {num_bins!r}"
            )
        where = f"layer {self.name!r} (Discretization): argument `num_bins`"
        self.bin_boundaries = None if bin_boundaries is None else [float(b) for b in _plain(bin_boundaries)]
        self.num_bins = None if num_bins is None else as_integer(num_bins, where)
        self.epsilon = epsilon
        self.output_mode = output_mode
        self.sparse = sparse
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        if self.bin_boundaries is None:
            raise ValueError(
                f"layer {self.name!r} (Discretization) has no boundaries yet; call adapt(data), or give "
                f"`bin_boundaries`"
            )
        x = ops.expand_dims(ops.cast(inputs, config.floatx()), -1)
        below = ops.less(x, convert_to_tensor(self.bin_boundaries, config.floatx()))
        bins = ops.sum(ops.cast(ops.logical_not(below), "int32"), axis=-1)  # NaN goes into the last bin
        if self.output_mode == "int":
            return bins
        return encode(bins, self.output_mode, len(self.bin_boundaries) + 1, self.compute_dtype)

    def adapt(self, data: Any, steps: int | None = None) -> None:
        """Finds boundaries between which about equally many of the data lie.

        Args:
            data: an array, or an iterable of batches.
            steps: how many batches are read, by default all.
        """
        where = f"layer {self.name!r} (Discretization): adapt"
        if self.num_bins is None:
            raise ValueError(f"{where} has nothing to do where `bin_boundaries` were given; give `num_bins` instead")
        values, weights = np.zeros(0, "float32"), np.zeros(0, "float32")
        for number, batch in enumerate(_batches(data, where)):
            if number == steps:
                break
            found = _summary(batch.astype("float32"), self.epsilon)
            values, weights = np.concatenate([found[0], values]), np.concatenate([found[1], weights])
            order = np.argsort(values)
            values, weights = _compressed(values[order], weights[order], self.epsilon)
        self.bin_boundaries = _compressed(values, weights, 1 / self.num_bins)[0][:-1].tolist()

    def get_config(self) -> dict[str, Any]:
        config = {name: value for name, value in super().get_config().items() if name != "trainable"}
        return config | {"bin_boundaries": self.bin_boundaries, "dtype": self.dtype}

    @classmethod
    def from_config(cls, config: Any) -> Self:
        """The layer of a config; one that was adapted has both `num_bins` and the boundaries found."""
        adapted = config.get("num_bins") is not None and config.get("bin_boundaries") is not None
        layer = cls(**({**config, "bin_boundaries": None} if adapted else config))
        if adapted:
            layer.bin_boundaries = config["bin_boundaries"]
        return layer


def _summary(values: Array, epsilon: float) -> tuple[Array, Array]:
    """At most about 1 / epsilon of the sorted values, and how many each stands for."""
    step = max(values.size * epsilon, 1)
    chosen = np.sort(values, axis=None)[int(step - 1) :: int(step)]
    return chosen, np.full_like(chosen, step)


def _compressed(values: Array, weights: Array, epsilon: float) -> tuple[Array, Array]:
    """Sorted values with weights, interpolated at the shares epsilon, 2 epsilon … of the weights."""
    if values.size * epsilon < 1:
        return values, weights
    shares = epsilon + np.arange(0.0, 1.0, epsilon)
    total = weights.cumsum()
    reached = total / total[-1]
    at = np.interp(shares, reached, total)
    return np.interp(shares, reached, values).astype("float32"), np.diff(at, prepend=0).astype("float32")


def encode(x: Any, mode: str, depth: int, dtype: str, weights: Any = None) -> Tensor:
    """Integers as vectors of `depth` numbers; see `CategoryEncoding`."""
    x = ops.reshape(x, (1,)) if not x.shape else x
    if mode == "multi_hot":
        return ops.multi_hot(x, depth, dtype=dtype)  # type: ignore[no-any-return]
    if mode == "one_hot":
        x = ops.squeeze(x, -1) if len(x.shape) > 1 and x.shape[-1] == 1 else x
        return ops.one_hot(x, depth, dtype=dtype)  # type: ignore[no-any-return]
    hits = ops.one_hot(x, depth, dtype=dtype)
    if weights is not None:
        hits = hits * ops.expand_dims(weights, -1)
    return ops.sum(hits, axis=1 if len(x.shape) > 1 else 0)


def _check_encoding(layer: Layer, mode: str, allowed: tuple[str, ...], sparse: bool) -> None:
    if mode not in allowed:
        raise ValueError(
            f"layer {layer.name!r} ({type(layer).__name__}): argument `output_mode` must be one of "
            f"{', '.join(map(repr, allowed))}, got {mode!r}"
        )
    if sparse:
        raise NotImplementedError(f"layer {layer.name!r}: sparse tensors are not supported; use sparse=False")


def _batches(data: Any, where: str) -> Iterator[Array]:
    """The arrays that `data` is or yields, in float64.

    Raises:
        ValueError: there are none.
    """
    if isinstance(data, (Tensor, Variable)) or hasattr(data, "__array__"):
        data = [data]
    elif isinstance(data, (list, tuple)) and np.isscalar(next(iter(tree.flatten(data)), None)):
        data = [np.asarray(data)]  # nested lists of numbers are one array
    empty = True
    for batch in data:
        batch = batch[0] if isinstance(batch, (list, tuple)) and hasattr(batch[0], "shape") else batch
        empty = False
        yield np.asarray(convert_to_tensor(batch).numpy(), "float64")
    if empty:
        raise ValueError(f"{where} got no batches; pass an array, or an iterable of arrays")


def _plain(value: Any) -> Any:
    """A number, or an array as nested lists."""
    return np.asarray(value).tolist() if hasattr(value, "__array__") else value
