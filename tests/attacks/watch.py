"""Loads hostile files, one after the other, and reports what the interpreter did on behalf of each.

    python watch.py FOLDER

FOLDER/cases.json lists the cases: {"name", "how", "file", …}. What installed plugins offer and what reading imports is
imported before, the latter by reading the files of the cases named "harmless". Prints a JSON object: name ->
{"outcome", "seen", "changed", "megabytes"}.
"""

from __future__ import annotations

import ast
import inspect
import json
import resource
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pronghorn as keras
from pronghorn import op, plugins
from pronghorn.saving import deserialize_keras_object
from pronghorn.saving.registry import KERAS_MODULES
from pronghorn_datasets import pickles
from pronghorn_utils import archives

FILES = "open os shutil tempfile".split()
"""What extracting has to do."""
OUTSIDE = "pickle socket subprocess urllib http".split()
"""What making an object never does, whatever it may have to import."""
WATCHED = "open import exec compile marshal pickle socket subprocess os shutil ctypes urllib http tempfile".split()
OWN = str(Path(keras.__file__).parents[3])
"""Where our own files are: what is not needed before a layer is made is imported when it is."""
seen: list[str] = []
current: list[str] = []
"""The file that the present case may open; empty between cases."""


def hook(event: str, arguments: tuple[Any, ...]) -> None:
    kind = event.partition(".")[0]
    if not current or kind not in WATCHED or (current[0] == "extracting" and kind in FILES):
        return
    what = str(arguments[0]) if arguments else ""
    if current[0] == "making" and kind not in OUTSIDE and current[1] not in what:
        return
    if event == "open" and (what in current or what.startswith(OWN)):
        return
    if event == "compile" and sys._getframe(1).f_code.co_filename == ast.__file__:
        return  # parsed, to be looked at
    if event == "exec" and sys._getframe(1).f_code.co_filename == op.__file__:
        return  # an expression of the engine's own table, run by the NumPy reference
    seen.append(f"{event} {what[:200]}")


def load(case: dict[str, Any], path: Path) -> Any:
    for mode in case.get("modes", (False,)):
        keras.models.load_model(path, safe_mode=mode)


def load_weights(case: dict[str, Any], path: Path) -> Any:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    model.load_weights(path)


def from_json(case: dict[str, Any], path: Path) -> Any:
    keras.models.model_from_json(case["json"])


def from_config(case: dict[str, Any], path: Path) -> Any:
    config = json.loads(case["json"])
    keras.saving.deserialize_keras_object(config, safe_mode=False)
    keras.Model.from_config(config["config"])


def extract(case: dict[str, Any], path: Path) -> Any:
    archives._FREE = 2**20
    archives.extract(path, path.parent / "inside" / case.get("into", "cifar10"))


def npz(case: dict[str, Any], path: Path) -> Any:
    pickles._FREE = 2**20
    pickles.read_npz(path)


def pickled(case: dict[str, Any], path: Path) -> Any:
    with open(path, "rb") as file:
        pickles.read_pickle(file, path.name)


def every_class(case: dict[str, Any], path: Path) -> Any:
    """Makes each registered class with the value of the case for one argument, and as a config of its own would."""
    made = 0
    for kind, module in KERAS_MODULES.items():
        for name, reference in plugins.references(kind).items():
            cls = reference.load()
            if not inspect.isclass(cls):
                continue
            parameters = inspect.signature(cls.__init__).parameters.values()
            given = [p.name for p in list(parameters)[1:] if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
            needed = {p.name: 2 for p in parameters if p.default is p.empty and p.name in given}
            for argument in given:
                config = {"module": module, "class_name": name, "config": {**needed, argument: case["value"]}}
                with suppress(Exception):
                    deserialize_keras_object({**config, "registered_name": None})
                    made += 1
    assert made > 300, made
    raise ValueError(f"made {made} objects")


HOW: dict[str, Callable[[dict[str, Any], Path], Any]] = {
    "load": load,
    "load_weights": load_weights,
    "from_json": from_json,
    "from_config": from_config,
    "extract": extract,
    "npz": npz,
    "pickled": pickled,
    "every_class": every_class,
}


def settings() -> str:
    """What a file must not change."""
    return repr(
        (
            keras.config.floatx(),
            keras.config.epsilon(),
            keras.config.image_data_format(),
            keras.config.dtype_policy().name,
            sorted(keras.saving.get_custom_objects()),
            sorted(name for name in sys.modules if not name.startswith("pronghorn")),
            sorted(vars(keras.config)),
        )
    )


def run(case: dict[str, Any], folder: Path) -> dict[str, Any]:
    seen.clear()
    path = folder / case["file"] if "file" in case else folder / "nothing"
    before, memory = settings(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    current[:] = [str(path)]
    if case["how"] == "extract":
        current.insert(0, "extracting")
    if case["how"] == "every_class":
        current[:] = ["making", case["value"]]
    try:
        HOW[case["how"]](case, path)
        outcome = "loaded"
    except Exception as error:
        outcome = f"{type(error).__name__}: {error}"
    finally:
        current.clear()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory
    return {"outcome": outcome, "seen": list(seen), "changed": before != settings(), "megabytes": grown / 1024}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    where = Path(sys.argv[1])
    cases = json.loads((where / "cases.json").read_text())
    for kind in (*KERAS_MODULES, "serializables", "formats"):
        for reference in plugins.references(kind).values():
            reference.load()
    for case in cases:
        if case["name"].startswith("harmless"):
            found = run(case, where)
            assert found["outcome"] == "loaded", found
    sys.addaudithook(hook)
    print(json.dumps({case["name"]: run(case, where) for case in cases}))
