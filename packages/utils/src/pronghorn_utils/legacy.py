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
    by_name = isinstance(identifier, str)
    if not by_name and not (isinstance(identifier, Mapping) and {"class_name", "config"} <= identifier.keys()):
        raise ValueError(f"expected a name or a config of a {printable_module_name}, got {identifier!r}")
    name = identifier if by_name else identifier["class_name"]
    with CustomObjectScope(custom_objects or {}):
        found = get_registered_object(name, module_objects=module_objects)
        if found is None:
            raise ValueError(
                f"unknown {printable_module_name} {name!r}; register it by saving.register_keras_serializable, or pass "
                f"custom_objects"
            )
        if by_name:
            return found() if isinstance(found, type) else found
        config = identifier["config"]
        return found.from_config(config) if hasattr(found, "from_config") else found(**config)
