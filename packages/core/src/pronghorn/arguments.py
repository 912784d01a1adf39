"""The arguments of a layer's call: made tensors, known by name, completed; shapes and masks read from them."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from pronghorn import dtypes, graph, tree
from pronghorn.tensor import Shape, Tensor, convert_to_tensor


class Arguments:
    """The arguments of one call of `call`.

    Args:
        name: of the layer, for errors.
        call: the unbound method.
        convert: what makes a tensor of the layer's dtype of a leaf that can be one.
    """

    def __init__(
        self,
        name: str,
        call: Callable[..., Any],
        convert: Callable[[Any], Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        signature = _signature(call)
        self._explicit_training = kwargs.get("training")
        if "training" in kwargs and not _accepts(signature, "training"):
            kwargs = {key: value for key, value in kwargs.items() if key != "training"}
        if args and _is_array_as_lists(args[0]):
            args = (convert_to_tensor(args[0]), *args[1:])
        self.args: tuple[Any, ...] = tree.map_structure(convert, args)
        self.kwargs: dict[str, Any] = tree.map_structure(convert, kwargs)
        try:
            bound = signature.bind(*self.args, **self.kwargs)
        except TypeError as error:
            raise TypeError(f"layer {name!r}: {error}; its signature is call{signature}") from None
        if "training" in bound.arguments:
            self._explicit_training = bound.arguments["training"]
        bound.apply_defaults()
        self.named: dict[str, Any] = dict(bound.arguments)
        self.first = next(iter(self.named.values()), None)
        self.tensors = {key: value for key, value in self.named.items() if _holds_tensors(value)}
        self.symbolic = graph.model_tensors(self.args) or graph.model_tensors(self.kwargs)

    def shapes(self) -> dict[str, Any]:
        """The shapes of the tensor arguments but the mask, as "x_shape" for an argument x."""
        return {
            f"{name}_shape": tree.map_structure(lambda t: None if t is None else t.shape, value)
            for name, value in self.tensors.items()
            if name not in ("mask", "args", "kwargs")
        }

    def shapes_for(self, method: Callable[..., Any]) -> dict[str, Any]:
        """The shapes as the arguments of `build` or `compute_output_shape`: all that have their names, and the first
        in any case, which a subclass's `call` may have renamed.
        """
        shapes = self.shapes()
        names = list(inspect.signature(method).parameters)
        found = {name: shapes[name] for name in names if name in shapes}
        return found if names[0] in found else {names[0]: next(iter(shapes.values()), None), **found}

    def fill_training(self, outer: bool | None) -> bool | None:
        """Whether the call is part of training: as passed, else as in the call around it, else as the
        signature has it.
        """
        accepted = "training" in self.named
        value = self._explicit_training if self._explicit_training is not None else outer
        if value is None and accepted:
            value = self.named["training"]
        if value is not None and accepted:
            self._fill("training", value)
        return value

    def fill_masks(self) -> Any:
        """Completes `mask`, or `x_mask` for each of several tensor arguments x, from the masks that the tensors carry.

        Returns the mask of the first argument.
        """
        for name, value in self.tensors.items():
            key = "mask" if len(self.tensors) == 1 else f"{name}_mask"
            if key in self.named and self.named[key] is None:
                self._fill(key, tree.map_structure(get_mask, value))
        mask = self.named.get("mask")
        return tree.map_structure(get_mask, self.first) if mask is None else mask

    def _fill(self, name: str, value: Any) -> None:
        position = list(self.named).index(name)
        if position < len(self.args):
            self.args = (*self.args[:position], value, *self.args[position + 1 :])
        else:
            self.kwargs[name] = value
        self.named[name] = value


@functools.cache
def _signature(call: Callable[..., Any]) -> inspect.Signature:
    """The signature of a method without `self`."""
    signature = inspect.signature(call)
    return signature.replace(parameters=list(signature.parameters.values())[1:])


def _accepts(signature: inspect.Signature, name: str) -> bool:
    return name in signature.parameters or any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())


def _is_array_as_lists(x: Any) -> bool:
    return isinstance(x, list) and bool(x) and all(dtypes.weak(leaf) is not None for leaf in tree.flatten(x))


def _holds_tensors(value: Any) -> bool:
    if isinstance(value, Tensor):
        return True
    flat = tree.flatten(value) if tree.is_nested(value) else []
    return any(isinstance(t, Tensor) for t in flat) and all(t is None or isinstance(t, Tensor) for t in flat)


def get_mask(x: Any) -> Tensor | None:
    """The mask a tensor carries: bool, True where it counts; None for no mask."""
    return getattr(x, "_keras_mask", None)


def set_mask(x: Tensor, mask: Any) -> None:
    """Attaches a mask to a tensor."""
    x._keras_mask = mask


def as_integer(value: Any, name: str, least: int = 1) -> int:
    """A whole number, also where it came as 128.0.

    Raises:
        ValueError: it is no whole number or smaller than `least`.
    """
    number = isinstance(value, (int, float, np.integer, np.floating)) and math.isfinite(value)
    if number and value == int(value) >= least:
        return int(value)
    raise ValueError(f"{name}: expected a whole number of at least {least}, got {value!r}")


def per_dimension(value: Any, rank: int, what: str, least: int = 1) -> tuple[int, ...]:
    """A number for all spatial dimensions, or one for each, as a tuple.

    Raises:
        ValueError: they are of another number, no integers, or smaller than `least`.
    """
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,) * rank
    if len(values) != rank or any(int(v) != v or v < least for v in values):
        raise ValueError(f"{what} must be an integer of at least {least}, or {rank} of them, got {value!r}")
    return tuple(int(v) for v in values)


def as_shape(sizes: Any, name: str = "shape") -> Shape:
    """A shape given as a number or a list of numbers, which may be floats, as a tuple.

    Raises:
        ValueError: it holds something else than whole numbers and None.
    """
    if isinstance(sizes, (int, float)):
        sizes = (sizes,)
    if isinstance(sizes, str) or not hasattr(sizes, "__iter__"):
        raise ValueError(f"{name}: expected whole numbers such as (28, 28), or None for unknown sizes, got {sizes!r}")
    return tuple(None if n is None else as_integer(n, f"{name} {sizes!r}", least=0) for n in sizes)


def map_shapes(function: Callable[[Shape], Any], structure: Any) -> Any:
    """`structure` with `function` applied to each shape in it."""
    if isinstance(structure, Mapping):
        return {key: map_shapes(function, value) for key, value in structure.items()}
    if isinstance(structure, (list, tuple)) and not all(n is None or isinstance(n, (int, float)) for n in structure):
        return type(structure)(map_shapes(function, item) for item in structure)
    return None if structure is None else function(as_shape(structure))


def common_shapes(a: Any, b: Any) -> Any:
    """Nested shapes, None where two of them differ."""
    if isinstance(a, Mapping):
        return {key: common_shapes(a[key], b[key]) for key in a}
    if isinstance(a, (list, tuple)):
        return type(a)(common_shapes(x, y) for x, y in zip(a, b, strict=True))
    return a if a == b else None
