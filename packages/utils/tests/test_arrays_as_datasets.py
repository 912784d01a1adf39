"""Windows over a series, and data sets in two parts."""

from __future__ import annotations

import numpy as np
import pytest

from pronghorn.utils import split_dataset, timeseries_dataset_from_array


def test_windows_have_keras_indices():
    """The example of Keras's documentation."""
    dataset = timeseries_dataset_from_array(np.arange(99), None, 10, sequence_stride=3, sampling_rate=2)
    (windows,) = dataset
    np.testing.assert_array_equal(windows[0], np.arange(0, 20, 2))
    np.testing.assert_array_equal(windows[1], np.arange(3, 22, 2))
    np.testing.assert_array_equal(windows[-1], np.arange(78, 98, 2))


def test_targets_belong_to_the_beginning_of_a_window():
    series = np.arange(30.0)[:, None]
    dataset = timeseries_dataset_from_array(series[:-10], series[10:], 10, batch_size=4)
    batches = list(dataset)
    assert [len(x) for x, _ in batches] == [4, 4, 3] and len(dataset) == 3
    for x, y in batches:
        np.testing.assert_array_equal(y, x[:, -1] + 1)


def test_part_of_the_series_may_be_used():
    (x, y), *_ = timeseries_dataset_from_array(np.arange(20), np.arange(20) * 2, 3, start_index=5, end_index=12)
    np.testing.assert_array_equal(x[[0, -1]], [[5, 6, 7], [9, 10, 11]])
    np.testing.assert_array_equal(y, np.arange(5, 10) * 2)


def test_windows_are_shuffled_anew_in_each_pass_and_repeatably():
    def passes(seed):
        dataset = timeseries_dataset_from_array(np.arange(50), None, 2, batch_size=None, shuffle=True, seed=seed)
        return [[int(window[0]) for window in dataset] for _ in range(2)]

    assert passes(1) == passes(1) != passes(2)
    first, second = passes(1)
    assert first != second and sorted(first) == sorted(second) == list(range(49))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sequence_length": 0}, "sequence_length"),
        ({"sequence_length": 11}, "no window of 11 steps"),
        ({"sequence_stride": 10}, "sequence_stride is 10"),
        ({"sampling_rate": 0}, "sampling_rate"),
        ({"start_index": 4, "end_index": 4}, "start_index=4 and end_index=4"),
        ({"end_index": 11}, "end_index=11"),
        ({"targets": np.zeros(0)}, "no window"),
    ],
)
def test_windows_that_do_not_fit_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        timeseries_dataset_from_array(**{"data": np.arange(10), "targets": None, "sequence_length": 2, **arguments})


@pytest.mark.parametrize(
    ("left", "right", "sizes"), [(0.8, None, (8, 2)), (None, 3, (7, 3)), (2, 0.5, (2, 5)), (9, None, (9, 1))]
)
def test_parts_come_from_the_two_ends(left, right, sizes):
    x = np.arange(10)
    first, second = split_dataset(x, left, right)
    assert (len(first), len(second)) == sizes
    assert [int(item) for item in first] == list(range(sizes[0]))
    assert [int(item) for item in second] == list(range(10 - sizes[1], 10))


def test_samples_of_several_arrays_stay_together():
    x, y = np.arange(6).reshape(6, 1), np.arange(6) * 10
    first, second = split_dataset((x, y), 0.5, shuffle=True, seed=1)
    pairs = [(int(a[0]), int(b)) for part in (first, second) for a, b in part]
    assert pairs != sorted(pairs) and sorted(pairs) == [(i, i * 10) for i in range(6)]
    again, _ = split_dataset([x, y], 0.5, shuffle=True, seed=1)
    assert [int(b) for _, b in again] == [b for _, b in pairs[:3]]
    by_name, _ = split_dataset({"x": x, "y": y}, 2)
    assert [int(sample["y"]) for sample in by_name] == [0, 10]
    (batch,) = split_dataset((x, y), 4)[0].batch(4)
    assert batch[0].shape == (4, 1)


def test_objects_with_items_are_split():
    class Pairs:
        def __len__(self):
            return 4

        def __getitem__(self, i):
            return np.full(2, i), i

    first, second = split_dataset(Pairs(), right_size=1)
    assert [int(y) for _, y in first] == [0, 1, 2] and [x.tolist() for x, _ in second] == [[3, 3]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "pass left_size"),
        ({"left_size": 1.5}, "left_size is 1.5.*between 0 and 1"),
        ({"left_size": 10}, "1 to 9"),
        ({"right_size": -1}, "right_size is -1"),
        ({"left_size": 0.7, "right_size": 0.7}, "7 and 7 samples of 10"),
        ({"left_size": 0.01}, "0 and 10"),
        ({"dataset": (np.arange(3), np.arange(4)), "left_size": 1}, r"\(3,\), \(4,\)"),
    ],
)
def test_sizes_that_do_not_fit_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        split_dataset(**{"dataset": np.arange(10), **arguments})
    with pytest.raises(NotImplementedError, match="torch"):
        split_dataset(np.arange(4), 0.5, preferred_backend="torch")
    with pytest.raises(TypeError, match="generator"):
        split_dataset((i for i in range(4)), 0.5)
