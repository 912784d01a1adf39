"""InputSpec: what a layer expects of an input, and the errors that say what came instead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pronghorn import tree
from pronghorn.configurable import Configurable
from pronghorn.tensor import Shape, Tensor


class InputSpec(Configurable):
    """Rank, dtype and sizes that an input must have.

    Args:
        dtype: the dtype, None for any.
        shape: the sizes, None for any.
        ndim, min_ndim, max_ndim: the rank, or its limits.
        axes: axis -> size.
        allow_last_axis_squeeze: whether a last dimension of 1 may be missing, or be there in addition.
        name: the key of the input where inputs come as a dict.
        optional: whether None may be passed.
    """

    def __init__(
        self,
        dtype: str | None = None,
        shape: Sequence[int | None] | None = None,
        ndim: int | None = None,
        max_ndim: int | None = None,
        min_ndim: int | None = None,
        axes: Mapping[int, int | None] | None = None,
        allow_last_axis_squeeze: bool = False,
        name: str | None = None,
        optional: bool = False,
    ) -> None:
        self.dtype = dtype
        self.shape = None if shape is None else tuple(shape)
        self.ndim = ndim if self.shape is None else len(self.shape)
        self.max_ndim = max_ndim
        self.min_ndim = min_ndim
        self.axes = {int(axis): size for axis, size in (axes or {}).items()}
        self.allow_last_axis_squeeze = allow_last_axis_squeeze
        self.name = name
        self.optional = optional

    def mismatch(self, x: Tensor) -> tuple[str, str] | None:
        """What was expected, and what to change; None if `x` fits."""
        shape = x.shape
        if self.dtype is not None and x.dtype != self.dtype:
            return (f"expected dtype={self.dtype}, found dtype={x.dtype}", f"cast it with ops.cast(x, {self.dtype!r})")
        if self.ndim is not None and len(shape) != self.ndim and not self.allow_last_axis_squeeze:
            return f"expected ndim={self.ndim}, found ndim={len(shape)}", _rank_advice(len(shape), self.ndim)
        if self.min_ndim is not None and len(shape) < self.min_ndim:
            return f"expected min_ndim={self.min_ndim}, found ndim={len(shape)}", _rank_advice(
                len(shape), self.min_ndim
            )
        if self.max_ndim is not None and len(shape) > self.max_ndim:
            return f"expected max_ndim={self.max_ndim}, found ndim={len(shape)}", _rank_advice(
                len(shape), self.max_ndim
            )
        for axis, size in self.axes.items():
            if size is not None and shape[axis] not in (size, None):
                advice = f"give it inputs of size {size} there, or make a new layer for inputs of size {shape[axis]}"
                return f"expected axis {axis} of input shape to have value {size}", advice
        if self.shape is not None and not self._fits(shape):
            return (
                f"expected shape={self.shape}, found shape={shape}",
                "reshape the input, or build the layer for this shape",
            )
        return None

    def _fits(self, shape: Shape) -> bool:
        wanted = self.shape or ()
        if self.allow_last_axis_squeeze and len(shape) != len(wanted):
            longer = max(shape, wanted, key=len)
            if longer[-1] == 1:
                shape, wanted = (s[:-1] if s is longer else s for s in (shape, wanted))
        if len(shape) != len(wanted):
            return False
        return all(a is None or b is None or a == b for a, b in zip(wanted, shape, strict=True))


def _rank_advice(found: int, expected: int) -> str:
    if found < expected:
        return f"add the missing dimension{'s' * (expected - found > 1)}, for example by ops.expand_dims(x, -1)"
    return "put Flatten() or Reshape(…) before it"


def assert_input_compatibility(specs: Any, inputs: Any, layer: Any) -> None:
    """Checks the first argument of a layer's call against its specs.

    Raises:
        ValueError: it does not fit; the message shows the layers that led to it.
    """
    flat = tree.flatten(specs)
    if isinstance(inputs, Mapping) and all(spec is not None and spec.name for spec in flat):
        if missing := [spec.name for spec in flat if spec.name not in inputs and not spec.optional]:
            raise ValueError(
                f"layer {layer.name!r}: no data for the inputs {missing}: got a dict with the keys {list(inputs)}, "
                f"expected {[spec.name for spec in flat]}"
            )
        found = [inputs.get(spec.name) for spec in flat]
    else:
        found = tree.flatten(inputs)
    if len(found) != len(flat):
        raise ValueError(
            f"layer {layer.name!r} expects {len(flat)} input(s), but it received {len(found)}; "
            f"pass one tensor for each, as a list or dict"
        )
    for index, (x, spec) in enumerate(zip(found, flat, strict=True)):
        if spec is None or (x is None and spec.optional):
            continue
        if not isinstance(x, Tensor):
            raise ValueError(
                f"layer {layer.name!r}: inputs must be tensors, got {x!r} of type {type(x).__name__}; "
                f"call the layer on the output of another one or on an array"
            )
        if (problem := spec.mismatch(x)) is not None:
            expected, advice = problem
            raise ValueError(
                f'Input {index} of layer "{layer.name}" ({type(layer).__name__}) is incompatible with the layer: '
                f"{expected}, but received input with shape {x.shape}{chain(x)}; {advice}"
            )


def chain(x: Tensor, limit: int = 6) -> str:
    """The layers of a model graph that led to `x`, each with its output shape."""
    steps: list[str] = []
    current: Tensor | None = x
    while current is not None and current.node is not None and len(steps) < limit:
        if "args" not in current.node.attrs:
            break
        steps.append(f"{current.node.op.name} {current.shape}")
        current = current.node.inputs[0] if current.node.inputs else None
    return f" (from {' -> '.join(reversed(steps))})" if steps else ""
