"""Lists of different lengths as one array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


def pad_sequences(
    sequences: Sequence[Any],
    maxlen: int | None = None,
    dtype: DTypeLike = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: Any = 0.0,
) -> NDArray[Any]:
    """Sequences of different lengths as one array of shape (n, maxlen, …): padded where short, cut where long.

    Args:
        sequences: n lists or arrays; their items may be vectors, all of one shape.
        maxlen: the length of each row; by default that of the longest sequence.
        dtype: of the result; `object` for strings of any length.
        padding: "pre" puts `value` before a short sequence, "post" after it.
        truncating: "pre" drops the beginning of a long sequence, "post" its end.
        value: what is put where a sequence is short.

    Raises:
        ValueError: the sequences are none or differ in the shape of their items, or an argument is wrong.
    """
    for name, side in (("padding", padding), ("truncating", truncating)):
        if side not in ("pre", "post"):
            raise ValueError(f"pad_sequences: {name} is {side!r}; pass 'pre' or 'post'")
    if not hasattr(sequences, "__len__"):
        raise ValueError(f"pad_sequences: sequences is {sequences!r}; pass a list of lists")
    for i, sequence in enumerate(sequences):
        if not hasattr(sequence, "__len__"):
            raise ValueError(f"pad_sequences: sequence {i} is {sequence!r}; pass a list of lists")
    kind = np.dtype(dtype)
    if isinstance(value, str) and kind.kind not in "OSU":
        raise ValueError(f"pad_sequences: value is the string {value!r}, but dtype is {kind}; pass dtype=object")
    length = int(max(map(len, sequences), default=0) if maxlen is None else maxlen)
    if length < 0 or (maxlen is not None and length != maxlen):
        raise ValueError(f"pad_sequences: maxlen is {maxlen!r}; pass a whole number, 0 or more")
    shape = next((np.shape(sequence)[1:] for sequence in sequences if len(sequence)), ())
    padded = np.full((len(sequences), length, *shape), value, kind)
    for i, sequence in enumerate(sequences):
        cut = sequence[max(len(sequence) - length, 0) :] if truncating == "pre" else sequence[:length]
        if not len(cut):
            continue
        items = np.asarray(cut, kind)
        if items.shape[1:] != shape:
            raise ValueError(
                f"pad_sequences: the items of sequence {i} have shape {items.shape[1:]}, those before it {shape}; "
                f"make them equal"
            )
        part = slice(length - len(items), None) if padding == "pre" else slice(len(items))
        padded[i, part] = items
    return padded
