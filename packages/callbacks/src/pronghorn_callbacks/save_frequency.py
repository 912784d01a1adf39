"""SaveFrequency: the base of callbacks that save after each epoch, or after so many batches."""

from __future__ import annotations

from typing import Literal

from pronghorn.training.callback import Callback, Logs


class SaveFrequency(Callback):
    """Counts batches, also where several run between two calls (`steps_per_execution`)."""

    save_freq: Literal["epoch", False] | int = "epoch"

    def set_frequency(self, save_freq: Literal["epoch", False] | int) -> None:
        """Says when to save: "epoch", or a number of batches.

        Raises:
            ValueError: it is neither.
        """
        if save_freq != "epoch" and (
            isinstance(save_freq, (str, bool)) or save_freq != int(save_freq) or save_freq < 1
        ):
            raise ValueError(
                f"{type(self).__name__}: save_freq must be 'epoch' or a number of batches, got {save_freq!r}"
            )
        self.save_freq = save_freq
        self._epoch = 0
        self._unsaved_batches = 0
        self._last_batch = -1

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self._epoch = epoch
        self._last_batch = -1

    def due(self, batch: int) -> bool:
        """Whether to save after this batch; to be asked after each."""
        if self.save_freq == "epoch":
            return False
        self._unsaved_batches += batch - self._last_batch
        self._last_batch = batch
        if self._unsaved_batches < self.save_freq:
            return False
        self._unsaved_batches = 0
        return True
