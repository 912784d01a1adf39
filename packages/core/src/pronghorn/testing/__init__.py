"""Conformance kits: tests to inherit for layers, optimizers and kernels, and small ones of each to test others with."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pronghorn.testing.kernels import KernelContract as KernelContract
    from pronghorn.testing.layers import Affine as Affine
    from pronghorn.testing.layers import Descent as Descent
    from pronghorn.testing.layers import LayerContract as LayerContract
    from pronghorn.testing.optimizers import OptimizerContract as OptimizerContract

_HOMES = {
    "Affine": "layers",
    "Descent": "layers",
    "KernelContract": "kernels",
    "LayerContract": "layers",
    "OptimizerContract": "optimizers",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(_HOMES)}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(_HOMES)
