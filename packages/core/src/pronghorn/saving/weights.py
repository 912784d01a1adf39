"""Weights by the place of their owners: the tree of objects in a model, as `.weights.h5` files have it.

A layer's variables are saved under the path of attributes and list items that leads to it from the model, never
under its name: `layers/dense_1/vars/0` is the first variable of the second Dense in `model.layers`.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Container, Iterator, Mapping
from functools import cache
from typing import Any, BinaryIO

from pronghorn.functional import Functional
from pronghorn.layer import Layer
from pronghorn.naming import to_snake_case
from pronghorn.optimizer import Optimizer
from pronghorn.random import SeedGenerator
from pronghorn.saving.files import ModelFileError
from pronghorn.saving.hdf5 import Group, read, write_groups
from pronghorn.sequential import Sequential
from pronghorn.tracking import Owner

Edges = dict[Any, list[tuple[Any, str]]]
"""Object -> (the object that holds it, its key there), for each place where it is, the first one first."""

_WITHOUT_OWNER = re.compile(
    r"(^|/)(optimizer|pronghorn\.training|seed_generator(_\d+)?|_?metrics|compile_metrics|_?loss_tracker)(/|$)"
)
"""What other versions of Keras save too, or a backup, and models do without."""
_ALIASES = frozenset("_compile_arguments _functional _graph _operations _stack".split())
"""Attributes of ours that hold what `layers` and `optimizer` have already."""


# ------------------------------------------------------------------------------------------------ the tree


def _walk(root: Any) -> Edges:
    """Everything below `root` that has variables, each before what it holds, in Keras's order."""
    edges: Edges = {root: []}

    def visit(parent: Any) -> None:
        for key, child in _children(parent):
            new = child not in edges
            edges.setdefault(child, []).append((parent, key))
            if new:
                visit(child)

    visit(root)
    return edges


def _children(parent: Any) -> Iterator[tuple[str, Any]]:
    """What an object holds: the layers of a graph first, then by the names of attributes, private ones last."""
    if isinstance(parent, (Functional, Sequential)):
        yield from _items(parent.layers, "layers", set())
    skipped = _common_attributes(isinstance(parent, Optimizer)) | _ALIASES
    for name in sorted(dir(parent), key=lambda name: (name.startswith("_"), name)):
        if name.startswith("__") or name in skipped:
            continue
        try:
            value = getattr(parent, name)
        except Exception:  # a property that has no value now
            continue
        if isinstance(value, (Owner, Optimizer)):
            yield name, value
        elif isinstance(value, (list, dict, tuple)):
            yield from _items(value, name, set())


def _items(container: Any, path: str, seen: set[int]) -> Iterator[tuple[str, Any]]:
    """What a list, tuple or dict holds, by class and number within it."""
    if id(container) in seen:
        return
    seen.add(id(container))
    counts: Counter[str] = Counter()
    for item in container.values() if isinstance(container, dict) else container:
        nested = isinstance(item, (list, dict, tuple))
        if nested or isinstance(item, (Owner, Optimizer)):
            name = "container" if nested else to_snake_case(type(item).__name__)
            key = f"{path}/{name}_{counts[name]}" if counts[name] else f"{path}/{name}"
            counts[name] += 1
            if nested:
                yield from _items(item, key, seen)
            else:
                yield key, item


@cache
def _common_attributes(of_optimizer: bool) -> frozenset[str]:
    """What every layer, or every optimizer, has; it leads to no other object."""
    return frozenset(dir(Optimizer(1.0, name="optimizer") if of_optimizer else Layer(name="layer")))


def _paths(edges: Edges, groups: Container[str] = ()) -> dict[Any, str]:
    """For each object the first of its paths that a file has, or the first of all.

    Files of earlier versions of Keras were written when layers had other attributes.
    """
    paths: dict[Any, str] = {}
    for item, places in edges.items():
        candidates = [_join(paths[parent], key) for parent, key in places if parent in paths] or [""]
        paths[item] = next((path for path in candidates if path in groups), candidates[0])
    return paths


def paths(model: Any, groups: Container[str] = ()) -> dict[Any, str]:
    """Everything in a model that has state, each with its path: one that is among `groups`, or the first."""
    return _paths(_walk(model), groups)


def _join(path: str, key: str) -> str:
    return f"{path}/{key}" if path else key


# ------------------------------------------------------------------------------------------------ files


