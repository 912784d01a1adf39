"""clone_model: the same layers, made anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pronghorn import tree
from pronghorn.functional import Functional, Input, InputLayer
from pronghorn.layer import Layer
from pronghorn.model import Model
from pronghorn.saving.registry import CustomObjectScope, deserialize_keras_object, serialize_keras_object
from pronghorn.sequential import Sequential
from pronghorn.tensor import MODEL, Tensor

Clone = Callable[[Any], Any]


def clone_model(
    model: Any,
    input_tensors: Any = None,
    clone_function: Clone | None = None,
    call_function: Callable[..., Any] | None = None,
    recursive: bool = False,
) -> Any:
    """A model of new layers with the configs of the old ones, and so with weights of its own.

    A layer used several times is cloned once. A compiled model's clone is compiled likewise, with a new optimizer.

    Args:
        model: a Functional or Sequential model; of others only the first argument is accepted, and their config is
            used.
        input_tensors: tensors of a model graph to begin with, nested as the model's inputs, instead of new Inputs.
        clone_function: `layer -> layer`, for all but Inputs; by default from the layer's config.
        call_function: `(layer, *args, **kwargs) -> outputs`, which calls the clones; for Functional models only.
        recursive: whether models inside are cloned in this way too, not by `clone_function`.

    Raises:
        ValueError: an argument does not fit the kind of model.
    """
    if not isinstance(model, Model):
        raise ValueError(f"clone_model: expected a Model, got {model!r}")
    special = clone_function or call_function or input_tensors is not None
    graph = isinstance(model, Functional) and (special or type(model).get_config is Functional.get_config)
    if not (graph or isinstance(model, Sequential)):
        if special:
            raise ValueError(
                f"clone_model: input_tensors, clone_function and call_function work on Functional and Sequential "
                f"models only, got a {type(model).__name__}"
            )
        with _own_classes(model):
            return deserialize_keras_object(serialize_keras_object(model))
    if isinstance(model, Sequential) and call_function is not None:
        raise ValueError("clone_model: call_function works on Functional models only: a Sequential model lists layers")
    with _own_classes(model):
        return _clone(model, input_tensors, _Layers(clone_function, call_function, recursive))


def _own_classes(model: Model) -> CustomObjectScope:
    """Lets configs name the classes of the model's parts, registered or not."""
    parts = [*model._flatten_layers(), *([] if model.optimizer is None else [model.optimizer])]
    return CustomObjectScope({type(part).__name__: type(part) for part in parts})


class _Layers:
    """Makes the clone of each layer once."""

    def __init__(self, clone: Clone | None, call: Callable[..., Any] | None, recursive: bool) -> None:
        self.clone = clone or (lambda layer: type(layer).from_config(layer.get_config()))
        self.call = call or (lambda layer, *args, **kwargs: layer(*args, **kwargs))
        self.recursive = recursive
        self.made: dict[Layer, Any] = {}

    def __call__(self, layer: Layer) -> Any:
        if layer not in self.made:
            inner = self.recursive and isinstance(layer, (Sequential, Functional))
            self.made[layer] = _clone(layer, None, self) if inner else self.clone(layer)
        return self.made[layer]


def _clone(model: Any, input_tensors: Any, layers: _Layers) -> Any:
    clone = _sequential if isinstance(model, Sequential) else _functional
    made = clone(model, input_tensors, layers)
    if model.compiled and (config := model.get_compile_config()) is not None:
        made.compile_from_config(config)
    return made


def _sequential(model: Sequential, input_tensors: Any, layers: _Layers) -> Sequential:
    stack: list[Any] = [layers(layer) for layer in model.layers]
    given = tree.flatten(input_tensors) if input_tensors is not None else []
    if len(given) > 1 or not all(map(_is_symbol, given)):
        raise ValueError(f"clone_model: input_tensors must be one tensor of a model graph, got {input_tensors!r}")
    first = model._stack[0] if model._stack else None
    if given:
        stack.insert(0, InputLayer(input_tensor=given[0], name=getattr(first, "name", None)))
    elif isinstance(first, InputLayer):
        stack.insert(0, InputLayer.from_config(first.get_config()))
    return Sequential(stack, name=model.name, trainable=model.trainable)


def _functional(model: Functional, input_tensors: Any, layers: _Layers) -> Any:
    inputs = input_tensors
    if inputs is None:
        inputs = tree.map_structure(lambda t: Input(batch_shape=t.shape, dtype=t.dtype, name=t.name), model.input)
    elif not all(map(_is_symbol, tree.flatten(inputs))) or len(tree.flatten(inputs)) != len(model.inputs):
        raise ValueError(
            f"clone_model: input_tensors must be tensors of a model graph, nested like the inputs {model.input!r}"
        )
    known = dict(zip(model.inputs, tree.flatten(inputs), strict=True))

    def fill(x: Any) -> Any:
        return known[x] if _is_symbol(x) else x

    for node in model.graph.nodes:
        if isinstance(node.op, InputLayer):
            continue
        operation = layers(node.op) if isinstance(node.op, Layer) else node.op
        args, kwargs = tree.map_structure(fill, node.args), tree.map_structure(fill, node.kwargs)
        outputs = layers.call(operation, *args, **kwargs)
        known.update(zip(node.outputs, tree.flatten(outputs), strict=True))
    outputs = tree.map_structure(fill, model.output)
    own_constructor = type(model).__init__ not in (Functional.__init__, Model.__init__)
    cls = Functional if own_constructor else type(model)
    return cls(inputs, outputs, name=model.name)


def _is_symbol(x: Any) -> bool:
    return isinstance(x, Tensor) and x.scope is MODEL
