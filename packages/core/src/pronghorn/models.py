"""Models and their files, under the names that Keras has for them."""

from __future__ import annotations

from typing import Any

from pronghorn import plugins
from pronghorn.model import Model as Model
from pronghorn.saving.load import load_model as load_model
from pronghorn.saving.load import model_from_json as model_from_json
from pronghorn.saving.load import save_model as save_model
from pronghorn.sequential import Sequential as Sequential


def __getattr__(name: str) -> Any:
    if name == "clone_model":
        return plugins.load("utils", name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
