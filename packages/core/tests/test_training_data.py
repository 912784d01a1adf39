"""The sources of batches: every kind of data gives the same batches."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from pronghorn import tree
from pronghorn.arguments import as_integer
from pronghorn.program import Rows
from pronghorn.tensor import constant
from pronghorn.training.arrays import as_array, as_arrays, class_weights
from pronghorn.training.data import (
    Epochs,
    PyDataset,
    gather,
    make_source,
    pack_x_y_sample_weight,
    split_arrays,
    unpack_x_y_sample_weight,
)
from pronghorn.training.workers import ahead

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


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Any]:
    np.save(tmp_path / "x.npy", X)
    file = h5py.File(tmp_path / "data.h5", "w")
    file["x"], file["y"] = X, Y
    return {"h5py": (file["x"], file["y"]), "memmap": (np.load(tmp_path / "x.npy", mmap_mode="r"), Y)}


@pytest.mark.parametrize("shuffle", [False, True, "batch"])
@pytest.mark.parametrize(
    "kind",
    ["fortran", "big endian", "strided", "single precision", "lists", "tensors", "foreign", "h5py", "memmap"],
)
def test_every_kind_of_array_gives_the_same_batches(kind: str, shuffle: Any, files: dict[str, Any]) -> None:
    class Foreign:
        """What the tensors of other frameworks have."""

        def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
            return X

        def __dlpack__(self) -> None:
            raise NotImplementedError

    data = {
        "fortran": (np.asfortranarray(X), Y),
        "big endian": (X.astype(">f8"), Y.astype(">i8")),
        "strided": (np.repeat(X, 2, axis=0)[::2], np.repeat(Y, 2)[::2]),
        "single precision": (X.astype("float32"), Y),
        "lists": (X.tolist(), Y.tolist()),
        "tensors": (constant(X, "float64"), constant(Y, "int64")),
        "foreign": (Foreign(), Y),
        **files,
    }[kind]
    np.random.seed(3)
    expected = batches(make_source(X, Y, batch_size=8, shuffle=shuffle))
    np.random.seed(3)
    assert_same(batches(make_source(*data, batch_size=8, shuffle=shuffle)), expected)
    assert expected[0][0].dtype == np.float32
    assert expected[0][1].dtype == np.int64
    assert [len(x) for x, _, _ in expected] == [8, 8, 8, 1]


def test_arrays_in_memory_are_neither_copied_nor_gathered_in_python() -> None:
    fortran = np.asfortranarray(X)
    (x, _, _), indices = next(iter(make_source(fortran, Y)))
    assert isinstance(x, Rows)
    assert x.array.base is fortran and x.array.strides == fortran.strides
    np.testing.assert_array_equal(indices, np.arange(25))


def test_shuffling_permutes_rows_or_rows_within_batches() -> None:
    order = np.concatenate([y for _, y, _ in batches(make_source(X, Y, batch_size=8, shuffle=True))])
    assert sorted(order) == list(Y)
    assert list(order) != list(Y)
    within = [y for _, y, _ in batches(make_source(X, Y, batch_size=8, shuffle="batch"))]
    assert [sorted(y) for y in within] == [list(Y[k : k + 8]) for k in range(0, 25, 8)]


def test_a_split_keeps_the_last_rows_from_training(files: dict[str, Any]) -> None:
    for x, y in ((X, Y), files["h5py"]):
        training, validation = split_arrays(make_source(x, y, batch_size=8, shuffle=True), 0.3, 4)
        assert sorted(np.concatenate([y for _, y, _ in batches(training)])) == list(range(17))
        assert [list(y) for _, y, _ in batches(validation)] == [[17, 18, 19, 20], [21, 22, 23, 24]]


def test_structures_keep_their_nesting() -> None:
    source = make_source({"a": X, "b": [Y, X]}, (Y, None), batch_size=20)
    x, y, weight = batches(source)[0]
    assert [part.shape for part in (x["a"], x["b"][0], x["b"][1], y[0])] == [(20, 3), (20,), (20, 3), (20,)]
    assert y[1] is None
    assert weight is None
    with pytest.raises(ValueError, match=r"x\['a'\] has 25 rows and x\['b'\]\[0\] has 24"):
        make_source({"a": X, "b": [Y[1:]]}, Y)


def test_columns_of_data_frames() -> None:
    class Series:
        """What pandas has."""

        def __init__(self, values: Any) -> None:
            self.values = values

        def to_numpy(self) -> Any:
            return self.values

    assert as_array(Series(Y), "y").shape == (25, 1)
    assert as_array(Series(X), "x").shape == (25, 3)


# ---------------------------------------------------------------------------------------------- made in Python


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


def test_epochs_of_an_iterator_go_on_those_of_arrays_begin_again() -> None:
    stream = Epochs(make_source(iter(X[k : k + 5] for k in range(0, 25, 5))), steps=2)
    assert [x[0, 0] for x, _, _ in batches(stream)] == list(X[[0, 5], 0].astype("float32"))
    assert [x[0, 0] for x, _, _ in batches(stream)] == list(X[[10, 15], 0].astype("float32"))
    assert not stream.dry
    assert len(batches(stream)) == 1
    assert stream.dry
    array = Epochs(make_source(Y, batch_size=10), steps=2)
    assert [[x[0] for x, _, _ in batches(array)] for _ in range(3)] == [[0, 10], [20, 0], [10, 20]]
    array.restart()
    assert [x[0] for x, _, _ in batches(array)] == [0, 10]


# ---------------------------------------------------------------------------------------------- parts


def test_batches_are_packed_as_short_as_they_can_be() -> None:
    assert unpack_x_y_sample_weight(X) == (X, None, None)
    assert unpack_x_y_sample_weight([X, Y]) == (X, Y, None)
    assert unpack_x_y_sample_weight((X,)) == (X, None, None)
    assert pack_x_y_sample_weight(X) is X
    assert pack_x_y_sample_weight([X, Y]) == ([X, Y],)
    assert pack_x_y_sample_weight(X, Y) == (X, Y)
    assert pack_x_y_sample_weight(X, None, Y) == (X, None, Y)


def test_class_weights_of_numbers_columns_and_one_hot_rows() -> None:
    weights = {1: 2.0, 2: 0.5}
    expected = np.array([1, 2, 0.5, 2], "float32")
    for y in (np.array([0, 1, 2, 1]), np.array([[0.0], [1.0], [2.0], [1.0]]), np.eye(3)[[0, 1, 2, 1]]):
        np.testing.assert_array_equal(class_weights(y, weights), expected)
    with pytest.raises(ValueError, match="class_weight needs one target, got list"):
        class_weights([Y, Y], weights)


def test_strings_and_objects() -> None:
    names = np.array(["ash", "elm"])
    (x, _, _), indices = next(iter(make_source(names)))
    assert list(x) == ["ash", "elm"]
    assert indices is None
    with pytest.raises(ValueError, match="x: expected numbers, got an array of dict objects"):
        as_arrays(np.array([{}, {}]))
    with pytest.raises(NotImplementedError, match=r"sparse matrices are not supported; pass x.toarray\(\)"):
        as_array(type("Sparse", (), {"toarray": None})(), "x")


@pytest.mark.parametrize("value", [128, 128.0, np.int64(128), np.float32(128)])
def test_whole_numbers(value: Any) -> None:
    assert as_integer(value, "n") == 128
    for wrong in (value + 0.5, float("nan"), "128", None):
        with pytest.raises(ValueError, match="n: expected a whole number of at least 1, got"):
            as_integer(wrong, "n")


PROCESSES = """
import os
from concurrent.futures import BrokenExecutor
import numpy as np
from pronghorn.training.data import PyDataset, make_source

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


def test_frames_of_pandas() -> None:
    pandas = pytest.importorskip("pandas")
    frame, column = pandas.DataFrame(X, columns=list("abc")), pandas.Series(Y)
    weights = pandas.Series(np.ones(25))
    found = batches(make_source(frame, column, weights, batch_size=8))
    assert_same(found, batches(make_source(X, Y[:, None], np.ones((25, 1)), batch_size=8)))
    by_name = batches(make_source({"all": frame, "first": frame["a"]}, batch_size=25))[0][0]
    assert by_name["all"].shape == (25, 3) and by_name["first"].shape == (25, 1)
