"""Configurable: the base of everything that is saved as its constructor's arguments."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, Self

from pronghorn import tree
from pronghorn.plugins import OWN_DISTRIBUTIONS
from pronghorn.tensor import Tensor, Variable

_OWN_MODULES = {"pronghorn", *(name.replace("-", "_") for name in OWN_DISTRIBUTIONS)}


class Configurable:
    """Remembers the arguments it was made with; `get_config` serialises them and `from_config` makes it again.

    An attribute that has the name of an argument refines it, so that `units="16"` is saved as the 16 that the
    constructor made of it, and a rate changed later is saved as changed.
    """

    _arguments: tuple[tuple[Any, ...], dict[str, Any]]

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        instance = super().__new__(cls)
        object.__setattr__(instance, "_arguments", (args, kwargs))
        return instance

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments as plain values.

        Raises:
            NotImplementedError: an argument is nothing that can be written down.
        """
        return self._argument_config()

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The object that `get_config` described."""
        from pronghorn.saving.registry import deserialize_keras_object

        if not _is_own(cls, "get_config"):
            return cls(**config)
        return cls(**{key: deserialize_keras_object(value) for key, value in config.items()})

    def _argument_config(self, *leave_out: str) -> dict[str, Any]:
        """The serialised arguments, without those named. A class that writes its own `get_config` need not name more
        than what this cannot serialise."""
        from pronghorn.saving.registry import serialize_keras_object

        config = {}
        for name, given in _bound(self).items():
            if name in leave_out:
                continue
            attribute = vars(self).get(name, given)
            value = given if _holds_state(attribute) and not _holds_state(given) else attribute
            try:
                config[name] = _function_name(self, given, value) or serialize_keras_object(value)
            except TypeError as error:
                if _is_own(type(self), "get_config"):
                    raise NotImplementedError(
                        f"{type(self).__name__}: argument `{name}` cannot be saved: {error}; "
                        f"write get_config() and from_config() for the class"
                    ) from None
        return config


def _bound(instance: Configurable) -> dict[str, Any]:
    """Argument name -> value, defaults included and **kwargs spread out. A `get_config` of one's own, which may take
    them away, also gets those of our class that is the base.
    """
    args, kwargs = instance._arguments
    signature = inspect.signature(type(instance).__init__)
    bound = signature.bind(instance, *args, **kwargs)
    bound.apply_defaults()
    arguments: dict[str, Any] = {}
    if not _is_own(type(instance), "get_config"):
        base: Any = next(base for base in type(instance).__mro__ if _is_own(base, "__init__"))
        arguments = {n: vars(instance)[n] for n in inspect.signature(base.__init__).parameters if n in vars(instance)}
    for name, parameter in list(signature.parameters.items())[1:]:
        if parameter.kind is parameter.VAR_KEYWORD:
            arguments |= bound.arguments[name]
        elif parameter.kind is not parameter.VAR_POSITIONAL:
            arguments[name] = bound.arguments[name]
        elif bound.arguments[name]:
            raise NotImplementedError(
                f"{type(instance).__name__}: what was passed for `*{name}` cannot be saved; write get_config() "
                "for the class"
            )
    return arguments


def _function_name(owner: Configurable, given: Any, value: Any) -> str | None:
    """The name that stands for a registered function, where the constructor takes names."""
    from pronghorn.saving.registry import function_name

    if callable(value) and (isinstance(given, str) or _is_own(type(owner), "__init__")):
        return function_name(value)
    return None


def _holds_state(value: Any) -> bool:
    """Whether `value` is or holds tensors, variables or layers: things made of an argument, not refinements of it."""
    return any(isinstance(leaf, (Tensor, Variable)) or hasattr(leaf, "variables") for leaf in tree.flatten(value))


def _is_own(cls: type, method: str) -> bool:
    """Whether the class whose `method` counts belongs to Pronghorn's own distributions."""
    owner = next(base for base in cls.__mro__ if method in vars(base))
    return owner is object or owner.__module__.partition(".")[0] in _OWN_MODULES
