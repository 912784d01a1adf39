"""Every installed layer, by name: `from pronghorn.layers import Dense`."""

from pronghorn.identifiers import lookup
from pronghorn.plugins import facade

__getattr__, __dir__ = facade(
    __name__,
    "layers",
    {"pronghorn.functional": "Input InputLayer", "pronghorn.input_spec": "InputSpec", "pronghorn.layer": "Layer"},
)
_, serialize, deserialize = lookup("layers")
