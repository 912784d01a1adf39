"""Every installed loss, by name: `from pronghorn.losses import MeanSquaredError`."""

from pronghorn.identifiers import lookup
from pronghorn.plugins import facade

__getattr__, __dir__ = facade(__name__, "losses", {"pronghorn.loss": "Loss"})
get, serialize, deserialize = lookup("losses")
