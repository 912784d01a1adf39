"""Writing `.h5` files as Keras 3 does: the config and the training config as JSON attributes, weights by layer."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pronghorn.saving.files import replacing
from pronghorn.saving.hdf5 import DIGEST, digest_of
from pronghorn.saving.load import KERAS_VERSION
from pronghorn.saving.registry import serialize_keras_object
from pronghorn_formats.legacy.names import KERAS_CLASSES
from pronghorn_formats.legacy.weights import layer_lists

if TYPE_CHECKING:
    import h5py

Config = dict[str, Any]
Array = np.ndarray[Any, Any]

_LARGEST_ATTRIBUTE = 64512
"""Bytes that an HDF5 object header has room for; longer lists of names are split."""
_BACKEND = "jax"
"""Whose layout of arrays this is; Keras looks for no other meaning in it."""


def write_model(model: Any, path: str | os.PathLike[str], include_optimizer: bool) -> None:
    """Writes a whole model; the file replaces an old one when it is complete.

    Raises:
        TypeError, NotImplementedError: something in the model cannot be written down.
    """
    import h5py

    config = _without_modules(serialize_keras_object(model), model)
    compiled = model.get_compile_config() if include_optimizer else None
    with replacing(Path(path)) as file, h5py.File(file, "w") as root:
        root.attrs["keras_version"] = KERAS_VERSION
        root.attrs["backend"] = _BACKEND
        root.attrs["model_config"] = json.dumps(config)
        if compiled is not None:
            root.attrs["training_config"] = json.dumps(_training_config(compiled))
        _write_layers(root.create_group("model_weights"), model)
        optimizer = getattr(model, "optimizer", None)
        if compiled is not None and optimizer is not None and optimizer.variables:
            _write_arrays(root.create_group("optimizer_weights"), {v.path: v.numpy() for v in optimizer.variables})
        _seal(root)


def write_weights(model: Any, path: str | os.PathLike[str]) -> None:
    """Writes the weights alone, the layers at the root."""
    import h5py

    with replacing(Path(path)) as file, h5py.File(file, "w") as root:
        _write_layers(root, model)
        _seal(root)


def _seal(root: h5py.File) -> None:
    """Notes a digest of all arrays, which our reader compares; Keras does not look at it."""
    import h5py

    arrays: dict[str, Any] = {}
    root.visititems(lambda name, item: arrays.update({item.name: item} if isinstance(item, h5py.Dataset) else {}))
    root.attrs[DIGEST] = digest_of(arrays)


def _write_layers(group: h5py.Group, model: Any) -> None:
    lists = layer_lists(model)
    _write_names(group, "layer_names", [layer.name for layer in model.layers])
    group.attrs["backend"] = _BACKEND
    group.attrs["keras_version"] = KERAS_VERSION
    for name in sorted(lists):
        _write_arrays(group.create_group(name), lists[name])


def _write_arrays(group: h5py.Group, arrays: Mapping[str, Array]) -> None:
    _write_names(group, "weight_names", list(arrays))
    for name, array in arrays.items():
        group.create_dataset(name, data=np.asarray(array))


def _write_names(group: h5py.Group, attribute: str, names: Sequence[str]) -> None:
    encoded = np.array([name.encode() for name in names]) if names else np.zeros(0)
    parts = -(-encoded.nbytes // _LARGEST_ATTRIBUTE)
    if parts <= 1:
        group.attrs[attribute] = encoded
        return
    for number, part in enumerate(np.array_split(encoded, parts + 1)):
        group.attrs[f"{attribute}{number}"] = part


# ------------------------------------------------------------------------------------------------ configs


def _without_modules(config: Config, item: Any) -> Config:
    """The config of a model or layer in the form of these files: models and their layers are named by class alone."""
    inner = config["config"]
    if isinstance(inner, dict) and isinstance(inner.get("layers"), list):
        layers = {layer.name: layer for layer in getattr(item, "layers", ())}
        entries = [_without_modules(entry, layers.get(entry["config"].get("name"))) for entry in inner["layers"]]
        inner = {**inner, "layers": entries}
    elif hasattr(item, "save_assets"):
        inner = {**inner, **_kept(item, inner)}
    name = config.get("registered_name") or config["class_name"]
    kept: Config = {key: config[key] for key in ("name", "inbound_nodes") if key in config}
    return {"class_name": KERAS_CLASSES.get(name, name), "config": inner, **kept}


def _kept(layer: Any, config: Config) -> Config:
    """What a layer keeps in files of its own, as arguments: these files of models have no place for others."""
    if not hasattr(layer, "get_vocabulary"):
        message = f"layer {layer.name!r} keeps files beside its weights, which .h5 has no place for; save it as .keras"
        warnings.warn(message, stacklevel=8)
        return {}
    tokens = layer.get_vocabulary(include_special_tokens=False)
    if config.get("vocabulary") is not None or not tokens:
        return {}
    store: dict[str, Any] = {}
    layer.save_own_variables(store)
    weights = store.get("idf_weights")
    return {"vocabulary": tokens, "idf_weights": None if weights is None else weights[-len(tokens) :].tolist()}


def _training_config(compiled: Config) -> Config:
    optimizer = compiled.pop("optimizer", None)
    if isinstance(optimizer, dict):
        name = optimizer.get("registered_name") or optimizer["class_name"]
        return {**compiled, "optimizer_config": {"class_name": name, "config": optimizer["config"]}}
    return {**compiled, "optimizer_config": {"class_name": optimizer, "config": {}}}
