"""The sources of batches: every kind of data gives the same batches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from pronghorn import tree
from pronghorn.arguments import as_integer
from pronghorn.program import Rows
from pronghorn.tensor import constant
from pronghorn.training.arrays import as_array, as_arrays
from pronghorn.training.data import (
    Epochs,
    gather,
    make_source,
    pack_x_y_sample_weight,
    split_arrays,
    unpack_x_y_sample_weight,
)

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


def test_epochs_of_arrays_begin_again() -> None:
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


def test_frames_of_pandas() -> None:
    pandas = pytest.importorskip("pandas")
    frame, column = pandas.DataFrame(X, columns=list("abc")), pandas.Series(Y)
    weights = pandas.Series(np.ones(25))
    found = batches(make_source(frame, column, weights, batch_size=8))
    assert_same(found, batches(make_source(X, Y[:, None], np.ones((25, 1)), batch_size=8)))
    by_name = batches(make_source({"all": frame, "first": frame["a"]}, batch_size=25))[0][0]
    assert by_name["all"].shape == (25, 3) and by_name["first"].shape == (25, 1)
