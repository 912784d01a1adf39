"""Saving and loading: models, weights, configs. What the bytes of a file are is decided by looking at them."""

from __future__ import annotations

import io
import json
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from inspect import isclass
from pathlib import Path
from typing import Any, BinaryIO

from pronghorn import __version__, plugins
from pronghorn.layer import Layer
from pronghorn.saving import archive
from pronghorn.saving.assets import load_assets, save_assets
from pronghorn.saving.files import ModelFileError, replacing
from pronghorn.saving.hdf5 import open_groups
from pronghorn.saving.registry import CustomObjectScope, deserialize_keras_object, find_class, serialize_keras_object
from pronghorn.saving.schema import check_config
from pronghorn.saving.weights import read_weights, restore_seeds, seed_states, write_weights
from pronghorn.tensor import ROOM

_MOST_TRACED = 500_000
"""Results of operations that reading a file may trace; ten thousand layers stay below that."""
_MOST_BYTES = 2**30
"""Of weights that a config may ask for unless told so; to draw them takes several times as much."""
KERAS_VERSION = "3.15.1"
"""The version of Keras whose files these are."""


# ------------------------------------------------------------------------------------------------ saving


def save_model(model: Any, filepath: Any, overwrite: bool = True, zipped: bool | None = None, **options: Any) -> None:
    """Writes a model with its weights, the arguments of `compile`, the optimizer's state and that of its seeds.

    The file replaces an old one when it is complete and on the disk, never before.

    Args:
        model: a model.
        filepath: ends in `.keras`, or in the ending of a format that an installed distribution offers.
        overwrite: whether a file that is there is replaced.
        zipped: a folder instead of an archive, False, is not supported.
        options: what the other format takes, such as `include_optimizer` in the case of `.h5`.

    Raises:
        ModelFileError: another ending.
        FileExistsError: the file is there and `overwrite` is False.
        NotImplementedError, TypeError: something in the model cannot be written down, such as a lambda.
    """
    path = Path(filepath)
    if zipped is False:
        raise NotImplementedError("save_model: zipped=False is not supported; a model is saved as one file")
    _check_overwrite(path, overwrite)
    if path.suffix != ".keras":
        _function(_format(path), "save_model", path)(model, path, **options)
        return
    _refuse_options("save_model", options)
    if not model.built:
        warnings.warn(f"model {model.name!r} is saved before it is built, so without weights", stacklevel=3)
    date = datetime.now().strftime("%Y-%m-%d@%H:%M:%S")
    metadata: dict[str, Any] = {"keras_version": KERAS_VERSION, "date_saved": date, "pronghorn_version": __version__}
    config = json.dumps(serialize_keras_object(model))
    if parties := {plugin.dist: plugin.version for plugin in plugins.status() if f'"{plugin.dist}>' in config}:
        metadata["distributions"] = parties
    weights = io.BytesIO()
    write_weights(model, weights)
    members: dict[str, Any] = {
        archive.METADATA: metadata,
        archive.CONFIG: config,
        archive.WEIGHTS: weights.getvalue(),
    }
    members |= {archive.ASSETS + name: data for name, data in save_assets(model).items()}
    if seeds := seed_states(model):
        members[archive.STATES] = json.dumps({"seeds": seeds})
    with replacing(path) as file:
        archive.write_archive(file, members)


def save_weights(
    model: Any, filepath: Any, overwrite: bool = True, max_shard_size: float | None = None, **options: Any
) -> None:
    """Writes the weights of a model or layer, and the optimizer's state, to a `.weights.h5` file.

    Another ending names the format of an installed distribution; such a file has the weights only.

    Raises:
        ModelFileError: another ending.
        FileExistsError: the file is there and `overwrite` is False.
    """
    path = Path(filepath)
    if max_shard_size is not None:
        raise NotImplementedError("save_weights: max_shard_size is not supported; the weights go to one file")
    _check_overwrite(path, overwrite)
    if not path.name.endswith(".weights.h5"):
        _function(_format(path), "save_weights", path)(model, path, **options)
        return
    _refuse_options("save_weights", options)
    with replacing(path) as file:
        write_weights(model, file)


