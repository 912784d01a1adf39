"""Texts in folders that name their classes, as a data set."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pronghorn.arguments import as_integer
from pronghorn_utils.directories import Request, dataset


def text_dataset_from_directory(
    directory: str | os.PathLike[str],
    labels: Any = "inferred",
    label_mode: str | None = "int",
    class_names: Sequence[str] | None = None,
    batch_size: int | None = 32,
    max_length: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    follow_links: bool = False,
    format: str = "tf",
    verbose: bool = True,
) -> Any:
    """Batches of the .txt files below `directory`, read as they are wanted: texts, or (texts, labels).

    Texts are strings in an array of objects of shape (batch,); labels int32 (batch,), float32 (batch, 1) where
    binary, one-hot float32 (batch, classes) where categorical. The attribute `class_names` has the classes.

    Args:
        directory: has a folder for each class where labels are inferred; else its folders do not matter.
        labels: "inferred", None, or a list of integers for the files in alphabetical order of their paths.
        label_mode: "int", "categorical", "binary", or None for no labels.
        class_names: the folders to read, in the order of their numbers; alphabetical by default.
        batch_size: None for single texts.
        max_length: texts are cut to this many characters.
        shuffle: whether the files are mixed, and again in each pass; else they stay in alphabetical order.
        seed: of the shuffling.
        validation_split: the share of the files that is for validation.
        subset: "training", "validation", or "both" for a list of the two.
        follow_links: whether folders that are symbolic links are entered.
        format: only "tf", which here stands for NumPy arrays.
        verbose: whether the numbers of files and classes are printed.

    Raises:
        ValueError: an argument is wrong, or there are no files.
    """
    limit = None if max_length is None else as_integer(max_length, "text_dataset_from_directory: max_length")

    def read(paths: Sequence[str]) -> NDArray[Any]:
        texts = np.empty(len(paths), object)
        texts[:] = [Path(path).read_text(encoding="utf-8", errors="replace")[:limit] for path in paths]
        return texts

    request = Request(
        "text_dataset_from_directory",
        directory,
        (".txt",),
        labels,
        label_mode,
        class_names,
        batch_size,
        shuffle,
        seed,
        validation_split,
        subset,
        follow_links,
        format,
        verbose,
    )
    return dataset(request, read)
