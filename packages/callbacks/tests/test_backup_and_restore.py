"""A training that is interrupted anywhere and started again ends with the bits of one that ran through."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import pronghorn as keras
from pronghorn import ops
from pronghorn.callbacks import (
    BackupAndRestore,
    CSVLogger,
    EarlyStopping,
    LearningRateScheduler,
    ReduceLROnPlateau,
    SwapEMAWeights,
)
from pronghorn.functional import Input
from pronghorn.layer import Layer
from pronghorn.metric import Mean
from pronghorn.random import SeedGenerator, set_global_seed, uniform
from pronghorn.saving import ModelFileError, load_weights
from pronghorn.sequential import Sequential
from pronghorn.testing import Affine, Momentum
from pronghorn.training.callback import Callback

STREAMS = find_spec("pronghorn_utils") is not None
AVERAGES = find_spec("pronghorn_optimizers") is not None
PyDataset: Any = keras.utils.PyDataset if STREAMS else object
made_in_python = pytest.mark.skipif(not STREAMS, reason="data made in Python are read by pronghorn-utils")

ROWS = np.random.default_rng(0).normal(size=(40, 3)).astype("float32")
TARGETS = ROWS[:, :1] * ROWS[:, 1:2]


class Noise(Layer):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed_generator = SeedGenerator()

    def call(self, inputs: Any, training: bool = False) -> Any:
        return inputs + 0.1 * uniform(inputs.shape, seed=self.seed_generator) if training else inputs


class Distance(Mean):
    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        super().update_state(ops.abs(y_true - y_pred))


class Draws(Callback):
    """Draws from NumPy's generator and remembers everything it saw."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Any] = []

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.seen.append((epoch, np.random.random()))

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.seen.append({"batch": batch, "loss": np.float32(logs["loss"])})


class Crash(Callback):
    """Ends the program, so to say, after a number of steps."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.after = after
        self.steps = 0

    def get_state(self) -> Any:
        return {}

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if self.steps == self.after:
            raise InterruptedError
        self.steps += 1


@contextmanager
def closing(log: CSVLogger) -> Iterator[None]:
    """The end of the program closes its files."""
    try:
        yield
    finally:
        log.on_train_end()


def squared(y_true: Any, y_pred: Any) -> Any:
    return ops.mean(ops.square(y_true - y_pred), axis=-1)


class Batches(PyDataset):
    """Adds noise to its rows; shuffled by `fit`."""

    def __len__(self) -> int:
        return 5

    def __getitem__(self, index: int) -> Any:
        rows = slice(8 * index, 8 * index + 8)
        return ROWS[rows] + np.random.normal(size=(8, 3)), TARGETS[rows]


class Reordered(Batches):
    """Has an order of its own, which changes after each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.order = list(range(5))

    def __getitem__(self, index: int) -> Any:
        return super().__getitem__(self.order[index])

    def on_epoch_end(self) -> None:
        np.random.shuffle(self.order)

    def get_state(self) -> Any:
        return {"order": self.order}

    def set_state(self, state: Any) -> None:
        self.order = state["order"]


class Counter:
    """An iterator that knows where it is."""

    def __init__(self) -> None:
        self.position = 0

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        self.position += 1
        rows = slice(self.position % 5 * 8, self.position % 5 * 8 + 8)
        return ROWS[rows], TARGETS[rows]

    def get_state(self) -> Any:
        return self.position

    def set_state(self, state: Any) -> None:
        self.position = state


def generator() -> Iterator[Any]:
    while True:
        rows = np.random.permutation(40)[:8]
        yield ROWS[rows], TARGETS[rows]


class Iterable:
    """Begins again in each epoch, in another order."""

    def __iter__(self) -> Iterator[Any]:
        order = np.random.permutation(40)
        for at in range(0, 40, 8):
            yield ROWS[order[at : at + 8]], TARGETS[order[at : at + 8]]


def in_file(folder: Path) -> Any:
    path = folder / "rows.npy"
    np.save(path, ROWS)
    return np.load(path, mmap_mode="r")


ARRAYS = {"x": ROWS, "y": TARGETS, "batch_size": 8}
DATA: dict[str, Callable[[Path], dict[str, Any]]] = {
    "arrays": lambda folder: {**ARRAYS, "validation_split": 0.2},
    "arrays shuffled within batches": lambda folder: {**ARRAYS, "shuffle": "batch"},
    "arrays over the end of an epoch": lambda folder: {**ARRAYS, "steps_per_epoch": 3},
    "arrays in a file": lambda folder: {**ARRAYS, "x": in_file(folder)},
    "a data set": lambda folder: {"x": Batches(), "validation_data": (ROWS, TARGETS)},
    "a data set that changes": lambda folder: {"x": Reordered()},
    "an iterator with a state": lambda folder: {"x": Counter(), "steps_per_epoch": 4},
    "a generator": lambda folder: {"x": generator(), "steps_per_epoch": 4},
    "an iterable": lambda folder: {"x": Iterable()},
    "a generator to validate": lambda folder: {**ARRAYS, "validation_data": generator(), "validation_steps": 2},
}


