"""Every installed metric, by name: `from pronghorn.metrics import MeanSquaredError`."""

from pronghorn.identifiers import lookup
from pronghorn.plugins import facade

__getattr__, __dir__ = facade(__name__, "metrics", {"pronghorn.metric": "Metric"})
get, serialize, deserialize = lookup("metrics")
