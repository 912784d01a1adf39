"""The graphs of functional models in the configs of Keras before 3: who calls whom, and how it is counted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Config = dict[str, Any]


def is_model(entry: Config) -> bool:
    """Whether the entry of a layer is that of a model."""
    return isinstance(entry["config"], list) or isinstance((entry["config"] or {}).get("layers"), list)


def first_calls(entries: list[Config], model: Config) -> dict[str, int]:
    """Name of a layer -> the number of its first call: 1 for models, where Keras before 3 counted so."""
    used: dict[str, set[int]] = {}
    places = [model["input_layers"], model["output_layers"], *(entry.get("inbound_nodes") for entry in entries)]
    for name, index in _references(places, {entry["name"] for entry in entries}):
        used.setdefault(name, set()).add(index)
    nested = {entry["name"] for entry in entries if is_model(entry)}
    old_form = any(isinstance(call, list) for entry in entries for call in entry.get("inbound_nodes") or ())
    return {name: 1 for name in nested if old_form and 0 not in used.get(name, {0})}


def _references(value: Any, known: set[str]) -> Iterator[tuple[str, int]]:
    """Every [name, index, …] in the lists of a graph."""
    if _is_reference(value, known):
        yield value[0], value[1]
        value = value[3:]
    if isinstance(value, (list, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _references(item, known)


def _is_reference(value: Any, known: set[str]) -> bool:
    kinds = [type(item) for item in value[:3]] if isinstance(value, list) and len(value) in (3, 4) else None
    return kinds == [str, int, int] and value[0] in known


def modern_call(call: Any, shifts: Mapping[str, int], known: set[str]) -> Config:
    """One call of a layer: its tensors as the first argument, and what they carry beside them as the others."""
    if isinstance(call, dict) and {"args", "kwargs"} <= call.keys():
        return call
    kwargs: Config = {}

    def revive(value: Any) -> Any:
        if isinstance(value, list) and value[:1] == ["_CONSTANT_VALUE"] and len(value) in (3, 4):
            if len(value) == 4:
                kwargs.update(value[3])
            return value[2]
        if _is_reference(value, known):
            if len(value) == 4:
                kwargs.update(value[3])
            history = [value[0], value[1] - shifts.get(value[0], 0), value[2]]
            return {"class_name": "__keras_tensor__", "config": {"keras_history": history}}
        if isinstance(value, list):
            return [revive(item) for item in value]
        if isinstance(value, dict) and value.keys() == {"start", "stop", "step"}:
            parts = {key: revive(item) for key, item in value.items()}
            return {"class_name": "__slice__", "config": parts}
        if isinstance(value, dict):
            if value.get("class_name") == "__ellipsis__":
                return {"class_name": "__ellipsis__", "config": {}}
            return {key: revive(item) for key, item in value.items()}
        return value

    first = revive(call)
    if isinstance(first, list) and len(first) == 1:
        first = first[0]
    return {"args": [first], "kwargs": {key: revive(value) for key, value in kwargs.items()}}
