"""Losses, optimizers, activations … given as "adam", as {"class_name": …}, as a class or as an object."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from pronghorn import plugins

ALIASES = {
    "losses": {
        "bce": "binary_crossentropy",
        "kld": "kl_divergence",
        "mae": "mean_absolute_error",
        "mape": "mean_absolute_percentage_error",
        "mse": "mean_squared_error",
        "msle": "mean_squared_logarithmic_error",
    },
    "metrics": {
        "bce": "BinaryCrossentropy",
        "mae": "MeanAbsoluteError",
        "mape": "MeanAbsolutePercentageError",
        "mse": "MeanSquaredError",
        "msle": "MeanSquaredLogarithmicError",
    },
    "initializers": {"normal": "RandomNormal", "one": "Ones", "uniform": "RandomUniform", "zero": "Zeros"},
}
"""Short names that are no spelling of the registered name; any case."""

_ARGUMENTS = {
    "dtype_policies": ("dtype_policy", "config"),
    "losses": ("loss", "name"),
    "schedules": ("learning_rate_schedule", "config"),
}
"""What Keras calls the argument of `serialize` and that of `deserialize`, where it is not (singular, "config")."""


def lookup(kind: str) -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
    """The functions `get`, `serialize` and `deserialize` of one kind of plugin."""

    def get(identifier: Any) -> Any:
        """The object that a name, config or object stands for; a class gives a new instance, None stays None (and is
        the linear activation).

        Raises ValueError for a name that nothing installed has, TypeError for anything else.
        """
        if identifier is None and kind == "activations":
            identifier = "linear"
        if isinstance(identifier, str):
            identifier = named(kind, identifier)
        elif isinstance(identifier, Mapping):
            identifier = deserialize(identifier)
        if inspect.isclass(identifier):
            return identifier()
        if identifier is None or callable(identifier) or hasattr(identifier, "get_config"):
            return identifier
        raise TypeError(
            f"{kind}.get: {identifier!r} is no name, config, class or object of the {kind}; pass one of these"
        )

    def serialize(value: Any) -> Any:
        """The config of an object of this kind, or the name of a registered function."""
        from pronghorn.saving.registry import serialize_keras_object

        name = getattr(value, "__name__", None)
        if inspect.isfunction(value) and name in plugins.references(kind) and plugins.load(kind, name) is value:
            return name
        return serialize_keras_object(value)

    def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
        """The object described by a config that `serialize` returned."""
        from pronghorn.saving.registry import CustomObjectScope, deserialize_keras_object

        with CustomObjectScope(custom_objects or {}):
            return get(config) if isinstance(config, str) else deserialize_keras_object(config, kind=kind)

    value, config = _ARGUMENTS.get(kind, (kind.removesuffix("s"), "config"))
    return get, _taking(value, serialize), _taking(config, deserialize)


def _taking(argument: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with its first parameter called `argument`."""
    first, *others = inspect.signature(function).parameters.values()

    @functools.wraps(function)
    def renamed(*args: Any, **kwargs: Any) -> Any:
        return function(*((kwargs.pop(argument),) if argument in kwargs else ()), *args, **kwargs)

    signature = inspect.Signature([first.replace(name=argument), *others])
    renamed.__signature__ = signature  # type: ignore[attr-defined]
    return renamed


def named(kind: str, name: str) -> Any:
    """The class or function that `name` stands for: a custom object, registered name, alias or spelling.

    "glorot_uniform" is GlorotUniform and "adam" is Adam. Metrics prefer the class to the function of the
    same name, since only the class accumulates over batches. Raises ValueError for an unknown name.
    """
    from pronghorn.saving.registry import get_registered_object

    if (custom := get_registered_object(name)) is not None:
        return custom
    known = plugins.references(kind)
    spelling = ALIASES.get(kind, {}).get(name.lower(), name)
    alike = [key for key in known if _plain(key) == _plain(spelling)]
    classes = [key for key in alike if key[0].isupper()]
    if kind == "metrics" and classes:
        return plugins.load(kind, classes[0])
    if spelling in known or not alike:
        try:
            return plugins.load(kind, spelling)
        except plugins.UnknownName as error:
            raise ValueError(str(error)) from None
    return plugins.load(kind, (classes or alike)[0])


def _plain(name: str) -> str:
    return name.replace("_", "").lower()
