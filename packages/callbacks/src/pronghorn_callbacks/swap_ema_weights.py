"""SwapEMAWeights."""

from __future__ import annotations

from typing import Any

from pronghorn.training.callback import Callback, Logs


class SwapEMAWeights(Callback):
    """Evaluates and predicts with the moving averages of the weights that an optimizer with `use_ema=True` keeps.

    The two are exchanged in place and back again; other callbacks must not change them meanwhile.

    Args:
        swap_on_epoch: whether they are also exchanged from the end of each epoch to the beginning of the next, so that
            a ModelCheckpoint after this callback saves the averages.
    """

    def __init__(self, swap_on_epoch: bool = False) -> None:
        super().__init__()
        self.swap_on_epoch = swap_on_epoch
        self._swapped = False

    def _optimizers(self) -> list[Any]:
        outer = getattr(self.model.optimizer, "inner_optimizer", self.model.optimizer)
        found = [o for o in getattr(outer, "optimizers", [outer]) if getattr(o, "use_ema", False)]
        if not found:
            raise ValueError(
                "SwapEMAWeights: the optimizer keeps no moving averages; create it with use_ema=True, or leave the "
                "callback out"
            )
        return found

    def _exchange(self, swapped: bool) -> None:
        """Puts the averages into the model, or takes them out again."""
        if self._swapped == swapped:
            return
        for optimizer in self._optimizers():
            if optimizer.built:
                for v, average in optimizer.moving_average_pairs():
                    now = v.numpy()
                    v.assign(average)
                    average.assign(now)
        self._swapped = swapped

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        if self.swap_on_epoch:
            self._exchange(False)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if self.swap_on_epoch:
            self._exchange(True)

    def on_train_end(self, logs: Logs = None) -> None:
        self._exchange(False)  # fit itself then ends with the averages

    def on_test_begin(self, logs: Logs = None) -> None:
        self._exchange(True)

    def on_test_end(self, logs: Logs = None) -> None:
        self._exchange(False)

    def on_predict_begin(self, logs: Logs = None) -> None:
        self._exchange(True)

    def on_predict_end(self, logs: Logs = None) -> None:
        self._exchange(False)
