"""Configs of models as Keras 1, 2 and tf.keras wrote them, in the form of Keras 3: plain values to plain values.

Nothing is made here, and nothing that a config names is looked for except among what is installed: the result goes
through the same check as the config of any file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pronghorn import plugins
from pronghorn.saving.files import ModelFileError
from pronghorn.saving.functional import find_op
from pronghorn.saving.registry import get_registered_object
from pronghorn_formats.legacy import names
from pronghorn_formats.legacy.arguments import drop_unknown
from pronghorn_formats.legacy.graphs import first_calls, is_model, modern_call
from pronghorn_formats.legacy.lambdas import named_lambda
from pronghorn_formats.legacy.tensorflow_ops import tensorflow_op

Config = dict[str, Any]

HARD_SIGMOID = "keras2_hard_sigmoid"
"""Keras 3 has another function of this name than Keras 1 and 2."""


def modern_config(config: Mapping[str, Any], version: str | None = None) -> Config:
    """A model's config, whatever version of Keras it is of, as Keras 3's `to_json` has it.

    Args:
        config: an object with "class_name" and "config".
        version: of Keras, by default the one that the config names.

    Raises:
        ModelFileError: it is no model's config, or asks for what is no longer there.
    """
    number = re.match(r"\d+", str(version or config.get("keras_version") or "1"))
    try:
        return Dialect(int(number[0]) if number else 2).model(_plain(config))
    except ModelFileError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError) as error:
        raise ModelFileError(f"its config cannot be understood: {type(error).__name__}: {error}") from error


class Dialect:
    """How one generation of Keras writes configs.

    Args:
        generation: the first number of its version.
    """

    def __init__(self, generation: int) -> None:
        self.generation = generation

    # -------------------------------------------------------------------------------------------- models

    def model(self, entry: Config) -> Config:
        """A Sequential or functional model."""
        inner = entry["config"]
        inner = {"layers": inner} if isinstance(inner, list) else inner
        if "input_layers" in inner:
            return self.functional(entry, inner)
        if isinstance(inner.get("layers"), list):
            return self.sequential(inner)
        name = str(entry["class_name"])
        return {"module": None, "class_name": name, "config": inner, "registered_name": name, **_build(entry)}

    def sequential(self, inner: Config) -> Config:
        """A stack; the shape of its inputs is in its first layer, which may be of any kind."""
        entries = inner["layers"]
        if entries and entries[0]["class_name"] == "Merge":
            return self.functional({}, _branches(inner))
        layers = [self.layer(entry) for entry in entries]
        if entries and (head := _input_of(entries[0])) is not None:
            layers.insert(0, head)
        config = {"name": inner.get("name"), "trainable": inner.get("trainable", True), "layers": layers}
        if inner.get("build_input_shape"):
            config["build_input_shape"] = inner["build_input_shape"]
        return {"module": "keras", "class_name": "Sequential", "config": config, "registered_name": None}

    def functional(self, entry: Config, inner: Config) -> Config:
        """A graph; the calls of a layer are counted from 0, where older versions count those of a model from 1."""
        entries = inner["layers"]
        shifts = first_calls(entries, inner)
        known = {layer["name"] for layer in entries}
        layers = [self.node(layer, shifts, known) for layer in entries]
        models = {layer["name"] for layer in layers if layer["class_name"] == "Functional"}

        def end(triple: list[Any]) -> list[Any]:
            name, index, tensor = triple[:3]  # a Functional's own first node counts here, in Keras 3 as well
            return [name, index - shifts.get(name, 0) + (name in models), tensor]

        def ends(value: Any) -> Any:
            if isinstance(value, list) and len(value) in (3, 4) and isinstance(value[0], str):
                return end(value)
            if isinstance(value, Mapping):
                return {key: ends(item) for key, item in value.items()}
            return [ends(item) for item in value]

        outer = {key: ends(inner[key]) for key in ("input_layers", "output_layers")}
        if self.generation < 3:  # a list of one meant the tensor itself
            outer = {key: v[0] if isinstance(v, list) and len(v) == 1 else v for key, v in outer.items()}
        config = {"name": inner.get("name"), "trainable": inner.get("trainable", True), "layers": layers, **outer}
        custom = entry.get("registered_name") or entry.get("class_name")
        if isinstance(custom, str) and get_registered_object(custom) is not None:
            return {"module": None, "class_name": custom, "config": config, "registered_name": custom}
        return {
            "module": "keras.src.models.functional",
            "class_name": "Functional",
            "config": config,
            "registered_name": "Functional",
        }

    def node(self, entry: Config, shifts: Mapping[str, int], known: set[str]) -> Config:
        """A layer of a graph with its calls."""
        name, calls = entry["name"], entry.get("inbound_nodes") or []
        calls = [modern_call(call, shifts, known) for call in ([calls] if isinstance(calls, dict) else calls)]
        if entry["class_name"] in ("TFOpLambda", "SlicingOpLambda", "TensorFlowOpLayer"):
            layer = tensorflow_op(entry, calls)
        elif self.generation >= 3 and (op := _op_of(entry)) is not None:
            layer = op
        else:
            layer = self.layer(entry)
        if layer["class_name"] in names.RECURRENT:
            calls = [_with_states(call) for call in calls]
        return {**layer, "name": name, "inbound_nodes": calls}

    # -------------------------------------------------------------------------------------------- layers

    def layer(self, entry: Config) -> Config:
        """A layer's class and arguments."""
        name = str(entry["class_name"])
        if is_model(entry) and name != "Merge":
            return self.model(entry)
        inner = dict(entry["config"] or {})
        if self.is_custom(entry):
            return self.custom(entry, inner)
        if name == "InputLayer":
            return _input_layer(inner)
        if name == "Lambda":
            return named_lambda(inner)
        if name == "Merge":
            return self.merge(inner)
        modern = names.CLASSES.get(name, name)
        added: Config = names.ADDED.get(name, {})
        inner = {**added, **self.renamed(modern, inner)}
        inner = {key: self.argument(key, value) for key, value in inner.items()}
        if self.generation < 3:
            self.adapt(modern, inner)
        config: Config = {"module": "keras.layers", "class_name": modern, "config": inner, "registered_name": None}
        drop_unknown(config)
        return config

    def custom(self, entry: Config, inner: Config) -> Config:
        """A layer of somebody else's class; one that extends a layer of Keras is saved with the arguments of that."""
        name = entry["class_name"]
        registered = entry.get("registered_name") or name
        inner.pop("batch_input_shape", None)
        config = {"module": None, "class_name": name, "config": inner, "registered_name": registered, **_build(entry)}
        cls = get_registered_object(registered) or get_registered_object(name)
        if cls is None and ">" in name:  # a third party's plugin, or one that is not installed
            config |= {"module": "keras.layers", "class_name": name.rpartition(">")[2]}
        base = next(
            (b.__name__ for b in getattr(cls, "__mro__", ()) if b.__name__ in plugins.references("layers")), None
        )
        if base is not None and base != "Layer":
            config["config"] = inner = {key: self.argument(key, v) for key, v in self.renamed(base, inner).items()}
            if self.generation < 3:
                self.adapt(base, inner)
            drop_unknown(config)
        return config

    def is_custom(self, entry: Config) -> bool:
        """Whether the entry's class is one that the reader was given, or not one of Keras's."""
        name = entry["class_name"]
        registered = entry.get("registered_name")
        if isinstance(registered, str) and ">" in registered or get_registered_object(name) is not None:
            return True
        module = str(entry.get("module") or "keras").partition(".")[0]
        return ">" in name or module not in ("keras", "tensorflow", "tf_keras")

    def renamed(self, class_name: str, inner: Config) -> Config:
        """The arguments by their names of today."""
        table = names.ARGUMENTS.get(class_name, {})
        found: Config = {}
        for group in names.KERNEL_SIZES:
            if all(key in inner for key in group):
                found["kernel_size"] = [inner.pop(key) for key in group]
        for key, value in inner.items():
            key = table.get(key, key)
            dropped = key in names.DROPPED or (key == "input_dim" and class_name != "Embedding")
            if key and key not in found and not dropped:
                found[key] = names.DATA_FORMATS.get(value, value) if key == "data_format" else value
        return found

    def argument(self, key: str, value: Any) -> Any:
        """The value of an argument: the objects in it with the module that they are to be looked for in."""
        kind = key.rpartition("_")[2]
        if key in ("layer", "backward_layer", "cell") and isinstance(value, dict):
            return self.layer(value)
        if key in ("cells", "cell") and isinstance(value, list):
            return [self.layer(cell) for cell in value]
        if key == "dtype":
            return _dtype(value)
        if kind == "activation" and value == "hard_sigmoid" and self.generation < 3:
            return HARD_SIGMOID
        if kind == "activation" and isinstance(value, dict) and "class_name" in value:
            return self.layer(value) if isinstance(value["config"], dict) else value
        if kind in names.MODULES and isinstance(value, dict):
            return _object(kind, value)
        return value

    def adapt(self, class_name: str, inner: Config) -> None:
        """What is not only another name: defaults that changed, and choices that are gone."""
        name = inner.get("name")
        if inner.pop("time_major", False):
            raise ModelFileError(f"layer {name!r} ({class_name}) has time_major=True, which Keras 3 does not have")
        if class_name == "GRU":
            inner.setdefault("reset_after", False)
        if class_name in ("GRU", "GRUCell", "LSTM", "LSTMCell"):
            inner.setdefault("recurrent_activation", HARD_SIGMOID)
        if class_name == "BatchNormalization":
            if isinstance(axis := inner.get("axis"), list):
                inner["axis"] = _only(axis, f"layer {name!r} (BatchNormalization): `axis`")
            if inner.pop("mode", 0) in (1, 2):
                raise ModelFileError(f"layer {name!r} (BatchNormalization): mode 1 and 2 ended with Keras 1")
        if class_name == "Embedding":
            inner.pop("dropout", None)
        if class_name.startswith("ZeroPadding") and isinstance(padding := inner.get("padding"), dict):
            top, bottom, left, right = (padding.get(f"{side}_pad", 0) for side in ("top", "bottom", "left", "right"))
            inner["padding"] = [[top, bottom], [left, right]]
        if class_name == "Conv2DTranspose":
            inner.pop("output_shape", None)
        if class_name in ("SeparableConv1D", "SeparableConv2D"):
            for part in ("initializer", "regularizer", "constraint"):
                inner.pop(f"kernel_{part}", None)
        if class_name.startswith(("Conv", "Separable", "Depthwise")) and "padding" in inner:
            inner["padding"] = inner["padding"] or "valid"

    def merge(self, inner: Config) -> Config:
        """Keras 1's Merge as the layer of its mode."""
        mode = inner.get("mode")
        if mode not in names.MERGES:
            raise ModelFileError(
                f"layer {inner.get('name')!r} (Merge) has the mode {mode!r}, which is code or unknown; known are "
                f"{', '.join(names.MERGES)}"
            )
        config: Config = {"name": inner.get("name")}
        if mode == "concat":
            config["axis"] = inner.get("concat_axis", -1)
        if mode in ("dot", "cos"):
            axes = inner.get("dot_axes", -1)
            config |= {"axes": axes, "normalize": mode == "cos"}
        return {"module": "keras.layers", "class_name": names.MERGES[mode], "config": config, "registered_name": None}


