"""Every installed dtype policy: `from pronghorn.dtype_policies import DTypePolicyMap`."""

from __future__ import annotations

from pronghorn.plugins import facade
from pronghorn.policy import deserialize as deserialize
from pronghorn.policy import get as get
from pronghorn.policy import serialize as serialize

__getattr__, __dir__ = facade(__name__, "dtype_policies", {"pronghorn.policy": "DTypePolicy FloatDTypePolicy"})
