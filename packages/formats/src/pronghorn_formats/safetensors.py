"""Weights as `.safetensors`: names, dtypes, shapes and bytes, and nothing that could run.

An array's name is the path of its variable. The file notes the order of the model's weights, so that a model whose
layers were numbered otherwise can take them too.
"""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

import numpy as np

from pronghorn.saving.files import ModelFileError, replacing

Array = np.ndarray[Any, Any]

_ORDER = "pronghorn.order"
_LARGEST_HEADER = 2**26


def _package() -> ModuleType:
    try:
        import safetensors.numpy
    except ImportError:
        raise ImportError(".safetensors files need the safetensors package: pip install safetensors") from None
    module: ModuleType = safetensors.numpy
    return module


def recognizes(file: BinaryIO) -> bool:
    """Whether the bytes begin like such a file: the size of a JSON header, and its brace."""
    file.seek(0)
    start = file.read(9)
    size = file.seek(0, 2)
    file.seek(0)
    return (
        len(start) == 9 and start[8:] == b"{" and 2 <= int.from_bytes(start[:8], "little") <= min(size, _LARGEST_HEADER)
    )


def save_weights(model: Any, path: str | os.PathLike[str]) -> None:
    """Writes the weights of a model or layer.

    Raises:
        ValueError: two weights have one path.
        ImportError: the safetensors package is not installed.
    """
    arrays = {v.path: np.ascontiguousarray(v.numpy()) for v in model.weights}
    if len(arrays) != len(model.weights):
        paths = [v.path for v in model.weights]
        double = sorted({path for path in paths if paths.count(path) > 1})
        raise ValueError(f"save_weights: {double} are paths of several weights; give the layers different names")
    data = _package().save(arrays, metadata={"format": "pronghorn", _ORDER: json.dumps(list(arrays))})
    with replacing(Path(path)) as file:
        file.write(data)


def load_weights(model: Any, file: BinaryIO, skip_mismatch: bool = False) -> None:
    """Sets the weights of a built model by the paths of its variables, or, where no path is the same, in their order.

    Args:
        skip_mismatch: whether weights that do not fit are left as they are, with a warning.

    Raises:
        ModelFileError: the file is damaged, or (with a table) does not fit.
        ImportError: the safetensors package is not installed.
    """
    arrays, order = read(file)
    wanted = {v.path: v for v in model.weights}
    if not wanted.keys() & arrays.keys() and len(order) == len(wanted):
        arrays = dict(zip(wanted, (arrays[name] for name in order), strict=True))
    rows = [
        (path, _shape(arrays.get(path)), _shape(wanted.get(path)))
        for path in sorted({*wanted, *arrays})
        if _shape(arrays.get(path)) != _shape(wanted.get(path))
    ]
    if rows:
        width = max(len(row[0]) for row in rows)
        table = "\n".join(f"  {path:{width}}  the file has {a}, the model wants {b}" for path, a, b in rows)
        message = f"its weights do not fit the model {model.name!r}:\n{table}"
        if not skip_mismatch:
            raise ModelFileError(f"{message}\nskip_mismatch=True in load_weights leaves these as they are")
        warnings.warn(message, stacklevel=4)
    different = {row[0] for row in rows}
    for path, variable in wanted.items():
        if path not in different:
            variable.assign(arrays[path])


def _shape(array: Any) -> str:
    return "nothing" if array is None else str(tuple(array.shape))


def read(file: BinaryIO) -> tuple[dict[str, Array], list[str]]:
    """The arrays by name, and the names in the order of the weights.

    Raises:
        ModelFileError: the file is damaged.
    """
    file.seek(0)
    data = file.read()
    package = _package()
    try:
        arrays: dict[str, Array] = package.load(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        order = json.loads((header.get("__metadata__") or {}).get(_ORDER, "null"))
    except Exception as error:  # the package has errors of its own, and ones of NumPy
        raise ModelFileError(f"it is no readable .safetensors file: {error}") from error
    known = isinstance(order, list) and all(isinstance(name, str) for name in order) and {*order} == arrays.keys()
    return arrays, order if known else sorted(arrays)
