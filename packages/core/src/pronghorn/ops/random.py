"""Counter-based random numbers: Philox4x32-10.

Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.

A draw depends on the generator's seed and stream, on its calls so far, and on the element's place; on nothing
else. The state is a vector of three int64: seed, stream, offset (calls so far). The attribute `call` of a
draw counts on from the offset.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from pronghorn.graph import Spec
from pronghorn.op import Op

Array = np.ndarray[Any, Any]

_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (0x9E3779B9, 0xBB67AE85)
_MASK = 0xFFFFFFFF


def philox_bits(seed: int, stream: int, offset: int, count: int, half: int = 0) -> Array:
    """`count` random uint32. Element i depends on (seed, stream, offset, i, half) only.

    Elements come in blocks of 64, so that 16 lanes each make four words: block = i // 64, lane = i % 16,
    word = i % 64 // 16. The counter is (block * 16 + lane) in words 0 and 1 and offset in words 2 and 3, both
    64-bit, low word first; the key is (seed, stream) mod 2^32, the stream xored with the high half of seed.
    `half` 1 gives the second words of float64 draws: bit 63 of the first counter is set.
    """
    blocks = -(-count // 64)
    counter = np.arange(blocks * 16, dtype=np.uint64) | (np.uint64(half) << np.uint64(63))
    low, shift = np.uint64(_MASK), np.uint64(32)
    words = [counter & low, counter >> shift, np.uint64(offset & _MASK), np.uint64((offset >> 32) & _MASK)]
    c0, c1, c2, c3 = (np.broadcast_to(np.asarray(word), counter.shape) for word in words)
    k0, k1 = seed & _MASK, (stream ^ (seed >> 32)) & _MASK
    for _ in range(10):
        a, b = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0, c1 = (b >> shift) ^ c1 ^ np.uint64(k0), b & low
        c2, c3 = (a >> shift) ^ c3 ^ np.uint64(k1), a & low
        k0, k1 = (k0 + _WEYL[0]) & _MASK, (k1 + _WEYL[1]) & _MASK
    grid = np.stack([c.reshape(blocks, 16) for c in (c0, c1, c2, c3)], axis=1)
    return grid.reshape(-1)[:count].astype(np.uint32)


def _of_24_bits(words: Array) -> Array:
    return np.asarray((words >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24))


def philox_uniform(seed: int, stream: int, offset: int, count: int, dtype: str = "float32") -> Array:
    """`count` draws from [0, 1): 24 bits for float32, 26 and 27 of two words for float64."""
    first = philox_bits(seed, stream, offset, count)
    if dtype == "float32":
        return _of_24_bits(first)
    second = philox_bits(seed, stream, offset, count, half=1)
    high, low = (first >> np.uint32(6)).astype(np.float64), (second >> np.uint32(5)).astype(np.float64)
    return np.asarray((high * 2.0**27 + low) * 2.0**-53)


def philox_normal(seed: int, stream: int, offset: int, count: int, dtype: str = "float32") -> Array:
    """`count` standard normal draws, by Box and Muller: radius from 1 - u, angle from the second words.

    float64 takes its angle from the draws of the next offset's complement (offset with bit 63 flipped).
    """
    u = philox_uniform(seed, stream, offset, count, dtype)
    if dtype == "float32":
        v = _of_24_bits(philox_bits(seed, stream, offset, count, half=1))
    else:
        v = philox_uniform(seed, stream, offset ^ (1 << 63), count, dtype)
    kind = u.dtype.type
    radius = np.sqrt(kind(-2) * np.log(kind(1) - u))
    return np.asarray(radius * np.cos(kind(2 * np.pi) * v))


def _draw(name: str, function: Callable[..., Array]) -> Op:
    """A primitive of a generator's state; its attributes are shape, call and, for floats, dtype."""

    def reference(state: Array, shape: tuple[int, ...], call: int, **dtype: str) -> Array:
        seed, stream, offset = (int(n) for n in state)
        return function(seed, stream, offset + call, math.prod(shape), **dtype).reshape(shape)

    def infer(state: Spec, shape: tuple[int, ...], call: int, dtype: str = "uint32") -> Spec:
        return Spec(shape, dtype)

    return Op(name, reference, infer, lambda g, out, state, **attrs: (None,))


random_bits = _draw("random_bits", philox_bits)
random_uniform = _draw("random_uniform", philox_uniform)
random_normal = _draw("random_normal", philox_normal)
