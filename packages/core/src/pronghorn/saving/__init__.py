"""Models as files: `.keras` and `.weights.h5`, and the registry of the classes that files may name.

Names are imported on first use: the registry is needed everywhere, the files seldom.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pronghorn.saving.files import ModelFileError as ModelFileError
    from pronghorn.saving.load import load_model as load_model
    from pronghorn.saving.load import load_weights as load_weights
    from pronghorn.saving.load import model_from_json as model_from_json
    from pronghorn.saving.load import save_model as save_model
    from pronghorn.saving.load import save_weights as save_weights
    from pronghorn.saving.registry import CustomObjectScope as CustomObjectScope
    from pronghorn.saving.registry import custom_object_scope as custom_object_scope
    from pronghorn.saving.registry import deserialize_keras_object as deserialize_keras_object
    from pronghorn.saving.registry import get_custom_objects as get_custom_objects
    from pronghorn.saving.registry import get_registered_name as get_registered_name
    from pronghorn.saving.registry import get_registered_object as get_registered_object
    from pronghorn.saving.registry import register_keras_serializable as register_keras_serializable
    from pronghorn.saving.registry import serialize_keras_object as serialize_keras_object

_HOMES = {
    "files": "ModelFileError",
    "load": "load_model load_weights model_from_json save_model save_weights",
    "registry": "CustomObjectScope custom_object_scope deserialize_keras_object get_custom_objects get_registered_name "
    "get_registered_object register_keras_serializable serialize_keras_object",
}


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names.split():
            return getattr(importlib.import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__dir__())}")


def __dir__() -> list[str]:
    return sorted(name for names in _HOMES.values() for name in names.split())
