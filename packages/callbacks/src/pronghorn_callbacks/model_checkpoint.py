"""ModelCheckpoint."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pronghorn.config import say
from pronghorn.training.callback import Logs
from pronghorn_callbacks.monitor import Monitor
from pronghorn_callbacks.save_frequency import SaveFrequency


class ModelCheckpoint(SaveFrequency, Monitor):
    """Saves the model, or its weights, while it trains.

    Args:
        filepath: ends in ".keras" (or ".h5"), of weights in ".weights.h5"; "{epoch}", "{batch}" and keys of
            the logs, as in "{epoch:02d}-{val_loss:.2f}.keras", are filled in. Epochs and batches count from 1
            there.
        monitor: key in the logs, for `save_best_only`.
        verbose: 1 prints what it does.
        save_best_only: whether only a better model is saved.
        save_weights_only: whether the weights are saved, not the model.
        mode: "min", "max" or "auto", as in `Monitor`.
        save_freq: "epoch", or a number of batches.
        initial_value_threshold: the first value to beat.
    """

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: Literal["epoch"] | int = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        Monitor.__init__(self, monitor, mode, initial_value_threshold)
        self.filepath = os.fspath(filepath)
        self.verbose = verbose
        self.save_best_only = save_best_only
        self.save_weights_only = save_weights_only
        self.set_frequency(save_freq)
        endings = (".weights.h5",) if save_weights_only else (".keras", ".h5")
        if not self.filepath.endswith(endings):
            raise ValueError(
                f"ModelCheckpoint: with save_weights_only={save_weights_only} the filepath must end in "
                f"{' or '.join(endings)}, got {self.filepath!r}"
            )

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        if self.due(batch):
            self._save(dict(logs or {}), {"batch": batch + 1})

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if self.save_freq == "epoch":
            self._save(dict(logs or {}), {})

    def _save(self, logs: dict[str, Any], numbers: dict[str, int]) -> None:
        path = self._path(logs, numbers)
        if not self._wanted(logs, path):
            return
        if path.is_dir():
            raise OSError(f"ModelCheckpoint: the filepath {str(path)!r} is a directory; give the name of a file")
        path.parent.mkdir(parents=True, exist_ok=True)
        save = self.model.save_weights if self.save_weights_only else self.model.save
        save(str(path), overwrite=True)
        self._say(f"finished saving model to {path}")

    def _path(self, logs: dict[str, Any], numbers: dict[str, int]) -> Path:
        values = {**numbers, **logs, "epoch": self._epoch + 1}
        try:
            return Path(self.filepath.format(**values))
        except KeyError as error:
            raise KeyError(
                f"ModelCheckpoint: the filepath {self.filepath!r} asks for {error}; there are "
                f"{', '.join(sorted(values))}"
            ) from None

    def _wanted(self, logs: dict[str, Any], path: Path) -> bool:
        if not self.save_best_only:
            self._say(f"saving model to {path}")
            return True
        value = self.current(logs, "the model is saved though nobody knows whether it is the best")
        if value is None:
            return True
        if np.ndim(value):
            warnings.warn(
                f"ModelCheckpoint: {self.monitor!r} is no single number but {value}; the model is saved",
                stacklevel=2,
            )
            return True
        best = "None" if self.best is None else f"{self.best:.5f}"
        if not self.is_improvement(value, self.best):
            self._say(f"{self.monitor} did not improve from {best}")
            return False
        self._say(f"{self.monitor} improved from {best} to {value:.5f}, saving model to {path}")
        self.best = value
        return True

    def _say(self, text: str) -> None:
        if self.verbose > 0:
            say(f"\nEpoch {self._epoch + 1}: {text}")
