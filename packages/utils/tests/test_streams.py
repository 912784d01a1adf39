"""Data made in Python: every kind of it gives the same batches, and trains as arrays do. And weights by class."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pronghorn import ops, tree
from pronghorn.functional import Input
from pronghorn.layer import Layer
from pronghorn.requirement import Within, require
from pronghorn.sequential import Sequential
from pronghorn.testing.layers import Affine, Descent, squared_error
from pronghorn.training.data import Epochs, gather, make_source
from pronghorn.utils import PyDataset
from pronghorn_utils.class_weights import class_weights
from pronghorn_utils.workers import ahead

X = np.random.default_rng(0).normal(size=(25, 3))
Y = np.arange(25)


def batches(source: Any) -> list[Any]:
    """What a step sees of each batch."""
    return [tree.map_structure(lambda t: t.numpy(), gather(*batch), none_is_leaf=False) for batch in source]


def assert_same(found: list[Any], expected: list[Any]) -> None:
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        for left, right in zip(tree.flatten(a), tree.flatten(b), strict=True):
            np.testing.assert_array_equal(left, right)
            assert left is None or left.dtype == right.dtype


class Batches(PyDataset):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.events: list[Any] = []

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Any:
        self.events.append(index)
        return X[index * 8 : index * 8 + 8], Y[index * 8 : index * 8 + 8]

    def on_epoch_begin(self) -> None:
        self.events.append("begin")

    def on_epoch_end(self) -> None:
        self.events.append("end")


@pytest.mark.parametrize("workers", [1, 3])
def test_data_sets_in_python(workers: int) -> None:
    expected = batches(make_source(X, Y, batch_size=8))
    data_set = Batches(workers=workers, max_queue_size=2)
    assert_same(batches(make_source(data_set)), expected)
    data_set.events.clear()
    assert_same(batches(Epochs(make_source(data_set))), expected)
    assert data_set.events[0] == "begin"
    assert data_set.events[-1] == "end"
    shuffled = [int(y[0]) for _, y, _ in batches(make_source(data_set, shuffle=True))]
    assert sorted(shuffled) == [0, 8, 16, 24]


def test_errors_of_worker_threads_name_the_item_and_end_the_threads() -> None:
    class Broken(Batches):
        def __getitem__(self, index: int) -> Any:
            if index == 2:
                raise KeyError("no such image")
            return super().__getitem__(index)

    for workers in (1, 2):
        with pytest.raises(KeyError) as caught:
            batches(make_source(Broken(workers=workers)))
        assert caught.value.__notes__ == ["while reading item 2 of the data set"]
    assert not [t for t in threading.enumerate() if t.name.startswith("pronghorn-data")]


def test_reading_ahead_is_bounded_and_in_order() -> None:
    started: list[int] = []

    def square(i: int) -> int:
        started.append(i)
        return i * i

    results = ahead(square, range(100), workers=2, depth=3)
    assert [next(results) for _ in range(4)] == [0, 1, 4, 9]
    assert len(started) <= 7
    results.close()


@pytest.mark.parametrize("end", ["iterator", "iterable", "only next", "lists"])
def test_streams(end: str) -> None:
    items = [(X[:8], Y[:8]), (X[8:], Y[8:])]

    class Next:
        """What a generator from R has."""

        def __init__(self) -> None:
            self.items = iter(items)

        def __next__(self) -> Any:
            return next(self.items)

    class Iterable:
        def __iter__(self) -> Any:
            return iter(items)

    stream: Any = {
        "iterator": iter(items),
        "iterable": Iterable(),
        "only next": Next(),
        "lists": iter([list(item) for item in items]),
    }[end]
    source = make_source(stream)
    assert source.example()[0].shape == (8, 3)
    expected = [batches(make_source(x, y))[0] for x, y in items]
    assert_same(batches(source), expected)
    assert_same(batches(source), expected if end == "iterable" else [])


def test_epochs_of_an_iterator_go_on() -> None:
    stream = Epochs(make_source(iter(X[k : k + 5] for k in range(0, 25, 5))), steps=2)
    assert [x[0, 0] for x, _, _ in batches(stream)] == list(X[[0, 5], 0].astype("float32"))
    assert [x[0, 0] for x, _, _ in batches(stream)] == list(X[[10, 15], 0].astype("float32"))
    assert not stream.dry
    assert len(batches(stream)) == 1
    assert stream.dry


PROCESSES = """
import os
from concurrent.futures import BrokenExecutor
import numpy as np
from pronghorn.training.data import make_source
from pronghorn.utils import PyDataset

class Data(PyDataset):
    def __init__(self, last, **kwargs):
        super().__init__(**kwargs)
        self.last = last

    def __len__(self):
        return 4

    def __getitem__(self, index):
        if index == self.last:
            os._exit(1)
        return np.full(2, index), np.full(2, os.getpid())

