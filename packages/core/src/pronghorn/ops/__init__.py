"""The engine's vocabulary: functions of tensors, as in keras.ops.

The common ones are here, by theme, with the primitives they are made of; the long tail comes from the
packages that offer ops, by name.
"""

from __future__ import annotations

from typing import Any

from pronghorn.ops.control import *  # noqa: F403
from pronghorn.ops.elementwise import *  # noqa: F403
from pronghorn.ops.linear import *  # noqa: F403
from pronghorn.ops.nn import *  # noqa: F403
from pronghorn.ops.reduction import *  # noqa: F403
from pronghorn.ops.shape import *  # noqa: F403
from pronghorn.tensor import convert_to_tensor as convert_to_tensor
from pronghorn.tensor import is_tensor as is_tensor


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from pronghorn import plugins

    try:
        found = plugins.load("ops", name)
    except plugins.UnknownName as error:
        raise AttributeError(str(error)) from None
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    from pronghorn import plugins

    own = (name for name, value in globals().items() if callable(value) and not name.startswith("_"))
    return sorted({*own, *plugins.references("ops")})
