"""Callbacks on logs that the tests make up: what they do when, in Keras's words."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pronghorn.callbacks import (
    CSVLogger,
    EarlyStopping,
    LambdaCallback,
    LearningRateScheduler,
    ModelCheckpoint,
    ReduceLROnPlateau,
    TerminateOnNaN,
)
from pronghorn.testing import Descent


class FakeModel:
    """What callbacks use of a model; its weight is the number of the epoch."""

    def __init__(self) -> None:
        self.stop_training = False
        self.optimizer = Descent(0.5)
        self.weight = -1
        self.saved: list[str] = []
        accuracy = SimpleNamespace(name="accuracy", _direction="up")
        self.metrics = [SimpleNamespace(name="compile_metrics", metrics=[accuracy])]

    def get_weights(self) -> list[int]:
        return [self.weight]

    def set_weights(self, weights: list[int]) -> None:
        (self.weight,) = weights

    def save(self, path: str, overwrite: bool) -> None:
        Path(path).write_text("model")
        self.saved.append(Path(path).name)

    def save_weights(self, path: str, overwrite: bool) -> None:
        Path(path).write_text("weights")
        self.saved.append(Path(path).name)


def train(callback: Any, logs: Iterable[dict[str, Any]], batches: int = 0) -> FakeModel:
    """Calls the hooks as `fit` does, until the model shall stop."""
    model = FakeModel()
    callback.set_model(model)
    callback.on_train_begin()
    epoch_logs: dict[str, Any] = {}
    for epoch, epoch_logs in enumerate(logs):
        callback.on_epoch_begin(epoch)
        for batch in range(batches):
            callback.on_train_batch_begin(batch)
            callback.on_train_batch_end(batch, epoch_logs)
        model.weight = epoch
        callback.on_epoch_end(epoch, epoch_logs)
        if model.stop_training:
            break
    callback.on_train_end(epoch_logs)
    return model


def values(key: str, *numbers: float) -> list[dict[str, Any]]:
    return [{key: number} for number in numbers]


# ------------------------------------------------------------------------------------ early stopping


def test_early_stopping_waits_and_restores(capsys: pytest.CaptureFixture[str]) -> None:
    callback = EarlyStopping(patience=2, restore_best_weights=True, verbose=1)
    model = train(callback, values("val_loss", 3, 2, 1, 1.5, 1.2, 0.5))
    assert model.stop_training and callback.stopped_epoch == 4 and callback.best == 1
    assert model.weight == 2
    assert capsys.readouterr().out == (
        "Epoch 5: early stopping\nRestoring model weights from the end of the best epoch: 3.\n"
    )


def test_early_stopping_restores_at_every_end() -> None:
    model = train(EarlyStopping(patience=9, restore_best_weights=True), values("val_loss", 2, 1, 3))
    assert not model.stop_training and model.weight == 1


@pytest.mark.parametrize(
    ("options", "numbers", "stopped"),
    [
        ({}, (1, 1), 1),
        ({"patience": 1}, (5, 5), 1),
        ({"min_delta": 0.5, "patience": 2}, (5, 4.8, 4.6, 4.4), 2),
        ({"mode": "max", "patience": 1}, (1, 2, 3, 2), 3),
        ({"start_from_epoch": 3}, (1, 2, 3, 4, 5), 4),
        ({"baseline": 1.0, "patience": 2}, (5, 5, 5), 1),
        ({"baseline": 1.0, "patience": 2}, (5, 4, 3, 3), 3),
    ],
)
def test_early_stopping_epochs(options: dict[str, Any], numbers: Any, stopped: int) -> None:
    callback = EarlyStopping("loss", **options)
    train(callback, values("loss", *numbers))
    assert callback.stopped_epoch == stopped


def test_a_metric_says_whether_it_should_rise() -> None:
    callback = EarlyStopping("val_accuracy", patience=1)
    train(callback, values("val_accuracy", 0.1, 0.3, 0.2))
    assert callback.stopped_epoch == 2 and callback.best == 0.3
    with pytest.raises(ValueError, match="EarlyStopping: whether 'speed' should rise or fall is not known"):
        train(EarlyStopping("speed"), values("speed", 1, 2))


def test_a_missing_value_is_a_warning() -> None:
    with pytest.warns(UserWarning, match="'val_loss' is not in the logs, which have loss"):
        train(EarlyStopping(), values("loss", 1))


# ------------------------------------------------------------------------------------ checkpoints


def test_checkpoint_of_each_epoch(tmp_path: Path) -> None:
    callback = ModelCheckpoint(tmp_path / "new" / "{epoch:02d}-{loss:.2f}.keras")
    model = train(callback, values("loss", 1, 0.5))
    assert model.saved == ["01-1.00.keras", "02-0.50.keras"]


def test_checkpoint_of_the_best(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "best.weights.h5"
    callback = ModelCheckpoint(path, "val_loss", verbose=1, save_best_only=True, save_weights_only=True)
    model = train(callback, values("val_loss", 1, 2, 0.5))
    assert len(model.saved) == 2
    assert capsys.readouterr().out == (
        f"\nEpoch 1: val_loss improved from None to 1.00000, saving model to {path}\n"
        f"\nEpoch 1: finished saving model to {path}\n"
        f"\nEpoch 2: val_loss did not improve from 1.00000\n"
        f"\nEpoch 3: val_loss improved from 1.00000 to 0.50000, saving model to {path}\n"
        f"\nEpoch 3: finished saving model to {path}\n"
    )


def test_checkpoint_threshold(tmp_path: Path) -> None:
    callback = ModelCheckpoint(tmp_path / "m.keras", "loss", save_best_only=True, initial_value_threshold=0.8)
    assert len(train(callback, values("loss", 1, 0.9, 0.7)).saved) == 1


def test_checkpoint_after_batches(tmp_path: Path) -> None:
    callback = ModelCheckpoint(tmp_path / "{epoch}-{batch}.keras", save_freq=3)
    assert train(callback, values("loss", 1, 1), batches=4).saved == ["1-3.keras", "2-2.keras"]


def test_checkpoint_errors(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"must end in \.weights\.h5"):
        ModelCheckpoint("model.keras", save_weights_only=True)
    with pytest.raises(ValueError, match=r"must end in \.keras or \.h5"):
        ModelCheckpoint("model")
    with pytest.raises(ValueError, match="save_freq must be 'epoch' or a number of batches"):
        ModelCheckpoint("m.keras", save_freq="batch")  # type: ignore[arg-type]
    with pytest.raises(KeyError, match="asks for 'val_loss'; there are epoch, loss"):
        train(ModelCheckpoint(tmp_path / "{val_loss}.keras"), values("loss", 1))
    (tmp_path / "m.keras").mkdir()
    with pytest.raises(OSError, match="is a directory; give the name of a file"):
        train(ModelCheckpoint(tmp_path / "m.keras"), values("loss", 1))


# ------------------------------------------------------------------------------------ CSV


def test_csv(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    train(CSVLogger(path), [{"loss": 1.5, "acc": 0.5}, {"loss": 1, "acc": 0.6, "val_loss": 2}])
    assert path.read_text().splitlines() == [
        "epoch,acc,loss,val_acc,val_loss",
        "0,0.5,1.5,NA,NA",
        "1,0.6,1,NA,2",
    ]
    train(CSVLogger(str(path), append=True), [{"loss": 3, "acc": 0.5, "val_loss": 1, "val_acc": 1}])
    assert path.read_text().splitlines()[3:] == ["0,0.5,3,1,1"]
    train(CSVLogger(path, separator=";"), [{"loss": 3}])
    assert path.read_text().splitlines() == ["epoch;loss;val_loss", "0;3;NA"]


# ------------------------------------------------------------------------------------ learning rate


def test_learning_rate_scheduler(capsys: pytest.CaptureFixture[str]) -> None:
    logs: list[dict[str, Any]] = [{"loss": 1}, {"loss": 1}]
    model = train(LearningRateScheduler(lambda epoch, rate: rate / 2, verbose=1), logs)
    assert float(model.optimizer.learning_rate) == 0.125
    assert [entry["learning_rate"] for entry in logs] == [0.25, 0.125]
    assert "\nEpoch 1: LearningRateScheduler setting learning rate to 0.25.\n" in capsys.readouterr().out
    assert float(train(LearningRateScheduler(lambda epoch: 2.0), logs).optimizer.learning_rate) == 2
    with pytest.raises(ValueError, match="the schedule must return a number, got None"):
        train(LearningRateScheduler(lambda epoch: None), logs)


def test_reduce_learning_rate_on_plateau(capsys: pytest.CaptureFixture[str]) -> None:
    logs = values("val_loss", 1, 1, 1, 1, 1, 1, 0.5, 0.5, 0.5)
    callback = ReduceLROnPlateau(factor=0.5, patience=2, cooldown=2, min_lr=0.2, verbose=1)
    model = train(callback, logs)
    rates = [entry["learning_rate"] for entry in logs]
    assert rates == pytest.approx([0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.2, 0.2, 0.2])
    assert float(model.optimizer.learning_rate) == pytest.approx(0.2)
    out = capsys.readouterr().out
    assert out.startswith("\nEpoch 3: ReduceLROnPlateau reducing learning rate to 0.25.\n")
    with pytest.raises(ValueError, match="factor must be below 1"):
        ReduceLROnPlateau(factor=1.0)


# ------------------------------------------------------------------------------------ small ones


def test_lambda_callback() -> None:
    seen: list[Any] = []
    callback = LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append((epoch, logs["loss"])),
        on_train_batch_end=lambda batch, logs: seen.append(batch),
        on_test_begin=lambda logs: seen.append("test"),
    )
    train(callback, values("loss", 1), batches=2)
    callback.on_test_begin({})
    assert seen == [0, 1, (0, 1), "test"]
    with pytest.raises(TypeError, match="there is no hook 'on_epoch'"):
        LambdaCallback(on_epoch=print)


def test_terminate_on_nan(capsys: pytest.CaptureFixture[str]) -> None:
    model = train(TerminateOnNaN(), values("loss", 1, math.inf, 1), batches=1)
    assert model.stop_training and model.weight == 1
    assert capsys.readouterr().out == "Batch 0: Invalid loss, terminating training\n"
    with pytest.raises(RuntimeError, match="the loss of batch 0 is nan"):
        train(TerminateOnNaN(raise_error=True), values("loss", math.nan), batches=1)
