"""IMDB: 50,000 film reviews as lists of word numbers, half of them for training, labelled bad (0) or good (1).

Maas, Daly, Pham, Huang, Ng and Potts: Learning word vectors for sentiment analysis. ACL 2011.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pronghorn_datasets import texts
from pronghorn_datasets.download import KERAS_FILES, find_or_fetch
from pronghorn_datasets.pickles import read_npz

Arrays = tuple[NDArray[Any], NDArray[Any]]

ADDRESS = f"{KERAS_FILES}imdb.npz"
HASH = "69664113be75683a8fe16e3ed0ab59fda8886cb3cd7ada244f7d9544e4676b9f"
INDEX_ADDRESS = f"{KERAS_FILES}imdb_word_index.json"
INDEX_HASH = "bfafd718b763782e994055a2d397834f"


def load_data(
    path: str = "imdb.npz",
    num_words: int | None = None,
    skip_top: int = 0,
    maxlen: int | None = None,
    seed: int = 113,
    start_char: int | None = 1,
    oov_char: int | None = 2,
    index_from: int | None = 3,
) -> tuple[Arrays, Arrays]:
    """The training and the test set: `(x_train, y_train), (x_test, y_test)`.

    x holds 25,000 lists of integers in an array of objects (`pad_sequences` makes numbers of them), y 0 or 1.
    Words are numbered by how frequent they are, the most frequent being `index_from` + 1; 0 is free for padding.
    The file (17 MB) is downloaded the first time.

    Args:
        path: the name of the file in the data set directory, or the absolute path of such a file.
        num_words: word numbers from here on become `oov_char`; by default the largest number alone does.
        skip_top: word numbers below this become `oov_char`.
        maxlen: reviews of this many words or more are left out.
        seed: of the shuffle.
        start_char: put before each review; None for nothing.
        oov_char: stands for the words that are not kept; None leaves them out.
        index_from: added to each word number.

    Raises:
        OSError: the file is not on this machine and could not be downloaded; it says where to put it.
        ValueError: the file is damaged, or `maxlen` leaves no review.
    """
    arrays = read_npz(find_or_fetch(path, [ADDRESS], HASH))
    random = np.random.RandomState(seed)  # one for both parts, as in Keras
    reviews: list[texts.Texts] = []
    labels = []
    for part in ("train", "test"):
        words, y = texts.shuffled(arrays[f"x_{part}"], arrays[f"y_{part}"], random)
        words, y = texts.shorter(texts.marked(words, start_char, index_from), y, maxlen, "imdb")
        reviews.append(words)
        labels.append(y)
    x = texts.limited(reviews[0] + reviews[1], num_words, skip_top, oov_char)
    train = len(reviews[0])
    return (x[:train], labels[0]), (x[train:], labels[1])


def get_word_index(path: str = "imdb_word_index.json") -> dict[str, int]:
    """The number of each word, before `index_from` is added.

    Raises:
        OSError: the file is not on this machine and could not be downloaded; it says where to put it.
    """
    return texts.read_word_index(find_or_fetch(path, [INDEX_ADDRESS], INDEX_HASH))
