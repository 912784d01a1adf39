"""Lambda layers: the code in a file is never run, so a function of the same meaning must be known by a name."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from pronghorn.saving.files import ModelFileError
from pronghorn.saving.registry import get_registered_object, locate_function


def named_lambda(inner: Mapping[str, Any]) -> dict[str, Any]:
    """A Lambda layer of the function that stands under the layer's name, or the function's, among what is known.

    Raises:
        ModelFileError: nothing does; it says what to pass.
    """
    layer, function = inner.get("name"), inner.get("function")
    if isinstance(function, dict) and function.get("class_name") == "function":
        function = function.get("config")
    for name in (layer, function):
        if isinstance(name, str) and (found := get_registered_object(name)) is not None:
            if inspect.isclass(found):
                return {"module": None, "class_name": name, "config": {"name": layer}, "registered_name": name}
            return _lambda(inner, name)
    if isinstance(function, str):
        try:
            locate_function(function)
            return _lambda(inner, function)
        except ValueError:
            pass
    held = f"a function called {function!r}" if isinstance(function, str) else "code, which is never run"
    raise ModelFileError(
        f"layer {layer!r} is a Lambda of {held}; pass a function, or a layer class, of the same meaning: "
        f"custom_objects={{{layer!r}: …}}"
    )


def _lambda(inner: Mapping[str, Any], function: str) -> dict[str, Any]:
    reference = {"module": "builtins", "class_name": "function", "config": function, "registered_name": "function"}
    config = {"name": inner.get("name"), "trainable": inner.get("trainable", True), "function": reference}
    if inner.get("arguments"):
        config["arguments"] = inner["arguments"]
    return {"module": "keras.layers", "class_name": "Lambda", "config": config, "registered_name": None}