def train(folder: Path, data: str, after: int = 10**6, save_freq: Any = 2, together: int = 1) -> dict[str, Any]:
    """Trains a new model, as a program would that is started again, and returns all that should be equal."""
    set_global_seed(1)
    np.random.seed(1)
    model = Sequential([Input((3,)), Affine(4), Noise(), Affine(1)])
    optimizer = Momentum(0.02, **({"use_ema": True, "ema_momentum": 0.9} if AVERAGES else {}))
    model.compile(optimizer, squared, metrics=[Distance(name="distance")], steps_per_execution=together)
    stopping, plateau, draws = EarlyStopping("loss", patience=2, restore_best_weights=True), Plateau(), Draws()
    log = CSVLogger(folder / "log.csv")
    callbacks = [
        BackupAndRestore(folder / "backup", save_freq=save_freq),
        draws,
        stopping,
        plateau,
        LearningRateScheduler(lambda epoch, rate: rate * 0.99),
        log,
        *([SwapEMAWeights(swap_on_epoch=True)] if AVERAGES else []),
        Crash(after),
    ]
    with warnings.catch_warnings(), closing(log):
        warnings.filterwarnings("ignore", "BackupAndRestore: in a resumed training")
        model.fit(**DATA[data](folder), epochs=3, verbose=0, callbacks=callbacks)
    variables = [*model.variables, *model.optimizer.variables]
    return {
        "variables": [variable.numpy() for variable in variables],
        "history": model.history.history,
        "epochs": model.history.epoch,
        "callbacks": (stopping.best, stopping.wait, plateau.best, plateau.wait, draws.seen),
        "draw": np.random.random(),
        "rows": (folder / "log.csv").read_text(),
    }


def Plateau() -> Any:
    return ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=0.05, cooldown=1)


@pytest.mark.parametrize(
    "data", [pytest.param(name, marks=() if name.startswith("arrays") else made_in_python) for name in DATA]
)
def test_a_resumed_training_has_the_bits_of_one_that_ran_through(data: str, tmp_path: Path) -> None:
    whole = train(tmp_path, data, save_freq=False)
    with pytest.raises(InterruptedError):
        train(tmp_path, data, 7, save_freq=3)
    np.testing.assert_equal(train(tmp_path, data, save_freq=3), whole)
    assert not (tmp_path / "backup").exists()


def test_wherever_it_was_interrupted(tmp_path: Path) -> None:
    """Also at the end of an epoch, which has four steps, when each step was saved."""
    whole = train(tmp_path, "arrays", save_freq=False)
    for after, save_freq in [(1, 1), (4, 1), (6, "epoch"), (11, 1)]:
        with pytest.raises(InterruptedError):
            train(tmp_path, "arrays", after, save_freq)
        np.testing.assert_equal(train(tmp_path, "arrays", save_freq=save_freq), whole)


def test_a_training_interrupted_again_and_again(tmp_path: Path) -> None:
    whole = train(tmp_path, "arrays", save_freq=False, together=3)
    for _ in range(2):
        with pytest.raises(InterruptedError):
            train(tmp_path, "arrays", 2, save_freq=1, together=3)
    np.testing.assert_equal(train(tmp_path, "arrays", save_freq=1, together=3), whole)


def test_rows_that_were_there_before_a_resumed_training_stay(tmp_path: Path) -> None:
    def rows(name: str, after: int = 10**6) -> str:
        log = CSVLogger(tmp_path / f"{name}.csv", append=True)
        set_global_seed(1)
        np.random.seed(1)
        model = Sequential([Input((3,)), Affine(1)])
        model.compile(Momentum(0.02), squared)
        backup = BackupAndRestore(tmp_path / f"backup {name}", save_freq=2)
        with closing(log):
            model.fit(ROWS, TARGETS, batch_size=10, epochs=4, verbose=0, callbacks=[log, backup, Crash(after)])
        return (tmp_path / f"{name}.csv").read_text()

    for name in ("whole", "resumed"):
        (tmp_path / f"{name}.csv").write_text("epoch,loss,val_loss\n0,1.0,NA\n")
    whole = rows("whole")
    with pytest.raises(InterruptedError):
        rows("resumed", 9)  # the third epoch has begun, and its first backup is to come
    assert rows("resumed") == whole and whole.count("epoch") == 1 and whole.count("\n") == 6


def fit(folder: Path, *callbacks: Any, epochs: int = 2, units: int = 1, **options: Any) -> Any:
    """A short training with a backup after each epoch, which stays."""
    model = Sequential([Input((3,)), Affine(units)])
    model.compile(Momentum(0.02), squared)
    backup = BackupAndRestore(folder / "backup", **{"delete_checkpoint": False, **options})
    model.fit(ROWS, ROWS[:, :units], epochs=epochs, verbose=0, callbacks=[backup, *callbacks])
    return model


