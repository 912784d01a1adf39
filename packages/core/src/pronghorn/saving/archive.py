"""`.keras` files: a zip of the config, the weights and the date. Nothing in one is ever run, imported or unpacked to disk."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from pronghorn import plugins
from pronghorn.model import Model
from pronghorn.saving.registry import CustomObjectScope, deserialize_keras_object, serialize_keras_object
from pronghorn.saving.weights import read_weights, write_atomically, write_weights

KERAS_VERSION = "3.15.1"
"""The version of Keras whose files these are."""

_CONFIG_LIMIT = 256 * 2**20
"""Bytes; a config is text, and a thousand layers take about two of these 256 MB."""


def save_model(model: Any, filepath: Any, overwrite: bool = True, zipped: bool | None = None) -> None:
    """Writes a model, with its weights, how it is compiled, and its optimizer's state, to a `.keras` file.

    Another ending is a format that an installed distribution offers. The file appears at once, when it is whole.

    Raises:
        FileExistsError: the file is there and `overwrite` is False.
        NotImplementedError: part of the model cannot be written down, or `zipped` is False.
    """
    path = Path(filepath)
    if zipped is False:
        raise NotImplementedError("save_model: zipped=False is not supported; a model is one file")
    if path.suffix != ".keras":
        return _format(path).save(model, path)  # type: ignore[no-any-return]
    config = json.dumps(serialize_keras_object(model))
    date = datetime.now().strftime("%Y-%m-%d@%H:%M:%S")

    def write(file: IO[bytes]) -> None:
        weights = io.BytesIO()
        write_weights(model, weights)
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("metadata.json", json.dumps({"keras_version": KERAS_VERSION, "date_saved": date}))
            archive.writestr("config.json", config)
            archive.writestr("model.weights.h5", weights.getbuffer())

    write_atomically(path, overwrite, write)


def load_model(
    filepath: Any, custom_objects: Mapping[str, Any] | None = None, compile: bool = True, safe_mode: bool = True
) -> Any:
    """Reads a model that `save_model` or Keras 3 wrote.

    Args:
        filepath: ends in `.keras`, or in a format that an installed distribution offers.
        custom_objects: classes and functions of your own that the model uses, by name.
        compile: whether the model is compiled as it was.
        safe_mode: only True; a file holds no code that would be run.

    Raises:
        ValueError: the file is no model, or names a class that is not known.
    """
    if not safe_mode:
        raise NotImplementedError("load_model: safe_mode=False is not supported, code out of a file is never run")
    path = Path(filepath)
    if not path.is_file():
        raise ValueError(f"load_model: there is no file {str(filepath)!r}")
    if path.suffix != ".keras":
        with CustomObjectScope(custom_objects or {}):
            return _format(path).load(path, compile=compile)
    with _opened(path) as archive:
        config = json.loads(_member(archive, "config.json", _CONFIG_LIMIT))
    if not isinstance(config, dict) or "class_name" not in config:
        raise ValueError(f"load_model: the config in {str(filepath)!r} describes no model")
    if not compile:
        config.pop("compile_config", None)
    with CustomObjectScope(custom_objects or {}):
        model = deserialize_keras_object(config)
        if not isinstance(model, Model):
            raise ValueError(f"load_model: {str(filepath)!r} holds a {type(model).__name__}, no model")
        with opened_weights(path) as weights:
            read_weights(model, weights, path.stat().st_size)
    return model


@contextmanager
def opened_weights(path: Path) -> Iterator[IO[bytes]]:
    """The weights in a `.keras` file."""
    with _opened(path) as archive:
        yield io.BytesIO(_member(archive, "model.weights.h5", 16 * path.stat().st_size))


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile:
        raise ValueError(f"load_model: {str(path)!r} is no `.keras` file, which is a zip archive") from None
    with archive:
        yield archive


def _member(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    """A member's bytes, of which it may not have more than it says, nor than the limit."""
    if name not in archive.namelist():
        raise ValueError(f"load_model: the file has no {name!r}; it has {archive.namelist()}")
    if archive.getinfo(name).file_size > limit:
        raise ValueError(f"load_model: {name!r} claims {archive.getinfo(name).file_size} bytes, more than {limit}")
    with archive.open(name) as member:
        return member.read(limit)


def _format(path: Path) -> Any:
    """The module of a plugin that reads and writes files of an ending."""
    ending = path.suffix.removeprefix(".")
    try:
        return plugins.load("formats", ending)
    except plugins.UnknownName:
        raise ValueError(
            f"{str(path)!r}: the file's name must end in `.keras`; no installed distribution offers the format {ending!r}"
        ) from None