def _check_overwrite(path: Path, overwrite: bool) -> None:
    if not overwrite and path.exists():
        raise FileExistsError(f"{str(path)!r} exists; pass overwrite=True, or another name")


# ------------------------------------------------------------------------------------------------ loading


def load_model(
    filepath: Any, custom_objects: Mapping[str, Any] | None = None, compile: bool = True, safe_mode: bool = True
) -> Any:
    """The model in a file that `save_model` or Keras wrote; its bytes decide what format it is in, not its name.

    A file can make nothing but objects of installed and of registered classes. All of its config is checked before
    the first is made; nothing is imported, run or opened because a file names it.

    Args:
        filepath: path of a `.keras` file, or of a format that an installed distribution offers.
        custom_objects: classes and functions by name, in addition to those registered.
        compile: whether the model is compiled as it was, with its optimizer's state.
        safe_mode: changes nothing; code in a file is never run.

    Raises:
        ModelFileError: the file is not such a file, is damaged, names an unknown class, or does not fit.
    """
    with reading(filepath) as file, CustomObjectScope(custom_objects or {}):
        if (reader := _reader(file)) is not None:
            return _function(reader, "load_model", filepath)(file, compile=compile)
        if not _is_archive(file):
            raise ModelFileError(
                "it is no .keras file, and no installed format knows it as a model; pronghorn-formats reads those of "
                "Keras 1 and 2"
            )
        members = archive.read_archive(file)
        metadata, config = (archive.parse_json(members, name) for name in (archive.METADATA, archive.CONFIG))
        if _is_old(metadata):
            return _old_formats().load_archive(members, compile=compile)
        if not compile:
            config.pop("compile_config", None)
        check_config(config, versions=metadata.get("distributions"))
        compile_config = config.pop("compile_config", None)
        weights = _weights_in(members)
        with open_groups(weights) as groups, room_for(archive.expansion(len(members[archive.WEIGHTS]))):
            model = make_model(config)
            if compile_config:
                model.compile_from_config(compile_config)
            read_weights(model, groups)
            files = [name for name in members if name.startswith(archive.ASSETS)]
            load_assets(model, {name.removeprefix(archive.ASSETS): members[name] for name in files})
        if archive.STATES in members or "pronghorn_version" in metadata:
            _restore_seeds(model, members, filepath)
        return model


def load_weights(model: Any, filepath: Any, skip_mismatch: bool = False, **options: Any) -> None:
    """Sets the weights of a built model or layer, and the optimizer's state, from a `.weights.h5` or `.keras` file.

    Nothing is changed where the file does not fit.

    Args:
        model: a model or layer of the same structure as the one that was saved; names do not matter.
        filepath: path of such a file, or of one in a format that an installed distribution offers.
        skip_mismatch: whether objects that do not fit are left as they are, with a warning.
        options: what the other format takes, such as `by_name` in the case of `.h5`.

    Raises:
        ModelFileError: the file is no such file or damaged, or (with a table) does not fit.
    """
    with reading(filepath) as file:
        if (reader := _reader(file)) is not None:
            _function(reader, "load_weights", filepath)(model, file, skip_mismatch=skip_mismatch, **options)
            return
        _refuse_options("load_weights", options)
        weights = file
        if _is_archive(file):
            members = archive.read_archive(file)
            if _is_old(archive.parse_json(members, archive.METADATA)):
                _old_formats().load_archive_weights(model, members, skip_mismatch=skip_mismatch)
                return
            weights = _weights_in(members)
        with open_groups(weights) as groups:
            read_weights(model, groups, skip_mismatch)


def model_from_json(
    json_string: str, custom_objects: Mapping[str, Any] | None = None, max_bytes: int = _MOST_BYTES
) -> Any:
    """The model that `to_json` described, with new weights.

    Args:
        json_string: an object as JSON.
        custom_objects: classes and functions by name, in addition to those registered.
        max_bytes: what the weights may take, since a few letters can ask for any number of units.

    Raises:
        ModelFileError: it is no model's config, names an unknown class, or asks for more.
    """
    with _naming("the json_string"), CustomObjectScope(custom_objects or {}):
        config = archive.parse_json({"json_string": json_string.encode()}, "json_string")
        if _is_old(config):
            config = _old_formats().modern_config(config)
        check_config(config)
        with room_for(max_bytes):
            return make_model(config)


