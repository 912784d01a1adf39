"""The shape of a sample as an argument of the first layer of a Sequential model, in the manner of Keras 2."""

from __future__ import annotations

import warnings
from typing import Any

from pronghorn.arguments import as_shape


def sample_shape(name: str, given: dict[str, Any]) -> tuple[int | None, ...]:
    """The batch shape that arguments of the layer `name` say: input_shape, input_dim, batch_input_shape, batch_shape.

    Warns that `Input` says it better.
    """
    warnings.warn(
        f"layer {name!r}: do not pass `{next(iter(given))}` to a layer; "
        f"with Sequential models, put an `Input(shape)` first instead",
        stacklevel=4,
    )
    for key in ("batch_input_shape", "batch_shape"):
        if key in given:
            return as_shape(given[key])
    return (None, *as_shape(given.get("input_shape", given.get("input_dim"))))
