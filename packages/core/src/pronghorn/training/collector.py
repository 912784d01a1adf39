"""Collector: the outputs of batches in one array."""

from __future__ import annotations

from typing import Any

import numpy as np

from pronghorn import tree
from pronghorn.tensor import convert_to_tensor


class Collector:
    """Joins the outputs of batches, nested as they are, without holding them twice.

    Args:
        rows: how many there will be in all, if that is known: then each array is allocated once.
    """

    def __init__(self, rows: int | None) -> None:
        self.rows = rows
        self.used = 0
        self.structure: Any = None
        self.arrays: list[Any] = []

    def add(self, outputs: Any) -> None:
        """Appends the outputs of a batch.

        Raises:
            ValueError: they have other shapes than those before, apart from the batch's size.
        """
        parts = tree.flatten(outputs)
        if not self.arrays:
            self.structure = outputs
            self.arrays = [np.empty((self.rows or len(p), *p.shape[1:]), p.dtype) for p in parts]
        stop = self.used + len(parts[0])
        for array, part in zip(self.arrays, parts, strict=True):
            if part.shape[1:] != array.shape[1:]:
                raise ValueError(
                    f"predict: the outputs of one batch have shape {part.shape}, those of an earlier one "
                    f"{(self.used, *array.shape[1:])}, which one array cannot hold; pad the inputs to one "
                    f"length, or use predict_on_batch"
                )
            if stop > len(array):
                array.resize((max(stop, 2 * len(array)), *array.shape[1:]), refcheck=False)
            array[self.used : stop] = part
        self.used = stop

    def result(self) -> Any:
        """The arrays, nested as the outputs.

        Raises:
            ValueError: there was no batch.
        """
        if not self.arrays:
            raise ValueError("predict: x gave no batch; it is empty or used up")
        for array in self.arrays:
            if len(array) != self.used:
                array.resize((self.used, *array.shape[1:]), refcheck=False)
        nested = tree.is_nested(self.structure)
        return tree.pack_sequence_as(self.structure, self.arrays) if nested else self.arrays[0]


def to_numpy(outputs: Any) -> Any:
    """Tensors as NumPy arrays."""
    return tree.map_structure(lambda t: convert_to_tensor(t).numpy(), outputs)
