"""Names and counters: automatic names, nested name scopes, and a record of which traced objects were changed since."""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_scopes: ContextVar[tuple[str, ...]] = ContextVar("scopes", default=())
_counts: Counter[str] = Counter()
_mutations = 0
recent_changes: deque[tuple[Any, str]] = deque(maxlen=64)
"""The latest changes: (owner, attribute)."""


def to_snake_case(name: str) -> str:
    """Keras's snake case: Conv2D -> conv2d, ReLU -> re_lu, MaxPooling2D -> max_pooling2d."""
    name = re.sub(r"\W+", "", name)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def auto_name(prefix: str) -> str:
    """`prefix` the first time, then prefix_1, prefix_2, …; counted per process until `clear_session`."""
    prefix = to_snake_case(prefix)
    count = _counts[prefix]
    _counts[prefix] += 1
    return f"{prefix}_{count}" if count else prefix


def reset_names() -> None:
    """Starts the counters of automatic names again."""
    _counts.clear()


@contextmanager
def name_scope(name: str) -> Iterator[str]:
    """Variables and layers built inside have `name` in their path."""
    if not isinstance(name, str) or "/" in name:
        raise ValueError(f"name_scope: argument `name` must be a string without '/', got {name!r}")
    token = _scopes.set((*_scopes.get(), name))
    try:
        yield "/".join(_scopes.get())
    finally:
        _scopes.reset(token)


def scoped(name: str) -> str:
    """`name` below the open scopes: "outer/inner/name"."""
    return "/".join((*_scopes.get(), name))


def scope_names() -> tuple[str, ...]:
    """The open scopes, outermost first."""
    return _scopes.get()


def mutated(owner: Any, attribute: str = "") -> None:
    """Notes that `attribute` of `owner`, which a trace may have read, has changed."""
    global _mutations
    recent_changes.append((owner, attribute))
    owner.__dict__["mutations"] = owner.__dict__.get("mutations", 0) + 1
    _mutations += 1


def mutation_count() -> int:
    """How often any object that traces read has changed in this process."""
    return _mutations
