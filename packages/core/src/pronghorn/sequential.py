"""Sequential: layers one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

from pronghorn import naming, tree
from pronghorn.functional import Functional, InputLayer
from pronghorn.layer import Layer
from pronghorn.model import Model
from pronghorn.tensor import Shape, Tensor


class Sequential(Model):
    """A stack of layers, each with one input and one output.

    It is built at once where the first is an `Input`, else when the shape of the inputs becomes known: at the
    first call, by `fit`, or by `build(input_shape)`.

    Args:
        layers: the layers, first to last.
        trainable: whether training changes the variables.
        name: "sequential", numbered, by default.
    """

    _functional: Functional | None

    def __init__(self, layers: Sequence[Any] | None = None, trainable: bool = True, name: str | None = None) -> None:
        super().__init__(trainable=trainable, name=name)
        self._stack: list[Layer] = []
        self._set_functional(None)
        self.supports_masking = True
        for layer in layers or ():
            self.add(layer, rebuild=False)
        if self._stack:
            self._rebuild()

    def _set_functional(self, model: Functional | None) -> None:
        """The same layers as a functional model, which does the work; not owned, so that no layer is found twice."""
        object.__setattr__(self, "_functional", model)
        self.built = model is not None

    def add(self, layer: Any, rebuild: bool = True) -> None:
        """Puts a layer, or what `Input` returned, on top.

        Raises:
            ValueError: it is no layer, its name is taken, or it is a second Input.
        """
        if isinstance(layer, Tensor) and layer.node is not None and isinstance(layer.node.op, InputLayer):
            layer = layer.node.op
        if not isinstance(layer, Layer):
            raise ValueError(
                f"Sequential {self.name!r}: add() takes layers, got {layer!r} of type {type(layer).__name__}"
            )
        if not self._stack and layer._sample_shape is not None:
            self._stack.append(InputLayer(batch_shape=layer._sample_shape))
        if any(layer.name == other.name for other in self._stack):
            raise ValueError(
                f"Sequential {self.name!r}: all layers must have different names, and {layer.name!r} is taken; "
                f"pass another `name`"
            )
        if isinstance(layer, InputLayer) and self._stack:
            raise ValueError(
                f"Sequential {self.name!r}: an Input comes first, and there are {len(self._stack)} layers already"
            )
        self._stack.append(layer)
        if rebuild:
            self._rebuild()
        else:
            self._set_functional(None)

    def pop(self, rebuild: bool = True) -> Layer:
        """Takes the last layer away and returns it."""
        if not self.layers:
            raise ValueError(f"Sequential {self.name!r}: pop() on a model without layers")
        layer = self._stack.pop()
        self._set_functional(None)
        if rebuild and self._stack:
            self._rebuild()
        return layer

    def _rebuild(self) -> None:
        self._set_functional(None)
        first = self._stack[0]
        if len(self._stack) > 1 and isinstance(first, (InputLayer, Functional, Sequential)):
            shape = first.batch_shape if isinstance(first, InputLayer) else getattr(first, "input_shape", None)
            if shape is not None:
                self.build(shape)

    def build(self, input_shape: Any = None) -> None:
        """Builds the layers for inputs of a shape (with the batch, None for unknown sizes)."""
        if not self._stack:
            raise ValueError(f"Sequential {self.name!r} has no layers to build; add() some")
        if _nested(input_shape):
            return
        first = self._stack[0]
        if not isinstance(first, InputLayer):
            first = InputLayer(batch_shape=input_shape, dtype=first.input_dtype)
        elif first.batch_shape != input_shape:
            raise ValueError(
                f"Sequential {self.name!r} was made for inputs of shape {first.batch_shape}, it cannot be built "
                f"for {input_shape}"
            )
        naming.auto_name("functional")  # Keras's counter counts the model inside
        self._connect(first)

    def _connect(self, first: InputLayer) -> None:
        x = first.output
        for layer in self.layers:
            x = layer(x)
        self._stack = [first, *self.layers]
        self._set_functional(Functional(inputs=first.output, outputs=x, name=self.name))

    def _settle_shapes(self, call: Any) -> None:
        super()._settle_shapes(call)
        first, shape = self._stack[0], (self._build_shapes or {}).get("input_shape")
        if isinstance(first, InputLayer) and shape not in (None, first.batch_shape):
            for layer in self._flatten_layers(include_self=False):
                layer._built_in_trace = True
            self._connect(InputLayer(batch_shape=shape, dtype=first.dtype, name=first.name))

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """The last layer's outputs."""
        if self._functional is not None:
            return self._functional.call(inputs, training=training, mask=mask)
        outputs = inputs
        for layer in self.layers:
            outputs = layer(outputs, training=training)
        return outputs

    def compute_output_spec(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Shapes and dtypes of the outputs."""
        if self._functional is not None:
            return self._functional.compute_output_spec(inputs, training=training, mask=mask)
        return Layer.compute_output_spec(self, inputs, training=training, mask=mask)

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """None: the outputs have the mask that the last layer gave them."""
        return None

    def _convert(self, x: Any) -> Any:
        return Functional._convert(self, x) if self._functional is not None else super()._convert(x)  # type: ignore[arg-type]

    @property
    def input_dtype(self) -> str:
        """The dtype that float inputs are cast to."""
        return self._stack[0].dtype if self._stack and isinstance(self._stack[0], InputLayer) else super().input_dtype

    @property
    def layers(self) -> list[Layer]:
        """The layers without the Input."""
        return [layer for layer in self._stack if not isinstance(layer, InputLayer)]

    def _built_functional(self, attribute: str) -> Functional:
        if self._functional is None:
            raise AttributeError(f"Sequential {self.name!r} has no `{attribute}` yet; put an Input first, or build it")
        return self._functional

    @property
    def inputs(self) -> list[Tensor]:
        """The input tensors of the graph."""
        return self._built_functional("inputs").inputs

    @property
    def outputs(self) -> list[Tensor]:
        """The output tensors of the graph."""
        return self._built_functional("outputs").outputs

    @property
    def output_names(self) -> list[str] | None:
        """The name of the last layer, by which a loss or metrics may be given; None before the model is built."""
        return None if self._functional is None else self._functional.output_names

    @property
    def input(self) -> Any:
        """The input tensor of the graph."""
        return self._built_functional("input").input

    @property
    def output(self) -> Any:
        """The output tensor of the graph."""
        return self._built_functional("output").output

    @property
    def input_shape(self) -> Shape:
        """The shape of the inputs."""
        return self._built_functional("input_shape").input_shape  # type: ignore[no-any-return]

    @property
    def output_shape(self) -> Shape:
        """The shape of the outputs."""
        return self._built_functional("output_shape").output_shape  # type: ignore[no-any-return]

    def get_config(self) -> dict[str, Any]:
        """The layers as plain values."""
        from pronghorn.saving.registry import serialize_keras_object

        config = {**self._base_config(), "layers": [serialize_keras_object(layer) for layer in self._stack]}
        if self._functional is not None:
            config["build_input_shape"] = self._stack[0].batch_shape  # type: ignore[attr-defined]
        return config

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Self:
        """The model that `get_config` described; `custom_objects` are classes and functions by name."""
        from pronghorn.saving.registry import CustomObjectScope, deserialize_keras_object

        model = cls(name=config["name"], trainable=config.get("trainable", True))
        with model._scope(), CustomObjectScope(custom_objects or {}):
            for layer in config["layers"]:
                model.add(deserialize_keras_object(layer), rebuild=False)
        if model._stack:
            model._rebuild()
        if not model.built and config.get("build_input_shape"):
            model.build(config["build_input_shape"])
        return model


def _nested(shape: Any) -> bool:
    """Whether `shape` is no shape of a single tensor, for which no graph can be made."""
    return not isinstance(shape, (list, tuple)) or any(tree.is_nested(n) for n in shape)
