"""The registry of types: objects to plain configs and back.

A config names a class or function; it is looked for among custom objects, the engine's own classes and what plugins
registered. No module named in a config is ever imported, and no code in one is ever run.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from contextvars import ContextVar, Token
from typing import Any, NoReturn, TypeVar

import numpy as np

from pronghorn import dtypes, plugins
from pronghorn.naming import to_snake_case
from pronghorn.op import Operation
from pronghorn.plugins import Reference
from pronghorn.tensor import Tensor, Variable, constant

T = TypeVar("T")

KERAS_MODULES = {
    "layers": "keras.layers",
    "initializers": "keras.initializers",
    "regularizers": "keras.regularizers",
    "constraints": "keras.constraints",
    "optimizers": "keras.optimizers",
    "schedules": "keras.optimizers.schedules",
    "losses": "keras.losses",
    "metrics": "keras.metrics",
    "activations": "keras.activations",
    "dtype_policies": "keras.dtype_policies",
}
"""Kind of plugin -> the module that files name for it: these are the kinds a config may make objects of."""

_CORE = {
    "keras": {
        "Model": "pronghorn.model",
        "Sequential": "pronghorn.sequential",
        "DTypePolicy": "pronghorn.policy",
        "FloatDTypePolicy": "pronghorn.policy",
    },
    "keras.src.models.functional": {"Functional": "pronghorn.functional"},
    "keras.layers": {"InputLayer": "pronghorn.functional", "Layer": "pronghorn.layer"},
    "keras.initializers": dict.fromkeys(("GlorotUniform", "Ones", "Zeros"), "pronghorn.initializer"),
    "keras.random": {"SeedGenerator": "pronghorn.random"},
}
"""Module that files name -> classes of the engine -> where they are."""

_custom_objects: dict[str, Any] = {}
_custom_names: dict[Any, str] = {}
_scope: ContextVar[Mapping[str, Any]] = ContextVar("custom_objects", default=_custom_objects)


# ------------------------------------------------------------------------------------------------ custom objects


class CustomObjectScope:
    """Inside of `with CustomObjectScope({"MyLayer": MyLayer}):`, configs may name these objects."""

    def __init__(self, custom_objects: Mapping[str, Any]) -> None:
        self.custom_objects = custom_objects or {}
        self._tokens: list[Token[Mapping[str, Any]]] = []

    def __enter__(self) -> CustomObjectScope:
        self._tokens.append(_scope.set({**_scope.get(), **self.custom_objects}))
        return self

    def __exit__(self, *details: object) -> None:
        _scope.reset(self._tokens.pop())


custom_object_scope = CustomObjectScope


def get_custom_objects() -> dict[str, Any]:
    """The global registry of custom objects, which may be changed."""
    return _custom_objects


def register_keras_serializable(package: str = "Custom", name: str | None = None) -> Callable[[T], T]:
    """Registers the decorated class or function, so that files may name it as "package>name".

    Raises:
        ValueError: a class without `get_config`, or no class or function at all.
    """

    def decorator(target: T) -> T:
        if inspect.isclass(target) and not hasattr(target, "get_config"):
            raise ValueError(f"register_keras_serializable: class {target.__name__} has no get_config(); write one")
        if not (inspect.isclass(target) or callable(target)):
            raise ValueError(f"register_keras_serializable: expected a class or function, got {target!r}")
        registered = f"{package}>{name or getattr(target, '__name__', '')}"
        _custom_objects[registered] = target
        _custom_names[target] = registered
        return target

    return decorator


def get_registered_name(obj: Any) -> str:
    """The name a class or function is registered under, else its own."""
    return _custom_names.get(obj) or str(getattr(obj, "__name__", obj))


def get_registered_object(
    name: str, custom_objects: Mapping[str, Any] | None = None, module_objects: Mapping[str, Any] | None = None
) -> Any:
    """The custom object called `name`, None if there is none."""
    for objects in (_scope.get(), custom_objects or {}, _custom_objects, module_objects or {}):
        if name in objects:
            return objects[name]
    return None


# ------------------------------------------------------------------------------------------------ objects to configs


def serialize_keras_object(obj: Any) -> Any:
    """`obj` as a config of plain values.

    Raises:
        TypeError: `obj`, or something in it, is nothing that can be written down, for example a lambda.
    """
    if obj is None or isinstance(obj, (bool, int, float, str)):
        return obj
    if isinstance(obj, (list, tuple)):
        items = [serialize_keras_object(item) for item in obj]
        return tuple(items) if isinstance(obj, tuple) else items
    if hasattr(obj, "get_config") and not inspect.isclass(obj):
        return _serialize_instance(obj)
    if isinstance(obj, Mapping):
        return {key: serialize_keras_object(value) for key, value in obj.items()}
    if callable(obj):
        return _serialize_function(obj)
    return _serialize_value(obj)


def _serialize_value(obj: Any) -> Any:
    if isinstance(obj, np.generic):
        return obj.item()
    if isinstance(obj, np.ndarray):
        return {"class_name": "__numpy__", "config": {"value": obj.tolist(), "dtype": obj.dtype.name}}
    if isinstance(obj, Variable) or (isinstance(obj, Tensor) and not obj.symbolic):
        return {"class_name": "__tensor__", "config": {"value": obj.numpy().tolist(), "dtype": obj.dtype}}
    if isinstance(obj, Tensor):
        raise TypeError(f"{obj} has no value")
    if isinstance(obj, bytes):
        return {"class_name": "__bytes__", "config": {"value": obj.decode("latin-1")}}
    if isinstance(obj, slice):
        parts = {key: serialize_keras_object(getattr(obj, key)) for key in ("start", "stop", "step")}
        return {"class_name": "__slice__", "config": parts}
    if obj is Ellipsis:
        return {"class_name": "__ellipsis__", "config": {}}
    if isinstance(obj, np.dtype):
        return obj.name
    raise TypeError(f"{obj!r} of type {type(obj).__name__} has no get_config()")


def _serialize_instance(obj: Any) -> dict[str, Any]:
    module, class_name, registered = identity(type(obj))
    inner = serialize_keras_object(obj.get_config())
    config = {"module": module, "class_name": class_name, "config": inner, "registered_name": registered}
    for extra in ("build_config", "compile_config"):
        found = getattr(obj, f"get_{extra}", lambda: None)()
        if found is not None:
            config[extra] = serialize_keras_object(found)
    return config


def identity(cls: type) -> tuple[str | None, str, str | None]:
    """The module, class_name and registered_name that stand for a class in files.

    The registered_name of a third party's class is "distribution>name", so that a reader knows what to install.
    """
    for module, classes in _CORE.items():
        if classes.get(cls.__name__) == cls.__module__:
            return module, cls.__name__, "Functional" if cls.__name__ == "Functional" else None
    if cls not in _custom_names:
        for kind, module in KERAS_MODULES.items():
            if (name := _registered_as(kind, cls)) is not None:
                dist, name = plugins.references(kind)[name].dist, name.rpartition(":")[2]
                return module, name, None if dist in plugins.OWN_DISTRIBUTIONS else f"{dist}>{name}"
        if (name := _registered_as("serializables", cls)) is not None:
            module, _, name = name.partition(">")
            return module, name, name if ".src." in module else None
    return None if cls.__module__ == "__main__" else cls.__module__, cls.__name__, get_registered_name(cls)


def _registered_as(kind: str, obj: Any) -> str | None:
    """The name under which a plugin offers a class or function; the object's own name if it has several."""
    target = f"{obj.__module__}:{obj.__name__}"
    names = [name for name, reference in plugins.references(kind).items() if reference.target == target]
    return None if not names else obj.__name__ if obj.__name__ in names else names[0]


