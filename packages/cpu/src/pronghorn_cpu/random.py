"""Random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).

Element i of a draw depends on the generator's state and on i alone, so any thread can make any part of it.
Elements come in blocks of 64 that 16 lanes make together, four 32-bit words each: lane i % 16 of block i //
64 holds element i in its word i % 64 // 16. The counter is block * 16 + lane and the offset, 64 bits each;
the key is the low half of the seed, and its high half xor the stream. Bit 63 of the first counter is set for
the second words of a draw that needs two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from pronghorn_cpu.emit import Emitter, kernel_intrinsic
from pronghorn_cpu.launch import Launch, Pointer, Slot, kernel_source, worth_parallel
from pronghorn_cpu.loops import LANES, Frame, integer, table
from pronghorn_cpu.vectors import INT32, INT64, Builder, Typed, element

BLOCK = 64
"""Elements that 16 lanes make together."""
ITEM = 16
"""Blocks of an item."""
COST = 16
"""Work per element in the unit of `worth_parallel`."""

_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10
_LOW = 0xFFFFFFFF
_TOP = -(1 << 63)

DISTRIBUTIONS = {"bits": ("uint32",), "uniform": ("float32", "float64"), "normal": ("float32", "float64")}
"""The distributions and the dtypes each can be drawn in."""


@dataclass(frozen=True)
class Draw:
    """`count` elements; `call` is added to the state's offset (the number of draws made before it in this
    program).
    """

    count: int
    call: int = 0


def random_source(distribution: str, dtype: str) -> str:
    """Source of the kernel that fills arrays with random numbers.

    "bits": any uint32. "uniform": [0, 1), 24 or 53 random bits. "normal": standard normal, by Box and Muller.
    The block is a `loops.table` whose record has: count, call, address of the state (int64 seed, stream,
    offset), address of the result.
    """
    return kernel_source(random_kernel, distribution, dtype)


def random_kernel(distribution: str, dtype: str) -> Any:
    """The intrinsic of `random_source`."""

    def emit(builder: Builder, p: Any, t: Any, threads: Any) -> None:
        frame = Frame(builder, p)
        with frame.groups(t, threads, 4) as (base, start, stop):
            count, call, state, result = frame.slots(base, 0, 4)
            philox = _Philox(frame, frame.slot(0, state), frame.slot(1, state), frame.plus(frame.slot(2, state), call))
            blocks = builder.sdiv(frame.plus(count, BLOCK - 1), integer(BLOCK))
            last = frame.least(frame.times(stop, ITEM), blocks)
            with frame.loop(frame.times(start, ITEM), last) as block:
                vectors = _draw(frame.emitter, philox, distribution, dtype, block)
                for word, vector in enumerate(vectors):
                    first = frame.plus(frame.times(block, BLOCK), word * LANES)
                    _store(frame, dtype, vector, frame.at(result, first, dtype), builder.sub(count, first))

    return kernel_intrinsic(emit)


def _store(frame: Frame, dtype: str, vector: Any, address: Any, left: Any) -> None:
    whole = frame.builder.icmp_signed(">=", left, integer(LANES))
    with frame.builder.if_else(whole) as (then, otherwise):
        with then:
            frame.emitter.store(dtype, vector, address)
        with otherwise:
            frame.emitter.store(dtype, vector, address, frame.emitter.tail_mask(left))


def _draw(e: Emitter, philox: _Philox, distribution: str, dtype: str, block: Any) -> list[Any]:
    """The four vectors of a block."""
    if distribution == "bits":
        return [e.builder.trunc(word, e.type("uint32")) for word in philox.words(block)]
    if distribution == "uniform":
        return _uniform(e, philox, dtype, block)
    angles = (
        _unit_float32(e, philox.words(block, second=True))
        if dtype == "float32"
        else _uniform(e, philox, dtype, block, _TOP)
    )
    return [
        e.expression(
            "sqrt(-2.0 * log(1.0 - x)) * cos(6.283185307179586 * y)",
            {"x": Typed(u, dtype), "y": Typed(v, dtype)},
            dtype,
        ).value
        for u, v in zip(_uniform(e, philox, dtype, block), angles, strict=True)
    ]


def _uniform(e: Emitter, philox: _Philox, dtype: str, block: Any, flip: int = 0) -> list[Any]:
    """Draws from [0, 1); `flip` is xored into the offset."""
    if dtype == "float32":
        return _unit_float32(e, philox.words(block))
    words = zip(philox.words(block, flip=flip), philox.words(block, second=True, flip=flip), strict=True)
    return [
        e.expression(
            "(high * 134217728.0 + low) * 1.1102230246251565e-16",
            {"high": _shifted(e, high, 6, dtype), "low": _shifted(e, low, 5, dtype)},
            dtype,
        ).value
        for high, low in words
    ]


def _unit_float32(e: Emitter, words: Sequence[Any]) -> list[Any]:
    scale = e.constant("float32", 2.0**-24)
    return [e.builder.fmul(_shifted(e, word, 8, "float32").value, scale) for word in words]


def _shifted(e: Emitter, word: Any, bits: int, dtype: str) -> Typed:
    """The upper bits of a word, as a float that holds them exactly."""
    whole = e.builder.trunc(e.builder.lshr(word, e.constant("int64", bits)), e.vector(INT32))
    return Typed(e.builder.sitofp(whole, e.type(dtype)), dtype)


class _Philox:
    """A generator's state and round keys. Words are 32 bits in 64-bit lanes, so that products need no
    unpacking.
    """

    def __init__(self, frame: Frame, seed: Any, stream: Any, offset: Any) -> None:
        b = frame.builder
        self.frame = frame
        self.offset = offset
        low, high = (
            b.and_(seed, integer(_LOW)),
            b.and_(b.xor(stream, b.lshr(seed, integer(32))), integer(_LOW)),
        )
        self.keys = [
            [b.and_(frame.plus(k, r * step), integer(_LOW)) for k, step in zip((low, high), _WEYL, strict=True)]
            for r in range(_ROUNDS)
        ]

    def words(self, block: Any, second: bool = False, flip: int = 0) -> list[Any]:
        """The four words of every lane for `block`."""
        frame, b, e = self.frame, self.frame.builder, self.frame.emitter
        mask, shift = e.constant("int64", _LOW), e.constant("int64", 32)
        counter = b.add(e.splat(frame.times(block, LANES)), e.lanes(INT64))
        if second:
            counter = b.or_(counter, e.constant("int64", _TOP))
        offset = e.splat(b.xor(self.offset, integer(flip)))
        c0, c1 = b.and_(counter, mask), b.lshr(counter, shift)
        c2, c3 = b.and_(offset, mask), b.lshr(offset, shift)
        first, other = (ir.Constant(counter.type, [m] * LANES) for m in _MULTIPLIERS)
        for k0, k1 in self.keys:
            x, y = b.mul(c0, first), b.mul(c2, other)
            c0, c1 = b.xor(b.xor(b.lshr(y, shift), c1), e.splat(k0)), b.and_(y, mask)
            c2, c3 = b.xor(b.xor(b.lshr(x, shift), c3), e.splat(k1)), b.and_(x, mask)
        return [c0, c1, c2, c3]


def plan_random(distribution: str, dtype: str, draws: Sequence[Draw]) -> Launch:
    """One launch for several draws of one distribution; operands of each: its state (int64[3]), its result.

    Raises:
        ValueError: the distribution cannot be drawn in `dtype`.
    """
    if dtype not in DISTRIBUTIONS.get(distribution, ()):
        raise ValueError(f"random {distribution}: no kernel draws {dtype}; there are {DISTRIBUTIONS}")
    records: list[tuple[int, list[Slot]]] = [
        (-(-d.count // (BLOCK * ITEM)), [d.count, d.call, Pointer(2 * k), Pointer(2 * k + 1)])
        for k, d in enumerate(draws)
    ]
    work = sum(d.count for d in draws) * (COST + element(dtype).size)
    return Launch(random_source(distribution, dtype), table(records, work), parallel=worth_parallel(work))