# ------------------------------------------------------------------------------------------------ parts


def _build(entry: Config) -> Config:
    return {"build_config": entry["build_config"]} if entry.get("build_config") else {}


def _plain(value: Any) -> Any:
    """JSON's values for tuples, arrays and shapes as lists."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    if value.get("class_name") in ("__tuple__", "TensorShape") and isinstance(value.get("items"), list):
        return [_plain(item) for item in value["items"]]
    if value.keys() == {"type", "value"}:
        return _plain(value["value"])
    return {key: _plain(item) for key, item in value.items()}


def _input_of(entry: Config) -> Config | None:
    """The InputLayer for the shape that is written in a first layer."""
    inner = entry["config"]
    if entry["class_name"] == "InputLayer" or not isinstance(inner, dict) or "layers" in inner:
        return None
    wrapped = inner.get("layer") if isinstance(inner.get("layer"), dict) else None
    shape = inner.get("batch_input_shape")
    if shape is None and wrapped is not None and isinstance(wrapped.get("config"), dict):
        shape = wrapped["config"].get("batch_input_shape") if entry["class_name"] == "Bidirectional" else None
    if shape is None:
        return None
    dtype = _dtype(inner.get("input_dtype") or inner.get("dtype"))
    if not isinstance(dtype, str) or dtype.startswith("mixed_"):
        dtype = "float32"
    if entry["class_name"] == "Embedding":  # which takes numbers of rows, whatever it calls its dtype
        dtype = "int32"
    return _input_layer({"batch_input_shape": shape, "dtype": dtype})


def _input_layer(inner: Config) -> Config:
    shape = inner.get("batch_input_shape", inner.get("batch_shape"))
    dtype = inner.get("input_dtype") or inner.get("dtype") or "float32"
    config = {"batch_shape": shape, "dtype": _dtype(dtype) or "float32"}
    config |= {key: inner[key] for key in ("name", "sparse", "ragged", "optional") if key in inner}
    return {"module": "keras.layers", "class_name": "InputLayer", "config": config, "registered_name": None}


def _dtype(value: Any) -> Any:
    """A dtype, or the name of a policy."""
    if isinstance(value, dict):
        if value.get("class_name") not in ("Policy", "PolicyV1", "DTypePolicy", "FloatDTypePolicy"):
            return value
        value = value["config"].get("name")
    return None if value in ("_infer", "infer") else value


def _object(kind: str, value: Config) -> Config:
    """An initializer, regularizer or constraint."""
    if "class_name" not in value:  # Keras 1
        arguments = {key: item for key, item in value.items() if key != "name"}
        if kind == "constraint":
            renames = names.CONSTRAINTS.get(value["name"], {})
            arguments = {renames.get(key, key): item for key, item in arguments.items()}
        value = {"class_name": value["name"], "config": arguments}
    table = names.REGULARIZERS if kind == "regularizer" else names.INITIALIZERS if kind == "initializer" else {}
    name = str(table.get(value["class_name"], value["class_name"]))
    inner = dict(value["config"] or {})
    registered = str(value.get("registered_name") or name)
    if ">" in name or get_registered_object(registered) is not None:
        return {"module": None, "class_name": name, "config": inner, "registered_name": registered}
    if kind == "initializer":
        inner.pop("dtype", None)
        if name == "VarianceScaling" and inner.get("distribution") == "normal":
            inner["distribution"] = "truncated_normal"
    return {"module": names.MODULES[kind], "class_name": name, "config": inner, "registered_name": None}


def _only(values: list[Any], what: str) -> Any:
    if len(values) != 1:
        raise ModelFileError(f"{what} is {values}, and only one is supported")
    return values[0]


# ------------------------------------------------------------------------------------------------ graphs


def _with_states(call: Config) -> Config:
    """The call of a recurrent layer: the states that came in one list with the inputs have an argument of their own."""
    first, *rest = call["args"]
    if not isinstance(first, list) or len(first) < 2 or rest:
        return call
    kwargs = {key: value for key, value in call["kwargs"].items() if value is not None}
    return {"args": [first[0]], "kwargs": {**kwargs, "initial_state": first[1:]}}


def _op_of(entry: Config) -> Config | None:
    """The op of a graph's entry, which the HDF5 files of Keras 3 do not tell from a layer."""
    name = entry["class_name"]
    if "trainable" in entry["config"] or name == "InputLayer" or get_registered_object(name) is not None:
        return None  # a layer's config says whether it is trained
    try:
        find_op(name)
    except ValueError:
        return None
    return {"module": "keras.src.ops.numpy", "class_name": name, "config": entry["config"], "registered_name": name}


