"""Windows over a series, as a data set."""

from __future__ import annotations

from typing import Any

import numpy as np

from pronghorn.arguments import as_integer
from pronghorn_utils.batches import Batches, Indices


def timeseries_dataset_from_array(
    data: Any,
    targets: Any,
    sequence_length: int,
    sequence_stride: int = 1,
    sampling_rate: int = 1,
    batch_size: int | None = 128,
    shuffle: bool = False,
    seed: int | None = None,
    start_index: int | None = None,
    end_index: int | None = None,
    format: str = "tf",
) -> Batches:
    """Batches of windows over a series: windows, or (windows, targets).

    The window that begins at step i has the steps i, i + sampling_rate, …, `sequence_length` of them; windows
    have the shape (batch, sequence_length, …) and are cut from `data` as they are wanted.

    Args:
        data: array with one row for each step.
        targets: array whose row i belongs to the window that begins at step i; None for no targets.
        sequence_length: the steps of a window.
        sequence_stride: the steps from one window to the next.
        sampling_rate: the steps from one item of a window to the next.
        batch_size: None for single windows.
        shuffle: whether windows come in a random order, another one in each pass.
        seed: of the shuffling.
        start_index: steps before this are not used, of data and targets.
        end_index: steps from this on are not used.
        format: only "tf", which here stands for NumPy arrays.

    Raises:
        ValueError: an argument is out of its range, or no window fits.
    """
    name = "timeseries_dataset_from_array"
    if format != "tf":
        raise NotImplementedError(
            f"{name}: format={format!r} is not supported; leave it at its default, which gives NumPy arrays"
        )
    series = np.asarray(data)
    size = len(series)
    length = as_integer(sequence_length, f"{name}: sequence_length")
    stride = as_integer(sequence_stride, f"{name}: sequence_stride")
    rate = as_integer(sampling_rate, f"{name}: sampling_rate")
    for argument, value in (("sequence_stride", stride), ("sampling_rate", rate)):
        if value >= size:
            raise ValueError(f"{name}: {argument} is {value}, but data has {size} steps; pass less than that")
    start = 0 if start_index is None else as_integer(start_index, f"{name}: start_index", least=0)
    end = size if end_index is None else as_integer(end_index, f"{name}: end_index")
    if not start < end <= size:
        raise ValueError(
            f"{name}: start_index={start} and end_index={end} must be in this order within the {size} steps of data"
        )
    series = series[start:end]
    windows = len(series) - (length - 1) * rate
    answers = None if targets is None else np.asarray(targets)[start:]
    if answers is not None:
        windows = min(windows, len(answers))
    if windows <= 0:
        raise ValueError(
            f"{name}: no window of {length} steps at a sampling_rate of {rate} fits into the {len(series)} steps "
            f"between start_index and end_index"
        )
    begins = np.arange(0, windows, stride)
    offsets = np.arange(length) * rate

    def read(indices: Indices) -> Any:
        begin = begins[indices]
        x = series[begin[:, None] + offsets]
        return x if answers is None else (x, answers[begin])

    return Batches(read, len(begins), batch_size, shuffle, seed)
