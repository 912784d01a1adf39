"""What a model was compiled with, and its optimizer's state, as earlier versions kept them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pronghorn import losses, metrics
from pronghorn.saving.registry import get_registered_object
from pronghorn_formats.legacy.arguments import drop_unknown

Config = dict[str, Any]
Array = np.ndarray[Any, Any]

_LOSSES = {
    "cosine_proximity": "cosine_similarity",
    "kullback_leibler_divergence": "kl_divergence",
    "logcosh": "log_cosh",
}
"""Names of Keras 1 and 2 that Keras 3 does not know; those of metrics as well."""

_ARGUMENTS = {"lr": "learning_rate", "beta1": "beta_1", "beta2": "beta_2"}
_WITHOUT_EFFECT = frozenset("decay dynamic fn initial_decay is_legacy_optimizer jit_compile schedule_decay".split())
_BY_SHAPE = ("accuracy", "acc", "crossentropy", "ce")


# ------------------------------------------------------------------------------------------------ compile


def compile_config(training: Mapping[str, Any], generation: int) -> Config:
    """The arguments of `compile` for a file's `training_config`, in the form in which Keras 3 saves them.

    Raises:
        ValueError, KeyError, TypeError: they name what nothing installed has.
    """
    optimizer = training["optimizer_config"]
    config: Config = {"optimizer": optimizer if isinstance(optimizer, str) else _optimizer(optimizer, generation)}
    config["loss"] = _nested(training.get("loss"), _loss)
    config["loss_weights"] = training.get("loss_weights")
    for key in ("metrics", "weighted_metrics"):
        found = _nested(training.get(key), _metric)
        if isinstance(found, list) and len(found) == 1 and isinstance(found[0], list):
            found = found[0]  # the list of the only output
        config[key] = found or None
    return {key: value for key, value in config.items() if value is not None}


def _nested(value: Any, function: Any) -> Any:
    if value is None or isinstance(value, str) or (isinstance(value, dict) and "class_name" in value):
        return None if value is None else function(value)
    if isinstance(value, dict):
        return {key: _nested(item, function) for key, item in value.items()}
    return [_nested(item, function) for item in value]


def _loss(value: Any) -> Any:
    if isinstance(value, str):
        value = _LOSSES.get(value, value)
        if value.lower() not in _BY_SHAPE:
            losses.get(value)
        return value
    if value["class_name"] == "function" or not isinstance(value["config"], dict):
        return _loss(str(value["config"]))
    inner = dict(value["config"])
    if value["class_name"] == "LossFunctionWrapper":
        return _loss(str(inner["fn"]))
    if inner.get("reduction") == "auto":
        inner["reduction"] = "sum_over_batch_size"
    return _object("losses", value, inner)


def _metric(value: Any) -> Any:
    if isinstance(value, str):
        value = _LOSSES.get(value, value)
        if value.lower() not in _BY_SHAPE:
            metrics.get(value)
        return value
    if value["class_name"] == "function" or not isinstance(value["config"], dict):
        return _metric(str(value["config"]))
    inner = dict(value["config"])
    if value["class_name"] in ("MeanMetricWrapper", "SumOverBatchSizeMetricWrapper"):
        if value.get("registered_name") is None and isinstance(inner.get("fn"), dict) and "module" in inner["fn"]:
            return _object("metrics", value, inner)
        by_shape = str(inner.get("name")).lower() in _BY_SHAPE
        function = inner["fn"]["config"] if isinstance(inner["fn"], dict) else inner["fn"]
        return _metric(inner["name"] if by_shape else str(function))
    return _object("metrics", value, inner)


def _optimizer(value: Mapping[str, Any], generation: int) -> Config:
    inner = {_ARGUMENTS.get(key, key): item for key, item in value["config"].items()}
    name = {"Adamw": "AdamW"}.get(value["class_name"].title(), value["class_name"])
    if isinstance(inner.get("inner_optimizer"), dict):
        inner["inner_optimizer"] = _optimizer(inner["inner_optimizer"], generation)
    rate, decay = inner.get("learning_rate"), inner.get("decay")
    if isinstance(rate, dict):
        inner["learning_rate"] = _object("optimizers.schedules", rate, dict(rate["config"]))
    elif decay:
        schedule = {"initial_learning_rate": rate, "decay_steps": 1, "decay_rate": decay}
        inner["learning_rate"] = {
            "module": "keras.optimizers.schedules",
            "class_name": "InverseTimeDecay",
            "config": schedule,
            "registered_name": None,
        }
    if generation < 3:
        if name.lower() == "adagrad":
            inner.setdefault("initial_accumulator_value", 0.0)
        if inner.get("epsilon", 0) is None:
            inner["epsilon"] = 1e-7
        inner = {key: item for key, item in inner.items() if not (key in ("clipnorm", "clipvalue") and not item)}
    return _object("optimizers", {**value, "class_name": name}, inner)


def _object(module: str, value: Mapping[str, Any], inner: Config) -> Config:
    """A class of a module, with the arguments that it has; those that asked for nothing are left out."""
    name = value["class_name"].removeprefix("Custom>")  # tf.keras registers its own so
    registered = value.get("registered_name") or name
    if ">" in registered or get_registered_object(registered) is not None:
        return {"module": None, "class_name": name, "config": inner, "registered_name": registered}
    config: Config = {"module": f"keras.{module}", "class_name": name, "config": inner, "registered_name": None}
    for key in _WITHOUT_EFFECT & inner.keys():
        del inner[key]
    drop_unknown(config)
    return config


# ------------------------------------------------------------------------------------------------ state


def is_interleaved(settings: Mapping[str, Any]) -> bool:
    """Whether an optimizer of tf.keras is one of those that came with 2.11, by its config."""
    return "jit_compile" in settings and not settings.get("is_legacy_optimizer")


def restore_state(optimizer: Any, arrays: Mapping[str, Array], variables: Sequence[Any], interleaved: bool) -> None:
    """Sets an optimizer's variables from those of a file.

    Args:
        optimizer: built for the model's trainable variables.
        arrays: by their names in the file, in its order.
        variables: the trainable variables in the order of the file.
        interleaved: whether the file has all slots of one variable, then those of the next (Keras 3, and tf.keras
            from 2.11); else it has one slot of all variables, then the next slot.

    Raises:
        ValueError: number or shapes do not fit.
    """
    targets = _targets(optimizer, variables)
    if interleaved:
        pairs = _in_order(targets, dict(arrays))
    else:
        pairs = _by_slots(targets, list(arrays.values()), len(variables))
    for variable, array in pairs:
        if variable.shape != array.shape:
            raise ValueError(f"{variable.path!r} has the shape {variable.shape}, the file has {array.shape}")
    for variable, array in pairs:
        variable.assign(array.astype(variable.dtype))


Target = tuple[str, int | None, Any]
"""A slot's name, the place of its variable, and the slot; the place is None where there is one for all variables."""