def _branches(model: Config) -> Config:
    """A Sequential of Keras 1 that begins by merging others, as a functional model."""
    merge, *rest = model["layers"]
    branches = merge["config"].pop("layers")
    entries: list[Config] = []
    tensors: list[list[Any]] = []
    for branch in branches:
        head = _input_of(_first(branch))
        if head is None:
            raise ModelFileError("a branch of its Merge does not say the shape of its inputs")
        name = f"{_name_of(branch)}_input"
        inner = {**head["config"], "name": name}
        source: Config = {"class_name": "InputLayer", "config": inner, "inbound_nodes": [], "name": name}
        entries += [source, {**branch, "name": _name_of(branch), "inbound_nodes": [[[source["name"], 0, 0]]]}]
        tensors.append([_name_of(branch), 0, 0])
    inputs = [[entry["name"], 0, 0] for entry in entries if entry["class_name"] == "InputLayer"]
    for entry in [merge, *rest]:
        entries.append({**entry, "name": _name_of(entry), "inbound_nodes": [tensors]})
        tensors = [[_name_of(entry), 0, 0]]
    return {"name": model.get("name"), "layers": entries, "input_layers": inputs, "output_layers": tensors}


def _first(entry: Config) -> Config:
    """The innermost first layer."""
    inner = entry["config"]
    layers = inner if isinstance(inner, list) else inner.get("layers")
    return _first(layers[0]) if layers else entry


def _name_of(entry: Config) -> str:
    """A layer's name; Keras 1 writes none for a Sequential, which is then called after its last layer."""
    if isinstance(entry["config"], list):
        return f"{_name_of(entry['config'][-1])}_model"
    return str(entry["config"].get("name") or entry.get("name"))
