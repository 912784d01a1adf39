"""One seed for all that is random."""

from __future__ import annotations

import random

import numpy as np


def set_random_seed(seed: int) -> None:
    """Seeds Python's `random`, NumPy's global generator and Pronghorn, so that a script repeats itself.

    The same program with the same seed gives the same weights, bit for bit, for any number of threads.

    Raises:
        ValueError: `seed` is no integer from 0 to 2**32 - 1.
    """
    from pronghorn.random import set_global_seed

    if isinstance(seed, bool) or int(seed) != seed or not 0 <= seed < 2**32:
        raise ValueError(f"set_random_seed: seed is {seed!r}; pass an integer from 0 to 2**32 - 1")
    seed = int(seed)
    random.seed(seed)
    np.random.seed(seed)
    set_global_seed(seed)
