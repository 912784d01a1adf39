"""Every installed weight constraint, by name: `from pronghorn.constraints import MaxNorm`."""

from pronghorn.identifiers import lookup
from pronghorn.plugins import facade

__getattr__, __dir__ = facade(__name__, "constraints")
get, serialize, deserialize = lookup("constraints")
