"""The long tail of keras.tree: nested structures walked, mapped up to a depth, and compared by their paths."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pronghorn import tree


class MAP_TO_NONE:
    """What a function given to `traverse` returns for None: None itself stands for "look inside"."""


def _items(structure: Any) -> list[tuple[Any, Any]]:
    """Keys, or places, and what is there, in the order of `flatten`."""
    if isinstance(structure, Mapping):
        try:
            return [(key, structure[key]) for key in sorted(structure)]
        except TypeError:
            return list(structure.items())
    return list(enumerate(structure))


def _with_items(structure: Any, values: list[Any]) -> Any:
    made = dict(zip([key for key, _ in _items(structure)], values, strict=True))
    if isinstance(structure, Mapping):
        make: Callable[[Any], Any] = type(structure)
        return make([(key, made[key]) for key in structure])
    if isinstance(structure, tuple):
        return type(structure)(*values) if hasattr(structure, "_fields") else tuple(values)
    return list(values)


def traverse(func: Callable[[Any], Any], structure: Any, top_down: bool = True) -> Any:
    """`structure` with what `func` returns for each part in its place.

    Args:
        func: of a part, which may be nested; None leaves the part (top down: looks inside), MAP_TO_NONE makes it None.
        top_down: a part before what is in it; otherwise after.
    """
    if top_down and (found := func(structure)) is not None:
        return None if found is MAP_TO_NONE else found
    if tree.is_nested(structure):
        structure = _with_items(structure, [traverse(func, item, top_down) for _, item in _items(structure)])
    if top_down:
        return structure
    found = func(structure)
    return structure if found is None else (None if found is MAP_TO_NONE else found)


def flatten_with_path(structure: Any) -> list[tuple[tuple[Any, ...], Any]]:
    """The leaves of `structure`, each with the keys and places that lead to it."""
    if not tree.is_nested(structure):
        return [((), structure)]
    return [((key, *path), leaf) for key, item in _items(structure) for path, leaf in flatten_with_path(item)]


def assert_same_paths(a: Any, b: Any) -> None:
    """Raises ValueError where the leaves of `a` and `b` are in different places."""
    paths = [{path for path, _ in flatten_with_path(s)} for s in (a, b)]
    if paths[0] != paths[1]:
        raise ValueError(
            f"the structures do not have the same paths: only the first has {sorted(paths[0] - paths[1], key=str)}, "
            f"only the second {sorted(paths[1] - paths[0], key=str)}"
        )


def map_structure_up_to(shallow_structure: Any, func: Callable[..., Any], *structures: Any) -> Any:
    """`shallow_structure` with its leaves replaced by `func` of what is in their places in `structures`."""
    if not structures:
        raise ValueError("map_structure_up_to: give at least one structure")
    if not tree.is_nested(shallow_structure):
        return func(*structures)
    for other in structures:
        if not tree.is_nested(other) or len(other) != len(shallow_structure):
            raise ValueError(f"the structures do not match: {shallow_structure!r} and {other!r}")
    parts = [dict(_items(other)) for other in structures]
    mapped = [
        map_structure_up_to(item, func, *(part[key] for part in parts)) for key, item in _items(shallow_structure)
    ]
    return _with_items(shallow_structure, mapped)


def lists_to_tuples(structure: Any) -> Any:
    """`structure` with tuples for lists."""
    return traverse(lambda part: tuple(part) if isinstance(part, list) else None, structure, top_down=False)


def map_shape_structure(func: Callable[[Any], Any], structure: Any) -> Any:
    """`structure` with `func` applied to each shape: a tuple or list of integers and None."""

    def mapped(part: Any) -> Any:
        if isinstance(part, (tuple, list)) and all(isinstance(n, (int, type(None))) for n in part):
            found = func(tuple(part))
            return MAP_TO_NONE if found is None else found
        return None

    return traverse(mapped, structure)
