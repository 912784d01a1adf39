"""Every installed loss, by name: `from pronghorn.losses import MeanSquaredError`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pronghorn.identifiers import lookup
from pronghorn.plugins import facade

if TYPE_CHECKING:
    from pronghorn.loss import Loss as Loss

__getattr__, __dir__ = facade(__name__, "losses", {"pronghorn.loss": "Loss"})
get, serialize, deserialize = lookup("losses")
