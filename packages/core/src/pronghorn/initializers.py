"""Every installed initializer, by name: `from pronghorn.initializers import HeNormal`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pronghorn.identifiers import lookup
from pronghorn.plugins import facade

if TYPE_CHECKING:
    from pronghorn.initializer import GlorotUniform as GlorotUniform
    from pronghorn.initializer import Initializer as Initializer
    from pronghorn.initializer import Ones as Ones
    from pronghorn.initializer import Zeros as Zeros

__getattr__, __dir__ = facade(__name__, "initializers", {"pronghorn.initializer": "Initializer"})
get, serialize, deserialize = lookup("initializers")
