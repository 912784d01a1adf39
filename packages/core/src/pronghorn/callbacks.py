"""Every installed callback, by name: `from pronghorn.callbacks import EarlyStopping`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pronghorn.plugins import facade

if TYPE_CHECKING:
    from pronghorn.training.callback import Callback as Callback
    from pronghorn.training.callback import CallbackList as CallbackList
    from pronghorn.training.callback import History as History
    from pronghorn.training.progress import ProgbarLogger as ProgbarLogger
    from pronghorn_callbacks.csv_logger import CSVLogger as CSVLogger
    from pronghorn_callbacks.early_stopping import EarlyStopping as EarlyStopping
    from pronghorn_callbacks.learning_rate import LearningRateScheduler as LearningRateScheduler
    from pronghorn_callbacks.learning_rate import ReduceLROnPlateau as ReduceLROnPlateau
    from pronghorn_callbacks.model_checkpoint import ModelCheckpoint as ModelCheckpoint
    from pronghorn_callbacks.small import LambdaCallback as LambdaCallback
    from pronghorn_callbacks.small import TerminateOnNaN as TerminateOnNaN

__getattr__, __dir__ = facade(
    __name__,
    "callbacks",
    {"pronghorn.training.callback": "Callback CallbackList History", "pronghorn.training.progress": "ProgbarLogger"},
)
