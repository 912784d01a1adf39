"""A module that shows some of the registered helpers under Keras's older names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pronghorn import plugins


def selection(module: str, names: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` of a module that shows the helpers of these names, separated by blanks."""

    def get_attribute(name: str) -> Any:
        if name not in names.split():
            raise AttributeError(f"module {module!r} has no attribute {name!r}; it has {names.replace(' ', ', ')}")
        return plugins.load("utils", name)

    return get_attribute, names.split
