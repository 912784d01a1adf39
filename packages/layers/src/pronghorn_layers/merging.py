"""Layers that make one tensor of several."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from pronghorn import ops
from pronghorn.layer import Layer, get_mask, set_mask
from pronghorn.ops.axes import canonical_axis
from pronghorn.tensor import Tensor


class Merge(Layer):
    """Base of layers called on a list of tensors whose shapes broadcast.

    Where the ranks differ, the smaller ones get dimensions of 1 after the batch. The output is masked where
    all inputs are; without a mask on every input it has none. A subclass writes `merge`.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        if not isinstance(input_shape, (list, tuple)) or not all(isinstance(s, (list, tuple)) for s in input_shape):
            raise ValueError(
                f"layer {self.name!r} ({type(self).__name__}): takes a list of tensors, got one of shape "
                f"{input_shape}; "
                f"call it on [a, b]"
            )
        batches = {shape[0] for shape in input_shape if shape} - {None}
        if len(batches) > 1:
            raise ValueError(
                f"layer {self.name!r} ({type(self).__name__}): the inputs have different batch sizes, "
                f"their shapes are {list(input_shape)}"
            )

    def call(self, inputs: Sequence[Tensor]) -> Tensor:
        rank = max(len(x.shape) for x in inputs)
        aligned = [ops.reshape(x, (x.shape[0], *(1,) * (rank - len(x.shape)), *x.shape[1:])) for x in inputs]
        return self.merge([a if len(x.shape) < rank else x for a, x in zip(aligned, inputs, strict=True)])

    def merge(self, inputs: Sequence[Tensor]) -> Tensor:
        """One tensor of several that have the same rank."""
        raise NotImplementedError

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        if previous_mask is None or any(mask is None for mask in previous_mask):
            return None
        return functools.reduce(ops.logical_or, previous_mask)


class Add(Merge):
    """a + b + …"""

    def merge(self, inputs: Sequence[Tensor]) -> Tensor:
        return functools.reduce(ops.add, inputs)


class Subtract(Merge):
    """a - b, of two inputs."""

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        if len(input_shape) != 2:
            raise ValueError(f"layer {self.name!r} (Subtract): takes exactly two inputs, got {len(input_shape)}")

    def merge(self, inputs: Sequence[Tensor]) -> Tensor:
        return ops.subtract(*inputs)  # type: ignore[no-any-return]


class Multiply(Merge):
    """a · b · …; masked elements count as one, and those that are masked in all inputs give zero."""

    def merge(self, inputs: Sequence[Tensor]) -> Tensor:
        masks = [_spread(get_mask(x), x) for x in inputs]
        factors = [x if m is None else ops.where(m, x, 1.0) for x, m in zip(inputs, masks, strict=True)]
        product = functools.reduce(ops.multiply, factors)
        if any(m is None for m in masks):
            return product
        mask = functools.reduce(ops.logical_or, masks)
        product = ops.where(mask, product, 0.0)
        set_mask(product, ops.any(mask, axis=-1))
        return product  # type: ignore[no-any-return]


class Average(Merge):
    """(a + b + …) / n"""

    def merge(self, inputs: Sequence[Tensor]) -> Tensor:
        return ops.divide(functools.reduce(ops.add, inputs), len(inputs))  # type: ignore[no-any-return]


class _Extremum(Merge):
    """Base of Maximum and Minimum: masked elements do not count."""

    pick: Callable[[Any, Any], Tensor]

    def merge(self, inputs: Sequence[Tensor]) -> Tensor:
        pick = type(self).pick
        best, mask = inputs[0], _spread(get_mask(inputs[0]), inputs[0])
        for x in inputs[1:]:
            valid = _spread(get_mask(x), x)
            other = x if valid is None else ops.where(valid, x, best)
            best = pick(best if mask is None else ops.where(mask, best, other), other)
            mask = None if mask is None or valid is None else ops.logical_or(mask, valid)
        if mask is not None:
            set_mask(best, ops.any(mask, axis=-1))
        return best


class Maximum(_Extremum):
    """The largest element of each place."""

    @staticmethod
    def pick(a: Any, b: Any) -> Tensor:
        return ops.maximum(a, b)  # type: ignore[no-any-return]


class Minimum(_Extremum):
    """The smallest element of each place."""

    @staticmethod
    def pick(a: Any, b: Any) -> Tensor:
        return ops.minimum(a, b)  # type: ignore[no-any-return]