if __name__ == "__main__":
    options = {"workers": 2, "use_multiprocessing": True, "max_queue_size": 2}
    batches = [batch for batch, _ in make_source(Data(None, **options))]
    assert [x[0] for x, _, _ in batches] == [0, 1, 2, 3]
    assert os.getpid() not in {int(y[0]) for _, y, _ in batches}
    try:
        list(make_source(Data(2, **options)))
    except BrokenExecutor as error:
        print(error.__notes__[0], "|", error.__notes__[1])
"""


def test_worker_processes(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(PROCESSES)
    run = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert run.stdout.startswith("while reading item") and "A worker process ended before its time" in run.stdout


def test_a_data_set_that_does_not_call_its_base() -> None:
    class Bare(PyDataset):
        def __init__(self) -> None:
            pass

        def __len__(self) -> int:
            return 2

        def __getitem__(self, index: int) -> Any:
            if index > 1:
                raise IndexError(index)
            return X[:4] + index

    assert [len(x) for x, _, _ in batches(make_source(Bare()))] == [4, 4]
    assert len(list(Bare())) == 2


def test_an_error_of_a_generator_says_at_which_batch() -> None:
    def broken() -> Any:
        yield X[:4], Y[:4]
        yield X[4:8], Y[4:8]
        raise OSError("the disk is gone")

    for peeked in (False, True):
        source = make_source(broken())
        if peeked:
            source.example()
        with pytest.raises(OSError, match="the disk is gone") as caught:
            batches(source)
        assert caught.value.__notes__ == ["while reading item 2 of the data set"]


class Foreign:
    """A tensor of another library: only NumPy's protocol."""

    def __init__(self, array: Any) -> None:
        self.array = np.asarray(array)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return self.array if dtype is None else self.array.astype(dtype)


class Loader:
    """What torch's DataLoader gives: lists of tensors, the last of them shorter, a new pass for each `iter`."""

    def __len__(self) -> int:
        return 4

    def __iter__(self) -> Any:
        return ([Foreign(X[k : k + 8]), Foreign(Y[k : k + 8])] for k in range(0, 25, 8))


def test_loaders_of_other_libraries() -> None:
    source = make_source(Loader())
    assert source.batches == 4 and source.restarts and source.example()[0].shape == (8, 3)
    for _ in range(2):
        assert_same(batches(source), batches(make_source(X, Y, batch_size=8)))


def test_class_weights_of_numbers_columns_and_one_hot_rows() -> None:
    weights = {1: 2.0, 2: 0.5}
    expected = np.array([1, 2, 0.5, 2], "float32")
    for y in (np.array([0, 1, 2, 1]), np.array([[0.0], [1.0], [2.0], [1.0]]), np.eye(3)[[0, 1, 2, 1]]):
        np.testing.assert_array_equal(class_weights(y, weights), expected)
    with pytest.raises(ValueError, match="class_weight needs one target, got list"):
        class_weights([Y, Y], weights)


# ---------------------------------------------------------------------------------------------- training

ROWS = np.random.default_rng(0).normal(size=(70, 5))
TARGETS = ROWS @ np.random.default_rng(1).normal(size=(5, 3)) + 1
QUIET: dict[str, Any] = {"verbose": 0}


def linear() -> Any:
    """A compiled linear model whose weights are always the same."""
    model = Sequential([Input((5,)), Affine(3)])
    model.set_weights([np.full((5, 3), 0.5), np.zeros(3)])
    model.compile(Descent(0.1), squared_error)
    return model


def test_an_iterator_goes_on_and_running_dry_ends_training() -> None:
    batches = iter([(ROWS[:10], TARGETS[:10])] * 5)
    with pytest.warns(UserWarning, match="ended within the 3 batches that steps_per_epoch asks for"):
        history = linear().fit(batches, epochs=4, steps_per_epoch=3, **QUIET)
    assert history.epoch == [0, 1]
    with pytest.warns(UserWarning, match="used up by the pass before"):
        assert linear().fit(iter([(ROWS, TARGETS)]), epochs=2, **QUIET).epoch == [0]


def test_predict_of_a_generator_of_unknown_length() -> None:
    model = linear()
    parts = [ROWS[:10], ROWS[10:11], ROWS[11:60], ROWS[60:]]
    np.testing.assert_array_equal(model.predict((part for part in parts), **QUIET), model.predict(ROWS, **QUIET))
    assert model.predict(iter(parts), steps=2, **QUIET).shape == (11, 3)


