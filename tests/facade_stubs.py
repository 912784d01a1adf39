"""Type stubs of the facades, written from what the packages register: `hatch run stubs`.

A facade such as `pronghorn.layers` finds its names at run time; its `.pyi` file tells type checkers and editors the
same names. Both lists come from the plugins' tables, and a test compares them.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from pathlib import Path
from types import ModuleType

from pronghorn import plugins

FACADES = {
    "pronghorn.activations": "activations",
    "pronghorn.callbacks": "callbacks",
    "pronghorn.constraints": "constraints",
    "pronghorn.datasets": "datasets",
    "pronghorn.dtype_policies": "dtype_policies",
    "pronghorn.initializers": "initializers",
    "pronghorn.layers": "layers",
    "pronghorn.losses": "losses",
    "pronghorn.metrics": "metrics",
    "pronghorn.optimizers": "optimizers",
    "pronghorn.optimizers.schedules": "schedules",
    "pronghorn.regularizers": "regularizers",
    "pronghorn.utils": "utils",
}
"""Module -> the kind of plugin it shows."""

FUNCTIONS = ("get", "serialize", "deserialize")
"""What `identifiers.lookup` gives a facade."""


def stub(module: str) -> str:
    """The text of a facade's stub."""
    facade = importlib.import_module(module)
    registered = {
        name: reference.target if ":" in reference.target else ":".join(reference.target.rsplit(".", 1))
        for name, reference in plugins.references(FACADES[module]).items()
        if reference.dist in plugins.OWN_DISTRIBUTIONS and name.isidentifier()
    }
    functions = [name for name in FUNCTIONS if name in vars(facade)]
    third = {name for name, found in plugins.references(FACADES[module]).items() if name not in registered}
    of_core = {
        name: f"{inspect.getmodule(getattr(facade, name)).__name__}:{name}"  # type: ignore[union-attr]
        for name in set(dir(facade)) - registered.keys() - third - set(functions)
    }
    inner = {name: f"{module}:{name}" for name, value in vars(facade).items() if isinstance(value, ModuleType)}
    inner = {name: target for name, target in inner.items() if name not in registered}
    imports = sorted(
        f"from {source} import {attribute} as {name}"
        for name, target in {**of_core, **registered, **({} if FACADES[module] == "datasets" else inner)}.items()
        for source, _, attribute in (target.partition(":"),)
    )
    head = ["from collections.abc import Callable", "from typing import Any", ""] if functions else []
    tail = ["", *(f"{name}: Callable[..., Any]" for name in functions)] if functions else []
    return "\n".join([*head, *imports, *tail, ""])


def stub_path(module: str) -> Path:
    """Where a facade's stub is."""
    return Path(str(importlib.import_module(module).__file__)).with_suffix(".pyi")


if __name__ == "__main__":
    for each in FACADES:
        stub_path(each).write_text(stub(each), encoding="utf-8")
        print(stub_path(each), file=sys.stderr)
