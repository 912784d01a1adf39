"""Pronghorn: the Keras API on an engine of its own.

Names are imported on first use, so that `import pronghorn` stays quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pronghorn.autodiff import GradientTape as GradientTape
    from pronghorn.functional import Input as Input
    from pronghorn.graph import Spec as Spec
    from pronghorn.initializer import Initializer as Initializer
    from pronghorn.layer import Layer as Layer
    from pronghorn.loss import Loss as Loss
    from pronghorn.metric import Metric as Metric
    from pronghorn.model import Model as Model
    from pronghorn.naming import name_scope as name_scope
    from pronghorn.op import Operation as Operation
    from pronghorn.optimizer import Optimizer as Optimizer
    from pronghorn.plugins import hookimpl as hookimpl
    from pronghorn.policy import DTypePolicy as DTypePolicy
    from pronghorn.program import jit as jit
    from pronghorn.sequential import Sequential as Sequential
    from pronghorn.tensor import Tensor as Tensor
    from pronghorn.tensor import Variable as Variable
    from pronghorn.training.callback import Callback as Callback

__version__ = "0.1.0"

_HOMES = {
    "Callback": "pronghorn.training.callback",
    "DTypePolicy": "pronghorn.policy",
    "FloatDTypePolicy": "pronghorn.policy",
    "GradientTape": "pronghorn.autodiff",
    "Initializer": "pronghorn.initializer",
    "Input": "pronghorn.functional",
    "InputSpec": "pronghorn.input_spec",
    "Layer": "pronghorn.layer",
    "Loss": "pronghorn.loss",
    "Metric": "pronghorn.metric",
    "Model": "pronghorn.model",
    "Operation": "pronghorn.op",
    "Optimizer": "pronghorn.optimizer",
    "Regularizer": "pronghorn.regularizers",
    "Sequential": "pronghorn.sequential",
    "Spec": "pronghorn.graph",
    "Tensor": "pronghorn.tensor",
    "Variable": "pronghorn.tensor",
    "hookimpl": "pronghorn.plugins",
    "jit": "pronghorn.program",
    "name_scope": "pronghorn.naming",
}
_OFFERED = ("Function", "KerasTensor", "StatelessScope", "device", "install_as_keras", "plot")
"""What plugins offer, as "keras.name"."""
_MODULES = (
    "activations",
    "backend",
    "callbacks",
    "config",
    "constraints",
    "datasets",
    "dtype_policies",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "mixed_precision",
    "models",
    "ops",
    "optimizers",
    "preprocessing",
    "random",
    "regularizers",
    "saving",
    "testing",
    "tree",
    "utils",
)


def __getattr__(name: str) -> Any:
    if name in _OFFERED:
        from pronghorn import plugins

        value = plugins.load("utils", f"keras.{name}")
    elif name in _HOMES:
        value = getattr(importlib.import_module(_HOMES[name]), name)
    elif name in _MODULES:
        value = importlib.import_module(f"pronghorn.{name}")
    elif name == "__all__":  # what `from pronghorn import *` takes
        return [*_HOMES, *_MODULES, *_OFFERED]
    else:
        raise AttributeError(f"module 'pronghorn' has no attribute {name!r}")
    globals()[name] = value
    return value


def version() -> str:
    """The version of Pronghorn."""
    return __version__


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, *_MODULES, *_OFFERED})