def function_name(function: Any) -> str | None:
    """The name of a registered function, or of an op that is one; None for any other object."""
    if inspect.isclass(function) or not (inspect.isfunction(function) or isinstance(function, Operation)):
        return None
    if hasattr(function, "get_config"):
        return None
    name = getattr(function, "__name__", None) or getattr(function, "name", "")
    if isinstance(function, Operation):
        return name if name in plugins.references("activations") else None
    return next((found for kind in KERAS_MODULES if (found := _registered_as(kind, function))), None)


def _serialize_function(function: Any) -> dict[str, Any]:
    name = getattr(function, "__name__", None) or getattr(function, "name", None)
    if name is None or name == "<lambda>":
        raise TypeError(
            f"{function!r} has no name, and code is not saved; write it as a function with a name, under the decorator "
            "@pronghorn.saving.register_keras_serializable()"
        )
    if not isinstance(function, Operation):
        name = _custom_names.get(function, name)
    return {"module": "builtins", "class_name": "function", "config": name, "registered_name": "function"}


# ------------------------------------------------------------------------------------------------ configs to objects


def deserialize_keras_object(
    config: Any, custom_objects: Any = None, safe_mode: bool = True, *, module_objects: Any = None, kind: Any = None
) -> Any:
    """What `serialize_keras_object` wrote, as objects again.

    Args:
        config: plain values; dicts with a "class_name" become objects.
        custom_objects: classes and functions by name, in addition to those registered.
        safe_mode: changes nothing; code in a config is never run.
        module_objects: more of them, of which a name alone gives one made without arguments.
        kind: the kind of plugin to look in where the config names no module.

    Raises:
        ValueError: the config names something unknown, or holds code.
    """
    if isinstance(config, str) and module_objects and config in module_objects:
        return module_objects[config]()
    if custom_objects or module_objects:
        with CustomObjectScope({**(module_objects or {}), **(custom_objects or {})}):
            return deserialize_keras_object(config, kind=kind)
    if isinstance(config, (list, tuple)):
        return type(config)(deserialize_keras_object(item) for item in config)
    if not isinstance(config, Mapping):
        return config
    if not isinstance(config.get("class_name"), str) or "config" not in config:
        return {key: deserialize_keras_object(value) for key, value in config.items()}
    if config["class_name"] in SPECIAL:
        return SPECIAL[config["class_name"]](config["config"])
    if config["class_name"] == "function":
        return _loaded(locate_function(config["config"]))
    return _make(without_code(config), find_class(config, kind))


