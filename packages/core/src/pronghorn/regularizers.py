"""Every installed regularizer, by name: `from pronghorn.regularizers import L2`."""

from pronghorn.identifiers import lookup
from pronghorn.plugins import facade

__getattr__, __dir__ = facade(__name__, "regularizers")
get, serialize, deserialize = lookup("regularizers")