def test_backups_stay_if_asked_and_are_weights_files(tmp_path: Path) -> None:
    model = fit(tmp_path)
    path = tmp_path / "backup" / "latest.weights.h5"
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    other = Sequential([Input((3,)), Affine(1)])
    load_weights(other, path)
    np.testing.assert_equal(other.get_weights(), model.get_weights())
    longer = fit(tmp_path, epochs=3)
    assert longer.history.epoch == [0, 1, 2] and len(longer.history.history["loss"]) == 3
    fit(tmp_path, epochs=3, delete_checkpoint=True)
    assert not path.parent.exists()


def test_only_its_own_files_are_removed(tmp_path: Path) -> None:
    (tmp_path / "backup").mkdir()
    (tmp_path / "backup" / "mine.txt").write_text("precious")
    fit(tmp_path, delete_checkpoint=True)
    assert [path.name for path in (tmp_path / "backup").iterdir()] == ["mine.txt"]


def test_the_backup_before_the_last_stands_in_for_a_damaged_one(tmp_path: Path) -> None:
    fit(tmp_path, epochs=3, double_checkpoint=True)
    latest, previous = (tmp_path / "backup" / f"latest.weights.h5{end}" for end in ("", ".bkp"))
    latest.write_bytes(latest.read_bytes()[:-50])
    with pytest.warns(UserWarning, match="the backup before the last is used, since .*latest.* cannot be read"):
        assert fit(tmp_path, epochs=3, double_checkpoint=True).history.epoch == [0, 1, 2]
    latest.unlink()
    fit(tmp_path, epochs=2)
    latest.write_bytes(b"")
    with pytest.raises(ModelFileError, match="cannot be read.*to begin anew, remove the folder"):
        fit(tmp_path)


def test_a_backup_of_something_else_is_an_error(tmp_path: Path) -> None:
    fit(tmp_path)
    with pytest.raises(ModelFileError, match=r"do not fit the model(.|\n)*layers/affine(.|\n)*remove the folder"):
        fit(tmp_path, units=2)
    Sequential([Input((3,)), Affine(1)]).save_weights(tmp_path / "backup" / "latest.weights.h5")
    with pytest.raises(ModelFileError, match="nothing that a training could be resumed from"):
        fit(tmp_path)


class Opener(Callback):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self.file = path.open("w")


@made_in_python
def test_what_cannot_be_resumed_is_named_when_training_begins(tmp_path: Path) -> None:
    opener = Opener(tmp_path / "log")
    with pytest.warns(UserWarning, match="the callback Opener would begin anew, since TextIOWrapper objects cannot"):
        fit(tmp_path, opener)
    opener.file.close()
    with pytest.warns(UserWarning, match=r"this fit lacks callbacks that the backup has: \['Draws'\]"):
        fit(tmp_path, Draws(), epochs=3)
        fit(tmp_path, epochs=3)
    for x, message in ((generator(), "the generator would be read from its start"), (Changing(), "data set Changing")):
        model = Sequential([Input((3,)), Affine(1)])
        model.compile(Momentum(0.02), squared)
        with pytest.warns(UserWarning, match=message):
            model.fit(x, steps_per_epoch=2, verbose=0, callbacks=[BackupAndRestore(tmp_path / "other")])


class Changing(Batches):
    def on_epoch_end(self) -> None:
        pass


def test_arguments() -> None:
    for wrong in (0, "batch", 1.5, True):
        with pytest.raises(ValueError, match="BackupAndRestore: save_freq must be 'epoch' or a number of batches"):
            BackupAndRestore("backup", save_freq=wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="backup_dir is empty"):
        BackupAndRestore("")


# ------------------------------------------------------------------------------------------------ hostile backups


def changed(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Writes a backup anew with another state."""
    with h5py.File(path, "r+") as file:
        group = file["pronghorn.training/vars"]
        state = json.loads(bytes(group["state"][()]))
        fields = {key: value for key, value in state["dict"]}
        change(fields)
        del group["state"]
        group["state"] = np.frombuffer(json.dumps({"dict": list(fields.items())}).encode(), np.uint8)
        del file.attrs["sha256"]


def taking_over(fields: dict[str, Any]) -> None:
    fields["callbacks"] = [["Draws", {"dict": [["on_epoch_end", "os.system"]]}]]


HOSTILE: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a missing field": lambda fields: fields.pop("epoch"),
    "an epoch that is a text": lambda fields: fields.update(epoch="1"),
    "an array from nowhere": lambda fields: fields.update(variables=[{"array": 10**6}]),
    "a value of no kind": lambda fields: fields.update(epoch={"object": "os.system"}),
    "an object of two kinds": lambda fields: fields.update(epoch={"array": 0, "number": 0}),
    "too few metrics": lambda fields: fields.update(variables=[]),
    "a generator's state that is none": lambda fields: fields["data"]["dict"][-1].__setitem__(1, {"dict": []}),
    "seeds of another model": lambda fields: fields.update(seeds={"dict": [["layers", [[1, 2, 3]]]]}),
    "a state that replaces a method": taking_over,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_backup_is_refused(name: str, tmp_path: Path) -> None:
    fit(tmp_path, Draws())
    changed(tmp_path / "backup" / "latest.weights.h5", HOSTILE[name])
    with pytest.raises(ModelFileError, match="cannot be read"):
        fit(tmp_path, Draws())
    shutil.rmtree(tmp_path / "backup")
