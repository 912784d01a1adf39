"""Callbacks: the order of the hooks, what they are given, History, and logs that are read late or never."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pronghorn import plugins
from pronghorn.tensor import Tensor, constant
from pronghorn.training.callback import HOOKS, Callback, CallbackList, EpochLines, History
from pronghorn.training.logs import Logs, read


class Model:
    """Enough of a model to be given callbacks."""

    history: Any = None


class Recorder(Callback):
    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Any] = []

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.calls.append(("begin", epoch))

    def on_batch_end(self, batch: int, logs: Any = None) -> None:
        self.calls.append(("batch", batch))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.calls.append(("end", epoch))
        logs["learning_rate"] = 0.1


@pytest.fixture
def no_progress_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if pronghorn-callbacks were not installed."""
    monkeypatch.setattr(plugins, "references", lambda kind: {})


@pytest.mark.usefixtures("no_progress_bar")
def test_yours_come_first_then_history_then_the_lines_per_epoch() -> None:
    recorder = Recorder()
    callbacks = CallbackList([[recorder]], add_history=True, add_progbar=True, model=Model(), verbose=0)
    assert [type(c) for c in callbacks.callbacks] == [Recorder, History, EpochLines]
    own = CallbackList([History(), EpochLines()], add_history=True, add_progbar=True, verbose=0)
    assert [type(c) for c in own.callbacks] == [History, EpochLines]
    assert recorder.params == {"verbose": 0}


@pytest.mark.usefixtures("no_progress_bar")
def test_a_line_per_epoch_where_no_progress_bar_is_installed(capsys: pytest.CaptureFixture[str]) -> None:
    callbacks = CallbackList(add_progbar=True, epochs=2)
    callbacks.on_epoch_end(1, {"loss": 0.123456, "val_loss": 2.0, "note": "text"})
    assert capsys.readouterr().out == "Epoch 2/2 - loss: 0.1235 - val_loss: 2\n"


def test_what_a_callback_adds_to_the_logs_history_records() -> None:
    model, recorder = Model(), Recorder()
    callbacks = CallbackList(recorder, add_history=True, model=model)
    callbacks.on_train_begin()
    for epoch in range(2):
        callbacks.on_epoch_begin(epoch)
        callbacks.on_train_batch_end(0, {"loss": 1.0})
        callbacks.on_epoch_end(epoch, {"loss": 1.0 - epoch})
    assert model.history.history == {"loss": [1.0, 0.0], "learning_rate": [0.1, 0.1]}
    assert model.history.epoch == [0, 1]
    assert recorder.calls == [("begin", 0), ("batch", 0), ("end", 0), ("begin", 1), ("batch", 0), ("end", 1)]
    assert recorder.model is model


def test_only_overridden_hooks_are_called(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Any, *args: Any) -> None:
        raise AssertionError("called")

    callbacks = CallbackList([Callback(), Recorder()])
    for hook in HOOKS:
        monkeypatch.setattr(Callback, hook, refuse)
    callbacks.on_train_batch_begin(0)
    callbacks.on_test_begin()
    callbacks.on_train_batch_end(0)


def test_hooks_that_are_set_on_the_object_count() -> None:
    seen: list[Any] = []
    callback = Callback()
    callback.on_epoch_end = lambda epoch, logs: seen.append((epoch, logs))  # type: ignore[assignment]
    late = Recorder()
    callbacks = CallbackList(callback)
    callbacks.append(late)
    callbacks.on_epoch_end(3, {"loss": 1.0})
    assert seen == [(3, {"loss": 1.0, "learning_rate": 0.1})]
    assert late.calls == [("end", 3)]


def test_what_is_no_callback_is_refused() -> None:
    with pytest.raises(TypeError, match=r"callbacks: expected Callback objects, got <class .*; pass Recorder\(\)"):
        CallbackList([Recorder])
    with pytest.raises(TypeError, match="got 'early'; pass a subclass of Callback"):
        CallbackList(["early"])


# ---------------------------------------------------------------------------------------------- logs


def test_logs_are_read_once_on_the_first_look(monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[Tensor] = []
    numpy = Tensor.numpy
    monkeypatch.setattr(Tensor, "numpy", lambda self: reads.append(self) or numpy(self))
    logs = Logs({"loss": constant(1.5, "float32"), "acc": {"a": constant(2, "int32")}})
    assert not reads
    assert list(logs) == ["a", "loss"]
    assert logs["loss"] == 1.5
    assert type(logs["a"]) is float
    assert dict(logs) == {"a": 2.0, "loss": 1.5}
    assert len(reads) == 2


def test_logs_behave_like_a_dict() -> None:
    logs = Logs({"loss": constant(1.5, "float32")})
    logs["lr"] = 0.1
    assert logs.get("mae") is None
    assert "lr" in logs
    assert repr(logs) == "{'loss': 1.5, 'lr': 0.1}"
    copy = logs.copy()
    del logs["lr"]
    assert len(logs) == 1
    assert copy == {"loss": 1.5, "lr": 0.1}
    assert Logs(None).copy() == {}


def test_values_that_are_no_scalars_stay_arrays() -> None:
    found = read({"confusion": constant(np.eye(2), "float32")})
    np.testing.assert_array_equal(found["confusion"], np.eye(2))
    with pytest.raises(TypeError, match="must return a dict of logs .*, got float"):
        read(1.0)
