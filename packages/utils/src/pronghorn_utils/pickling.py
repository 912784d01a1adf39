"""What `pickle` and `copy.deepcopy` make of a model: its `.keras` file, and the classes and functions that it names."""

from __future__ import annotations

import sys
import types
import warnings
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pronghorn import tree
from pronghorn.saving import load_model, save_model

_FILE = "model.keras"


def reduced(model: Any) -> tuple[Any, tuple[bytes, dict[str, Any]]]:
    """How to make the model again. Classes and functions of one's own need no registration: pickle finds them.

    Raises:
        NotImplementedError, TypeError: something in the model cannot be written down, such as a lambda.
    """
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*before it is built")  # it is copied as it is
        save_model(model, path := Path(folder) / _FILE)
        return _restored, (path.read_bytes(), {found.__name__: found for found in _named(model)})


def _named(model: Any) -> Iterator[Any]:
    """The classes and functions that the model's config may name, as far as pickle finds them by name as well."""
    layers = list(model._flatten_layers())
    for value in tree.flatten([layers, [list(vars(layer).values()) for layer in layers], model._compile_arguments]):
        found = value if isinstance(value, types.FunctionType) else type(value)
        if getattr(sys.modules.get(found.__module__), found.__qualname__, None) is found:
            yield found


def _restored(data: bytes, objects: dict[str, Any]) -> Any:
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*before it (is|was) built")
        (path := Path(folder) / _FILE).write_bytes(data)
        return load_model(path, objects)
