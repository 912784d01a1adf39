"""Every installed activation, by name: `from pronghorn.activations import relu`."""

from pronghorn.identifiers import lookup
from pronghorn.plugins import facade

__getattr__, __dir__ = facade(__name__, "activations")
get, serialize, deserialize = lookup("activations")
