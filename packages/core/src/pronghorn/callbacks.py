"""Every installed callback, by name: `from pronghorn.callbacks import EarlyStopping`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pronghorn.plugins import facade

if TYPE_CHECKING:
    from pronghorn.training.callback import Callback as Callback
    from pronghorn.training.callback import CallbackList as CallbackList
    from pronghorn.training.callback import History as History
    from pronghorn.training.progress import ProgbarLogger as ProgbarLogger

__getattr__, __dir__ = facade(
    __name__,
    "callbacks",
    {
        "pronghorn.training.callback": "Callback CallbackList History",
        "pronghorn.training.progress": "ProgbarLogger",
    },
)
