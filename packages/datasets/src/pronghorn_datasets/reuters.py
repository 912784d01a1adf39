"""Reuters: 11,228 newswires of 1987 as lists of word numbers, in 46 topics; made from Reuters-21578."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pronghorn_datasets import texts
from pronghorn_datasets.download import KERAS_FILES, find_or_fetch
from pronghorn_datasets.pickles import read_npz

Arrays = tuple[NDArray[Any], NDArray[Any]]

ADDRESS = f"{KERAS_FILES}reuters.npz"
HASH = "d6586e694ee56d7a4e65172e12b3e987c03096cb01eab99753921ef915959916"
INDEX_ADDRESS = f"{KERAS_FILES}reuters_word_index.json"
INDEX_HASH = "4d44cc38712099c9e383dc6e5f11a921"

LABELS = tuple(
    "cocoa grain veg-oil earn acq wheat copper housing money-supply coffee sugar trade reserves ship cotton carcass "
    "crude nat-gas cpi money-fx interest gnp meal-feed alum oilseed gold tin strategic-metal livestock retail ipi "
    "iron-steel rubber heat jobs lei bop zinc orange pet-chem dlr gas silver wpi hog lead".split()
)


def load_data(
    path: str = "reuters.npz",
    num_words: int | None = None,
    skip_top: int = 0,
    maxlen: int | None = None,
    test_split: float = 0.2,
    seed: int = 113,
    start_char: int | None = 1,
    oov_char: int | None = 2,
    index_from: int | None = 3,
) -> tuple[Arrays, Arrays]:
    """The training and the test set: `(x_train, y_train), (x_test, y_test)`.

    x holds lists of integers in an array of objects (`pad_sequences` makes numbers of them), y the topics, 0 to
    45. Words are numbered by how frequent they are, the most frequent being `index_from` + 1; 0 is free for
    padding. The file (2 MB) is downloaded the first time.

    Args:
        path: the name of the file in the data set directory, or the absolute path of such a file.
        num_words: word numbers from here on become `oov_char`; by default the largest number alone does.
        skip_top: word numbers below this become `oov_char`.
        maxlen: newswires of this many words or more are left out.
        test_split: the share of the newswires that become the test set, from 0 up to but not including 1.
        seed: of the shuffle.
        start_char: put before each newswire; None for nothing.
        oov_char: stands for the words that are not kept; None leaves them out.
        index_from: added to each word number.

    Raises:
        OSError: the file is not on this machine and could not be downloaded; it says where to put it.
        ValueError: the file is damaged, `maxlen` leaves no newswire, or `test_split` is out of its range.
    """
    if not 0 <= test_split < 1:
        raise ValueError(f"reuters.load_data: test_split is {test_split}; pass a share in [0, 1)")
    arrays = read_npz(find_or_fetch(path, [ADDRESS], HASH))
    wires, y = texts.shuffled(arrays["x"], arrays["y"], np.random.RandomState(seed))
    wires, y = texts.shorter(texts.marked(wires, start_char, index_from), y, maxlen, "reuters")
    x = texts.limited(wires, num_words, skip_top, oov_char)
    train = int(len(x) * (1 - test_split))
    return (x[:train], y[:train]), (x[train:], y[train:])


def get_word_index(path: str = "reuters_word_index.json") -> dict[str, int]:
    """The number of each word, before `index_from` is added.

    Raises:
        OSError: the file is not on this machine and could not be downloaded; it says where to put it.
    """
    return texts.read_word_index(find_or_fetch(path, [INDEX_ADDRESS], INDEX_HASH))


def get_label_names() -> tuple[str, ...]:
    """The names of the 46 topics; a label is the place in this tuple."""
    return LABELS
