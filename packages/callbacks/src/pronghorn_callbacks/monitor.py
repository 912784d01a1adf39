"""Monitor: the base of callbacks that wait for a logged value to become better."""

from __future__ import annotations

import warnings
from typing import Any

from pronghorn.training.callback import Callback, Logs


class Monitor(Callback):
    """Tells whether a value of the logs is better than an earlier one.

    Args:
        monitor: its key in the logs.
        mode: "min", "max", or "auto": losses fall, metrics do what they say of themselves.
        best: the first value to beat; None for none.
        min_delta: what counts as no change, in either direction.
    """

    def __init__(self, monitor: str, mode: str = "auto", best: float | None = None, min_delta: float = 0) -> None:
        super().__init__()
        if mode not in ("auto", "min", "max"):
            warnings.warn(
                f"{type(self).__name__}: mode {mode!r} is unknown, taken as 'auto'; it can be auto, min or max",
                stacklevel=3,
            )
            mode = "auto"
        self.monitor = monitor
        self.mode = mode
        self.best = best
        self.min_delta = abs(min_delta)

    def is_improvement(self, value: float, reference: float | None) -> bool:
        """Whether `value` beats `reference` by more than `min_delta`; anything beats None."""
        if reference is None:
            return True
        if self._rises():
            return value - self.min_delta > reference
        return value + self.min_delta < reference

    def _rises(self) -> bool:
        if self.mode != "auto":
            return self.mode == "max"
        name = self.monitor.removeprefix("val_")
        if name == "loss" or name.endswith("_loss"):
            return False
        for metric in self._metrics():
            direction = getattr(metric, "_direction", None)
            if direction is not None and (name == metric.name or name.endswith(f"_{metric.name}")):
                return bool(direction == "up")
        raise ValueError(
            f"{type(self).__name__}: whether {self.monitor!r} should rise or fall is not known; pass "
            "mode='max' or mode='min'"
        )

    def _metrics(self) -> list[Any]:
        found = list(getattr(self.model, "metrics", ()))
        return found + [inner for metric in found for inner in getattr(metric, "metrics", ())]

    def get_monitor_value(self, logs: Logs) -> float | None:
        """The monitored value; None, with a warning, where the logs lack it."""
        return self.current(logs, f"{type(self).__name__} does nothing")

    def current(self, logs: Logs, consequence: str) -> float | None:
        """The monitored value; None, with a warning that names the `consequence`, where the logs lack it."""
        value = (logs or {}).get(self.monitor)
        if value is None:
            warnings.warn(
                f"{consequence}: {self.monitor!r} is not in the logs, which have "
                f"{', '.join(logs or {}) or 'nothing'}; "
                f"pass one of these as `monitor`, or validation_data to `fit`",
                stacklevel=3,
            )
        return value
