"""Callbacks of a few lines: LambdaCallback and TerminateOnNaN."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from pronghorn.config import say
from pronghorn.training.callback import HOOKS, Callback, Logs

Hook = Callable[..., Any] | None


class LambdaCallback(Callback):
    """A callback made of functions.

    ```python
    LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch, logs["loss"]))
    ```

    Args:
        on_epoch_begin, on_epoch_end: `(epoch, logs)`.
        on_train_begin, on_train_end: `(logs)`.
        on_train_batch_begin, on_train_batch_end: `(batch, logs)`.
        kwargs: functions for any other hook of `Callback`.
    """

    def __init__(
        self,
        on_epoch_begin: Hook = None,
        on_epoch_end: Hook = None,
        on_train_begin: Hook = None,
        on_train_end: Hook = None,
        on_train_batch_begin: Hook = None,
        on_train_batch_end: Hook = None,
        **kwargs: Hook,
    ) -> None:
        super().__init__()
        hooks = {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
            **kwargs,
        }
        for name, function in hooks.items():
            if name not in HOOKS:
                raise TypeError(f"LambdaCallback: there is no hook {name!r}; there are {', '.join(HOOKS)}")
            if function is not None:
                setattr(self, name, function)


class TerminateOnNaN(Callback):
    """Stops training at a batch whose loss is NaN or infinite.

    Args:
        raise_error: whether it raises RuntimeError instead.
    """

    def __init__(self, raise_error: bool = False) -> None:
        super().__init__()
        self.raise_error = raise_error

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        loss = (logs or {}).get("loss")
        if loss is None or math.isfinite(loss):
            return
        if self.raise_error:
            raise RuntimeError(
                f"the loss of batch {batch} is {loss}; pronghorn.config.set_trace_nans(True) finds its cause"
            )
        say(f"Batch {batch}: Invalid loss, terminating training")
        self.model.stop_training = True
