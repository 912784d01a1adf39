"""The variables of a model and of its training as nested dicts by path."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pronghorn.tensor import Variable

FORMATS: dict[str, Callable[[Variable], Any]] = {
    "backend_tensor": lambda v: v.value,
    "numpy_array": lambda v: v.numpy(),
}


def _variables(model: Any) -> dict[str, list[Variable]]:
    return {
        "trainable_variables": model.trainable_variables,
        "non_trainable_variables": model.non_trainable_variables,
        "optimizer_variables": model.optimizer.variables if model.optimizer is not None else [],
        "metrics_variables": model.metrics_variables,
    }


def get_state_tree(model: Any, value_format: str = "backend_tensor") -> dict[str, Any]:
    """The values of all variables: kind -> name of the layer -> … -> name of the variable -> value.

    Kinds are "trainable_variables", "non_trainable_variables", "optimizer_variables" and "metrics_variables".

    Args:
        model: the model.
        value_format: "backend_tensor" or "numpy_array".

    Raises:
        ValueError: two variables have one path, or the format is unknown.
    """
    if value_format not in FORMATS:
        raise ValueError(f"get_state_tree: value_format must be one of {sorted(FORMATS)}, got {value_format!r}")
    read = FORMATS[value_format]
    tree: dict[str, Any] = {}
    for kind, variables in _variables(model).items():
        branch: dict[str, Any] = {}
        tree[kind] = branch
        for variable in variables:
            *scopes, name = variable.path.split("/")
            inner = branch
            for scope in scopes:
                inner = inner.setdefault(scope, {})
            if name in inner:
                raise ValueError(
                    f"get_state_tree: two variables of model {model.name!r} have the path {variable.path!r}; "
                    f"give the layers different names"
                )
            inner[name] = read(variable)
    return tree


def set_state_tree(model: Any, state_tree: Mapping[str, Any]) -> None:
    """Sets the variables that a tree holds; others stay as they are.

    Raises:
        ValueError: the tree has a kind or a path that the model has not.
    """
    known = _variables(model)
    for kind, branch in state_tree.items():
        if kind not in known:
            raise ValueError(f"set_state_tree: unknown kind {kind!r}; there are {', '.join(known)}")
        by_path = {variable.path: variable for variable in known[kind]}
        for path, value in _paths(branch):
            if path not in by_path:
                raise ValueError(f"set_state_tree: model {model.name!r} has no variable {path!r} among its {kind}")
            by_path[path].assign(value)


def _paths(branch: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in branch.items():
        if isinstance(value, Mapping):
            yield from _paths(value, f"{prefix}{name}/")
        else:
            yield f"{prefix}{name}", value
