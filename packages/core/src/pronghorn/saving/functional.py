"""Functional models as configs and back, in Keras 3's form.

Keras makes an object of each op in a graph and keeps what is no tensor in that object's config. Here an op is
a function: its arguments are divided between the node and the config on writing, and joined on reading.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import Any

from pronghorn import ops, plugins, tree
from pronghorn.functional import Functional, step_of
from pronghorn.graph import Node
from pronghorn.layer import Layer
from pronghorn.op import Operation
from pronghorn.saving.registry import deserialize_keras_object, serialize_keras_object
from pronghorn.tensor import MODEL, Tensor

_CALL_PARAMETERS = frozenset("x x1 x2 xs inputs condition key indices values fill_value y z w c".split())
"""Parameters that belong to the call of an op's object in Keras, even where the value is no tensor."""


class _NotYet(Exception):
    """A node reads one that has not been made."""


# ------------------------------------------------------------------------------------------------ writing


def functional_config(model: Functional) -> dict[str, Any]:
    """The config of a functional model."""
    graph = model.graph

    def history(t: Tensor) -> list[Any]:
        node: Any = t.node
        return [graph.name(node), graph.calls(step_of(node)).index(node), t.index]

    def ends(t: Tensor) -> list[Any]:
        node: Any = t.node
        name, index, tensor_index = history(t)
        return [name, index + isinstance(node.op, Functional), tensor_index]

    def plain(x: Any) -> Any:
        if isinstance(x, Tensor) and x.scope is MODEL:
            config = {"shape": list(x.shape), "dtype": x.dtype, "keras_history": history(x)}
            return {"class_name": "__keras_tensor__", "config": config}
        if isinstance(x, (list, tuple)):
            return [plain(item) for item in x]
        return {key: plain(item) for key, item in x.items()} if isinstance(x, Mapping) else serialize_keras_object(x)

    def entry(step: Layer | Node) -> dict[str, Any]:
        if isinstance(step, Node):
            args, kwargs, options = _divided(step)
            name, (module, class_name, _) = graph.name(step), _class_of(step.op.name)
            find_op(class_name)  # what could not be read again is not written
            calls = [{"args": plain(args), "kwargs": plain(kwargs)}]
            identity = {"module": module, "class_name": class_name, "registered_name": class_name}
            return {**identity, "config": {"name": name, **plain(options)}, "name": name, "inbound_nodes": calls}
        calls = [{"args": plain(call.args), "kwargs": plain(call.kwargs)} for call in graph.calls(step) if call.inputs]
        return {**serialize_keras_object(step), "name": step.name, "inbound_nodes": calls}

    return {
        "name": model.name,
        "trainable": model.trainable,
        "layers": [entry(step) for step in graph.steps],
        "input_layers": tree.map_structure(ends, model.input),
        "output_layers": tree.map_structure(ends, model.output),
    }


@cache
def _classes() -> dict[str, tuple[str, str, list[str]]]:
    """An op's name without underscores -> its module and class in Keras, and what the class is called on; no rule says
    these. The last is empty where the rule does: `_CALL_PARAMETERS`, and tensors."""
    lines = Path(__file__).with_name("op_classes.txt").read_text(encoding="utf-8").splitlines()
    return {
        spelt or name.lower(): (f"keras.src.ops.{module}", name, taken.split(",") if taken else [])
        for module, _, entries in (line.partition(": ") for line in lines)
        for spelt, name, taken in re.findall(r"(?:(\w+)=)?(\w+)(?:\((.*?)\))?", entries)
    }


def _class_of(name: str) -> tuple[str, str, list[str]]:
    rule: tuple[str, str, list[str]] = "keras.src.ops.numpy", "".join(map(str.capitalize, name.split("_"))), []
    return _classes().get(name.rpartition(".")[2].replace("_", ""), rule)


def _divided(node: Node) -> tuple[list[Any], dict[str, Any], dict[str, Any]]:
    """An op's arguments: those of the call in Keras, by place and by name, and those of its object."""
    if not vars(node.op).keys() & {"__signature__", "__wrapped__"}:
        return list(node.args), {}, node.kwargs
    bound, taken = inspect.signature(node.op).bind(*node.args, **node.kwargs), _class_of(node.op.name)[2]
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    options: dict[str, Any] = {}
    for name, parameter in bound.signature.parameters.items():
        value = bound.arguments.get(name, parameter.default)
        if parameter.kind is parameter.VAR_POSITIONAL:
            args += bound.arguments.get(name, ())
        elif parameter.kind is parameter.VAR_KEYWORD:
            kwargs |= bound.arguments.get(name, {})
        elif name in taken:
            args.append(value)
        elif name in bound.arguments:
            tensor = any(isinstance(leaf, Tensor) for leaf in tree.flatten(value))
            if not taken and (name in _CALL_PARAMETERS or tensor):
                args.append(value)
            else:
                options[name] = value
    return args, kwargs, options


