"""Loads damaged copies of model files, and says of each what came of it.

    python mutate.py FOLDER FIRST LAST SEED

FOLDER holds whole files: *.keras, *.weights.h5, *.json, *.h5. Copy i is made of one of them and of random numbers that
depend on SEED and i alone. Before each copy its number is printed, after it "loaded", "refused" or the exception, the
seconds that it took, and the megabytes by which the process grew.
"""

from __future__ import annotations

import copy
import io
import json
import resource
import sys
import time
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

import pronghorn as keras
from pronghorn.saving import ModelFileError

VALUES: list[Any] = [
    None,
    True,
    -1,
    0,
    1,
    10**9,
    10**30,
    1e308,
    float("nan"),
    "",
    "..",
    "/etc/passwd",
    "x" * 10_000,
    [],
    {},
    [[[[]]]],
    {"class_name": "Dense", "config": {}},
    {"class_name": "function", "config": "relu"},
    {"module": "os", "class_name": "system", "config": {"command": "true"}, "registered_name": None},
    {"class_name": "__numpy__", "config": {"value": [[1], [2]], "dtype": "float32"}},
    {"class_name": "__slice__", "config": {"start": 0, "stop": 1, "step": 0}},
    {"class_name": "__keras_tensor__", "config": {"shape": [None], "keras_history": ["x", 0, 0]}},
]


def places(tree: Any) -> list[tuple[Any, Any]]:
    """Each container of a tree with each of its keys."""
    found = []
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        found += [(tree, key), *places(value)]
    return found


def changed_json(data: bytes, rng: np.random.Generator) -> bytes:
    """Some values replaced, removed, repeated or exchanged."""
    tree = json.loads(data)
    for _ in range(rng.integers(1, 4)):
        found = places(tree)
        if not found:
            break
        container, key = found[rng.integers(len(found))]
        other, place = found[rng.integers(len(found))]
        kind = rng.integers(5)
        if kind == 0:
            del container[key]
        elif kind == 1:
            container[key] = copy.deepcopy(VALUES[rng.integers(len(VALUES))])
        elif kind == 2:
            container[key] = copy.deepcopy(other[place])
        elif kind == 3 and isinstance(container[key], (int, float)):
            container[key] = container[key] * int(rng.integers(-3, 2000))
        elif isinstance(container, list):
            container.insert(key, copy.deepcopy(container[key]))
        elif isinstance(container, dict):
            container[f"{key}_"] = container.pop(key)
    return json.dumps(tree).encode()


def changed_bytes(data: bytes, rng: np.random.Generator, other: bytes) -> bytes:
    """Some bytes overwritten, removed, repeated, or taken from another file."""
    mutable = bytearray(data)
    kind = rng.integers(5)
    if kind == 0:
        return bytes(mutable[: rng.integers(len(mutable))])
    for _ in range(rng.integers(1, 5)):
        at, length = int(rng.integers(len(mutable))), int(2 ** rng.integers(0, 9))
        if kind == 1:
            mutable[at] ^= 1 << int(rng.integers(8))
        elif kind == 2:
            mutable[at : at + length] = rng.bytes(length)
        elif kind == 3:
            mutable[at : at + length] = (b"\xff" if rng.random() < 0.5 else b"\x00") * length
        elif other:
            start = int(rng.integers(len(other)))
            mutable[at : at + length] = other[start : start + length]
    return bytes(mutable)


def mutant(files: list[Path], rng: np.random.Generator) -> tuple[str, bytes]:
    """The ending and the bytes of a damaged copy."""
    path, other = files[rng.integers(len(files))], files[rng.integers(len(files))]
    data = path.read_bytes()
    ending = ".weights.h5" if path.name.endswith(".weights.h5") else path.suffix
    if ending == ".json":
        return ending, changed_json(data, rng) if rng.random() < 0.8 else changed_bytes(data, rng, b"")
    if ending != ".keras" or rng.random() < 0.2:
        return ending, changed_bytes(data, rng, other.read_bytes())
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    metadata = json.loads(members["metadata.json"])
    metadata.pop("sha256", None)  # or nothing else would be looked at
    members["metadata.json"] = json.dumps(metadata).encode()
    name = list(members)[rng.integers(len(members))]
    wanted = "config.json" if rng.random() < 0.6 else "model.weights.h5" if rng.random() < 0.7 else name
    readable = wanted.endswith(".json") and rng.random() < 0.9
    members[wanted] = changed_json(members[wanted], rng) if readable else changed_bytes(members[wanted], rng, b"")
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    return ending, file.getvalue()


def load(ending: str, path: Path) -> None:
    if ending == ".json":
        keras.models.model_from_json(path.read_text(errors="replace"), max_bytes=2**22)
    elif ending == ".weights.h5":
        keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]).load_weights(path)
    else:
        keras.models.load_model(path)


def main(folder: Path, first: int, last: int, seed: int) -> None:
    files = sorted(path for path in folder.iterdir() if path.is_file())
    (folder / "copies").mkdir(exist_ok=True)
    warnings.simplefilter("ignore")
    for i in range(first, last):
        ending, data = mutant(files, np.random.default_rng((seed, i)))
        path = folder / "copies" / f"{i}{ending}"
        path.write_bytes(data)
        print(i, flush=True)
        start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        try:
            load(ending, path)
            outcome = "loaded"
        except ModelFileError:
            outcome = "refused"
        except BaseException as error:
            outcome = f"{type(error).__name__}: {error}"[:300].replace("\n", " ")
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        print(json.dumps([outcome, time.perf_counter() - start, grown]), flush=True)
        if outcome in ("loaded", "refused") and grown < 100:
            path.unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
