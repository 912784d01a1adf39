"""Modules that show a part of keras.ops under the same names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pronghorn import ops


def part_of_ops(module: str, names: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` of a module that shows the ops `names`, separated by blanks."""
    shown = frozenset(names.split())

    def get_attribute(name: str) -> Any:
        if name not in shown:
            raise AttributeError(f"module {module!r} has no attribute {name!r}; see pronghorn.ops for all ops")
        return getattr(ops, name)

    return get_attribute, lambda: sorted(shown)
