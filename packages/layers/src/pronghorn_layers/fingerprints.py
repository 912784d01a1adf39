"""Hashes of bytes that TensorFlow's string ops use: their values decide which bin a category falls into.

FarmHash's Fingerprint64 (Pike, Alakuijala, 2014), SipHash-2-4 (Aumasson, Bernstein, "SipHash: a fast short-input PRF",
2012), and the combination of fingerprints by which features are crossed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from struct import unpack_from

_ALL = 0xFFFFFFFFFFFFFFFF
_K0, _K1, _K2 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F
_CROSSING_KEY = 0xDECAFCAFFE


def _rotated(x: int, right: int) -> int:
    return (x >> right | x << 64 - right) & _ALL


def _shifted(x: int) -> int:
    return x ^ x >> 47


def _word(s: bytes, at: int) -> int:
    return int.from_bytes(s[at : at + 8], "little")


def _mixed(u: int, v: int, factor: int) -> int:
    a = _shifted((u ^ v) * factor & _ALL)
    b = _shifted((v ^ a) * factor & _ALL)
    return b * factor & _ALL


def farmhash64(s: bytes) -> int:
    """FarmHash's Fingerprint64."""
    n = len(s)
    if n <= 16:
        return _short(s, n)
    if n <= 32:
        factor = _K2 + n * 2
        a, b = _word(s, 0) * _K1 & _ALL, _word(s, 8)
        c, d = _word(s, n - 8) * factor & _ALL, _word(s, n - 16) * _K2 & _ALL
        u = _rotated(a + b & _ALL, 43) + _rotated(c, 30) + d & _ALL
        return _mixed(u, a + _rotated(b + _K2 & _ALL, 18) + c & _ALL, factor)
    if n <= 64:
        return _medium(s, n)
    return _long(s, n)


def _short(s: bytes, n: int) -> int:
    factor = _K2 + n * 2
    if n >= 8:
        a, b = _word(s, 0) + _K2 & _ALL, _word(s, n - 8)
        c = _rotated(b, 37) * factor + a & _ALL
        d = (_rotated(a, 25) + b) * factor & _ALL
        return _mixed(c, d, factor)
    if n >= 4:
        first, last = unpack_from("<I", s)[0], unpack_from("<I", s, n - 4)[0]
        return _mixed(n + (first << 3) & _ALL, last, factor)
    if n:
        y, z = s[0] + (s[n >> 1] << 8), n + (s[n - 1] << 2)
        return _shifted((y * _K2 ^ z * _K0) & _ALL) * _K2 & _ALL
    return _K2


def _medium(s: bytes, n: int) -> int:
    factor = _K2 + n * 2
    a, b = _word(s, 0) * _K2 & _ALL, _word(s, 8)
    c, d = _word(s, n - 8) * factor & _ALL, _word(s, n - 16) * _K2 & _ALL
    y = _rotated(a + b & _ALL, 43) + _rotated(c, 30) + d & _ALL
    z = _mixed(y, a + _rotated(b + _K2 & _ALL, 18) + c & _ALL, factor)
    e, f = _word(s, 16) * factor & _ALL, _word(s, 24)
    g, h = (y + _word(s, n - 32)) * factor & _ALL, (z + _word(s, n - 24)) * factor & _ALL
    u = _rotated(e + f & _ALL, 43) + _rotated(g, 30) + h & _ALL
    return _mixed(u, e + _rotated(f + a & _ALL, 18) + g & _ALL, factor)


def _seeded(s: bytes, at: int, a: int, b: int) -> tuple[int, int]:
    """The hash of 32 bytes with two seeds."""
    w, x, y, z = unpack_from("<4Q", s, at)
    a = a + w & _ALL
    b = _rotated(b + a + z & _ALL, 21)
    c = a
    a = a + x + y & _ALL
    b = b + _rotated(a, 44) & _ALL
    return a + z & _ALL, b + c & _ALL


def _long(s: bytes, n: int) -> int:
    x, y = 81, 81 * _K1 + 113 & _ALL
    z = _shifted(y * _K2 + 113 & _ALL) * _K2 & _ALL
    v, w = (0, 0), (0, 0)
    x = x * _K2 + _word(s, 0) & _ALL
    rest = n - 1 & 63
    for at in range(0, n - 1 - rest, 64):
        x, y, z, v, w = _round(s, at, x, y, z, v, w, _K1, 1)
    factor = _K1 + ((z & 0xFF) << 1) & _ALL
    first = w[0] + rest & _ALL
    v = (v[0] + first & _ALL, v[1])
    w = (first + v[0] & _ALL, w[1])
    x, y, z, v, w = _round(s, n - 64, x, y, z, v, w, factor, 9)
    u = _mixed(v[0], w[0], factor) + _shifted(y) * _K0 + z & _ALL
    return _mixed(u, _mixed(v[1], w[1], factor) + x & _ALL, factor)


def _round(
    s: bytes, at: int, x: int, y: int, z: int, v: tuple[int, int], w: tuple[int, int], factor: int, weight: int
) -> tuple[int, int, int, tuple[int, int], tuple[int, int]]:
    x = _rotated(x + y + v[0] + _word(s, at + 8) & _ALL, 37) * factor & _ALL
    y = _rotated(y + v[1] + _word(s, at + 48) & _ALL, 42) * factor & _ALL
    x ^= w[1] * weight & _ALL
    y = y + v[0] * weight + _word(s, at + 40) & _ALL
    z = _rotated(z + w[0] & _ALL, 33) * factor & _ALL
    v = _seeded(s, at, v[1] * factor & _ALL, x + w[0] & _ALL)
    w = _seeded(s, at + 32, z + w[1] & _ALL, y + _word(s, at + 16) & _ALL)
    return z, y, x, v, w


def siphash64(s: bytes, key: Sequence[int]) -> int:
    """SipHash-2-4 with a key of two numbers."""
    low, high = (part & _ALL for part in key)
    state = [0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573]
    state = [part ^ k for part, k in zip(state, (low, high, low, high), strict=True)]
    full = len(s) - len(s) % 8
    last = int.from_bytes(s[full:], "little") | (len(s) & 0xFF) << 56
    for word in (*(_word(s, at) for at in range(0, full, 8)), last):
        state[3] ^= word
        _sip_rounds(state, 2)
        state[0] ^= word
    state[2] ^= 0xFF
    _sip_rounds(state, 4)
    return state[0] ^ state[1] ^ state[2] ^ state[3]


def _sip_rounds(state: list[int], rounds: int) -> None:
    a, b, c, d = state
    for _ in range(rounds):
        a = a + b & _ALL
        b = _rotated(b, 51) ^ a
        a = _rotated(a, 32)
        c = c + d & _ALL
        d = _rotated(d, 48) ^ c
        a = a + d & _ALL
        d = _rotated(d, 43) ^ a
        c = c + b & _ALL
        b = _rotated(b, 47) ^ c
        c = _rotated(c, 32)
    state[:] = a, b, c, d


def crossed(parts: Iterable[int | bytes]) -> int:
    """The fingerprint of several features together: of strings their fingerprints, of integers themselves."""
    numbers = (farmhash64(part) if isinstance(part, bytes) else part & _ALL for part in parts)
    return reduce(_joined, numbers, _CROSSING_KEY)


def _joined(first: int, second: int) -> int:
    factor = 0xC6A4A7935BD1E995
    result = first ^ factor
    result ^= _shifted(second * factor & _ALL) * factor & _ALL
    result = result * factor & _ALL
    result = _shifted(result) * factor & _ALL
    return _shifted(result)
