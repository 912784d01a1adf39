"""Every argument of every callback changes what a training does or leaves behind, or says that it is not supported.

Each is looked at in one training, whose `val_loss` is told: files after each hook, what is printed, sent and drawn, the
learning rate and the weights.
"""

from __future__ import annotations

import inspect
import io
import itertools
import urllib.request
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import pronghorn as keras
from pronghorn import callbacks, layers, optimizers
from pronghorn.utils import Progbar

X = np.linspace(-1, 1, 16, dtype="float32").reshape(8, 2)
Y = X.sum(1, keepdims=True)
LOSSES = (3.0, 2.0, 2.5, 2.4, 1.0, 1.5, 0.9, 1.5)
"""val_loss after each epoch; what the callbacks below wait for happens in it."""


class Told(callbacks.Callback):
    """Puts the losses into the logs."""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs["val_loss"] = LOSSES[epoch]


class Look(callbacks.Callback):
    """Notes the files, the learning rate and a weight, at every hook that a training has."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Any] = []

    def look(self, *_: Any) -> None:
        files = sorted(path.as_posix() for path in Path().rglob("*") if not path.name.startswith("events"))
        weight = float(self.model.get_weights()[0][0, 0])
        self.seen.append((files, float(self.model.optimizer.learning_rate), weight))

    on_train_begin = on_epoch_begin = on_train_batch_end = on_epoch_end = look


def content(path: Path) -> Any:
    if path.name.startswith("events"):
        events = pytest.importorskip("tensorboard.backend.event_processing.event_file_loader").EventFileLoader(
            str(path)
        )
        return [(event.step, value.tag) for event in events.Load() for value in event.summary.value]
    if path.suffix == ".h5":
        with h5py.File(path) as file:
            return sorted(file)
    return path.read_text(encoding="utf-8") if path.suffix in (".csv", ".tsv", ".pbtxt") else path.stat().st_size > 0


def trained(name: str, options: dict[str, Any], capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> list[Any]:
    """All that can be seen of a training with this callback, in the current folder."""
    keras.utils.set_random_seed(1)
    keras.utils.clear_session()
    sent: list[Any] = []

    def post(request: Any) -> io.BytesIO:
        sent.append((request.full_url, request.data, request.header_items()))
        return io.BytesIO()

    monkeypatch.setattr(urllib.request, "urlopen", post)
    embedding = layers.Embedding(3, 2, name="words")
    inputs = keras.Input((2,))
    hidden = layers.Dense(1, name="out")(inputs)
    if name == "TensorBoard":
        hidden += layers.Flatten()(embedding(inputs > 0))[:, :1]
    model = keras.Model(inputs, hidden, name="net")
    model.compile(optimizers.SGD(0.125, use_ema=name == "SwapEMAWeights", ema_momentum=0.5), "mse")
    x = X * np.nan if name == "TerminateOnNaN" else X
    look, found = Look(), []
    given = [Told(), look, getattr(callbacks, name)(**options), Look()]
    with pytest.WarningsRecorder(_ispytest=True) as warned:
        try:
            history = model.fit(x, Y, epochs=len(LOSSES), batch_size=4, verbose=0, shuffle=False, callbacks=given)
            found.append(history.history)
        except RuntimeError as error:
            found.append(str(error))
    files = {path.as_posix(): content(path) for path in sorted(Path().rglob("*")) if path.is_file()}
    files = {name.partition("events.out")[0]: value for name, value in files.items()}
    return [*found, look.seen, given[-1].seen, files, sent, capsys.readouterr().out, [str(w.message) for w in warned],
            [weight.tolist() for weight in model.get_weights()]]  # fmt: skip


def patient(**options: Any) -> dict[str, Any]:
    return {"patience": 1, **options}


BEST = {"filepath": "best{epoch}.h5", "save_best_only": True}
BOARD: dict[str, Any] = {"log_dir": "logs"}
WALK: dict[str, dict[str, tuple[dict[str, Any], Any]]] = {
    "BackupAndRestore": {
        "backup_dir": ({"backup_dir": "backup"}, "elsewhere"),
        "save_freq": ({"backup_dir": "backup"}, 1),
        "double_checkpoint": ({"backup_dir": "backup"}, True),
        "delete_checkpoint": ({"backup_dir": "backup"}, False),
    },
    "CSVLogger": {
        "filename": ({"filename": "log.csv"}, "other.csv"),
        "separator": ({"filename": "log.csv"}, ";"),
        "append": ({"filename": "old.csv"}, True),
    },
    "EarlyStopping": {
        "monitor": (patient(), "loss"),
        "min_delta": (patient(), 1.5),
        "patience": (patient(), 3),
        "verbose": (patient(), 1),
        "mode": (patient(), "max"),
        "baseline": (patient(patience=2), 1.95),
        "restore_best_weights": (patient(), True),
        "start_from_epoch": (patient(), 3),
    },
    "LambdaCallback": {hook: ({}, None) for hook in (
        "on_epoch_begin", "on_epoch_end", "on_train_begin", "on_train_end", "on_train_batch_begin",
        "on_train_batch_end", "kwargs")},
    "LearningRateScheduler": {
        "schedule": ({"schedule": lambda epoch, rate: rate / 2}, lambda epoch: 0.1 / (epoch + 1)),
        "verbose": ({"schedule": lambda epoch: 0.1}, 1),
    },
    "ModelCheckpoint": {
        "filepath": ({"filepath": "model.h5"}, "{epoch}-{val_loss:.1f}.h5"),
        "monitor": (BEST, "loss"),
        "verbose": (BEST, 1),
        "save_best_only": ({"filepath": "model{epoch}.h5"}, True),
        "save_weights_only": ({"filepath": "model.weights.h5"}, True),
        "mode": (BEST, "max"),
        "save_freq": ({"filepath": "model{epoch}.h5"}, 3),
        "initial_value_threshold": (BEST, 2.2),
    },
    "ReduceLROnPlateau": {
        "monitor": (patient(), "loss"),
        "factor": (patient(), 0.5),
        "patience": (patient(), 2),
        "verbose": (patient(), 1),
        "mode": (patient(), "max"),
        "min_delta": (patient(), 1.5),
        "cooldown": (patient(), 2),
        "min_lr": (patient(), 0.1),
    },
    "RemoteMonitor": {
        "root": ({}, "https://localhost:1"),
        "path": ({}, "/there/"),
        "field": ({}, "record"),
        "headers": ({}, {"X-Run": "1"}),
        "send_as_json": ({}, True),
    },
    "SwapEMAWeights": {"swap_on_epoch": ({}, True)},
    "TensorBoard": {
        "log_dir": (BOARD, "other"),
        "histogram_freq": (BOARD, 3),
        "write_graph": (BOARD, False),
        "write_images": ({**BOARD, "histogram_freq": 1}, True),
        "write_steps_per_second": (BOARD, True),
        "update_freq": (BOARD, "batch"),
        "profile_batch": (BOARD, 2),
        "embeddings_freq": (BOARD, 3),
        "embeddings_metadata": ({**BOARD, "embeddings_freq": 1}, "words.txt"),
    },
    "TerminateOnNaN": {"raise_error": ({}, True)},
}  # fmt: skip
"""Callback -> argument -> the others, and another value than the default or theirs."""

BASES = {"Callback", "CallbackList"}


def walk() -> list[tuple[str, str]]:
    found = []
    for name in sorted(name for name in dir(callbacks) if name[0].isupper()):
        kind = getattr(callbacks, name)
        if inspect.isclass(kind) and issubclass(kind, callbacks.Callback) and name not in BASES:
            found += [(name, argument) for argument in list(inspect.signature(kind.__init__).parameters)[1:]]
    return found


@pytest.mark.parametrize(("name", "argument"), walk())
def test_no_argument_is_ignored(
    name: str, argument: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "TensorBoard":
        pytest.importorskip("tensorboard")
    base, other = WALK[name][argument]
    if name == "LambdaCallback":
        hook = "on_batch_end" if argument == "kwargs" else argument
        changed = {hook: lambda *arguments: print(hook, len(arguments))}
    else:
        changed = {**base, argument: other}
    seen = []
    for folder, options in (("before", base), ("after", changed)):
        (tmp_path / folder).mkdir()
        monkeypatch.chdir(tmp_path / folder)
        Path("old.csv").write_text("old\n", encoding="utf-8")
        try:
            seen.append(trained(name, options, capsys, monkeypatch))
        except NotImplementedError as error:
            assert argument in str(error)
            return
    assert repr(seen[0]) != repr(seen[1]), f"{changed} changed nothing"


def test_a_training_is_seen_alike_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else any argument would seem to change something."""
    for name in WALK.keys() - {"LambdaCallback", "TensorBoard"}:
        seen = []
        for folder in ("before", "after"):
            (tmp_path / name / folder).mkdir(parents=True)
            monkeypatch.chdir(tmp_path / name / folder)
            base = next(iter(WALK[name].values()))[0]
            seen.append(repr(trained(name, base, capsys, monkeypatch)))
        assert seen[0] == seen[1], name


