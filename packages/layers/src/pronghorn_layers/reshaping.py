"""Layers that change the shape of a sample and no value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pronghorn import config, ops
from pronghorn.arguments import as_integer
from pronghorn.graph import Spec
from pronghorn.layer import InputSpec, Layer
from pronghorn.tensor import Shape, Tensor


class _Reshaping(Layer):
    """Keeps the dtype and the elements of each sample; a subclass writes `sample_shape`."""

    def sample_shape(self, shape: Shape) -> Shape:
        """The shape of a sample of the outputs, for that of the inputs; unknown sizes are None."""
        raise NotImplementedError

    def compute_output_shape(self, input_shape: Any) -> Shape:
        return (input_shape[0], *self.sample_shape(tuple(input_shape[1:])))

    def compute_output_spec(self, inputs: Tensor) -> Spec:
        return Spec(self.compute_output_shape(inputs.shape), inputs.dtype)


class Flatten(_Reshaping):
    """All elements of a sample in one dimension, the channels last: (batch, …) to (batch, elements)."""

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = config.standardize_data_format(data_format)
        self.input_spec = InputSpec(min_ndim=1)

    def sample_shape(self, shape: Shape) -> Shape:
        return (_product(shape),)

    def call(self, inputs: Tensor) -> Tensor:
        rank = len(inputs.shape)
        if self.data_format == "channels_first" and rank > 1:
            inputs = ops.transpose(inputs, (0, *range(2, rank), 1))
        return ops.reshape(inputs, self.compute_output_shape(inputs.shape))  # type: ignore[no-any-return]


class Reshape(_Reshaping):
    """Samples of the shape `target_shape`, in which one size may be -1: what is left."""

    def __init__(self, target_shape: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.target_shape = tuple(int(n) for n in target_shape)
        if self.target_shape.count(-1) > 1 or any(n < -1 for n in self.target_shape):
            raise ValueError(
                f"layer {self.name!r} (Reshape): `target_shape` may have one -1, else sizes >= 0, got "
                f"{self.target_shape}"
            )
        self.built = True

    def sample_shape(self, shape: Shape) -> Shape:
        elements = _product(shape)
        known = math.prod(n for n in self.target_shape if n != -1)
        if -1 not in self.target_shape:
            if elements is not None and elements != known:
                raise ValueError(self._mismatch(shape))
            return self.target_shape
        if elements is not None and (known == 0 or elements % known):
            raise ValueError(self._mismatch(shape))
        left = None if elements is None else elements // known
        return tuple(left if n == -1 else n for n in self.target_shape)

    def _mismatch(self, shape: Shape) -> str:
        return (
            f"layer {self.name!r} (Reshape): samples of shape {shape} have {_product(shape)} elements, which do "
            "not fit into "
            f"the target_shape {self.target_shape}; make the products of the two equal"
        )

    def call(self, inputs: Tensor) -> Tensor:
        return ops.reshape(inputs, self.compute_output_shape(inputs.shape))  # type: ignore[no-any-return]


class Permute(_Reshaping):
    """The dimensions of a sample in another order: `dims` are their numbers, from 1."""

    def __init__(self, dims: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dims = tuple(int(d) for d in dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ValueError(
                f"layer {self.name!r} (Permute): `dims` must be the numbers 1 to n in any order, got {self.dims}"
            )
        self.input_spec = InputSpec(ndim=len(self.dims) + 1)

    def sample_shape(self, shape: Shape) -> Shape:
        return tuple(shape[d - 1] for d in self.dims)

    def call(self, inputs: Tensor) -> Tensor:
        return ops.transpose(inputs, (0, *self.dims))


class RepeatVector(_Reshaping):
    """Repeats a vector `n` times: (batch, features) to (batch, n, features)."""

    def __init__(self, n: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.n = as_integer(n, f"layer {self.name!r} (RepeatVector): argument `n`")
        self.input_spec = InputSpec(ndim=2)

    def sample_shape(self, shape: Shape) -> Shape:
        return (self.n, *shape)

    def call(self, inputs: Tensor) -> Tensor:
        return ops.broadcast_to(ops.expand_dims(inputs, 1), self.compute_output_shape(inputs.shape))


def _product(shape: Shape) -> int | None:
    return None if None in shape else math.prod(n for n in shape if n is not None)