def write_weights(model: Any, file: BinaryIO, more: Mapping[str, Mapping[str, Any]] | None = None) -> None:
    """Writes the variables of everything in the model, the optimizer's included, and `more` groups of arrays, into an
    HDF5 file."""
    groups: dict[str, tuple[Any, Mapping[str, Any]]] = {}
    for item, path in paths(model).items():
        store: dict[str, Any] = {}
        item.save_own_variables(store)
        groups[path] = item.name, store
    write_groups(file, groups | {path: (None, arrays) for path, arrays in (more or {}).items()})


def read_weights(model: Any, groups: Mapping[str, Group], skip_mismatch: bool = False) -> None:
    """Sets the variables of the model, and of its optimizer where it has one, from the groups of an HDF5 file.

    Everything is compared before anything is set.

    Args:
        skip_mismatch: whether objects that do not fit are left as they are, with a warning.

    Raises:
        ModelFileError: the groups are not those of this model; with a table.
    """
    optimizer = getattr(model, "optimizer", None)
    if isinstance(optimizer, Optimizer) and not optimizer.built and model.built and "optimizer" in groups:
        optimizer.build(model.trainable_variables)
    places = paths(model, groups)
    rows = {item: row for item, path in places.items() if (row := _difference(item, path, groups.get(path)))}
    spare = groups.keys() - set(places.values())
    extra = [(path, _shapes(groups[path]), "nothing") for path in sorted(spare) if groups[path]]
    extra = [row for row in extra if not _WITHOUT_OWNER.search(row[0])]
    if rows or extra:
        message = _table(model, [*rows.values(), *extra])
        if not skip_mismatch:
            raise ModelFileError(f"{message}\nskip_mismatch=True in load_weights leaves these as they are")
        warnings.warn(message, stacklevel=4)
    for item, path in places.items():
        if item not in rows:
            item.load_own_variables({key: read(dataset) for key, dataset in groups.get(path, {}).items()})


def _difference(item: Any, path: str, group: Group | None) -> tuple[str, str, str] | None:
    """A row of the table, where the arrays of a group are not those that an object wants.

    Objects that read in their own way know better; an optimizer with other slots is no error, it warns.
    """
    own = item.variables if isinstance(item, Optimizer) else item._variables_in_files()
    expected = type(item).load_own_variables in (Owner.load_own_variables, Optimizer.load_own_variables)
    if not (expected or getattr(type(item), "_variables_in_files", None) is not Owner._variables_in_files):
        return None
    if isinstance(item, Optimizer) and (group is None or len(group) != len(own)):
        return None
    wanted = {str(i): v.shape for i, v in enumerate(own)}
    if {key: dataset.shape for key, dataset in (group or {}).items()} == wanted:
        return None
    state = "" if getattr(item, "built", True) else ", not built yet"
    return path or "(the model itself)", _shapes(group or {}), f"{_shapes(wanted)} ({item.name}{state})"


def _shapes(arrays: Mapping[str, Any]) -> str:
    shapes = [str(value if isinstance(value, tuple) else value.shape) for value in arrays.values()]
    return " ".join(shapes) or "nothing"


def _table(model: Any, rows: list[tuple[str, str, str]]) -> str:
    lines = [("object", "the file has", "the model wants"), *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(2)]
    text = "\n".join(f"  {a:{widths[0]}}  {b:{widths[1]}}  {c}" for a, b, c in lines)
    return f"its weights do not fit the model {model.name!r}:\n{text}"


# ------------------------------------------------------------------------------------------------ seeds


def seed_states(model: Any) -> dict[str, list[list[int]]]:
    """Path of a layer -> the states of its seed generators."""
    found = {path: _generators(item) for item, path in paths(model).items()}
    return {path: [g.state.numpy().tolist() for g in generators] for path, generators in found.items() if generators}


def restore_seeds(model: Any, states: Any) -> None:
    """Sets the states of the seed generators; raises ValueError where `states` are not those of this model."""
    found = {path: _generators(item) for item, path in paths(model).items() if _generators(item)}
    if not isinstance(states, dict) or states.keys() != found.keys():
        raise ValueError("they are those of another model")
    for path, generators in found.items():
        for generator, state in zip(generators, states[path], strict=True):
            if not isinstance(state, list) or not all(type(n) is int and -(2**63) <= n < 2**63 for n in state):
                raise ValueError(f"{path!r} has {state!r}")
            generator.state.assign(state)


def _generators(item: Any) -> list[SeedGenerator]:
    return item._tracker.kind(SeedGenerator) if isinstance(item, Owner) else []