def _targets(optimizer: Any, variables: Sequence[Any]) -> list[Target]:
    """The optimizer's variables in its own layout, but for the variables in the order of the file."""
    own = optimizer._trainable_variables
    prefixes = {v.path.replace("/", "_") + "_": i for i, v in enumerate(own)}
    longest = sorted(prefixes, key=len, reverse=True)
    keys: dict[tuple[str, int | None], Any] = {}
    for v in optimizer.variables:
        prefix = next((prefix for prefix in longest if v.name.startswith(prefix)), None)
        keys[(v.name, None) if prefix is None else (v.name[len(prefix) :], prefixes[prefix])] = v
    places = {id(v): i for i, v in enumerate(own)}
    moved = {i: places[id(v)] for i, v in enumerate(variables)}
    return [(slot, i, keys[slot, None if i is None else moved[i]]) for slot, i in keys]


def _in_order(targets: list[Target], arrays: dict[str, Array]) -> list[tuple[Any, Array]]:
    names = [re.sub(r":\d+$", "", name.rpartition("/")[2]) for name in arrays]
    kept = list(arrays.values())
    if "learning_rate" in names and not any(slot == "learning_rate" for slot, _, _ in targets):
        del kept[names.index("learning_rate")]
    if len(kept) == len(targets) - 1:  # tf.keras keeps the learning rate in the config alone
        targets = [target for target in targets if target[0] != "learning_rate"]
    if len(kept) != len(targets):
        raise ValueError(f"the optimizer has {len(targets)} variables, the file has {len(kept)}")
    return [(variable, array) for (_, _, variable), array in zip(targets, kept, strict=True)]


def _by_slots(targets: list[Target], arrays: list[Array], count: int) -> list[tuple[Any, Array]]:
    if not count:
        return []
    head, slots = arrays[: len(arrays) % count], arrays[len(arrays) % count :]
    if count == 1:  # then any number of scalars could be slots
        head = [array for array in arrays if array.shape == () and np.issubdtype(array.dtype, np.integer)]
        slots = arrays[len(head) :]
    pairs = [(variable, head[0]) for slot, _, variable in targets if slot == "iteration" and head]
    if len(head) == 2:
        pairs += [(variable, head[1]) for slot, _, variable in targets if slot == "u_product"]
    names = list(dict.fromkeys(slot for slot, place, _ in targets if place is not None))
    if len(slots) < len(names) * count:
        raise ValueError(f"the optimizer has the slots {names}, the file has {len(slots)} arrays for {count} variables")
    for slot, place, variable in targets:
        if place is not None:
            pairs.append((variable, slots[names.index(slot) * count + place]))
    return pairs
