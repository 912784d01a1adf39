"""One seed repeats everything."""

from __future__ import annotations

import random

import numpy as np
import pytest

from pronghorn.utils import set_random_seed


def test_python_and_numpy_repeat_after_the_same_seed():
    draws = []
    for seed in (7, 7, 8):
        set_random_seed(seed)
        draws.append((random.random(), np.random.rand()))
    assert draws[0] == draws[1] != draws[2]


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, True])
def test_what_is_no_seed_is_refused(seed):
    with pytest.raises(ValueError, match="0 to 2"):
        set_random_seed(seed)
