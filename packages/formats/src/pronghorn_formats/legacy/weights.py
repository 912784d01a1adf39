"""Weights by layer: the lists that Keras 1 to 3's `.h5` files have, put into a model's variables.

A file has for each layer a list of arrays, trainable ones first; layers of both sides are matched in their order, or
by name. All is compared before anything is set.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from pronghorn.model import Model
from pronghorn.saving.files import ModelFileError
from pronghorn_formats.legacy.conversions import Array, Origin, converted, stored_count
from pronghorn_formats.legacy.tree import Tree, value

TOP_LEVEL = "top_level_model_weights"


class Stored(NamedTuple):
    """A layer in a file: its name, and its arrays by theirs."""

    name: str
    arrays: dict[str, Array]


def origin_of(tree: Tree, path: str) -> Origin:
    """Who wrote the weights below a group; without a note it was Keras 1."""
    version = tree.text(path, "keras_version") or tree.text("", "keras_version") or "1"
    backend = tree.text(path, "backend") or tree.text("", "backend")
    return Origin(int(version[0]) if version[0].isdigit() else 2, backend)


def stored_layers(tree: Tree, path: str) -> list[Stored]:
    """The layers with weights below a group, in the order of the file."""
    prefix = f"{path}/" if path else ""
    found = [Stored(name, _values(tree, prefix + name)) for name in tree.names(path, "layer_names")]
    return [layer for layer in found if layer.arrays]


def _values(tree: Tree, path: str) -> dict[str, Array]:
    return {name: value(dataset) for name, dataset in tree.arrays(path).items()}


def legacy_weights(layer: Any) -> list[Any]:
    """The weights in the order of these files: trainable ones first."""
    return [*layer.trainable_weights, *layer.non_trainable_weights]


def top_level_weights(model: Any) -> list[Any]:
    """Those of the model that are in none of its layers."""
    inner = {id(v) for layer in model.layers for v in layer.weights}
    return [v for v in legacy_weights(model) if id(v) not in inner]


def trainable_variables(model: Any, stored: Iterable[str], sort: bool = False) -> list[Any]:
    """A model's trainable variables in the order of a file's layers, which need not be that of the model's.

    Args:
        stored: the names of the file's layers, or these with the names of their arrays.
        sort: whether they are sorted by the names of the arrays instead, as Keras did before 2.1.
    """
    layers = {layer.name: layer for layer in model.layers}
    found: dict[int, tuple[str, Any]] = {}
    for name in stored:
        weights = layers[name].trainable_weights if name in layers else []
        paths = stored[name] if isinstance(stored, Mapping) else [""] * len(weights)
        for variable, path in zip(weights, paths, strict=False):
            found.setdefault(id(variable), (path, variable))
    if len(found) != len(model.trainable_variables):
        return list(model.trainable_variables)
    order = sorted(found.values(), key=lambda pair: pair[0]) if sort else found.values()
    return [variable for _, variable in order]


# ------------------------------------------------------------------------------------------------ reading


def read_layers(
    model: Any,
    tree: Tree,
    path: str = "",
    skip_mismatch: bool = False,
    by_name: bool = False,
    own_config: bool = False,
) -> None:
    """Sets the weights of a model's layers from those below a group.

    Args:
        skip_mismatch: whether layers that do not fit are left as they are, with a warning.
        by_name: whether layers are matched by name; those that only one side has are left alone.
        own_config: whether the model was made from the same file, so that its names say which layer is which even
            where the graph is walked in another order.

    Raises:
        ModelFileError: they do not fit the model; with a table.
    """
    if not model.built:
        raise ModelFileError(f"the model {model.name!r} is not built, so it has no weights to set; build() it first")
    origin, stored = origin_of(tree, path), stored_layers(tree, path)
    if f"{path}/{TOP_LEVEL}".strip("/") in tree.groups:
        top = _values(tree, f"{path}/{TOP_LEVEL}".strip("/"))
        stored += [Stored(TOP_LEVEL, top)] if top else []
    rows: list[tuple[str, str, str]] = []
    assignments: list[tuple[Any, Array]] = []
    for layer, source in _pairs(model, stored, origin, by_name, own_config):
        label = source.name if layer is None or layer.name == source.name else f"{source.name} -> {layer.name}"
        if layer is None:
            rows.append((label, _shapes(source.arrays.values()), "nothing"))
            continue
        wanted = top_level_weights(model) if source.name == TOP_LEVEL else legacy_weights(layer)
        arrays = list(source.arrays.values())
        if source.name != TOP_LEVEL:
            arrays = _fitted(layer, arrays, origin) or arrays
        if [array.shape for array in arrays] == [v.shape for v in wanted]:
            assignments += zip(wanted, arrays, strict=True)
        else:
            rows.append((label, _shapes(arrays), _shapes(wanted)))
    rows += [
        (layer.name, "nothing", _shapes(legacy_weights(layer))) for layer in _left_over(model, stored, origin, by_name)
    ]
    if rows:
        message = _table(model, rows)
        if not skip_mismatch:
            raise ModelFileError(f"{message}\nskip_mismatch=True in load_weights leaves these as they are")
        warnings.warn(message, stacklevel=5)
    for variable, array in assignments:
        variable.assign(array)


def _with_weights(model: Any, origin: Origin) -> list[Any]:
    """The layers that have weights; Keras 1 saved those of Sequential models in it one by one."""
    found: list[Any] = []
    for layer in model.layers:
        flat = origin.generation == 1 and type(layer).__name__ == "Sequential" and type(model).__name__ == "Sequential"
        found += _with_weights(layer, origin) if flat else [layer] if layer.weights else []
    return found


def _pairs(
    model: Any, stored: list[Stored], origin: Origin, by_name: bool, own_config: bool
) -> Iterator[tuple[Any, Stored]]:
    """Each layer of the file with that of the model, which is None where there is none."""
    layers = _with_weights(model, origin)
    named = [source for source in stored if source.name != TOP_LEVEL]
    yield from ((model, source) for source in stored if source.name == TOP_LEVEL)
    if by_name:
        index = {layer.name: layer for layer in layers}
        if not any(source.name in index for source in named):
            message = f"by_name=True: model {model.name!r} and the file have no layer of one name, so nothing was read"
            warnings.warn(message, stacklevel=7)
        yield from ((index[source.name], source) for source in named if source.name in index)
        return
    if own_config and {layer.name for layer in layers} == {source.name for source in named}:
        index = {layer.name: layer for layer in layers}
        yield from ((index[source.name], source) for source in named)
        return
    for i, source in enumerate(named):
        yield layers[i] if i < len(layers) else None, source


def _left_over(model: Any, stored: list[Stored], origin: Origin, by_name: bool) -> list[Any]:
    layers = _with_weights(model, origin)
    return [] if by_name else layers[len([source for source in stored if source.name != TOP_LEVEL]) :]


# ------------------------------------------------------------------------------------------------ layouts


def _fitted(layer: Any, arrays: list[Array], origin: Origin) -> list[Array] | None:
    """The arrays of a layer, in the order and the layouts of its variables; None where there are too few or many."""
    parts = _parts(layer)
    if parts is None:
        return converted(layer, arrays, origin)
    trainable = [_counted(part, len(part.trainable_weights), origin) for part in parts]
    rest = [len(part.non_trainable_weights) for part in parts]
    if sum(trainable) + sum(rest) != len(arrays):
        return None
    queue = iter(arrays)
    first = [[next(queue) for _ in range(count)] for count in trainable]
    second = [[next(queue) for _ in range(count)] for count in rest]
    fitted = [_fitted(part, a + b, origin) for part, a, b in zip(parts, first, second, strict=True)]
    if any(part is None for part in fitted):
        return None
    trained = [len(part.trainable_weights) for part in parts]
    found = [array for part, n in zip(fitted, trained, strict=True) for array in part[:n]]  # type: ignore[index]
    return found + [array for part, n in zip(fitted, trained, strict=True) for array in part[n:]]  # type: ignore[index]


def _parts(layer: Any) -> list[Any] | None:
    """The layers that a layer consists of, where a layout may have to be changed in one of them."""
    if isinstance(layer, Model):
        return [part for part in layer.layers if part.weights]
    kind = type(layer).__name__
    if kind == "Bidirectional":
        return [layer.forward_layer, layer.backward_layer]
    if kind == "TimeDistributed":
        return [layer.layer]
    return None


def _counted(part: Any, wanted: int, origin: Origin) -> int:
    inner = _parts(part)
    if inner is None:
        return stored_count(part, wanted, origin)
    return sum(_counted(item, len(item.trainable_weights), origin) for item in inner)


def _shapes(arrays: Any) -> str:
    return " ".join(str(tuple(array.shape)) for array in arrays) or "nothing"


def _table(model: Any, rows: list[tuple[str, str, str]]) -> str:
    lines = [("layer", "the file has", "the model wants"), *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(2)]
    text = "\n".join(f"  {a:{widths[0]}}  {b:{widths[1]}}  {c}" for a, b, c in lines)
    return f"its weights do not fit the model {model.name!r}:\n{text}"


# ------------------------------------------------------------------------------------------------ writing


def layer_lists(model: Any) -> Mapping[str, dict[str, Array]]:
    """Name of a layer -> its arrays by the paths of its variables, as the files have them."""
    found = {layer.name: _named(legacy_weights(layer)) for layer in model.layers}
    return {**found, TOP_LEVEL: _named(top_level_weights(model))}


def _named(variables: list[Any]) -> dict[str, Array]:
    named: dict[str, Array] = {}
    for variable in variables:
        name, number = variable.path, 0
        while name in named:
            number += 1
            name = f"{variable.path}_{number}"
        named[name] = np.asarray(variable.numpy())
    return named
