"""BackupAndRestore: training that goes on, after a crash, as if nothing had happened."""

from __future__ import annotations

import json
import os
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pronghorn import plugins, tree
from pronghorn.saving.files import ModelFileError, remove_unfinished, replacing
from pronghorn.saving.hdf5 import open_groups, read
from pronghorn.saving.load import reading
from pronghorn.saving.weights import read_weights, restore_seeds, seed_states, write_weights
from pronghorn.tensor import Variable
from pronghorn.training.callback import CallbackList, Logs
from pronghorn_callbacks.packed import Array, given, pack, set_state, state_of, unpack
from pronghorn_callbacks.save_frequency import SaveFrequency

GROUP = "pronghorn.training"
"""The group of a backup that holds what is no weight: Keras reads the rest of the file, and leaves this alone."""
_FIELDS: dict[str, Any] = {
    "epoch": int,
    "logs": dict,
    "stop": bool,
    "data": dict,
    "validation": (dict, type(None)),
    "seeds": dict,
    "variables": list,
    "callbacks": list,
}


class BackupAndRestore(SaveFrequency):
    """Saves where a training stands; where it was interrupted, the next `fit` goes on there, bit for bit.

    A backup holds the weights, the state of the optimizer, of the metrics, of all seeds and of all callbacks, the
    epoch, the step and the order of the data. So a program that is killed at any moment, and started again as it was,
    ends with the same weights, history and decisions (early stopping, learning rate) as one that ran through. Arrays
    and PyDatasets go on where they stood. Generators are read from their start, and what was taken is left out. What
    cannot be resumed exactly (a generator without `get_state` and `set_state`, a callback whose attributes cannot be
    saved) is named in a warning when training begins.

    Each backup replaces the last one in one step, so that there is always a whole one. It is a `.weights.h5` file with
    one group more than others.

    Args:
        backup_dir: folder for the backups of this training alone.
        save_freq: "epoch", a number of batches, or False to save nothing.
        double_checkpoint: whether the backup before the last is kept as well, and used where the last is damaged.
        delete_checkpoint: whether the backups are removed when training has ended.

    Raises:
        ModelFileError: in `fit`, where the backup is damaged, or is one of another model.
    """

    runs_last = True

    def __init__(
        self,
        backup_dir: str | os.PathLike[str],
        save_freq: Literal["epoch", False] | int = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
    ) -> None:
        super().__init__()
        if not os.fspath(backup_dir):
            raise ValueError("BackupAndRestore: backup_dir is empty; give the path of a folder")
        self.backup_dir = Path(backup_dir)
        self.set_frequency("epoch" if save_freq is False else save_freq)
        self.save_freq = save_freq
        self.double_checkpoint = double_checkpoint
        self.delete_checkpoint = delete_checkpoint
        self._latest = self.backup_dir / "latest.weights.h5"
        self._previous = self.backup_dir / "latest.weights.h5.bkp"
        self._given: dict[int, dict[str, str]] = {}

    def get_state(self) -> Any:
        """The batches counted since the last backup."""
        return {name: getattr(self, name) for name in ("_epoch", "_unsaved_batches", "_last_batch")}

    # ------------------------------------------------------------------------------------------------ when

    def on_train_begin(self, logs: Logs = None) -> None:
        self._given = {id(callback): given(callback) for callback in self._callbacks()}
        self._warn()
        found = [path for path in (self._latest, self._previous) if path.exists()]
        for path in found:
            try:
                self._restore(path)
                os.replace(path, self._latest)  # the last good one must not make way for a damaged one
                return
            except ModelFileError as error:
                if path is found[-1]:
                    hint = f"to begin anew, remove the folder {str(self.backup_dir)!r}"
                    raise ModelFileError(f"BackupAndRestore: {error}; {hint}") from error
                warnings.warn(f"BackupAndRestore: the backup before the last is used, since {error}", stacklevel=2)

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        if self.save_freq and self.due(batch):
            self._save(self._epoch, dict(logs or {}))

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if self.save_freq == "epoch":
            self._save(epoch + 1, dict(logs or {}))

    def on_train_end(self, logs: Logs = None) -> None:
        if self.delete_checkpoint and self.backup_dir.is_dir():
            for path in (self._previous, self._latest):
                path.unlink(missing_ok=True)
                remove_unfinished(path)
            with suppress(OSError):  # something else is in it
                self.backup_dir.rmdir()

    # ------------------------------------------------------------------------------------------------ saving

    def _save(self, epoch: int, logs: dict[str, Any]) -> None:
        run = self.model.fit_in_progress
        # a validation reads a data set from its start each time; only an iterator goes on
        going_on = run.validation is not None and not run.validation.source.restarts
        state = {
            "epoch": epoch,
            "logs": logs,
            "stop": bool(self.model.stop_training),
            "data": run.training.get_state(),
            "validation": run.validation.get_state() if going_on else None,
            "seeds": seed_states(self.model),
            "variables": [variable.numpy() for variable in self._variables()],
            "callbacks": [list(pair) for pair in self._states()],
        }
        arrays: list[Array] = []
        text = json.dumps(pack(state, arrays)).encode()
        group = {"state": np.frombuffer(text, np.uint8)} | {str(i): array for i, array in enumerate(arrays)}
        self.backup_dir.mkdir(parents=True, exist_ok=True)
        with replacing(self._latest) as file:
            write_weights(self.model, file, {GROUP: group})
            if self.double_checkpoint:
                with suppress(FileNotFoundError):
                    os.replace(self._latest, self._previous)

    def _callbacks(self) -> list[Any]:
        callbacks: CallbackList = self.model.fit_in_progress.callbacks
        return callbacks.callbacks

    def _states(self) -> Iterator[tuple[str, Any]]:
        """The name and state of each callback that has one."""
        for callback in self._callbacks():
            try:
                state = state_of(callback, self._given.get(id(callback), {}))
                pack(state, [])
            except TypeError:
                continue  # named in a warning when training began
            if state != {}:
                yield type(callback).__name__, state

    def _variables(self) -> list[Variable]:
        """What weights files leave out: the state of metrics, and that of stateful recurrent layers."""
        found = [variable for metric in self.model.metrics for variable in metric.variables]
        for layer in self.model._flatten_layers():
            found += [v for v in tree.flatten(getattr(layer, "states", None)) if isinstance(v, Variable)]
        return list(dict.fromkeys(found))

    def _warn(self) -> None:
        """Names what a resumed training would begin anew."""
        run = self.model.fit_in_progress
        for callback in self._callbacks():
            try:
                pack(state_of(callback, self._given[id(callback)]), [])
            except TypeError as error:
                _say(f"the callback {type(callback).__name__} would begin anew, since {error}")
        for epochs in (run.training, run.validation):
            subject = None if epochs is None else epochs.source.subject
            name = type(subject).__name__
            if subject is None or hasattr(subject, "get_state"):
                continue
            if not epochs.source.numbered:
                _say(f"the {name} would be read from its start, without what was taken; is it always the same?")
                continue
            base = plugins.load("utils", "PyDataset")
            if any(getattr(type(subject), hook) is not getattr(base, hook) for hook in _HOOKS):
                _say(f"the data set {name} would be without what its on_epoch_begin and on_epoch_end changed")

    # ------------------------------------------------------------------------------------------------ restoring

    def _restore(self, path: Path) -> None:
        model, run = self.model, self.model.fit_in_progress
        with reading(path) as file, open_groups(file) as groups:
            state = _state_in(groups.get(GROUP))
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # an optimizer that is not built yet would begin anew
                read_weights(model, groups)
            restore_seeds(model, state["seeds"])
            variables = self._variables()
            if len(variables) != len(state["variables"]):
                raise ModelFileError(f"its {len(state['variables'])} states of metrics are not those of the model")
            for variable, value in zip(variables, state["variables"], strict=True):
                variable.assign(value)
            missing = self._give_back(state["callbacks"])
            if run.validation is not None and state["validation"] is not None:
                run.validation.set_state(state["validation"])
            run.training.set_state(state["data"])
        if missing:
            warnings.warn(f"BackupAndRestore: this fit lacks callbacks that the backup has: {missing}", stacklevel=5)
        run.logs, run.step = state["logs"], state["data"]["done"]
        model.stop_training = state["stop"]
        ended = state["stop"] and not run.step
        run.epochs = range(0) if ended else range(state["epoch"], run.epochs.stop)
        if run.step and run.restore is None:  # the hooks of on_epoch_begin, which come now, must change nothing
            run.restore = lambda: self._restore(self._latest)

    def _give_back(self, states: list[Any]) -> list[str]:
        """Each state to the callback of the same class and number. Returns the names of those that are missing."""
        callbacks = self._callbacks()
        waiting = dict(zip(_numbered(type(callback).__name__ for callback in callbacks), callbacks, strict=True))
        missing = []
        for key, (_, state) in zip(_numbered(name for name, _ in states), states, strict=True):
            if key in waiting:
                set_state(waiting[key], state)
            else:
                missing.append(key[0])
        return missing


def _say(what: str) -> None:
    mend = "give it get_state() and set_state(state)"
    warnings.warn(f"BackupAndRestore: in a resumed training {what}; {mend}", stacklevel=5)


_HOOKS = ("on_epoch_begin", "on_epoch_end")


def _numbered(names: Iterable[str]) -> list[tuple[str, int]]:
    """Each name with its number among equal ones."""
    counts: Counter[str] = Counter()
    numbered = []
    for name in names:
        numbered.append((name, counts[name]))
        counts[name] += 1
    return numbered


def _state_in(group: Any) -> dict[str, Any]:
    if group is None or "state" not in group:
        raise ModelFileError("it has weights only, and nothing that a training could be resumed from")
    arrays = {int(key): read(dataset) for key, dataset in group.items() if key != "state"}
    state = unpack(json.loads(read(group["state"]).tobytes()), arrays)
    for field, kinds in _FIELDS.items():
        if not isinstance(state[field], kinds):
            raise ModelFileError(f"its field {field!r} is a {type(state[field]).__name__}")
    return state  # type: ignore[no-any-return]