def make_model(config: dict[str, Any]) -> Any:
    """The model that a checked config describes."""
    cls = find_class(config) if isinstance(config.get("class_name"), str) else None
    if not (isclass(cls) and issubclass(cls, Layer) and hasattr(cls, "save")):
        raise ModelFileError(f"it describes no model, but {config.get('class_name')!r}")
    return deserialize_keras_object(config)


def _restore_seeds(model: Any, members: Mapping[str, bytes], filepath: Any) -> None:
    try:
        states = archive.parse_json(members, archive.STATES).get("seeds") if archive.STATES in members else {}
        restore_seeds(model, states)
    except (ValueError, TypeError) as error:
        warnings.warn(f"{str(filepath)!r}: the states of the seeds are not restored: {error}", stacklevel=4)


def _weights_in(members: Mapping[str, bytes]) -> BinaryIO:
    if archive.WEIGHTS not in members:
        raise ModelFileError(f"it has no member {archive.WEIGHTS!r}")
    return io.BytesIO(members[archive.WEIGHTS])


def _is_archive(file: BinaryIO) -> bool:
    start = file.read(4)
    file.seek(0)
    return start[:2] == b"PK"


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """Inside, variables may not take more bytes than this, nor more be traced than of any model.

    A config can ask for any number of units, or of parts to split a tensor into.
    """
    token = ROOM.set([size, _MOST_TRACED])
    try:
        yield
    finally:
        ROOM.reset(token)


@contextmanager
def reading(filepath: Any) -> Iterator[BinaryIO]:
    """The file, opened; whatever goes wrong in reading it is a ModelFileError that names it."""
    with open(os.fspath(filepath), "rb") as file, _naming(repr(os.fspath(filepath))):
        yield file


@contextmanager
def _naming(source: str) -> Iterator[None]:
    """Whatever goes wrong inside is a ModelFileError that names the source."""
    try:
        yield
    except Exception as error:
        raise ModelFileError(f"{source} cannot be read: {error}") from error


# ------------------------------------------------------------------------------------------------ other formats


def _reader(file: BinaryIO) -> Any:
    """The module of a plugin that says the bytes are its format's; None for archives, and where none does."""
    if _is_archive(file):
        return None
    for reference in plugins.references("formats").values():
        module = reference.load()
        if hasattr(module, "recognizes") and module.recognizes(file):
            return module
    return None


def _is_old(metadata: Mapping[str, Any]) -> bool:
    """Whether it is Keras 1's or 2's: their JSON says so, or has no module where Keras 3 always names one."""
    version = metadata.get("keras_version")
    if version is None:
        return "class_name" in metadata and "module" not in metadata
    return str(version).startswith(("1.", "2."))


def _old_formats() -> Any:
    try:
        return plugins.load("formats", "h5")
    except plugins.UnknownName:
        raise ModelFileError("Keras 1 or 2 wrote it, whose files pronghorn-formats reads; install that") from None


def _format(path: Path) -> Any:
    """The module of a plugin that writes files of an ending."""
    ending = path.suffix.removeprefix(".")
    try:
        return plugins.load("formats", ending)
    except plugins.UnknownName:
        known = ", ".join(sorted(f".{name}" for name in plugins.references("formats"))) or "no other"
        raise ModelFileError(
            f"{str(path)!r}: no installed distribution offers the format {ending!r}; names of models end in .keras, of "
            f"weights in .weights.h5, of what is installed beside in {known} (pronghorn-formats has .h5 and others)"
        ) from None


def _function(module: Any, name: str, path: Any) -> Any:
    """What a format's module does about `name`, which not all can."""
    found = getattr(module, name, None)
    if found is None:
        can = [f for f in ("load_model", "save_model", "load_weights", "save_weights") if hasattr(module, f)]
        raise ModelFileError(f"{os.fspath(path)!r} is in a format that has no {name}, only {', '.join(can)}")
    return found


def _refuse_options(function: str, options: Mapping[str, Any]) -> None:
    if options:
        raise TypeError(f"{function}: unknown arguments {sorted(options)}; only files of older formats take some")
