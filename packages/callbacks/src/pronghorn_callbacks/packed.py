"""States as JSON and arrays: what callbacks and data sets remember, packed for a file and unpacked without trust."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from pronghorn.optimizer import Optimizer

Array = np.ndarray[Any, Any]

_COMMON = ("params", "_model")
"""Attributes that every callback is given anew."""


def pack(value: Any, arrays: list[Array]) -> Any:
    """`value` in the terms of JSON, the arrays in it put into `arrays`.

    Raises:
        TypeError: it holds something else than None, numbers, strings, numeric arrays, and lists, tuples and dicts.
    """
    if value is None or type(value) in (bool, int, float, str):
        return value
    if type(value) is list:
        return [pack(item, arrays) for item in value]
    if type(value) is tuple:
        return {"tuple": [pack(item, arrays) for item in value]}
    if type(value) is dict:
        return {"dict": [[pack(key, arrays), pack(item, arrays)] for key, item in value.items()]}
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in "biufcV":
        arrays.append(np.asarray(value))
        return {"array" if isinstance(value, np.ndarray) else "number": len(arrays) - 1}
    raise TypeError(f"{type(value).__name__} objects cannot be saved")


def unpack(packed: Any, arrays: Mapping[int, Array]) -> Any:
    """What `pack` was given.

    Raises:
        ValueError, TypeError, KeyError: something that `pack` does not make.
    """
    if isinstance(packed, list):
        return [unpack(item, arrays) for item in packed]
    if not isinstance(packed, dict):
        return packed
    ((kind, content),) = packed.items()
    if kind == "tuple":
        return tuple(unpack(item, arrays) for item in content)
    if kind == "dict":
        return {unpack(key, arrays): unpack(item, arrays) for key, item in content}
    return {"array": lambda array: array, "number": lambda array: array[()]}[kind](arrays[content])


def given(callback: Any) -> dict[str, str]:
    """The attributes of a callback that are named like arguments of its constructor, to be compared later."""
    names = inspect.signature(type(callback).__init__).parameters
    return {name: _shown(value) for name, value in vars(callback).items() if name in names}


def state_of(callback: Any, unchanged: Mapping[str, str]) -> Any:
    """What `get_state` says, else the attributes but those that hold what the constructor was given.

    Functions, models and optimizers count as that: another process makes them anew.
    """
    state = callback.get_state() if hasattr(callback, "get_state") else None
    if state is not None:
        return state
    return {
        name: value
        for name, value in vars(callback).items()
        if name not in _COMMON
        and not callable(value)
        and not isinstance(value, Optimizer)
        and not (name in unchanged and unchanged[name] == _shown(value))
    }


def set_state(callback: Any, state: Any) -> None:
    """Gives a callback what `state_of` found.

    Raises:
        ValueError: the state would replace what belongs to the class.
    """
    kind = type(callback)
    names = state if isinstance(state, dict) else ()
    if any(not isinstance(name, str) or name.startswith("__") or callable(getattr(kind, name, None)) for name in names):
        raise ValueError(f"the state of {kind.__name__} has names of something else: {list(names)[:20]}")
    if hasattr(callback, "set_state"):
        callback.set_state(state)
    else:
        vars(callback).update(state)


def _shown(value: Any) -> str:
    """A text that differs where values do; of arrays and other objects their identity."""
    arrays: list[Array] = []
    try:
        return json.dumps(pack(value, arrays)) + str([id(a) if a.ndim else a.tolist() for a in arrays])
    except TypeError:
        return f"object {id(value)}"