def test_a_batch_size_for_a_generator_has_no_effect_and_says_so() -> None:
    with pytest.warns(UserWarning, match="batch_size=4 has no effect"):
        linear().fit(iter([(ROWS, TARGETS)]), batch_size=4, **QUIET)


def test_outputs_of_different_shapes_cannot_be_joined() -> None:
    class Double(Layer):
        def call(self, inputs: Any) -> Any:
            return inputs * 2.0

    model = Sequential([Double()])
    with pytest.raises(ValueError, match=r"have shape \(2, 4\), those of an earlier one \(2, 3\)"):
        model.predict(iter([np.ones((2, 3)), np.ones((2, 4))]), **QUIET)


def test_batches_of_any_sizes_train_alike() -> None:
    sizes, starts = (30, 7, 33), (0, 30, 37)
    stream = ((ROWS[k : k + n], TARGETS[k : k + n]) for k, n in zip(starts, sizes, strict=True))
    streamed, by_hand = linear(), linear()
    streamed.fit(stream, **QUIET)
    for k, n in zip(starts, sizes, strict=True):
        by_hand.train_on_batch(ROWS[k : k + n], TARGETS[k : k + n])
    for found, expected in zip(streamed.get_weights(), by_hand.get_weights(), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_class_weights_are_sample_weights_by_class() -> None:
    labels = np.eye(3)[np.arange(len(ROWS)) % 3]
    by_class = linear().fit(ROWS, labels, shuffle=False, class_weight={0: 3.0, "2": 0.5}, **QUIET).history
    weights = np.tile([3.0, 1.0, 0.5], 24)[: len(ROWS)]
    by_sample = linear().fit(ROWS, labels, shuffle=False, sample_weight=weights, **QUIET).history
    assert by_class == by_sample


def test_nested_batches_may_hold_arrays_of_other_lengths() -> None:
    """What some rows are for, a training step of one's own knows: here labelled and unlabelled ones."""

    class Both(Sequential):
        def train_step(self, data: Any) -> Any:
            (unlabelled, _), (labelled, targets) = data
            return {"rows": ops.sum(ops.ones_like(unlabelled)) + ops.sum(ops.ones_like(labelled)) + ops.sum(targets)}

    class Pairs(PyDataset):
        def __len__(self) -> int:
            return 2

        def __getitem__(self, index: int) -> Any:
            return (np.ones((6, 3)), np.ones(6)), (np.ones((4, 3)), np.ones(4))

    model = Both([Input((3,)), Affine(1)])
    model.compile(Descent(0.1))
    assert model.fit(Pairs(), verbose=0).history == {"rows": [34.0]}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": itertools.repeat((ROWS, TARGETS)), "y": None}, "steps_per_epoch: the data have no end"),
        ({"x": iter([(ROWS, TARGETS, ROWS, TARGETS)]), "y": None}, r"a batch must be .*, got a tuple of 4 items"),
        ({"x": iter([]), "y": None}, "the generator gave no batch"),
        (
            {"x": iter([(ROWS[:4], TARGETS[:4]), (ROWS[:0], TARGETS[:0])]), "y": None},
            r"x has no rows \(shape \(0, 5\)\)",
        ),
        ({"x": iter([(ROWS[:4], TARGETS[:4]), (ROWS[:4, :3], TARGETS[:4])]), "y": None}, r"5.*3"),
        ({"x": iter([(ROWS[:4], TARGETS[:3])]), "y": None}, "x has 4 rows and y has 3"),
        ({"x": iter([(ROWS, TARGETS)]), "y": None, "validation_split": 0.2}, "validation_split works on arrays only"),
        ({"class_weight": {3: 1.0}}, "expected class number -> weight, got 3: 1.0; classes are 0 to 2"),
        ({"class_weight": {"cat": 1.0}}, "expected class number -> weight, got 'cat': 1.0"),
    ],
)
def test_mistakes_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        linear().fit(**{"x": ROWS, "y": TARGETS, "verbose": 0} | arguments)


def demanding(y_true: Any, y_pred: Any) -> Any:
    require(y_true, Within(100, "label", "as the loss says"))
    return squared_error(y_true, y_pred)


def test_labels_are_checked_as_they_come() -> None:
    y = TARGETS.copy()
    y[3] = np.nan
    with pytest.raises(ValueError, match="y holds NaN, first in row 3, which makes the loss NaN"):
        linear().fit(iter([(ROWS, y)]), **QUIET)
    model = linear()
    model.compile(Descent(0.1), demanding)
    labels = np.abs(TARGETS)
    batches = [(ROWS, labels), (ROWS, np.where(np.arange(70)[:, None] == 69, 101.0, labels))]
    with pytest.raises(ValueError, match="label 101 in row 69 is not one of 0 to 99, as the loss says"):
        model.fit(iter(batches), **QUIET)
