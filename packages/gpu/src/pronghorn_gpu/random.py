"""Draws of the counter-based generator, with the bits of the reference (`pronghorn.ops.random`).

A thread makes the four words of one counter, which go to four places of a block of 64 elements.
"""

from __future__ import annotations

from functools import cache

from pronghorn_gpu.emit import HELPERS, store
from pronghorn_gpu.launch import THREADS, Kernel, Launch, Pointer, blocks_for, each

DRAWS = {
    "random_bits": ("uint32",),
    "random_uniform": ("float32", "float64"),
    "random_normal": ("float32", "float64"),
}
"""Op -> the dtypes that kernels draw."""

_PHILOX = '''
@device
def philox(counter, half, seed, stream, offset):
    """Four 32-bit words as uint64; all arithmetic is below 2^64."""
    low = uint64(0xFFFFFFFF)
    shift = uint64(32)
    c0 = counter & low
    c1 = (counter >> shift) | (half << uint64(31))
    c2 = offset & low
    c3 = offset >> shift
    k0 = seed & low
    k1 = (stream ^ (seed >> shift)) & low
    for _ in range(10):
        a = c0 * uint64(0xD2511F53)
        b = c2 * uint64(0xCD9E8D57)
        c0 = (b >> shift) ^ c1 ^ k0
        c1 = b & low
        c2 = (a >> shift) ^ c3 ^ k1
        c3 = a & low
        k0 = (k0 + uint64(0x9E3779B9)) & low
        k1 = (k1 + uint64(0xBB67AE85)) & low
    return c0, c1, c2, c3


@device
def of_24_bits(word):
    return mul32(float32(word >> uint64(8)), float32(5.9604644775390625e-08))


@device
def of_53_bits(first, second):
    high = mul64(float64(first >> uint64(6)), float64(134217728.0))
    return mul64(high + float64(second >> uint64(5)), float64(1.1102230246251565e-16))
'''

_WORDS = "f0, f1, f2, f3 = philox(counter, uint64(0), seed, stream, offset)"
_SECOND = "g0, g1, g2, g3 = philox(counter, uint64(1), seed, stream, offset)"
_FLIPPED = """
other = offset ^ uint64(0x8000000000000000)
h0, h1, h2, h3 = philox(counter, uint64(0), seed, stream, other)
k0, k1, k2, k3 = philox(counter, uint64(1), seed, stream, other)
"""


def _value(name: str, dtype: str, k: int) -> str:
    if name == "random_bits":
        return f"f{k}"
    uniform = f"of_24_bits(f{k})" if dtype == "float32" else f"of_53_bits(f{k}, g{k})"
    if name == "random_uniform":
        return uniform
    second = f"of_24_bits(g{k})" if dtype == "float32" else f"of_53_bits(h{k}, k{k})"
    bits = dtype[-2:]
    radius = f"sqrt(mul{bits}({dtype}(-2), log({dtype}(1) - {uniform})))"
    return f"mul{bits}({radius}, cos(mul{bits}({dtype}(6.283185307179586), {second})))"


@cache
def random_kernel(name: str, dtype: str) -> Kernel:
    """The block: elements, counters, the draw's number in its call, the state's base, the result's base."""
    words = [_WORDS]
    if name == "random_normal" or dtype == "float64":
        words.append(_SECOND)
    if name == "random_normal" and dtype == "float64":
        words += _FLIPPED.strip().splitlines()
    steps = ["block, lane = i // 16, i % 16", "counter = uint64(i)", *words]
    for k in range(4):
        steps += [
            f"at = block * 64 + lane + {16 * k}",
            "if at < count:",
            f"    {store(dtype, 'target + at', _value(name, dtype, k))}",
        ]
    names = ("count", "counters", "call", "state", "target")
    state = [f"{word} = uint64(int64s[state + {k}])" for k, word in enumerate(("seed", "stream", "offset"))]
    state.append("offset = offset + uint64(call)")
    return each("counters", names, steps, [dtype], HELPERS + _PHILOX, state)


def plan_random(name: str, dtype: str, count: int, call: int) -> tuple[Launch, ...]:
    """`count` draws from the state (operand 0) into operand 1."""
    if not count:
        return ()
    counters = -(-count // 64) * 16
    slots = (count, counters, call, Pointer(0, "int64"), Pointer(1, dtype))
    return (Launch(random_kernel(name, dtype), slots, blocks_for(counters, THREADS)),)
