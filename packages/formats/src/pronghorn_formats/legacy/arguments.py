"""Arguments in old configs that a class no longer has."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from pronghorn.saving.registry import find_class
from pronghorn_formats.legacy import names


def drop_unknown(config: Mapping[str, Any]) -> None:
    """Takes away the arguments that the class of a config does not have, where they ask for nothing.

    Raises:
        ValueError: there is no such class, or an argument asks for something.
    """
    inner, known = config["config"], _parameters(find_class(config))
    for key in [key for key in inner if known and key not in known]:
        if inner[key] not in (None, False, 0, [], {}, "") and (key, inner[key]) not in names.HARMLESS:
            name = f"{config['class_name']} {inner.get('name', '')!r}"
            raise ValueError(f"{name} has {key}={inner[key]!r}, which Keras 3 does not have")
        del inner[key]


def _parameters(cls: Any) -> set[str]:
    """The arguments that the constructor of a class, and those it passes others on to, have; none for no class."""
    known: set[str] = set()
    for base in cls.__mro__[:-1] if inspect.isclass(cls) else ():
        if "__init__" in vars(base):
            parameters = inspect.signature(vars(base)["__init__"]).parameters
            known |= parameters.keys()
            if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
                break
    return known
