"""A graph of each op that Pronghorn and real Keras build from one call, to be saved by one and opened by the other.

    python graphs.py {keras,pronghorn} {save,open} FOLDER [OP ...]

`save` leaves out the ops that have no node in a graph. `open` names those that are read wrong, and fails.
"""

from __future__ import annotations

import importlib
import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from op_calls import CALLS, INPUTS, call, names_in  # noqa: E402

UNNAMED = re.compile(r"^random\.|lambda| None$")
"""Calls that no file can hold."""
RANDOM = frozenset("image.elastic_transform".split())
"""Ops whose numbers are nobody else's."""
OTHERWISE = {
    "keras": """
        adaptive_average_pool adaptive_max_pool argpartition associative_scan cast cholesky_inverse
        conv_transpose digitize eig histogram image.affine_transform image.extract_patches_3d
        image.perspective_transform lstsq max_pool quantile segment_max segment_min segment_prod segment_sum
        sparsemax
    """.split(),
    "pronghorn": "argpartition associative_scan cast eig jvp ndim nonzero size sparsemax unique".split(),
}
"""Ops where the reader is not to blame: Keras 3.15 makes no such graph itself (numbers where its classes want tuples or
arrays), computes something else, in another order or in fewer bits; Pronghorn knows sizes when it reads a graph."""


def graphs(keras: Any, names: list[str]) -> Iterator[tuple[str, Any, list[Any]]]:
    """Name, model and inputs for each op of which this Keras can make a graph."""
    for name in names or sorted(name for name in CALLS if not UNNAMED.search(f"{name} {CALLS[name]}")):
        home, _, last = name.rpartition(".")
        op = getattr(getattr(keras.ops, home) if home else keras.ops, last)
        used = names_in(name)
        symbols = {key: keras.Input(batch_shape=INPUTS[key].shape, dtype=str(INPUTS[key].dtype)) for key in used}
        try:
            found = keras.tree.flatten(call(name, op, **symbols, ops=keras.ops))
            outputs = [t for t in found if keras.utils.is_keras_tensor(t)]
        except Exception:  # a size that depends on values, a call that only one of the two can make
            continue
        if outputs:
            yield name, keras.Model([*symbols.values()], outputs), [INPUTS[key] for key in used]


def values(keras: Any, model: Any, inputs: list[Any]) -> list[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [np.asarray(t) for t in keras.tree.flatten(model(inputs))]


def save_graphs(keras: Any, folder: Path, names: list[str]) -> None:
    """Files and outputs of all graphs."""
    for name, model, inputs in graphs(keras, names):
        try:
            outputs = values(keras, model, inputs)
            model.save(folder / f"{name}.keras")
        except Exception as error:
            print(f"{name} is not saved: {type(error).__name__}: {str(error)[-200:]}")
            continue
        arrays = {f"x{i}": x for i, x in enumerate(inputs)} | {f"y{i}": y for i, y in enumerate(outputs)}
        np.savez(folder / f"{name}.npz", **arrays)


def open_graphs(keras: Any, folder: Path, names: list[str]) -> None:
    """Compares the outputs that were noted with those of the graphs that are read."""
    wrong, right = [], 0
    for path in sorted(folder.glob("*.keras")):
        name = path.stem
        if (names and name not in names) or name in OTHERWISE[keras.__name__]:
            continue
        arrays = np.load(path.with_suffix(".npz"))
        inputs, expected = ([arrays[key] for key in arrays if key[0] == kind] for kind in "xy")
        try:
            found = values(keras, keras.models.load_model(path), inputs)
            assert len(found) == len(expected)
            for a, b in zip(found, expected, strict=True):
                assert a.shape == b.shape and a.dtype == b.dtype, (a.shape, a.dtype, b.shape, b.dtype)
                if name not in RANDOM:
                    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)
            right += 1
        except Exception as error:
            wrong.append(name)
            print(f"{name}: {type(error).__name__}: {str(error)[-300:]}")
    print(f"{right} graphs are read right, {len(wrong)} wrong: {' '.join(wrong)}")
    assert right > 250 or names
    assert not wrong


if __name__ == "__main__":
    module, what, where, *chosen = sys.argv[1:]
    {"save": save_graphs, "open": open_graphs}[what](importlib.import_module(module), Path(where), chosen)
