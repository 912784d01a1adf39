"""The `.keras` files of tf.keras 2.12 to 2.15: Keras 3's archive, with configs in the old form and other paths."""

from __future__ import annotations

import io
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from pronghorn.naming import to_snake_case
from pronghorn.saving import archive
from pronghorn.saving.files import ModelFileError
from pronghorn.saving.hdf5 import Group, open_groups, read
from pronghorn.saving.load import make_model, room_for
from pronghorn.saving.schema import check_config
from pronghorn.saving.weights import read_weights
from pronghorn_formats.legacy.config import modern_config
from pronghorn_formats.legacy.training import compile_config, is_interleaved, restore_state
from pronghorn_formats.legacy.weights import trainable_variables

Groups = Mapping[str, Group]
Config = dict[str, Any]

_CONTAINERS = ("layers", "_layer_checkpoint_dependencies")
"""Under which name a model keeps its layers; the second in 2.12 and 2.13."""
_NO_LAYERS = ("metrics", "_metrics", "optimizer")


def load_archive(members: Mapping[str, bytes], compile: bool = True) -> Any:
    """The model in the members of an archive.

    Raises:
        ModelFileError: it names an unknown class, or does not fit.
    """
    metadata, old = (archive.parse_json(members, name) for name in (archive.METADATA, archive.CONFIG))
    config = modern_config(old, metadata.get("keras_version"))
    check_config(config)
    with _groups(members) as groups, room_for(archive.expansion(len(members[archive.WEIGHTS]))):
        model = make_model(config)
        _read_model(model, old, groups, skip_mismatch=False)
        if compile and isinstance(old.get("compile_config"), dict):
            _compile(model, old, groups)
    return model


def load_archive_weights(model: Any, members: Mapping[str, bytes], skip_mismatch: bool = False) -> None:
    """Sets the weights of a model, layer by layer, from the members of an archive."""
    with _groups(members) as groups:
        _read_model(model, archive.parse_json(members, archive.CONFIG), groups, skip_mismatch)


def _groups(members: Mapping[str, bytes]) -> Any:
    if archive.WEIGHTS not in members:
        raise ModelFileError(f"it has no member {archive.WEIGHTS!r}")
    return open_groups(io.BytesIO(members[archive.WEIGHTS]))


# ------------------------------------------------------------------------------------------------ weights


def _read_model(model: Any, config: Config, groups: Groups, skip_mismatch: bool) -> None:
    """The layers of a model, by the names that its config gives those whose place in the file is known."""
    if not (isinstance(config.get("config"), dict) and isinstance(config["config"].get("layers"), list)):
        read_weights(model, groups, skip_mismatch)
        return
    layers = {layer.name: layer for layer in model.layers}
    left, wanted = dict(groups), {layer.name for layer in model.layers if layer.weights}
    for entry, path in _places(config, layers, groups):
        name = entry["config"].get("name") or entry.get("name")
        inside = {key[len(path) + 1 :]: left.pop(key) for key in groups if f"{key}/".startswith(f"{path}/")}
        if not any(inside.values()) or name not in layers:
            continue
        wanted.discard(name)
        if "layers" in entry["config"]:
            _read_model(layers[name], entry, inside, skip_mismatch)
        else:
            read_weights(layers[name], inside, skip_mismatch)
    spare = [path for path, group in left.items() if group and path.partition("/")[0] not in _NO_LAYERS]
    if (spare or wanted) and not skip_mismatch:
        raise ModelFileError(
            f"its weights do not fit the model {model.name!r}: it has none for the layers {sorted(wanted)}, and "
            f"some at {sorted(spare)} that belong to no layer"
        )


def _places(config: Config, layers: Mapping[str, Any], groups: Groups) -> Iterator[tuple[Config, str]]:
    """The entries of a model's layers with their paths: the class and its number among those of the model.

    In 2.12 and 2.13 a layer with weights was met twice, and counted twice.
    """
    container = next((name for name in _CONTAINERS if any(path.startswith(f"{name}/") for path in groups)), "layers")
    counts: Counter[str] = Counter()
    for entry in config["config"]["layers"]:
        if entry["class_name"] == "InputLayer" and config["class_name"] == "Sequential":
            continue
        kind = to_snake_case(entry["class_name"].rpartition(">")[2])
        yield entry, f"{container}/{kind}_{counts[kind]}" if counts[kind] else f"{container}/{kind}"
        layer = layers.get(entry["config"].get("name") or entry.get("name"))
        counts[kind] += 2 if container != "layers" and layer is not None and layer.weights else 1


# ------------------------------------------------------------------------------------------------ training


def _compile(model: Any, old: Config, groups: Groups) -> None:
    """Compiles as the file says, and restores the optimizer; what cannot be restored is told."""
    given = old["compile_config"]
    optimizer = given.get("optimizer")
    if not isinstance(optimizer, (dict, str)):
        return
    try:
        config = compile_config({**given, "optimizer_config": optimizer}, 2)
        check_config(config)
        model.compile_from_config(config)
    except (ValueError, KeyError, TypeError, AttributeError, NotImplementedError, ImportError) as error:
        warnings.warn(f"model {model.name!r} is not compiled as it was, since {error}; call compile()", stacklevel=5)
        return
    arrays = {name: read(dataset) for name, dataset in groups.get("optimizer", {}).items()}
    ordered = {name: arrays[name] for name in sorted(arrays, key=int)} if all(map(str.isdigit, arrays)) else {}
    if not ordered:
        return
    try:
        order = [entry["config"]["name"] for entry in old["config"]["layers"]]
        interleaved = isinstance(optimizer, str) or is_interleaved(optimizer["config"])
        restore_state(model.optimizer, ordered, trainable_variables(model, order), interleaved)
    except (ValueError, KeyError, IndexError, TypeError) as error:
        warnings.warn(f"the optimizer of model {model.name!r} begins anew, since {error}", stacklevel=5)
