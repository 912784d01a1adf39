"""`keras.utils.legacy`: objects as Keras 1 and 2 wrote them down, as libraries still do: a class name and a config."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pronghorn.saving.registry import CustomObjectScope, get_registered_name, get_registered_object


def serialize_keras_object(instance: Any) -> Any:
    """An object with `get_config` as {"class_name": …, "config": …}, a function or class as its name, None as None.

    Raises:
        ValueError: it is neither.
    """
    if instance is None:
        return None
    if hasattr(instance, "get_config"):
        return {"class_name": get_registered_name(type(instance)), "config": instance.get_config()}
    if hasattr(instance, "__name__"):
        return get_registered_name(instance)
    raise ValueError(f"legacy.serialize_keras_object: {instance!r} has neither get_config() nor a name")


def deserialize_keras_object(
    identifier: Any,
    module_objects: Mapping[str, Any] | None = None,
    custom_objects: Mapping[str, Any] | None = None,
    printable_module_name: str = "object",
) -> Any:
    """What `serialize_keras_object` wrote, as an object again. The name of a class alone gives one made without
    arguments; an object or function that is given in place of a config stays as it is.

    Args:
        identifier: a name, a config, or the object itself.
        module_objects: classes and functions by name.
        custom_objects: others, which count before these.
        printable_module_name: what errors call the object.

    Raises:
        ValueError: the name is unknown, or `identifier` is nothing of the kind.
    """
    if identifier is None or callable(identifier):
        return identifier
    if isinstance(identifier, str):
        found = _found(identifier, module_objects, custom_objects, printable_module_name)
        return found() if isinstance(found, type) else found
    if not isinstance(identifier, Mapping) or not {"class_name", "config"} <= identifier.keys():
        raise ValueError(f"expected a name or a config of a {printable_module_name}, got {identifier!r}")
    cls = _found(identifier["class_name"], module_objects, custom_objects, printable_module_name)
    with CustomObjectScope(dict(custom_objects or {})):
        return cls.from_config(identifier["config"]) if hasattr(cls, "from_config") else cls(**identifier["config"])


def _found(name: str, module_objects: Any, custom_objects: Any, what: str) -> Any:
    for known in (custom_objects, {name: get_registered_object(name)}, module_objects):
        if known and known.get(name) is not None:
            return known[name]
    raise ValueError(
        f"unknown {what} {name!r}; register it by saving.register_keras_serializable, or pass custom_objects"
    )
