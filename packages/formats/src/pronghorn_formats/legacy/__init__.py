"""HDF5 files of whole models and of weights as Keras 1 to 3 write them (`.h5`, `.hdf5`), and JSON of Keras 1 and 2.

Keras 3's own `.weights.h5` is another tree, which the engine reads itself.
"""

from __future__ import annotations

import os
import warnings
from typing import Any, BinaryIO

from pronghorn.saving import archive
from pronghorn.saving.files import ModelFileError
from pronghorn.saving.load import make_model, room_for
from pronghorn.saving.schema import check_config
from pronghorn_formats.legacy import config as configs
from pronghorn_formats.legacy import write
from pronghorn_formats.legacy.archives import load_archive as load_archive
from pronghorn_formats.legacy.archives import load_archive_weights as load_archive_weights
from pronghorn_formats.legacy.config import modern_config as modern_config
from pronghorn_formats.legacy.training import compile_config, is_interleaved, restore_state
from pronghorn_formats.legacy.tree import SIGNATURE, Tree, opened, value
from pronghorn_formats.legacy.weights import origin_of, read_layers, trainable_variables

_WEIGHTS = "model_weights"


def recognizes(file: BinaryIO) -> bool:
    """Whether the bytes are an HDF5 file that holds a model, or weights by layer."""
    file.seek(0)
    start = file.read(len(SIGNATURE))
    file.seek(0)
    if start != SIGNATURE:
        return False
    import h5py

    try:
        with h5py.File(file, "r") as root:
            return bool({"layer_names", "layer_names0", "model_config"} & set(root.attrs)) or _WEIGHTS in root
    except (OSError, RuntimeError, ValueError, KeyError):
        return False
    finally:
        file.seek(0)


def load_model(file: BinaryIO, compile: bool = True) -> Any:
    """The model in a file of Keras 1, 2 or 3, with its weights, and compiled as it was where that can be had.

    Raises:
        ModelFileError: it has weights only, names an unknown class, or does not fit.
    """
    with opened(file) as tree:
        config = tree.json("model_config")
        if not isinstance(config, dict):
            raise ModelFileError(
                "it holds weights and no model; make the model, or read its JSON with model_from_json(), and call "
                "load_weights() on it"
            )
        version = tree.text("", "keras_version") or tree.text(_WEIGHTS, "keras_version")
        config = configs.modern_config(config, version)
        check_config(config)
        with room_for(archive.expansion(tree.size)):
            model = make_model(config)
            read_layers(model, tree, _WEIGHTS, own_config=True)
            if compile:
                _compile(model, tree)
        return model


def _compile(model: Any, tree: Tree) -> None:
    """Compiles as the file says, and restores the optimizer; what cannot be restored is told."""
    training = tree.json("training_config")
    if not isinstance(training, dict):
        return
    origin = origin_of(tree, _WEIGHTS)
    try:
        config = compile_config(training, origin.generation)
        check_config(config)
        model.compile_from_config(config)
    except (ValueError, KeyError, TypeError, AttributeError, NotImplementedError, ImportError) as error:
        warnings.warn(
            f"model {model.name!r} is not compiled as it was, since {error}; call compile(), or load it with "
            f"compile=False",
            stacklevel=6,
        )
        return
    if "optimizer_weights" not in tree.groups:
        return
    arrays = {name: value(dataset) for name, dataset in tree.arrays("optimizer_weights").items()}
    settings = training["optimizer_config"].get("config", {})
    version = tuple(int(part) for part in (tree.text("", "keras_version") or "1").split(".")[:2] if part.isdigit())
    try:
        layers = tree.names(_WEIGHTS, "layer_names")
        stored = {name: tree.names(f"{_WEIGHTS}/{name}", "weight_names") for name in layers}
        variables = trainable_variables(model, stored, sort=version < (2, 1))
        restore_state(model.optimizer, arrays, variables, origin.generation >= 3 or is_interleaved(settings))
    except (ValueError, KeyError, IndexError) as error:
        warnings.warn(f"the optimizer of model {model.name!r} begins anew, since {error}", stacklevel=6)


def load_weights(model: Any, file: BinaryIO, skip_mismatch: bool = False, by_name: bool = False) -> None:
    """Sets the weights of a model, layer by layer in their order, from a file of weights or of a whole model.

    Args:
        model: a built model.
        file: the file.
        skip_mismatch: whether layers that do not fit are left as they are, with a warning.
        by_name: whether layers are matched by their names instead; those that only one side has are left alone.

    Raises:
        ModelFileError: the file does not fit; with a table.
    """
    with opened(file) as tree:
        read_layers(model, tree, _WEIGHTS if _WEIGHTS in tree.groups else "", skip_mismatch, by_name)


def save_model(model: Any, path: str | os.PathLike[str], include_optimizer: bool = True) -> None:
    """Writes a whole model as Keras 3 does in this format; what is compiled is included, unless told otherwise."""
    write.write_model(model, path, include_optimizer)


def save_weights(model: Any, path: str | os.PathLike[str]) -> None:
    """Writes the weights of a model, layer by layer."""
    write.write_weights(model, path)
