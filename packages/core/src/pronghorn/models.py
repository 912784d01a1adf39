"""Models and their files, under the names that Keras has for them."""

from __future__ import annotations

from typing import Any

from pronghorn import plugins
from pronghorn.model import Model
from pronghorn.saving.load import load_model, model_from_json, save_model
from pronghorn.sequential import Sequential

__all__ = ["Model", "Sequential", "clone_model", "load_model", "model_from_json", "save_model"]  # noqa: F822


def __getattr__(name: str) -> Any:
    if name == "clone_model":
        return plugins.load("utils", name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
