"""California housing: the median house values of 20,640 block groups in the census of 1990.

Pace and Barry: Sparse spatial autoregressions. Statistics & Probability Letters 33, 1997.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from pronghorn_datasets.download import KERAS_FILES, find_or_fetch
from pronghorn_datasets.pickles import read_npz
from pronghorn_datasets.tables import split

Arrays = tuple[NDArray[Any], NDArray[Any]]

ADDRESS = f"{KERAS_FILES}california_housing.npz"
HASH = "1a2e3a52e0398de6463aebe6f4a8da34fb21fbb6b934cf88c3425e766f2a1a6f"

FEATURES = ("MedInc", "HouseAge", "AveRooms", "AveBedrms", "Population", "AveOccup", "Latitude", "Longitude")


def load_data(
    version: str = "large", path: str = "california_housing.npz", test_split: float = 0.2, seed: int = 113
) -> tuple[Arrays, Arrays]:
    """The training and the test set: `(x_train, y_train), (x_test, y_test)`, shuffled as Keras shuffles them.

    x has the 8 features that `FEATURES` names, shape (n, 8); y the values in dollars, shape (n,). The file
    (0.7 MB) is downloaded the first time.

    Args:
        version: "large" for all rows, "small" for the first 600.
        path: the name of the file in the data set directory, or the absolute path of such a file.
        test_split: the share of the rows that become the test set, from 0 up to but not including 1.
        seed: of the shuffle.

    Raises:
        OSError: the file is not on this machine and could not be downloaded; it says where to put it.
        ValueError: `version` or `test_split` is none of these, or the file is damaged.
    """
    if version not in ("large", "small"):
        raise ValueError(f"california_housing.load_data: version is {version!r}; pass 'large' or 'small'")
    if not 0 <= test_split < 1:
        raise ValueError(f"california_housing.load_data: test_split is {test_split}; pass a share in [0, 1)")
    arrays = read_npz(find_or_fetch(path, [ADDRESS], HASH))
    rows = 600 if version == "small" else len(arrays["x"])
    return split(arrays["x"][:rows], arrays["y"][:rows], test_split, seed)
