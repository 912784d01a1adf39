"""Every installed callback, by name: `from pronghorn.callbacks import EarlyStopping`."""

from pronghorn.plugins import facade

__getattr__, __dir__ = facade(__name__, "callbacks", {"pronghorn.training.callback": "Callback CallbackList History"})
