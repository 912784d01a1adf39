"""Every installed initializer, by name: `from pronghorn.initializers import HeNormal`."""

from pronghorn.identifiers import lookup
from pronghorn.plugins import facade

__getattr__, __dir__ = facade(__name__, "initializers", {"pronghorn.initializer": "Initializer"})
get, serialize, deserialize = lookup("initializers")
