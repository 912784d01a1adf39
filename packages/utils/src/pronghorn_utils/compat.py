"""Lets an unchanged Keras script run on Pronghorn: `keras` and `tensorflow.keras` become names of it.

Nothing here happens by a plain import; a person asks for it by `python -m pronghorn run script.py` or by
`pronghorn.install_as_keras()`.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import pronghorn
from pronghorn.saving.load import KERAS_VERSION


def install_as_keras(tensorflow: bool = True) -> None:
    """From now on `import keras` and `import tensorflow.keras` give Pronghorn, in this process.

    `keras.__version__` is that of the Keras whose API this is, which libraries ask for. Doing it twice does no harm.

    Args:
        tensorflow: whether `tensorflow` becomes a module that has nothing but `keras`; else it is what is installed,
            for libraries that try whether it is.

    Raises:
        RuntimeError: another `keras` or `tensorflow` is imported already; code that holds it would keep it.
    """
    if any(isinstance(finder, _Finder) for finder in sys.meta_path):
        return
    taken = ("keras", "tensorflow") if tensorflow else ("keras",)
    if strangers := [name for name in taken if name in sys.modules]:
        raise RuntimeError(
            f"install_as_keras: {' and '.join(strangers)} is imported already; call this before that import"
        )
    sys.meta_path.insert(0, _Finder(taken))
    pronghorn.__version__ = KERAS_VERSION
    sys.modules["tensorboard.compat.notf"] = ModuleType("tensorboard.compat.notf")  # so that it asks no `tensorflow`


_MOVED = {
    "layers": "advanced_activations convolutional convolutional_recurrent core embeddings merge noise normalization "
    "pooling recurrent wrappers",
    "utils": "data_utils generic_utils np_utils vis_utils",
}
_ENGINE = ("engine", "engine.base_layer", "engine.input_layer", "engine.topology", "engine.training")
_OLD = {f"{now}.{old}": f"pronghorn.{now}" for now, names in _MOVED.items() for old in names.split()}
_OLD |= dict.fromkeys(_ENGINE, "pronghorn")
"""Modules that Keras had until Keras 2, without "keras." -> where their names are now."""


class _Finder(MetaPathFinder):
    """Answers for `keras`, `tensorflow` and all below them, so that no other Keras is found by accident.

    It also answers for what Pronghorn's own modules show and do not have: a module that is an attribute
    (`pronghorn.datasets.mnist`), or an old name.
    """

    def __init__(self, roots: Sequence[str]) -> None:
        self.roots = roots

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        root, _, rest = fullname.partition(".")
        if root not in ("pronghorn", *self.roots):
            return None
        if root == "pronghorn":
            shown = _shown(rest, path)
            return None if shown is None else ModuleSpec(fullname, _Alias(shown), is_package=True)
        if root == "tensorflow" and rest:
            keras, _, rest = rest.partition(".")
            if keras != "keras":
                raise ModuleNotFoundError(_only_keras(fullname), name=fullname)
        elif root == "tensorflow":
            return ModuleSpec(fullname, _TensorFlow(), is_package=True)
        private, _, below = rest.partition(".")
        module = _nearest(below) if private == "src" else _imported(rest)
        if module is None:
            raise ModuleNotFoundError(f"Pronghorn has no module {fullname!r}", name=fullname)
        return ModuleSpec(fullname, _Alias(module), is_package=True)


def _imported(name: str) -> ModuleType | None:
    """Pronghorn's module of this name, None if there is none."""
    full = f"pronghorn.{name}" if name else "pronghorn"
    try:
        return importlib.import_module(full)
    except ModuleNotFoundError as error:
        if error.name is None or not full.startswith(error.name):
            raise
    return None


def _nearest(name: str) -> ModuleType | None:
    """Of Keras's private modules, of which libraries ask for public names: the public one that is nearest."""
    return _imported(name) or _nearest(name.rpartition(".")[0])


def _shown(name: str, path: Sequence[str] | None) -> ModuleType | None:
    """The module that Pronghorn shows by this name; `path` is its parent's, empty if that was none."""
    if name in _OLD:
        return importlib.import_module(_OLD[name])
    parent, _, child = name.rpartition(".")
    found = None if path else getattr(sys.modules.get(f"pronghorn.{parent}"), child, None)
    return found if isinstance(found, ModuleType) else None


class _Alias(Loader):
    """Puts a module that is loaded already under a second name.

    All are packages to the import system, which gives them an empty `__path__` if they have none: so it asks for what
    is below them.
    """

    def __init__(self, module: ModuleType) -> None:
        self.module = module
        self.spec = module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self.module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self.spec  # the import system has just written the alias's into it


class _TensorFlow(Loader):
    """A stand-in for TensorFlow that has `keras` and says so when asked for anything else."""

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        def get_attribute(name: str) -> Any:
            if name == "keras":
                return importlib.import_module("tensorflow.keras")
            raise AttributeError(_only_keras(f"tensorflow.{name}"))

        vars(module).update(__getattr__=get_attribute, __version__=importlib.import_module("pronghorn").__version__)


def _only_keras(name: str) -> str:
    return f"{name}: Pronghorn stands in for tensorflow.keras alone; look for it in keras.ops"