class Concatenate(Layer):
    """The inputs one after the other along `axis`; all other sizes must be equal."""

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = int(axis)
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        if len(input_shape) < 1 or not all(isinstance(shape, (list, tuple)) for shape in input_shape):
            raise ValueError(
                f"layer {self.name!r} (Concatenate): takes a list of tensors, got one of shape {input_shape}; "
                "call it on [a, b]"
            )
        ranks = {len(shape) for shape in input_shape}
        rest = {tuple(n for i, n in enumerate(shape) if i != self.axis % len(shape)) for shape in input_shape}
        if len(ranks) > 1 or any(len(set(sizes) - {None}) > 1 for sizes in zip(*rest, strict=True)):
            raise ValueError(
                f"layer {self.name!r} (Concatenate): the inputs' shapes must be equal except along axis {self.axis}, "
                f"got {list(input_shape)}"
            )

    def call(self, inputs: Sequence[Tensor]) -> Tensor:
        return ops.concatenate(inputs, axis=self.axis)

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        if previous_mask is None or all(mask is None for mask in previous_mask):
            return None
        masks = [
            ops.ones_like(x, dtype="bool") if mask is None else _spread(mask, x)
            for x, mask in zip(inputs, previous_mask, strict=True)
        ]
        return ops.any(ops.concatenate(masks, axis=self.axis), axis=-1)


class Dot(Layer):
    """The products of samples, summed along an axis of each.

    Inputs (batch, …, n, …) twice, outputs (batch, the other axes of the first, those of the second), at least
    (batch, 1).

    Args:
        axes: the axis of both inputs that is summed over, or one for each; not 0.
        normalize: whether the inputs are divided by their norms along the axis: then it is the cosine.
    """

    def __init__(self, axes: int | Sequence[int], normalize: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(axes, int) and (len(axes) != 2 or not all(isinstance(axis, int) for axis in axes)):
            raise ValueError(
                f"layer {self.name!r} (Dot): argument `axes` must be an integer or two of them, got {axes!r}"
            )
        self.axes = axes
        self.normalize = normalize
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        if len(input_shape) != 2 or not all(isinstance(shape, (list, tuple)) for shape in input_shape):
            raise ValueError(f"layer {self.name!r} (Dot): takes a list of two tensors, got the shapes {input_shape}")
        i, j = self._axes(*map(len, input_shape))
        a, b = input_shape[0][i], input_shape[1][j]
        if 0 in (i, j) or (a is not None and b is not None and a != b):
            raise ValueError(
                f"layer {self.name!r} (Dot): axis {i} of shape {input_shape[0]} and axis {j} of shape {input_shape[1]} "
                f"must have equal sizes and not be the batch; choose other `axes`"
            )

    def _axes(self, first: int, second: int) -> tuple[int, int]:
        i, j = (self.axes, self.axes) if isinstance(self.axes, int) else self.axes
        where = f"layer {self.name!r} (Dot): argument `axes`"
        return canonical_axis(i, first, where), canonical_axis(j, second, where)

    def call(self, inputs: Sequence[Tensor]) -> Tensor:
        a, b = inputs
        i, j = self._axes(len(a.shape), len(b.shape))
        if self.normalize:
            a, b = _unit(a, i), _unit(b, j)
        a, b = ops.moveaxis(a, i, -1), ops.moveaxis(b, j, 1)
        left, right = a.shape[1:-1], b.shape[2:]
        batch, n = a.shape[0], a.shape[-1]
        product = ops.matmul(ops.reshape(a, (batch, -1, n)), ops.reshape(b, (batch, n, -1)))
        return ops.reshape(product, (batch, *(left + right or (1,))))  # type: ignore[no-any-return]

    def compute_mask(self, inputs: Any, previous_mask: Any) -> None:
        return None


def _unit(x: Tensor, axis: int) -> Tensor:
    return x * ops.rsqrt(ops.maximum(ops.sum(ops.square(x), axis=axis, keepdims=True), 1e-12))  # type: ignore[no-any-return]


def _spread(mask: Any, x: Tensor) -> Any:
    """A mask in the shape of the tensor it belongs to."""
    if mask is None or len(mask.shape) == len(x.shape):
        return mask
    return ops.logical_or(ops.expand_dims(mask, -1), ops.zeros_like(x, dtype="bool"))


def _function(layer: type[Layer]) -> Callable[..., Any]:
    def merge(inputs: Sequence[Any], **kwargs: Any) -> Any:
        return layer(**kwargs)(inputs)

    merge.__name__ = merge.__qualname__ = layer.__name__.lower()
    merge.__doc__ = f"`{layer.__name__}(**kwargs)(inputs)`"
    return merge


add = _function(Add)
subtract = _function(Subtract)
multiply = _function(Multiply)
average = _function(Average)
maximum = _function(Maximum)
minimum = _function(Minimum)


def concatenate(inputs: Sequence[Any], axis: int = -1, **kwargs: Any) -> Any:
    """`Concatenate(axis, **kwargs)(inputs)`"""
    return Concatenate(axis, **kwargs)(inputs)


def dot(inputs: Sequence[Any], axes: int | Sequence[int] = -1, **kwargs: Any) -> Any:
    """`Dot(axes, **kwargs)(inputs)`"""
    return Dot(axes, **kwargs)(inputs)
