"""Trainer: fit, evaluate and predict, the loops around the steps."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby, islice, starmap
from typing import Any

import numpy as np

from pronghorn import config
from pronghorn.arguments import as_integer
from pronghorn.program import Program
from pronghorn.tensor import Tensor
from pronghorn.training.arrays import as_arrays, is_arrays, refuse_nan_labels, weighted
from pronghorn.training.callback import CallbackList, History
from pronghorn.training.collector import Collector, to_numpy
from pronghorn.training.data import (
    Epochs,
    Source,
    make_source,
    prepared,
    split_arrays,
    symbols,
    unpack_x_y_sample_weight,
)
from pronghorn.training.logs import Logs, read
from pronghorn.training.steps import Step, Steps

Report = Callable[[Any], Any]

UNWATCHED_STEPS, UNWATCHED_SECONDS = 8, 0.1
"""Steps on arrays in memory that are handed to the accelerator at once if no callback looks at single batches: first so
many, then twice as many as before until they take so long."""

_STOP = {"train": "stop_training", "test": "stop_evaluating", "predict": "stop_predicting"}


@dataclass
class Run:
    """A `fit` in progress, as a callback needs it that saves where it stands, and lets another one go on from there."""

    training: Epochs
    validation: Epochs | None
    callbacks: CallbackList
    epochs: range
    step: int = 0
    """Steps of the first epoch that were made already."""
    logs: dict[str, Any] = field(default_factory=dict)
    """What they, or the epoch before, reported."""
    restore: Callable[[], object] | None = None
    """Called when the callbacks have begun the first epoch anew."""


class Trainer(Steps):
    """The half of `Model` that trains."""

    history: History | None = None
    stop_evaluating = False
    stop_predicting = False
    _initial_epoch: int | None = None
    fit_in_progress: Run | None = None

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: Any = True,
        class_weight: Mapping[Any, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: Any = 1,
    ) -> History | None:
        """Trains the model.

        Args:
            x: arrays with one row per sample (NumPy, lists, tensors, data frames, h5py, memory-mapped; lists
                or dicts of them for several inputs), or a generator, iterator, iterable or PyDataset of
                batches (x, y) or (x, y, sample_weight). Floats are cast to floatx.
            y: targets, where x is arrays.
            batch_size: rows per step, 32 by default.
            epochs: the number of the last epoch.
            verbose: 0 silent, 1 a progress bar, 2 a line per epoch; "auto" is 1 on a terminal or in a
                notebook, else 2.
            callbacks: Callbacks.
            validation_split: this fraction of the rows, the last ones, is for validation.
            validation_data: (x, y), (x, y, sample_weight), or anything that x may be; replaces
                `validation_split`.
            shuffle: whether arrays are read in a new order, drawn by `np.random.permutation`, in each epoch,
                and the batches of a PyDataset likewise; "batch" shuffles within batches only. Generators are
                read as they come.
            class_weight: class number -> weight, 1 where a class is missing.
            sample_weight: one weight per sample (or per sample and step, …).
            initial_epoch: the epoch to begin with, counted from 0.
            steps_per_epoch: steps that make an epoch; by default a pass over the data. Arrays begin again
                where they end within an epoch; an iterator goes on in the next epoch.
            validation_steps, validation_batch_size: likewise for the validation.
            validation_freq: validates every so many epochs, or after the epochs listed, counted from 1.

        Returns:
            The History of this run.

        Raises:
            ValueError: the model is not compiled, or the data do not fit the model or each other.
        """
        self._require_compiled("fit")
        epochs = as_integer(epochs, "epochs", least=0)
        initial_epoch = as_integer(initial_epoch, "initial_epoch", least=0)
        batch_size = _optional(batch_size, "batch_size")
        steps = _optional(steps_per_epoch, "steps_per_epoch")
        validation_steps = _optional(validation_steps, "validation_steps")
        validation_batch_size = _optional(validation_batch_size, "validation_batch_size")
        due = _validation_epochs(validation_freq)
        source = make_source(
            x, y, sample_weight, batch_size=batch_size, steps=steps, shuffle=shuffle, class_weight=class_weight
        )
        held_out: Source | None = None
        if validation_data is not None:
            parts = unpack_x_y_sample_weight(validation_data)
            size = validation_batch_size or (batch_size if is_arrays(parts[0]) else None)
            with _within("validation_data"):
                held_out = make_source(*parts, batch_size=size, steps=validation_steps)
        elif validation_split:
            source, held_out = split_arrays(source, validation_split, validation_batch_size)
        training = Epochs(source, steps, "steps_per_epoch")
        validation = None if held_out is None else Epochs(held_out, validation_steps, "validation_steps")
        self._prepare(source)
        if held_out is not None:
            with _within("validation_data"):
                self._prepare(held_out)
                self._check(held_out)
        callbacks = self._callback_list(callbacks, verbose, training, epochs, history=True)
        try:
            self._fit(Run(training, validation, callbacks, range(initial_epoch, epochs)), due)
        finally:
            training.close()
            if validation is not None:
                validation.close()
            self.fit_in_progress = None
            if self.optimizer is not None and self.optimizer.built:
                self.optimizer.finalize_variable_values(self.trainable_weights)
        return self.history

    def _check(self, source: Source) -> None:
        """Refuses whole arrays of which layers and losses will refuse values, before it is the turn of `evaluate`."""
        step = self._step("test")
        if source.in_memory and isinstance(step, Program):
            step.check(*next(source.batches_from(0)))

    def _fit(self, run: Run, due: Callable[[int], bool]) -> None:
        training, validation, callbacks = run.training, run.validation, run.callbacks
        self.stop_training = False
        lost = False
        self.fit_in_progress = run
        callbacks.on_train_begin()
        logs = run.logs
        step = self._step("train")
        for epoch in range(self._initial_epoch or run.epochs.start, run.epochs.stop):
            self.reset_metrics()
            callbacks.on_epoch_begin(epoch)
            if run.restore is not None:
                run.restore()
            number, run.step, run.restore = run.step, 0, None
            result = logs if number else None
            if not (number and self.stop_training):  # the last step saved may be one after which training was to stop
                result = self._run_epoch(step, training, callbacks, "train", number) or result
            if training.dry:
                self.stop_training = True
                _warn_dry("fit", training, "steps_per_epoch")
                if result is None:
                    break
            logs = read(result)
            loss = logs.get("loss", 0.0)
            if not lost and isinstance(loss, float) and not math.isfinite(loss):
                lost = True
                _warn_lost(loss, epoch)
            if validation is not None and due(epoch + 1):
                found = self._evaluate(validation, callbacks)
                logs |= {f"val_{name}": value for name, value in found.items()}
                logs = {name: logs[name] for name in sorted(logs)}
            callbacks.on_epoch_end(epoch, logs)
            if self.stop_training:
                break
        callbacks.on_train_end(logs)

    def _run_epoch(
        self, step: Step, epochs: Epochs, callbacks: CallbackList, mode: str, number: int = 0, report: Report = Logs
    ) -> Any:
        """Runs the steps of one epoch and returns what the last one returned; None where there was none."""
        result, together, flag, whole = None, self.steps_per_execution, _STOP[mode], epochs.source.in_memory
        if unwatched := whole and not callbacks.watch_batches(mode):
            together = max(together, UNWATCHED_STEPS)
        begin, end = getattr(callbacks, f"on_{mode}_batch_begin"), getattr(callbacks, f"on_{mode}_batch_end")
        source = iter(epochs)
        batches = prepared(step, source)
        for batch in batches:
            begin(number)
            started = time.perf_counter()
            several = [batch, *islice(batches, together - 1)]
            if whole and isinstance(step, Program):
                for _, alike in groupby(several, lambda batch: len(batch[1])):
                    result = step.repeat(alike)
            else:
                *_, result = starmap(step, several)
            epochs.count(len(several))
            number += len(several)
            end(number - 1, report(result))
            if getattr(self, flag):
                break
            if unwatched and time.perf_counter() - started < UNWATCHED_SECONDS:
                together *= 2
        batches.close()
        source.close()
        epochs.end_epoch()
        return result

    def _callback_list(
        self, callbacks: Any, verbose: Any, epochs: Epochs, count: int = 1, history: bool = False
    ) -> CallbackList:
        if isinstance(callbacks, CallbackList):
            return callbacks
        return CallbackList(
            callbacks,
            add_history=history,
            add_progbar=verbose != 0,
            model=self,
            verbose=verbose,
            epochs=count,
            steps=epochs.length,
        )

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """The loss and the metrics on data. Seeds are not advanced.

        Args:
            x, y, sample_weight, batch_size, verbose, callbacks: as for `fit`.
            steps: batches to take; by default all.
            return_dict: whether to return a dict by name.

        Returns:
            The loss, or a list of it and the metrics in the order of `metrics`, or a dict; Python floats.

        Raises:
            ValueError: the model is not compiled, or the data do not fit the model or each other.
        """
        self._require_compiled("evaluate")
        steps = _optional(steps, "steps")
        epochs = Epochs(make_source(x, y, sample_weight, batch_size=batch_size, steps=steps), steps)
        self._prepare(epochs.source)
        try:
            logs = self._evaluate(epochs, self._callback_list(callbacks, verbose, epochs))
        finally:
            epochs.close()
        return logs if return_dict else self._in_order(logs)

    def _evaluate(self, epochs: Epochs, callbacks: CallbackList) -> dict[str, Any]:
        self.stop_evaluating = False
        callbacks.on_test_begin()
        self.reset_metrics()
        epochs.restart()
        logs = read(self._run_epoch(self._step("test"), epochs, callbacks, "test"))
        if epochs.dry:
            _warn_dry("evaluate", epochs, "steps")
        callbacks.on_test_end(logs)
        return logs

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = "auto",
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Any:
        """The model's outputs for data, as NumPy arrays. Seeds are not advanced.

        Args:
            x: as for `fit`.
            batch_size: rows per step, 32 by default.
            verbose, callbacks: as for `fit`.
            steps: batches to take; by default all.

        Raises:
            ValueError: the data do not fit the model.
        """
        if verbose == 0 and callbacks is None and steps is None and self.built and type(x) is np.ndarray:
            if x.ndim and 0 < len(x) <= (32 if batch_size is None else batch_size) and x.dtype.kind in "fiubU":
                outputs = self._step("predict")(x, None)
                return outputs.numpy() if type(outputs) is Tensor else to_numpy(outputs)
        steps = _optional(steps, "steps")
        epochs = Epochs(make_source(x, batch_size=batch_size, steps=steps), steps)
        if not all(layer.built for layer in self._flatten_layers()):
            self._build_state(epochs.source.example()[0])
        callbacks = self._callback_list(callbacks, verbose, epochs)
        step, collector = self._step("predict"), Collector(None if steps else epochs.source.rows)

        def predict_batch(data: Any, indices: Any) -> Any:
            outputs = to_numpy(step(data[0], indices))
            collector.add(outputs)
            return outputs

        self.stop_predicting = False
        callbacks.on_predict_begin()
        try:
            self._run_epoch(predict_batch, epochs, callbacks, "predict", report=lambda y: {"outputs": y})
        finally:
            epochs.close()
        if steps and epochs.dry:
            _warn_dry("predict", epochs, "steps")
        callbacks.on_predict_end()
        return collector.result()

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Mapping[Any, float] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """One training step on a batch.

        Returns:
            The loss and the metrics of this batch, as `evaluate` returns them.
        """
        return self._on_batch("train", x, y, sample_weight, class_weight, return_dict)

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """The loss and the metrics on a batch."""
        return self._on_batch("test", x, y, sample_weight, None, return_dict)

    def predict_on_batch(self, x: Any) -> Any:
        """The outputs for a batch, as NumPy arrays."""
        batch = as_arrays(x, batch=True)
        if not self.built:
            self._build_state(symbols(batch)[0])
        return to_numpy(self._step("predict")(batch[0], None))

    def _on_batch(
        self,
        mode: str,
        x: Any,
        y: Any,
        sample_weight: Any,
        class_weight: Mapping[Any, float] | None,
        return_dict: bool,
    ) -> Any:
        self._require_compiled(f"{mode}_on_batch")
        batch = weighted(as_arrays(x, y, sample_weight, batch=True), class_weight)
        if not self._ready:
            self._build_state(*symbols(batch)[:2])
        if self._has_own_loss():
            refuse_nan_labels(batch[1])
        self.reset_metrics()
        logs = read(self._step(mode)(batch, None))
        return logs if return_dict else self._in_order(logs)

    def _in_order(self, logs: dict[str, Any]) -> Any:
        """Logs as a list in the order of `metrics`, the others behind; a single value alone."""
        names: list[str] = []
        for metric in self.metrics:
            names += [m.name for m in metric.metrics] if metric is self._compile_metrics else [metric.name]
        first = [name for name in dict.fromkeys(names) if name in logs]
        values = [logs[name] for name in (*first, *(name for name in sorted(logs) if name not in first))]
        return values[0] if len(values) == 1 else values


@contextmanager
def _within(argument: str) -> Iterator[None]:
    """Has errors about the arrays inside of an argument name it."""
    try:
        yield
    except ValueError as error:
        error.args = (f"{argument}: {error}",)
        raise


def _optional(value: Any, name: str) -> int | None:
    return None if value is None else as_integer(value, name)


def _validation_epochs(frequency: Any) -> Callable[[int], bool]:
    if isinstance(frequency, (list, tuple, set, frozenset, range)):
        chosen = {as_integer(epoch, "validation_freq") for epoch in frequency}
        return lambda epoch: epoch in chosen
    every = as_integer(frequency, "validation_freq")
    return lambda epoch: epoch % every == 0


def _warn_dry(method: str, epochs: Epochs, steps: str) -> None:
    if epochs.steps is None:
        reason = f"was used up by the pass before; give {steps}, or an object that can be iterated again"
    else:
        reason = f"ended within the {epochs.steps} batches that {steps} asks for; it must last for all epochs"
    warnings.warn(f"{method}: the iterator {reason}; {method} ends here", stacklevel=4)


def _warn_lost(loss: float, epoch: int) -> None:
    message = f"the loss is {loss} in epoch {epoch + 1}"
    if not config.trace_nans():
        message += "; pronghorn.config.set_trace_nans(True) before fit names the layer and operation to blame"
    warnings.warn(message, stacklevel=4)
