"""Distributions drawn by acceptance and by splitting; `pronghorn.random` shows them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pronghorn import ops
from pronghorn.op import composed
from pronghorn.ops.random import random_normal, random_uniform
from pronghorn.ops.shape import as_sizes, known_value
from pronghorn.random import draw_state, float_dtype
from pronghorn.tensor import Tensor, convert_to_tensor

_ROUNDS = 12
"""Proposals per gamma draw: each is accepted with a probability above 0.95; all fail once in 10^15 draws."""


@composed
def gamma(shape: Any, alpha: Any, dtype: Any = None, seed: Any = None) -> Tensor:
    """Gamma draws of shape parameter `alpha` and scale 1 (Marsaglia and Tsang, 2000)."""
    kind, drawn = float_dtype(dtype, "gamma")
    sizes = as_sizes(shape, "gamma")
    state, call = draw_state(seed, 3)
    return ops.cast(_gamma(sizes, ops.cast(convert_to_tensor(alpha), drawn), state, call, drawn), kind)


def _gamma(shape: tuple[int, ...], alpha: Tensor, state: Tensor, call: int, dtype: str) -> Any:
    small = ops.less(alpha, 1)  # there, gamma(alpha) = gamma(alpha + 1) * u ** (1 / alpha)
    d = ops.subtract(ops.where(small, ops.add(alpha, 1), alpha), 1 / 3)
    normals = random_normal(state, shape=(_ROUNDS, *shape), call=call, dtype=dtype)
    u = random_uniform(state, shape=(_ROUNDS, *shape), call=call + 1, dtype=dtype)
    v = ops.power(ops.maximum(ops.add(1, ops.divide(normals, ops.sqrt(ops.multiply(9, d)))), 0), 3)
    positive = ops.greater(v, 0)
    log_v = ops.log(ops.where(positive, v, 1))
    bound = 0.5 * ops.square(normals) + d * (1 - v + log_v)
    accepted = ops.logical_and(positive, ops.less(ops.log1p(ops.negative(u)), bound))
    first = ops.expand_dims(ops.argmax(ops.cast(accepted, "int32"), axis=0), 0)
    chosen = d * ops.squeeze(ops.take_along_axis(v, first, 0), 0)
    boost = random_uniform(state, shape=shape, call=call + 2, dtype=dtype)
    power = ops.power(ops.subtract(1, boost), ops.reciprocal(ops.where(small, alpha, 1)))
    return ops.where(small, chosen * power, chosen)


@composed
def beta(shape: Any, alpha: Any, beta: Any, dtype: Any = None, seed: Any = None) -> Tensor:
    """Beta draws: the share of a gamma draw in the sum of two."""
    kind, drawn = float_dtype(dtype, "beta")
    sizes = as_sizes(shape, "beta")
    state, call = draw_state(seed, 6)
    x, y = (
        _gamma(sizes, ops.cast(convert_to_tensor(p), drawn), state, call + 3 * k, drawn)
        for k, p in enumerate((alpha, beta))
    )
    return ops.cast(ops.divide(x, ops.add(x, y)), kind)


def binomial(shape: Any, counts: Any, probabilities: Any, dtype: Any = None, seed: Any = None) -> Tensor:
    """Successes in `counts` trials (known numbers) of probability `probabilities`; both broadcast to `shape`.

    A large count is split at a beta-distributed order statistic until 16 trials are left (Ahrens and Dieter).
    """
    kind, drawn = float_dtype(dtype, "binomial")
    sizes = as_sizes(shape, "binomial")
    most = int(np.max(known_value(counts, "binomial", "counts whose values are known"), initial=0))
    splits = max(math.ceil(math.log2(max(most, 1) / 16)) + 1, 0)
    state, call = draw_state(seed, 6 * splits + 1)
    n: Any = ops.broadcast_to(ops.cast(convert_to_tensor(counts), drawn), sizes)
    p: Any = ops.broadcast_to(ops.cast(convert_to_tensor(probabilities), drawn), sizes)
    successes: Any = ops.zeros(sizes, drawn)
    for k in range(splits):
        middle = 1 + ops.floor(n / 2)
        x = _gamma(sizes, middle, state, call + 6 * k, drawn)
        y = _gamma(sizes, n + 1 - middle, state, call + 6 * k + 3, drawn)
        split = x / (x + y)
        large, above = ops.greater(n, 16), ops.greater_equal(p, split)
        successes = successes + ops.where(ops.logical_and(large, above), middle, 0)
        rest = ops.where(above, n - middle, middle - 1)
        share = ops.where(above, (p - split) / (1 - split), p / split)
        n, p = ops.where(large, rest, n), ops.where(large, share, p)
    trials = random_uniform(state, shape=(16, *sizes), call=call + 6 * splits, dtype=drawn)
    number = ops.reshape(ops.arange(16, dtype=drawn), (16,) + (1,) * len(sizes))
    hits = ops.logical_and(ops.less(trials, p), ops.less(number, n))
    return ops.cast(successes + ops.sum(ops.cast(hits, drawn), axis=0), kind)