def _make(config: Mapping[str, Any], cls: Any) -> Any:
    if not hasattr(cls, "from_config"):
        raise ValueError(f"cannot make {config['class_name']!r}: {cls!r} has no from_config()")
    if not isinstance(config["config"], Mapping):
        raise ValueError(f"the config of {config['class_name']!r} must be a dict, got {config['config']!r}")
    instance = cls.from_config(config["config"])
    if config.get("build_config") and hasattr(instance, "build_from_config"):
        instance.build_from_config(config["build_config"])
    if config.get("compile_config") and hasattr(instance, "compile_from_config"):
        instance.compile_from_config(config["compile_config"])
    return instance


def find_class(config: Mapping[str, Any], kind: str | None = None) -> Any:
    """The class a config names: a custom object, one of the engine's, or one that a plugin offers.

    Raises:
        ValueError: there is none.
    """
    return _loaded(locate(config, kind))


def locate(config: Mapping[str, Any], kind: str | None = None, versions: Any = None) -> Any:
    """What `find_class` finds, without importing it: the custom class, or a Reference.

    `versions` are those of the distributions that a file was written with, where it says so.
    """
    class_name, registered, module = config["class_name"], config.get("registered_name"), config.get("module")
    for name in (registered, class_name):
        if isinstance(name, str) and (custom := get_registered_object(name)) is not None:
            return custom
    parts = module.split(".") if isinstance(module, str) else []
    dist = registered.partition(">")[0] if isinstance(registered, str) and ">" in registered else None
    if parts[:1] in ([], ["keras"], ["tensorflow"], ["tf_keras"]) and (parts or registered is None):
        for classes in _CORE.values() if dist is None else ():
            if class_name in classes:
                return Reference("pronghorn-core", f"{classes[class_name]}:{class_name}")
        if (known := plugins.references("serializables").get(f"{module}>{class_name}")) is not None:
            return known
        named = [part for part in reversed(parts) if part in KERAS_MODULES]
        for candidate in named[:1] or ([kind] if kind else KERAS_MODULES):
            try:
                return plugins.find(candidate, class_name if dist is None else f"{dist}:{class_name}")
            except plugins.UnknownName:
                continue
    inner = config.get("config")
    called = f" (the {inner['name']!r} of the model)" if isinstance(inner, Mapping) and "name" in inner else ""
    source = ""
    if dist is not None and module in KERAS_MODULES.values() and re.fullmatch(r"[\w.-]+", dist):
        version = str(versions.get(dist)) if isinstance(versions, Mapping) else ""
        wanted = f"{dist}=={version}" if re.fullmatch(r"\d[\w.!+]{,40}", version) else dist
        source = f" It belongs to {dist!r}: pip install {wanted}, if you know it."
    elif dist is not None:
        source = f" It belongs to {dist!r}: import what registers it."
    raise ValueError(
        f"unknown class {class_name!r} of module {module!r}{called}: nothing installed has it.{source} Register it by "
        f"@pronghorn.saving.register_keras_serializable(), or pass custom_objects={{{(registered or class_name)!r}: …}}"
    )


