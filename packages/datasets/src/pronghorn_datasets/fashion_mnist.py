"""Fashion-MNIST: 70,000 pictures of clothes in ten classes, a harder stand-in for MNIST.

By Han Xiao, Kashif Rasul and Roland Vollgraf, https://arxiv.org/abs/1708.07747, MIT licence.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pronghorn_datasets.download import KERAS_FILES, fetch
from pronghorn_datasets.idx import read_idx

Arrays = tuple[NDArray[np.uint8], NDArray[np.uint8]]

SHA256 = {
    "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
}
MIRRORS = (
    KERAS_FILES,
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
)
SYSTEM_DIRECTORY = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package dataset-fashion-mnist puts the files."""

CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


def load_data() -> tuple[Arrays, Arrays]:
    """The training and the test set: `(x_train, y_train), (x_test, y_test)`.

    Images are uint8 of shape (60000, 28, 28) and (10000, 28, 28), labels uint8, 0 to 9, named by `CLASSES`.
    The files come from `SYSTEM_DIRECTORY`, else from `fashion-mnist` in the data set directory, where they
    are downloaded to (31 MB) the first time.

    Raises:
        DownloadError: the files are not on this machine and no mirror gave them; it says where to put them.
        ValueError: a file on this machine is damaged.
    """
    x_train, y_train, x_test, y_test = (read_idx(_find(name)) for name in SHA256)
    return (x_train, y_train), (x_test, y_test)


def _find(name: str) -> Path:
    for candidate in (SYSTEM_DIRECTORY / name, SYSTEM_DIRECTORY / name.removesuffix(".gz")):
        if candidate.is_file():
            return candidate
    urls = [mirror + name for mirror in MIRRORS]
    try:
        return fetch(name, urls, SHA256[name], "fashion-mnist")
    except OSError as error:
        hint = "On Debian and Ubuntu `apt install dataset-fashion-mnist` has it too."
        raise type(error)(f"fashion_mnist: {error} {hint}") from error
