"""The engine's vocabulary: functions of tensors, as in keras.ops.

Here, by theme, are the primitives that everything is made of and the functions that the engine itself, layers
and optimizers are written in; the long tail comes from the packages that offer ops, by name.
"""

from __future__ import annotations

from pronghorn.ops.elementwise import *  # noqa: F403
from pronghorn.ops.linear import *  # noqa: F403
from pronghorn.ops.reduction import *  # noqa: F403
from pronghorn.ops.shape import *  # noqa: F403
from pronghorn.plugins import facade
from pronghorn.tensor import convert_to_tensor as convert_to_tensor
from pronghorn.tensor import is_tensor as is_tensor

_OWN = {name for name, value in globals().items() if callable(value) and not name.startswith("_")} - {"facade"}

__getattr__, _installed = facade(__name__, "ops")


def __dir__() -> list[str]:
    return sorted({*_OWN, *_installed()})
