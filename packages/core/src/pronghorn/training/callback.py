"""Callbacks: the base class, the list that calls them, and History, which every fit returns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pronghorn import config, plugins, tree

if TYPE_CHECKING:
    from pronghorn.training.trainer import Trainer

Logs = Mapping[str, Any] | None


class Callback:
    """Base class of callbacks: override the hooks you want.

    `batch` and `epoch` count from 0. In the batch hooks `logs` is a mapping whose values are read from the
    device when you look at them; they are running values since the start of the epoch. In `on_epoch_end` it
    is a dict of Python floats, those of the validation prefixed with "val_"; what you add to it is recorded
    by History.

    Attributes:
        model: the model being trained, evaluated or used for prediction.
        params: {"verbose": …, "epochs": …, "steps": …}; steps is None where it is not known.
        runs_last: whether it is called after all others, so that it sees what they did.
    """

    runs_last = False

    def __init__(self) -> None:
        self.params: dict[str, Any] = {}
        self._model: Any = None

    @property
    def model(self) -> Any:
        """The model this callback works with."""
        return self._model

    def set_params(self, params: dict[str, Any]) -> None:
        """Called with the parameters of the run before it starts."""
        self.params = params

    def set_model(self, model: Any) -> None:
        """Called with the model before the run starts."""
        self._model = model

    def get_state(self) -> Any:
        """What the callback has to remember where training is interrupted: plain values, arrays, lists and dicts.

        None, as here, stands for all attributes that are no arguments of the constructor.
        """
        return None

    def set_state(self, state: Any) -> None:
        """Called with what `get_state` gave, after `on_train_begin`, where an interrupted training is resumed."""
        vars(self).update(state)

    def on_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Another name for `on_train_batch_begin`."""

    def on_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Another name for `on_train_batch_end`."""

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Called at the start of an epoch."""

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Called at the end of an epoch, after its validation."""

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Called before a training step."""
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Called after a training step."""
        self.on_batch_end(batch, logs)

    def on_test_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Called before a step of `evaluate`, also of the validation in `fit`."""

    def on_test_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Called after a step of `evaluate`, also of the validation in `fit`."""

    def on_predict_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Called before a step of `predict`."""

    def on_predict_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Called after a step of `predict`, with logs {"outputs": the batch's outputs}."""

    def on_train_begin(self, logs: Logs = None) -> None:
        """Called at the start of `fit`."""

    def on_train_end(self, logs: Logs = None) -> None:
        """Called at the end of `fit` with the logs of the last epoch; not after an error or Ctrl-C."""

    def on_test_begin(self, logs: Logs = None) -> None:
        """Called at the start of `evaluate` or of a validation."""

    def on_test_end(self, logs: Logs = None) -> None:
        """Called at the end of `evaluate` or of a validation."""

    def on_predict_begin(self, logs: Logs = None) -> None:
        """Called at the start of `predict`."""

    def on_predict_end(self, logs: Logs = None) -> None:
        """Called at the end of `predict`."""


HOOKS = tuple(name for name in vars(Callback) if name.startswith("on_"))
_ALIASES = {"on_train_batch_begin": "on_batch_begin", "on_train_batch_end": "on_batch_end"}


def _overridden(callback: Any, name: str) -> bool:
    method = getattr(callback, name, None)
    return method is not None and getattr(method, "__func__", None) is not getattr(Callback, name)


class CallbackList(Callback):
    """Calls several callbacks, each only for the hooks that it overrides.

    The order is yours; History and the progress bar come last, so that both see what others add to the logs.

    Args:
        callbacks: a callback or a (nested) list of them.
        add_history, add_progbar: whether to append these where the list has none.
        model: the model they work with.
        params: what `Callback.params` holds.
    """

    def __init__(
        self,
        callbacks: Any = None,
        add_history: bool = False,
        add_progbar: bool = False,
        model: Trainer | None = None,
        **params: Any,
    ) -> None:
        super().__init__()
        self.callbacks: list[Any] = [] if callbacks is None else tree.flatten(callbacks)
        for callback in self.callbacks:
            if isinstance(callback, type) or not any(hasattr(callback, hook) for hook in HOOKS):
                mend = f"{callback.__name__}()" if isinstance(callback, type) else "a subclass of Callback"
                raise TypeError(f"callbacks: expected Callback objects, got {callback!r}; pass {mend}")
        self.history = next((c for c in self.callbacks if isinstance(c, History)), None)
        if add_history and self.history is None:
            self.history = History()
            self.callbacks.append(self.history)
        if add_progbar:
            bar = plugins.references("callbacks").get("ProgbarLogger")
            logger = bar.load() if bar else EpochLines
            if not any(isinstance(c, logger) for c in self.callbacks):
                self.callbacks.append(logger())
        self._find_hooks()
        if model is not None:
            self.set_model(model)
        self.set_params(params)

    def _find_hooks(self) -> None:
        self.callbacks.sort(key=lambda callback: getattr(callback, "runs_last", False))
        self._hooks: dict[str, list[Callable[..., Any]]] = {name: [] for name in HOOKS}
        for callback in self.callbacks:
            for name in HOOKS:
                alias = _ALIASES.get(name)
                if _overridden(callback, name):
                    self._hooks[name].append(getattr(callback, name))
                elif alias is not None and _overridden(callback, alias):
                    self._hooks[name].append(getattr(callback, alias))

    def watch_batches(self, mode: str) -> bool:
        """Whether any of them looks at the single batches of "train", "test" or "predict"."""
        return any(self._hooks[f"on_{mode}_batch_{when}"] for when in ("begin", "end"))

    def append(self, callback: Any) -> None:
        """Adds a callback at the end."""
        self.callbacks.append(callback)
        self._find_hooks()

    def set_params(self, params: dict[str, Any]) -> None:
        if (verbose := params.get("verbose", 1)) not in ("auto", 0, 1, 2):
            choices = "'auto', 0 (silent), 1 (progress bar) or 2 (a line per epoch)"
            raise ValueError(f"verbose: expected {choices}, got {verbose!r}")
        super().set_params(params)
        for callback in self.callbacks:
            callback.set_params(params)

    def set_model(self, model: Any) -> None:
        super().set_model(model)
        if self.history is not None:
            model.history = self.history
        for callback in self.callbacks:
            callback.set_model(model)


def _dispatcher(name: str) -> Callable[..., None]:
    """The method of CallbackList that calls one hook of all callbacks."""

    def of_batch(self: CallbackList, batch: int, logs: Logs = None) -> None:
        for hook in self._hooks[name]:
            hook(batch, {} if logs is None else logs)

    def of_epoch(self: CallbackList, epoch: int, logs: Logs = None) -> None:
        for hook in self._hooks[name]:
            hook(epoch, {} if logs is None else logs)

    def of_run(self: CallbackList, logs: Logs = None) -> None:
        for hook in self._hooks[name]:
            hook({} if logs is None else logs)

    method: Callable[..., None] = of_batch if "batch" in name else of_epoch if "epoch" in name else of_run
    method.__name__ = name
    method.__doc__ = getattr(Callback, name).__doc__
    return method


for _name in HOOKS:
    setattr(CallbackList, _name, _dispatcher(_name))


class EpochLines(Callback):
    """A line per epoch of `fit`, where pronghorn-callbacks with its progress bar is not installed."""

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        values = "".join(f" - {name}: {value:.4g}" for name, value in (logs or {}).items() if isinstance(value, float))
        config.say(f"Epoch {epoch + 1}/{self.params['epochs']}{values}")


class History(Callback):
    """Records the logs of each epoch; `fit` returns it.

    Attributes:
        history: name -> list of Python floats, one for each epoch.
        epoch: the epochs recorded, counted from 0.
    """

    def __init__(self) -> None:
        super().__init__()
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []

    def on_train_begin(self, logs: Logs = None) -> None:
        self.epoch = []

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
        self.model.history = self

    def plot(self, path: Any = None, metrics: Iterable[str] | None = None) -> Any:
        """Draws the curves of the loss and the metrics: see `pronghorn.plot`."""
        return plugins.load("utils", "keras.plot")(self, path, metrics)
