"""Every installed metric, by name: `from pronghorn.metrics import MeanSquaredError`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pronghorn.identifiers import lookup
from pronghorn.plugins import facade

if TYPE_CHECKING:
    from pronghorn.metric import Metric as Metric

__getattr__, __dir__ = facade(__name__, "metrics", {"pronghorn.metric": "Metric"})
get, serialize, deserialize = lookup("metrics")
