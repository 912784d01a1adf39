"""Conformance kits: tests to inherit for layers, optimizers and kernels, and small ones of each to test others with.

`KernelContract` is in pronghorn-ops, `LayerContract` in pronghorn-layers, `OptimizerContract` in pronghorn-optimizers.
"""

from __future__ import annotations

from typing import Any

from pronghorn import plugins

_OWN = ("Affine", "Descent", "Momentum")
_OFFERED = ("KernelContract", "LayerContract", "OptimizerContract")
"""What plugins offer, as "testing.name"."""


def __getattr__(name: str) -> Any:
    if name in _OFFERED:
        return plugins.load("utils", f"testing.{name}")
    if name not in _OWN:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__dir__())}")
    from pronghorn.testing import layers

    return getattr(layers, name)


def __dir__() -> list[str]:
    return sorted((*_OWN, *_OFFERED))
