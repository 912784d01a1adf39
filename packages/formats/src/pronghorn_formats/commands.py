"""`python -m pronghorn summary`, `convert` and `verify`: model files shown, changed into one another, and checked."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from pronghorn import tree
from pronghorn.saving import ModelFileError, load_model, model_from_json, save_weights

WEIGHTS_ONLY = (".weights.h5", ".safetensors")
"""Endings of files that are written without the model."""


def summary(arguments: Sequence[str]) -> None:
    """Prints the layers of a model file, or the arrays of a file of weights."""
    parser = argparse.ArgumentParser(prog="python -m pronghorn summary", description=summary.__doc__)
    parser.add_argument("file", type=_file, help="a model, as .keras, .h5 or JSON, or weights")
    options = parser.parse_args(arguments)
    with _errors("summary"):
        model = _model(options.file)
        if model is not None:
            model.summary()
            return
        for name, array in _arrays(options.file).items():
            print(f"{name}  {array.shape}  {array.dtype}")


def convert(arguments: Sequence[str]) -> None:
    """Writes a model or its weights in another format, which the ending of the new name says, and reads it back."""
    parser = argparse.ArgumentParser(prog="python -m pronghorn convert", description=convert.__doc__)
    parser.add_argument("source", type=_file, help="a model, or weights with --model")
    parser.add_argument(
        "target", type=_target, help="ends in .keras, .h5, .onnx; for weights .weights.h5, .safetensors"
    )
    parser.add_argument("--model", type=_file, help="the model, or its JSON, where the source has weights only")
    parser.add_argument("--force", action="store_true", help="replace the target")
    options = parser.parse_args(arguments)
    if options.target.exists() and not options.force:
        sys.exit(f"convert: {str(options.target)!r} exists; add --force to replace it")
    with _errors("convert"):
        model = _model(options.source) if options.model is None else _with_weights(options.model, options.source)
        if model is None:
            sys.exit(f"convert: {str(options.source)!r} has weights and no model; add --model FILE")
        alone = options.target.name.endswith(WEIGHTS_ONLY)
        if alone:
            save_weights(model, options.target)
        else:
            model.save(options.target)
        print(f"{options.target}: {'weights' if alone else 'model'}, {_size(model)}{_left_out(model, options.target)}")
        _compare(model, options.target)


def verify(arguments: Sequence[str]) -> None:
    """Checks a file whole: structure, digest, classes, weights against the model, numbers, and that it runs."""
    parser = argparse.ArgumentParser(prog="python -m pronghorn verify", description=verify.__doc__)
    parser.add_argument("file", type=_file, help="a model, or weights")
    parser.add_argument("--model", type=_file, help="the model that weights belong to")
    options = parser.parse_args(arguments)
    with _errors("verify"):
        model = _model(options.file) if options.model is None else _with_weights(options.model, options.file)
        if model is None:
            arrays = _arrays(options.file)
            _check_numbers({name: array for name, array in arrays.items() if array.dtype.kind in "fc"})
            print(f"{options.file}: weights, {len(arrays)} arrays; add --model FILE to check them against a model")
            return
        _check_numbers({v.path: v.numpy() for v in model.weights if "float" in v.dtype})
        runs = _outputs(model) is not None
        compiled = "compiled" if model.optimizer is not None else "not compiled"
        print(f"{options.file}: {_size(model)}, {compiled}{', runs' if runs else ''}; nothing is wrong with it")


# ------------------------------------------------------------------------------------------------ parts


def _file(name: str) -> Path:
    """The path of a file that there is."""
    path = Path(name)
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"{name!r} is a folder" if path.is_dir() else f"there is no file {name!r}")
    return path


def _target(name: str) -> Path:
    """The path of a file to be written, in a folder that there is."""
    path = Path(name)
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"{name!r} cannot be written: there is no folder {str(path.parent)!r}")
    return path


@contextmanager
def _errors(command: str) -> Iterator[None]:
    """What is wrong with a file ends the command with its sentence; what is doubtful is printed."""
    told: set[str] = set()

    def tell(message: Any, *details: Any) -> None:
        if str(message) not in told:
            told.add(str(message))
            print(f"note: {message}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = tell  # type: ignore[assignment]
        try:
            yield
        except (ModelFileError, OSError, ImportError, NotImplementedError, TypeError) as error:
            sys.exit(f"{command}: {error}")


def _model(path: Path) -> Any:
    """The model in a file or its JSON; None for a file of weights."""
    with path.open("rb") as file:
        start = file.read(9)
    if start.lstrip()[:1] == b"{":
        return model_from_json(path.read_text(encoding="utf-8"))
    if _arrays_of(path) is not None:
        return None
    return load_model(path)


def _with_weights(model: Path, weights: Path) -> Any:
    found = _model(model)
    if found is None:
        raise ModelFileError(f"{str(model)!r} has weights and no model")
    found.load_weights(weights)
    return found


def _arrays(path: Path) -> dict[str, Any]:
    return _arrays_of(path) or {}


def _arrays_of(path: Path) -> dict[str, Any] | None:
    """The arrays of a file that has weights only, by their paths in it; None for any other."""
    from pronghorn.saving.hdf5 import open_groups, read
    from pronghorn_formats import legacy, safetensors
    from pronghorn_formats.legacy.tree import SIGNATURE, opened
    from pronghorn_formats.legacy.weights import stored_layers

    with path.open("rb") as file:
        if safetensors.recognizes(file):
            return safetensors.read(file)[0]
        file.seek(0)
        if file.read(len(SIGNATURE)) != SIGNATURE:
            return None
        if not legacy.recognizes(file):
            with open_groups(file) as groups:
                return {f"{p}/{key}".lstrip("/"): read(d) for p, group in groups.items() for key, d in group.items()}
        with opened(file) as opened_tree:
            if opened_tree.text("", "model_config") is not None:
                return None
            return {
                f"{s.name}: {key}": array for s in stored_layers(opened_tree, "") for key, array in s.arrays.items()
            }


def _size(model: Any) -> str:
    return f"{len(model.layers)} layers, {model.count_params():,} parameters"


def _left_out(model: Any, target: Path) -> str:
    if model.optimizer is None or target.name.endswith((".keras", ".h5", ".hdf5")):
        return ""
    return "; without its optimizer, which the format has no place for"


def _compare(model: Any, target: Path) -> None:
    """Reads the target back, where it can be, and compares weights and outputs."""
    if target.suffix == ".onnx":
        return
    if target.name.endswith(WEIGHTS_ONLY):
        again = type(model).from_config(model.get_config())
        again.load_weights(target)
    else:
        again = load_model(target)
    same = all(np.array_equal(a.numpy(), b.numpy()) for a, b in zip(model.weights, again.weights, strict=True))
    ours, theirs = _outputs(model), _outputs(again)
    if ours is not None:
        same = same and all(np.array_equal(a, b, equal_nan=True) for a, b in zip(ours, theirs or (), strict=True))
    if not same:
        raise ModelFileError(f"{str(target)!r} was written, and does not read back as the same model")
    print(f"read back: the same weights{'' if ours is None else ' and outputs'}")


def _outputs(model: Any) -> list[Any] | None:
    """The outputs for inputs that are always the same; None where the inputs are not plain numbers of known sizes."""
    random = np.random.default_rng(0)
    inputs = []
    for t in getattr(model, "inputs", None) or ():
        shape = [2 if n is None else n for n in t.shape]
        if t.dtype == "string" or (None in t.shape[1:]):
            return None
        whole = "int" in t.dtype or t.dtype == "bool"
        inputs.append(np.zeros(shape, t.dtype) if whole else random.normal(size=shape).astype("float32"))
    if not inputs:
        return None
    found: list[Any] = tree.flatten(model.predict(inputs if len(inputs) > 1 else inputs[0], verbose=0))
    return found


def _check_numbers(arrays: dict[str, Any]) -> None:
    wrong = {name: int(np.size(a) - np.isfinite(a.astype("float64")).sum()) for name, a in arrays.items()}
    if found := {name: count for name, count in wrong.items() if count}:
        raise ModelFileError(
            "these weights have values that are NaN or infinite: "
            + ", ".join(f"{name} ({count})" for name, count in found.items())
        )