def _joined(op: Callable[..., Any], taken: list[str], args: Sequence[Any], options: dict[str, Any]) -> Any:
    """Calls an op on what `_divided` separated."""
    queue, placed, named = list(args), [], dict(options)
    for name, parameter in inspect.signature(op).parameters.items():
        if parameter.kind is not parameter.POSITIONAL_OR_KEYWORD:
            break
        if name in named:
            placed.append(named.pop(name))
        elif queue and (not taken or name in taken):
            placed.append(queue.pop(0))
        elif parameter.default is parameter.empty:
            break
        else:
            placed.append(parameter.default)
    return op(*placed, *queue, **named)


# ------------------------------------------------------------------------------------------------ reading


def functional_from_config(cls: type, config: Mapping[str, Any]) -> Any:
    """The functional model of a config, as an instance of `cls`.

    Raises:
        ValueError: the graph has a loop, or a node reads a layer that the config does not have.
    """
    made: dict[str, Any] = {}
    outputs: dict[tuple[str, int], list[Any]] = {}
    pending: list[tuple[str, list[Any]]] = []
    for entry in config["layers"]:
        name = entry["name"]
        made[name] = operation = _operation(entry)
        if isinstance(operation, Layer) and not entry["inbound_nodes"]:
            outputs[name, 0] = tree.flatten(operation.output)
        pending.append((name, list(entry["inbound_nodes"])))

    def revived(x: Any) -> Any:
        if isinstance(x, Mapping) and x.get("class_name") == "__keras_tensor__":
            name, index, tensor_index = x["config"]["keras_history"]
            if name not in made:
                raise ValueError(f"the model's config reads a layer {name!r} that it does not have")
            if (name, index) not in outputs:
                raise _NotYet
            return outputs[name, index][tensor_index]
        if isinstance(x, list):
            return [revived(item) for item in x]
        if isinstance(x, Mapping) and "class_name" not in x:
            return {key: revived(item) for key, item in x.items()}
        return deserialize_keras_object(x)

    done: dict[str, int] = {}
    while any(calls for _, calls in pending):
        before = sum(len(calls) for _, calls in pending)
        for name, calls in pending:
            while calls:
                try:
                    args, kwargs = revived(calls[0]["args"]), revived(calls[0]["kwargs"])
                except _NotYet:
                    break
                outputs[name, done.get(name, 0)] = tree.flatten(made[name](*args, **kwargs))
                done[name] = done.get(name, 0) + 1
                calls.pop(0)
        if sum(len(calls) for _, calls in pending) == before:
            raise ValueError(
                f"the model's config has a loop among the layers {[name for name, calls in pending if calls]}"
            )

    def tensors(x: Any) -> Any:
        if isinstance(x, Mapping):
            return {key: tensors(item) for key, item in x.items()}
        if len(x) == 3 and isinstance(x[0], str):
            return outputs[x[0], x[1] - isinstance(made[x[0]], Functional)][x[2]]
        return [tensors(item) for item in x]

    rest = {key: value for key, value in config.items() if key not in ("layers", "input_layers", "output_layers")}
    return cls(inputs=tensors(config["input_layers"]), outputs=tensors(config["output_layers"]), **rest)


def _operation(entry: Mapping[str, Any]) -> Callable[..., Any]:
    """The layer of an entry, or the op with what its object holds in Keras."""
    if not str(entry.get("module")).startswith("keras.src.ops."):
        return deserialize_keras_object(entry)  # type: ignore[no-any-return]
    name = find_op(entry["class_name"])
    op, taken = attrgetter(name)(ops), _class_of(name)[2]
    known = inspect.signature(op).parameters
    options = {
        key: value if key == "dtype" else deserialize_keras_object(value)
        for key, value in entry["config"].items()
        if key in known or key not in ("name", "dtype")
    }
    if name == "get_item":  # JSON has made a list of the key, x[0, 1:] being no x[[0, 1:]]
        return lambda x, key: ops.get_item(x, tuple(key) if isinstance(key, list) else key)
    return lambda *args, **kwargs: _joined(op, taken, args, {**options, **kwargs})


@cache
def find_op(class_name: str) -> str:
    """The name of the op whose class in Keras is `class_name`, "image.…" where it is in keras.ops.image.

    Raises:
        ValueError: no installed distribution has it.
    """
    spelt = next((key for key, (_, known, _) in _classes().items() if known == class_name), class_name.lower())
    for name in dir(ops):
        if name.replace("_", "") == spelt:
            if name in plugins.references("ops") or spelt in _classes() or isinstance(getattr(ops, name), Operation):
                return name
    if _classes().get(spelt, [""])[0] == "keras.src.ops.image" and "image" in plugins.references("ops"):
        return "image." + next(name for name in dir(ops.image) if name.replace("_", "") == spelt)
    raise ValueError(f"unknown op {class_name!r}: no installed distribution has it")
