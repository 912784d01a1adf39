"""EarlyStopping."""

from __future__ import annotations

from typing import Any

from pronghorn.config import say
from pronghorn.training.callback import Logs
from pronghorn_callbacks.monitor import Monitor


class EarlyStopping(Monitor):
    """Stops training when a value has not become better for some epochs.

    Args:
        monitor: key in the logs.
        min_delta: a smaller change counts as none.
        patience: epochs without improvement after which training stops.
        verbose: 1 prints what it does.
        mode: "min", "max" or "auto", as in `Monitor`.
        baseline: a value that has to be beaten within `patience` epochs as well.
        restore_best_weights: whether the model ends with the weights of its best epoch.
        start_from_epoch: epochs before this one are not looked at.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, min_delta=min_delta)
        self.patience = patience
        self.verbose = verbose
        self.baseline = baseline
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = start_from_epoch
        self._start()

    def _start(self) -> None:
        self.wait = 0
        self.stopped_epoch = 0
        self.best = None
        self.best_weights: list[Any] | None = None
        self.best_epoch = 0

    def on_train_begin(self, logs: Logs = None) -> None:
        self._start()

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        value = self.get_monitor_value(logs)
        if value is None or epoch < self.start_from_epoch:
            return
        self.wait += 1
        if self.is_improvement(value, self.best):
            self.best = value
            self.best_epoch = epoch
            if self.baseline is None or self.is_improvement(value, self.baseline):
                self.wait = 0
        if self.restore_best_weights and (self.best_epoch == epoch or self.best_weights is None):
            self.best_weights = self.model.get_weights()
        if self.best_epoch != epoch and self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs = None) -> None:
        if self.stopped_epoch > 0 and self.verbose > 0:
            say(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.restore_best_weights and self.best_weights is not None:
            if self.verbose > 0:
                say(f"Restoring model weights from the end of the best epoch: {self.best_epoch + 1}.")
            self.model.set_weights(self.best_weights)
