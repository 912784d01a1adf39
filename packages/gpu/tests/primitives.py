"""Primitives by name: those of other distributions are known once the ops that these offer are loaded."""

from __future__ import annotations

import gc
from functools import cache

import pronghorn.program  # noqa: F401  (it has a primitive of its own)
import pronghorn_ops.primitives.recurrent  # noqa: F401  (so has this)
from pronghorn import plugins
from pronghorn.op import Op


@cache
def primitives() -> dict[str, Op]:
    """All primitives that are installed, by name."""
    for name in plugins.references("ops"):
        plugins.load("ops", name)
    return {op.name: op for op in gc.get_objects() if isinstance(op, Op)}
