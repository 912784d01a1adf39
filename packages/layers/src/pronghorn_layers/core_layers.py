"""Layers without a formula of their own."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from pronghorn import regularizers, tree
from pronghorn.arguments import as_shape
from pronghorn.graph import Spec
from pronghorn.layer import Layer
from pronghorn.tensor import Tensor


class Identity(Layer):
    """The inputs."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.built = True

    def call(self, inputs: Any) -> Any:
        return inputs


class ActivityRegularization(Layer):
    """The inputs; l1 sum(|x|) + l2 sum(x²), divided by the batch size, is added to the losses."""

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **kwargs: Any) -> None:
        super().__init__(activity_regularizer=regularizers.L1L2(l1=l1, l2=l2), **kwargs)
        self.l1 = l1
        self.l2 = l2
        self.supports_masking = True
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        return inputs

    def get_config(self) -> dict[str, Any]:
        return {key: value for key, value in super().get_config().items() if key != "activity_regularizer"}


class Lambda(Layer):
    """function(inputs, **arguments), for a function without variables of its own.

    Files hold the function's name: define it with `def`, and register it or pass it in `custom_objects` to
    load the model.

    Args:
        function: of the inputs; it may take `mask` and `training`.
        output_shape: not needed, since the shape is found by tracing, but checked where it is given: without the batch,
            or a function of the input's shape.
        mask: the outputs' mask, or a function of the inputs and their mask.
        arguments: keyword arguments.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        output_shape: Any = None,
        mask: Any = None,
        arguments: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not callable(function):
            raise TypeError(f"layer {self.name!r} (Lambda): argument `function` must be callable, got {function!r}")
        self.function = function
        self.mask = mask
        self.arguments = dict(arguments or {})
        self.supports_masking = mask is not None
        self.output_shape = output_shape
        self._takes = inspect.signature(function).parameters.keys() & {"mask", "training"}
        self.built = True

    def call(self, inputs: Any, mask: Any = None, training: bool | None = None) -> Any:
        given = {"mask": mask, "training": training}
        return self.function(inputs, **self.arguments, **{name: given[name] for name in self._takes})

    def compute_output_spec(self, inputs: Any, mask: Any = None, training: bool | None = None) -> Any:
        found = super().compute_output_spec(inputs, mask=mask, training=training)
        if self.output_shape is not None and isinstance(found, Spec):
            shape = inputs.shape if isinstance(inputs, Tensor) else [x.shape for x in tree.flatten(inputs)]
            declared = self.output_shape(shape) if callable(self.output_shape) else (None, *as_shape(self.output_shape))
            if len(declared) != len(found.shape) or any(
                n is not None and m is not None and n != m for n, m in zip(declared[1:], found.shape[1:], strict=True)
            ):
                raise ValueError(
                    f"layer {self.name!r} (Lambda): argument `output_shape` says {tuple(declared)}, but the function's "
                    f"outputs have the shape {found.shape}; correct it or leave it out"
                )
        return found

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return {key: v for key, v in config.items() if v is not None or key not in ("output_shape", "mask")}

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        return self.mask(inputs, previous_mask) if callable(self.mask) else self.mask
