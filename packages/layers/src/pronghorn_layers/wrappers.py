"""Layers around a layer: Wrapper, TimeDistributed, Bidirectional."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from pronghorn import ops
from pronghorn.layer import Layer
from pronghorn.saving.registry import serialize_keras_object
from pronghorn.tensor import Tensor


class Wrapper(Layer):
    """The base of layers that hold a `layer` and build it for their own inputs."""

    def __init__(self, layer: Layer, **kwargs: Any) -> None:
        if not isinstance(layer, Layer):
            raise ValueError(
                f"{type(self).__name__}: argument `layer` must be a layer such as Dense(10), got {type(layer).__name__}"
            )
        super().__init__(**kwargs)
        self.layer = layer

    def build(self, input_shape: Any = None) -> None:
        if not self.layer.built:
            self.layer.build(input_shape)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"layer": serialize_keras_object(self.layer)}


class TimeDistributed(Wrapper):
    """Applies a layer to each step: (batch, steps, …) is taken for a batch of batch * steps samples.

    A mask (batch, steps) goes to the layer as (batch * steps,), if it takes one.
    """

    def __init__(self, layer: Layer, **kwargs: Any) -> None:
        super().__init__(layer, **kwargs)
        self.supports_masking = True

    def _step_shape(self, shape: Any) -> Any:
        if len(shape) < 3 or isinstance(shape[0], (list, tuple)):
            raise ValueError(
                f"layer {self.name!r} (TimeDistributed): expected inputs of the shape (batch, steps, …), got {shape}; "
                f"add the missing axis, or use the wrapped layer alone"
            )
        return (None if None in shape[:2] else shape[0] * shape[1], *shape[2:])

    def build(self, input_shape: Any = None) -> None:
        super().build(self._step_shape(input_shape))

    def compute_output_shape(self, input_shape: Any) -> Any:
        inner = self.layer.compute_output_shape(self._step_shape(input_shape))
        return (*input_shape[:2], *inner[1:])

    def call(self, inputs: Tensor, training: bool | None = None, mask: Any = None) -> Tensor:
        steps = inputs.shape[:2]
        if mask is not None and mask.shape[:2] != steps:
            raise ValueError(
                f"layer {self.name!r}: the mask must begin with the shape (batch, steps) = {steps}, got {mask.shape}"
            )
        folded = ops.reshape(inputs, (-1, *inputs.shape[2:]))
        options = {}
        if mask is not None and "mask" in inspect.signature(self.layer.call).parameters:
            options["mask"] = ops.reshape(mask, (-1, *mask.shape[2:]))
        outputs = self.layer(folded, **options)
        return ops.reshape(outputs, (*steps, *outputs.shape[1:]))  # type: ignore[no-any-return]


class Bidirectional(Layer):
    """A recurrent layer from the first step to the last, one of the same kind from last to first, and both merged.

    Args:
        layer: of the forward direction; it is made anew from its config, with "forward_" before its name.
        merge_mode: "concat" (along the features), "sum", "ave", "mul", or None: both outputs.
        weights: initial weights, forward then backward.
        backward_layer: of the other direction; by default like `layer`, with "backward_" before its name.
    """

    def __init__(
        self,
        layer: Layer,
        merge_mode: str | None = "concat",
        weights: Any = None,
        backward_layer: Layer | None = None,
        **kwargs: Any,
    ) -> None:
        for argument, value in (("layer", layer), ("backward_layer", backward_layer)):
            if not hasattr(value, "go_backwards") and (argument == "layer" or value is not None):
                raise ValueError(
                    f"Bidirectional: argument `{argument}` must be a recurrent layer such as LSTM(10), got "
                    f"{type(value).__name__}"
                )
        if merge_mode not in ("sum", "mul", "ave", "concat", None):
            raise ValueError(
                f"Bidirectional: argument `merge_mode` must be 'sum', 'mul', 'ave', 'concat' or None, got "
                f"{merge_mode!r}"
            )
        super().__init__(**kwargs)
        self.merge_mode = merge_mode
        self.forward_layer: Any = _renamed(layer, "forward_")
        self.backward_layer: Any = backward_layer or _renamed(layer, "backward_", go_backwards=True)
        self._check_directions()
        directions: tuple[Any, Any] = (self.forward_layer, self.backward_layer)
        for direction in directions:
            if hasattr(direction, "zero_output_for_mask"):
                direction.zero_output_for_mask = direction.return_sequences
        self._weights = weights
        self.stateful = self.forward_layer.stateful
        self.return_sequences = self.forward_layer.return_sequences
        self.return_state = self.forward_layer.return_state
        self.supports_masking = True
        self.input_spec = layer.input_spec

    def _check_directions(self) -> None:
        forward, backward = self.forward_layer, self.backward_layer
        for name in ("stateful", "return_sequences", "return_state", "go_backwards"):
            values = [getattr(direction, name, None) for direction in (forward, backward)]
            if (values[0] == values[1]) == (name == "go_backwards"):
                wanted = "different values" if name == "go_backwards" else "the same value"
                raise ValueError(
                    f"layer {self.name!r} (Bidirectional): both directions must have {wanted} of `{name}`, got "
                    f"{values[0]} forward and {values[1]} backward; change `backward_layer`"
                )

    def build(self, sequences_shape: Any, initial_state_shape: Any = None) -> None:
        for direction in (self.forward_layer, self.backward_layer):
            if not direction.built:
                direction.build(sequences_shape)
        if self._weights is not None:
            self.set_weights(self._weights)

    def compute_output_shape(self, sequences_shape: Any, initial_state_shape: Any = None) -> Any:
        found = self.forward_layer.compute_output_shape(sequences_shape)
        shape, states = (found[0], found[1:]) if self.return_state else (found, ())
        if self.merge_mode == "concat":
            shape = (*shape[:-1], None if shape[-1] is None else 2 * shape[-1])
        if self.merge_mode is None:
            return (shape, shape, *states, *states)
        return (shape, *states, *states) if self.return_state else shape

    def call(self, sequences: Tensor, initial_state: Any = None, mask: Any = None, training: bool | None = None) -> Any:
        first, second = None, None
        if initial_state is not None:
            half = len(initial_state) // 2
            first, second = initial_state[:half], initial_state[half:]
        y = self.forward_layer(sequences, initial_state=first, mask=mask)
        back = self.backward_layer(sequences, initial_state=second, mask=mask)
        states: tuple[Any, ...] = ()
        if self.return_state:
            states = (*y[1:], *back[1:])
            y, back = y[0], back[0]
        if self.return_sequences:
            back = ops.flip(back, 1)
        if self.merge_mode is None:
            return (y, back, *states)
        merged = _MERGE[self.merge_mode](y, back)
        return (merged, *states) if self.return_state else merged

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        mask = previous_mask if self.return_sequences else None
        return [mask, mask] if self.merge_mode is None else [mask]

    def reset_state(self) -> None:
        """Makes the next batch of a stateful layer begin with zeros."""
        self.forward_layer.reset_state()
        self.backward_layer.reset_state()

    def reset_states(self) -> None:
        """The same as `reset_state`."""
        self.reset_state()

    @property
    def states(self) -> Any:
        """The states that a stateful layer keeps, forward then backward."""
        if self.forward_layer.states is None or self.backward_layer.states is None:
            return None
        return (*self.forward_layer.states, *self.backward_layer.states)

    def get_config(self) -> dict[str, Any]:
        directions = {"layer": self.forward_layer, "backward_layer": self.backward_layer}
        config = {key: value for key, value in super().get_config().items() if key != "weights"}
        return config | {key: serialize_keras_object(value) for key, value in directions.items()}


_MERGE: dict[str, Callable[[Any, Any], Any]] = {
    "concat": lambda a, b: ops.concatenate([a, b], axis=-1),
    "sum": lambda a, b: a + b,
    "ave": lambda a, b: (a + b) / 2,
    "mul": lambda a, b: a * b,
}


def _renamed(layer: Any, prefix: str, **changes: Any) -> Any:
    """A new layer with the config of `layer`, but its name and `changes`."""
    name = prefix + layer.name.removeprefix(prefix)
    return type(layer).from_config({**layer.get_config(), "name": name, **changes})
