"""The CPU kernel, float32: compiled by Numba when a program first needs it, cached on disk from then on."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from pronghorn_cpu.intrinsics import f32_array, slot


@njit(error_model="numpy")
def scaled_sigmoid_product(p, t, threads):  # type: ignore[no-untyped-def]
    """Share `t` of `threads` of x / (1 + exp(-beta · x)). Operands: x, beta, out."""
    n = slot(p, 1)
    start, stop = n * t // threads, n * (t + 1) // threads
    x = f32_array(slot(p, 0) + 4 * start, stop - start)
    out = f32_array(slot(p, 4) + 4 * start, stop - start)
    beta = f32_array(slot(p, 2), 1)[0]
    one = np.float32(1)
    for i in range(stop - start):
        out[i] = x[i] / (one + math.exp(-beta * x[i]))
