"""What a config must look like before anything is made of it: the whole of it is checked, nothing is imported."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pronghorn.saving.files import ModelFileError
from pronghorn.saving.functional import find_op
from pronghorn.saving.registry import SPECIAL, locate, locate_function, refuse_code, without_code

_NAME_OR_NONE = (str, type(None))
_CONFIG_OR_NONE = (dict, type(None))
_NO_NAME = re.compile(r"\.{0,2}$|.*[/\\\0]|.{300}", re.DOTALL)
_FIELDS: dict[str, Any] = {
    "class_name": str,
    "module": _NAME_OR_NONE,
    "registered_name": _NAME_OR_NONE,
    "name": str,
    "build_config": _CONFIG_OR_NONE,
    "compile_config": _CONFIG_OR_NONE,
    "inbound_nodes": list,
}


def check_config(config: Any, where: str = "the model", versions: Any = None) -> None:
    """Checks the types of all fields, and that each class, function and op in the config is known and in use.

    `versions` of distributions, where the file names them, are told where one of them is missing.

    Raises:
        ModelFileError: with the place in the config.
    """
    if isinstance(config, list):
        for i, item in enumerate(config):
            check_config(item, f"{where}[{i}]", versions)
    elif isinstance(config, dict):
        if "class_name" in config and "config" in config:
            try:
                config = without_code(config)
                _check_object(config, versions)
            except (ValueError, ImportError) as error:
                raise ModelFileError(f"in its config, at {where}: {error}") from error
        for key, value in config.items():
            check_config(value, f"{where}.{key}", versions)


def _check_object(config: dict[str, Any], versions: Any) -> None:
    class_name, inner = config["class_name"], config["config"]
    for field, kinds in _FIELDS.items():
        if field in config and not isinstance(config[field], kinds):
            raise ValueError(f"{field!r} is {config[field]!r}, which it cannot be")
    for name in (config.get("name"), inner.get("name") if isinstance(inner, dict) else None):
        if isinstance(name, str) and _NO_NAME.match(name):
            raise ValueError(f"{name[:50]!r} is the name of no layer, it reads like a path")
    if class_name == "function":
        locate_function(inner)
        return
    if class_name == "__lambda__":
        refuse_code(inner)
    if not isinstance(inner, dict):
        raise ValueError(f"the config of {class_name!r} must be an object, it is {inner!r}")
    if class_name == "__keras_tensor__":
        _check_history(inner.get("keras_history"))
    elif str(config.get("module")).startswith("keras.src.ops."):
        find_op(class_name)
    elif class_name not in SPECIAL:
        locate(config, versions=versions)
    if "output_layers" in inner:
        _check_graph(inner)


def _check_history(history: Any) -> None:
    if not isinstance(history, list) or [*map(type, history)] != [str, int, int] or min(history[1:]) < 0:
        raise ValueError(f"'keras_history' is {history!r}, expected a layer's name and two numbers")


def _check_graph(model: Mapping[str, Any]) -> None:
    """The layers of a functional model have names, read tensors of one another, and all lead to an output."""
    layers = {}
    for entry in model["layers"] if isinstance(model.get("layers"), list) else [None]:
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str) or "inbound_nodes" not in entry:
            raise ValueError("'layers' of a functional model must be objects with 'name' and 'inbound_nodes'")
        layers[entry["name"]] = entry
        for call in entry["inbound_nodes"]:
            if not isinstance(call, dict) or [*map(type, map(call.get, ("args", "kwargs")))] != [list, dict]:
                raise ValueError(f"a call of {entry['name']!r} must be an object with 'args' and 'kwargs'")
            if not any(_sources(call)):
                raise ValueError(f"a call of {entry['name']!r} reads no tensor of the model")
    reached: set[str] = set()
    open_names = [*_ends(model.get("input_layers")), *_ends(model["output_layers"])]
    while open_names:
        name = open_names.pop()
        if name not in layers:
            raise ValueError(f"the model reads a layer {name!r} that it does not have")
        if name not in reached:
            reached.add(name)
            open_names += _sources(layers[name]["inbound_nodes"])
    if spare := sorted(layers.keys() - reached):
        raise ValueError(f"the layers {spare} lead to no output of the model")


def _sources(value: Any) -> Iterator[str]:
    """The names of the layers whose tensors a call reads."""
    if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        history: Any = value["config"].get("keras_history") if isinstance(value.get("config"), dict) else None
        _check_history(history)
        yield history[0]
    elif isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _sources(item)


def _ends(value: Any) -> Iterator[str]:
    """The names of the layers in `input_layers` or `output_layers`."""
    if isinstance(value, list) and len(value) == 3 and isinstance(value[0], str):
        _check_history(value)
        yield value[0]
    elif isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _ends(item)
    else:
        raise ValueError(f"{value!r} is no end of a model, expected a layer's name and two numbers")
