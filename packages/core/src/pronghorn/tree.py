"""Nested structures of lists, tuples, named tuples and dicts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any


def is_nested(structure: Any) -> bool:
    """Whether `structure` is a list, tuple or mapping (and not a leaf)."""
    return isinstance(structure, (list, tuple, Mapping))


def _leaves(structure: Any) -> Iterator[Any]:
    if isinstance(structure, Mapping):
        for key in _keys(structure):
            yield from _leaves(structure[key])
    elif isinstance(structure, (list, tuple)):
        for item in structure:
            yield from _leaves(item)
    else:
        yield structure


def _keys(mapping: Mapping[Any, Any]) -> list[Any]:
    try:
        return sorted(mapping)
    except TypeError:
        return list(mapping)


def flatten(structure: Any) -> list[Any]:
    """The leaves of `structure`, dicts in the order of their sorted keys."""
    return list(_leaves(structure))


def _rebuild(structure: Any, items: list[Any]) -> Any:
    if isinstance(structure, Mapping):
        by_key = dict(zip(_keys(structure), items, strict=True))
        make: Callable[[Any], Any] = getattr(structure, "plain", type(structure))
        return make([(key, by_key[key]) for key in structure])
    if isinstance(structure, tuple) and hasattr(structure, "_fields"):
        return type(structure)(*items)
    return tuple(items) if isinstance(structure, tuple) else list(items)


def _children(structure: Any) -> list[Any]:
    return [structure[key] for key in _keys(structure)] if isinstance(structure, Mapping) else list(structure)


def map_structure(func: Callable[..., Any], structure: Any, *others: Any, none_is_leaf: bool = True) -> Any:
    """`structure` with `func` applied to each leaf (and the leaves of `others` in the same places)."""
    if not is_nested(structure):
        return structure if structure is None and not none_is_leaf else func(structure, *others)
    for other in others:
        assert_same_structure(structure, other, deep=False)
    parts = [_children(structure), *(_children(other) for other in others)]
    return _rebuild(
        structure, [map_structure(func, *items, none_is_leaf=none_is_leaf) for items in zip(*parts, strict=True)]
    )


def pack_sequence_as(structure: Any, flat_sequence: list[Any]) -> Any:
    """`structure` with its leaves replaced by the items of `flat_sequence`."""
    items = iter(flat_sequence)
    packed = map_structure(lambda _: next(items), structure)
    if next(items, flat_sequence) is not flat_sequence:
        count = len(flat_sequence)
        raise ValueError(f"pack_sequence_as: {count} items for a structure of {len(flatten(structure))} leaves")
    return packed


def assert_same_structure(a: Any, b: Any, check_types: bool | None = None, *, deep: bool = True) -> None:
    """Raises ValueError where `a` and `b` are nested differently; with `check_types`, where their types differ too."""
    if is_nested(a) != is_nested(b):
        raise ValueError(f"the structures do not match: {a!r} and {b!r}")
    if not is_nested(a):
        return
    if isinstance(a, Mapping) != isinstance(b, Mapping):
        raise ValueError(f"the structures do not match: {type(a).__name__} and {type(b).__name__}")
    if isinstance(a, Mapping) and set(a) != set(b):
        raise ValueError(f"the structures do not match: keys {list(a)} and {list(b)}")
    if len(a) != len(b):
        raise ValueError(f"the structures do not match: {len(a)} and {len(b)} items")
    if check_types and type(a) is not type(b):
        raise ValueError(f"the structures do not match: {type(a).__name__} and {type(b).__name__}")
    if deep:
        for x, y in zip(_children(a), _children(b), strict=True):
            assert_same_structure(x, y, check_types)


def __getattr__(name: str) -> Any:
    from pronghorn import plugins

    return plugins.attribute("utils", "tree", name)