# ------------------------------------------------------------------------------------------------ lists and bars


def test_lists_of_callbacks_take_their_arguments() -> None:
    model, one = keras.Sequential(), callbacks.Callback()
    kinds = [
        [type(each).__name__ for each in callbacks.CallbackList(**options).callbacks]
        for options in ({}, {"callbacks": [one]}, {"add_history": True}, {"add_progbar": True})
    ]
    assert kinds == [[], ["Callback"], ["History"], ["ProgbarLogger"]]
    callbacks.CallbackList([one], model=model, epochs=3)
    assert one.model is model and one.params == {"epochs": 3}


class Screen:
    """Shows all in brackets."""

    styled, columns, block = False, None, "#"

    def redraw(self, text: str, width: int, finished: bool) -> None:
        print(f"[{text}]")


BAR: dict[str, Any] = {
    "target": 8, "width": 5, "verbose": 2, "interval": 1000.0, "unit_name": "batch", "stateful_metrics": ["loss"],
    "stateless_metrics": ["error"], "screen": Screen(),
}  # fmt: skip


@pytest.mark.parametrize("argument", list(inspect.signature(Progbar.__init__).parameters)[1:])
def test_no_argument_of_progress_bars_is_ignored(
    argument: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []
    for changed in ({}, {argument: BAR[argument]}):
        monkeypatch.setattr("pronghorn_callbacks.progress.perf_counter", itertools.count(1.0).__next__)
        bar = Progbar(**{"target": 4, "interval": 0.0, **changed})
        for step in range(1, 5):
            bar.update(step, [("loss", 1 / step)])
        drawn.append(capsys.readouterr().out)
    assert drawn[0] != drawn[1]
