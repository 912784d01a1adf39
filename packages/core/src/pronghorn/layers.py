"""Every installed layer, by name: `from pronghorn.layers import Dense`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pronghorn.identifiers import lookup
from pronghorn.plugins import facade

if TYPE_CHECKING:
    from pronghorn.functional import Input as Input
    from pronghorn.functional import InputLayer as InputLayer
    from pronghorn.input_spec import InputSpec as InputSpec
    from pronghorn.layer import Layer as Layer

__getattr__, __dir__ = facade(
    __name__,
    "layers",
    {
        "pronghorn.functional": "Input InputLayer",
        "pronghorn.input_spec": "InputSpec",
        "pronghorn.layer": "Layer",
    },
)
_, serialize, deserialize = lookup("layers")
