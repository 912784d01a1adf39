"""Model: a layer that is trained, evaluated, saved and printed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from pronghorn import config, plugins, tree
from pronghorn.layer import Layer
from pronghorn.tensor import MODEL, Tensor
from pronghorn.training.trainer import Trainer


class Model(Trainer):
    """A layer with `compile`, `fit`, `evaluate`, `predict`, `summary` and `save`.

    Made in one of three ways: `Model(inputs, outputs)` from tensors that began as `Input`; `Sequential(layers)`; or a
    subclass that makes layers in `__init__` and uses them in `call`. A subclass may also be given inputs and
    outputs, to have a `train_step` of its own.

    Args:
        inputs, outputs: tensors of a model graph, nested as you like.
        name, trainable, dtype: as for any layer.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        if cls is Model and _is_functional(args, kwargs):
            from pronghorn.functional import Functional

            return Functional.__new__(Functional, *args, **kwargs)  # type: ignore[return-value]
        return super().__new__(cls, *args, **kwargs)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if _is_functional(args, kwargs):
            from pronghorn.functional import Functional

            _insert_functional(type(self), Functional)
            Functional.__init__(self, *args, **kwargs)  # type: ignore[arg-type]
            return
        Layer.__init__(self, *args, **kwargs)

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Computes the outputs from the inputs."""
        raise NotImplementedError(
            f"Model {type(self).__name__} has no `call`; write call(self, inputs), or give it inputs and outputs"
        )

    @property
    def layers(self) -> list[Layer]:
        """The layers, without those inside of them."""
        return self._flatten_layers(include_self=False, recursive=False)

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """The layer of a name or at an index.

        Raises:
            ValueError: there is none, or not exactly one of the arguments is given.
        """
        if (index is None) == (name is None):
            raise ValueError(f"get_layer: give either `name` or `index`, got name={name!r}, index={index!r}")
        layers = self.layers
        if index is not None:
            if not -len(layers) <= index < len(layers):
                raise ValueError(
                    f"get_layer: index {index} is out of range, model {self.name!r} has {len(layers)} layers"
                )
            return layers[index]
        found = next((layer for layer in layers if layer.name == name), None)
        if found is None:
            raise ValueError(
                f"get_layer: no layer {name!r} in {self.name!r}; it has {[layer.name for layer in layers]}"
            )
        return found

    def summary(
        self,
        line_length: int | None = None,
        positions: Sequence[float] | None = None,
        print_fn: Callable[[str], object] | None = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
        layer_range: Sequence[str] | None = None,
    ) -> None:
        """Prints the layers, their output shapes and numbers of parameters.

        Args:
            line_length: width in characters; by default 88 or 108, at most the terminal's.
            positions: where the columns end, as shares of the width.
            print_fn: is given the whole text instead of its being printed.
            expand_nested: whether layers inside of models are listed.
            show_trainable: whether a column says which layers are trainable.
            layer_range: names, or regular expressions, of the first and the last layer to list.
        """
        summary = plugins.load("utils", "Model.summary")
        text = summary(self, line_length, positions, expand_nested, show_trainable, layer_range)
        (print_fn or _print)(text)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments as plain values."""
        return Layer.get_config(self)

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
        """The model that `get_config` described; `custom_objects` are classes and functions by name."""
        from pronghorn.saving.functional import functional_from_config
        from pronghorn.saving.registry import CustomObjectScope

        with CustomObjectScope(custom_objects or {}):
            if "input_layers" in config:
                return functional_from_config(cls, config)
            return super().from_config(config)

    def __reduce__(self) -> Any:
        return plugins.load("utils", "Model.reduced")(self)

    def to_json(self, **kwargs: Any) -> str:
        """The model without its weights, as JSON; `kwargs` go to json.dumps."""
        import json

        from pronghorn.saving.registry import serialize_keras_object

        return json.dumps(serialize_keras_object(self), **kwargs)

    def save(self, filepath: Any, overwrite: bool = True, zipped: bool | None = None, **options: Any) -> None:
        """Writes the model to a `.keras` file; see `pronghorn.saving.save_model`."""
        from pronghorn.saving import save_model

        save_model(self, filepath, overwrite, zipped, **options)

    def export(self, filepath: Any, format: str = "tf_saved_model", **options: Any) -> None:
        """Writes what the model computes, in the format "onnx"; `filepath` ends in `.onnx`.

        Raises:
            NotImplementedError: another format, or options.
        """
        if format != "onnx" or any(value is not None for value in options.values()):
            raise NotImplementedError(f"export: format='onnx' alone, without options; got {format!r}, {options}")
        self.save(filepath)

    def quantize(self, *args: Any, **options: Any) -> None:
        """Not supported.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError(f"model {self.name!r}: quantize is not supported; dtype='mixed_bfloat16' halves it")

    def save_weights(self, filepath: Any, overwrite: bool = True, max_shard_size: float | None = None) -> None:
        """Writes the weights to a `.weights.h5` file; see `pronghorn.saving.save_weights`."""
        from pronghorn.saving import save_weights

        save_weights(self, filepath, overwrite, max_shard_size)

    def load_weights(self, filepath: Any, skip_mismatch: bool = False, **options: Any) -> None:
        """Sets the weights from a file; see `pronghorn.saving.load_weights`."""
        from pronghorn.saving import load_weights

        load_weights(self, filepath, skip_mismatch, **options)

    def get_state_tree(self, value_format: str = "backend_tensor") -> dict[str, Any]:
        """All variables by path; see `pronghorn_utils.state_tree`."""
        return plugins.load("utils", "get_state_tree")(self, value_format)  # type: ignore[no-any-return]

    def set_state_tree(self, state_tree: Mapping[str, Any]) -> None:
        """Sets the variables that `get_state_tree` gave, or some of them."""
        plugins.load("utils", "set_state_tree")(self, state_tree)

    def build_from_config(self, config: Mapping[str, Any]) -> None:
        """Builds for the shapes of a config, unless it is built."""
        if not self.built:
            super().build_from_config(config)


def _print(text: str) -> None:
    config.say(text.removesuffix("\n"))


def _is_functional(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    if len(args) >= 2 or (len(args) == 1 and "outputs" in kwargs):
        return any(isinstance(t, Tensor) and t.scope is MODEL for t in tree.flatten(args[0]))
    return "inputs" in kwargs and "outputs" in kwargs


def _insert_functional(cls: type, functional: type) -> None:
    """Puts `Functional` in the place of `Model` among the ancestors of a subclass that was given inputs and outputs."""
    if not issubclass(cls, functional):
        for base in cls.__bases__:
            if base is not Model and issubclass(base, Model):
                return _insert_functional(base, functional)
        cls.__bases__ = tuple(functional if base is Model else base for base in cls.__bases__)
