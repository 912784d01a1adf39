"""The distributions that few layers need; `pronghorn.random` shows them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pronghorn import dtypes, ops
from pronghorn.op import composed
from pronghorn.ops.random import random_bits, random_normal, random_uniform
from pronghorn.ops.shape import as_sizes, known_value
from pronghorn.random import draw_state, float_dtype, scaled, uniform
from pronghorn.tensor import Tensor, constant, convert_to_tensor

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


def truncated_normal(shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = None, seed: Any = None) -> Tensor:
    """Normal draws within two standard deviations of the mean, by inversion."""
    kind, drawn = float_dtype(dtype, "truncated_normal")
    edge = math.erf(math.sqrt(2))
    x = ops.multiply(ops.erfinv(uniform(shape, -edge, edge, drawn, seed)), math.sqrt(2))
    return scaled(ops.clip(x, -2.0, 2.0), stddev, mean, kind)


def randint(shape: Any, minval: Any, maxval: Any, dtype: Any = "int32", seed: Any = None) -> Tensor:
    """Uniform integers from minval to maxval - 1, at most 2^32 different ones."""
    kind = dtypes.standardize(dtype)
    if not dtypes.is_integer(kind):
        raise ValueError(f"random.randint: argument `dtype` must be an integer dtype, got {kind!r}")
    state, call = draw_state(seed)
    bits = ops.cast(random_bits(state, shape=as_sizes(shape, "randint"), call=call), "uint64")
    low, high = (ops.cast(ops.convert_to_tensor(v), "int64") for v in (minval, maxval))
    if not (low.symbolic or high.symbolic) and not (0 < (high.numpy() - low.numpy()).min() <= 2**32):
        raise ValueError(f"random.randint: need minval < maxval <= minval + 2^32, got {minval} and {maxval}")
    product = ops.multiply(bits, ops.cast(ops.subtract(high, low), "uint64"))
    place = ops.right_shift(product, constant(32, "uint64"))
    return ops.cast(ops.add(ops.cast(place, "int64"), low), kind)


@composed
def categorical(logits: Any, num_samples: int, dtype: Any = "int32", seed: Any = None) -> Tensor:
    """`num_samples` class numbers for each row of `logits` (rows, classes), by the Gumbel-max trick."""
    logits = convert_to_tensor(logits)
    if len(logits.shape) != 2:
        raise ValueError(f"random.categorical: `logits` must have the shape (rows, classes), got {logits.shape}")
    rows, classes = logits.shape
    u = uniform((rows, num_samples, classes), seed=seed, dtype="float64" if logits.dtype == "float64" else "float32")
    gumbel = ops.negative(ops.log(ops.negative(ops.log1p(ops.negative(u)))))
    return ops.cast(ops.argmax(ops.add(ops.expand_dims(logits, 1), gumbel), axis=-1), dtype)


@composed
def shuffle(x: Any, axis: int = 0, seed: Any = None) -> Any:
    """The slices along `axis` in random order."""
    x = convert_to_tensor(x)
    order = ops.argsort(uniform((x.shape[axis],), seed=seed, dtype="float64"))
    return ops.take(x, order, axis)


@composed
def dropout(inputs: Any, rate: float, noise_shape: Any = None, seed: Any = None) -> Tensor:
    """Zero with probability `rate`, else divided by 1 - rate (Srivastava et al., 2014).

    `noise_shape` broadcasts against the inputs; None in it takes the inputs' size.
    """
    x = convert_to_tensor(inputs)
    if not 0 <= rate <= 1:
        raise ValueError(f"dropout: argument `rate` must be in [0, 1], got {rate}")
    if rate == 0:
        return x
    shape = x.shape if noise_shape is None else tuple(noise_shape)
    if len(shape) != len(x.shape):
        raise ValueError(f"dropout: `noise_shape` {shape} does not fit inputs of shape {x.shape}")
    shape = tuple(n if m is None else m for n, m in zip(x.shape, shape, strict=True))
    keep = ops.greater_equal(uniform(shape, seed=seed, dtype="float32"), rate)
    return ops.where(keep, ops.multiply(x, 1 / (1 - rate) if rate < 1 else 0.0), 0)  # type: ignore[no-any-return]