def locate_function(name: Any) -> Any:
    """The function of a name, or the Reference to it: a custom one, one that a plugin offers, or an op.

    Raises:
        ValueError: there is none.
    """
    if not isinstance(name, str):
        raise ValueError(f"a function's config must be its name, got {name!r}")
    if (custom := get_registered_object(name)) is not None:
        return custom
    for kind in KERAS_MODULES:
        if name in (known := plugins.references(kind)):
            return known[name]
    from pronghorn import ops

    found = getattr(ops, to_snake_case(name), None)
    if isinstance(found, Operation):
        return found
    raise ValueError(
        f"unknown function {name!r}: register it with @pronghorn.saving.register_keras_serializable(), "
        f"or pass custom_objects={{{name!r}: {name}}}"
    )


def _loaded(found: Any) -> Any:
    return found.load() if isinstance(found, Reference) else found


def without_code(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The config of a layer, in a Lambda the custom object of the layer's name in the place of code."""
    inner = config["config"]
    if config["class_name"] != "Lambda" or not isinstance(inner, Mapping) or not _is_code(inner.get("function")):
        return config
    replacement = get_registered_object(str(inner.get("name")))
    if replacement is None and get_registered_object("Lambda") is None:
        refuse_code(inner)
    return {**config, "config": {**inner, "function": replacement}}


def _is_code(function: Any) -> bool:
    """Whether it is a function as Keras 3, or as Keras 2, saves a lambda."""
    return isinstance(function, list) or (isinstance(function, Mapping) and function.get("class_name") == "__lambda__")


def refuse_code(config: Any) -> NoReturn:
    """Raises ValueError that says what to do about a lambda."""
    name = config.get("name", "lambda") if isinstance(config, Mapping) else "lambda"
    raise ValueError(
        f"a lambda was saved as code, which is never run; pass a function as custom_objects={{{name!r}: …}}, by the "
        "name of its Lambda layer, or save it anew with a function that has a name"
    )


def _array(config: Mapping[str, Any]) -> np.ndarray[Any, Any]:
    return np.array(config["value"], dtypes.numpy_dtype(dtypes.standardize(config["dtype"])))


SPECIAL: dict[str, Callable[[Any], Any]] = {
    "__numpy__": _array,
    "__tensor__": lambda config: constant(_array(config), dtypes.standardize(config["dtype"])),
    "__bytes__": lambda config: config["value"].encode("latin-1"),
    "__slice__": lambda config: slice(*(deserialize_keras_object(config[key]) for key in ("start", "stop", "step"))),
    "__ellipsis__": lambda config: Ellipsis,
    "__lambda__": refuse_code,
}
"""Values that JSON has no form for: class_name -> what makes the value of its config."""
