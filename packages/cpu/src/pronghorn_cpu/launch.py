"""A planned kernel launch: the kernel's source, and an argument block whose addresses are still open."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

from pronghorn_cpu import claims


class Pointer(NamedTuple):
    """A slot that takes the address of operand `operand` (inputs first, then outputs, as `plan_*` was given
    them).
    """

    operand: int
    offset: int = 0
    """Bytes from the operand's first element."""


class Scratch(NamedTuple):
    """A slot that takes an address in the launch's scratch memory, `offset` bytes from its 64-byte aligned
    start.
    """

    offset: int = 0


class Claims(NamedTuple):
    """A slot that takes the address of the line in which threads claim pieces of the work, see `claims.claimed`."""


class Callee(NamedTuple):
    """A slot that takes the address of another kernel, that of `source`, which the launch's kernel calls."""

    source: str


Slot = int | Pointer | Scratch | Claims | Callee


class Launch(NamedTuple):
    """One instruction: load the kernel of `source`, fill its block from `slots`, run it on all threads or on
    one.

    Launches planned together (a long reduction and its second pass) share one scratch of the largest
    `scratch_bytes`, and its contents live from the first to the last.
    """

    source: str
    slots: tuple[Slot, ...]
    scratch_bytes: int = 0
    parallel: bool = True

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources of all kernels that must be loaded: the launch's own, then its callees'."""
        return (self.source, *[slot.source for slot in self.slots if type(slot) is Callee])

    def block(
        self, addresses: Sequence[int], scratch: int = 0, kernels: Callable[[str], int] | None = None
    ) -> list[int]:
        """The slots as integers, for operands at `addresses`, scratch memory at `scratch` and callees at
        `kernels(source)`.
        """

        def resolve(slot: Pointer | Scratch | Claims | Callee) -> int:
            if isinstance(slot, Pointer):
                return addresses[slot.operand] + slot.offset
            if isinstance(slot, Claims):
                return claims.ADDRESS
            if isinstance(slot, Callee):
                assert kernels is not None, "a launch with callees needs their addresses"
                return kernels(slot.source)
            return scratch + slot.offset

        return [slot if isinstance(slot, int) else resolve(slot) for slot in self.slots]


PARALLEL_BYTES = 32768
"""Below this many bytes of traffic (of one cheap operation per element) the barrier costs more than a second
core gives.
"""

_CLAIMED = 32
"""Times as much, some 20 µs: from there on threads claim the last pieces, which takes a fraction of one."""


def worth_parallel(work: int) -> bool:
    """Whether `work`, in bytes of memory traffic or four times the elementary operations, is worth all
    threads.
    """
    return work >= PARALLEL_BYTES


def claims_for(work: int) -> Claims | int:
    """The slot that says how so much work, in the unit of `worth_parallel`, is shared out."""
    return Claims() if work >= _CLAIMED * PARALLEL_BYTES else 0


def float_bits(value: float) -> int:
    """The slot that holds `value` as float64 bits."""
    return int(struct.unpack("<q", struct.pack("<d", value))[0])


@lru_cache(maxsize=1024, typed=True)
def kernel_source(maker: Callable[..., object], *arguments: object) -> str:
    """The source of a module whose `kernel` runs the intrinsic that `maker(*arguments)` makes.

    The arguments' `repr` must be Python source over `Body`, `Step` and the public names of the maker's
    module.
    """
    text = "".join(f"    {argument!r},\n" for argument in arguments)
    return (
        "from pronghorn.body import Body, Step\n"
        f"from {maker.__module__} import *\n"
        f"from {maker.__module__} import {maker.__name__}\n\n"
        f"code = {maker.__name__}(\n{text})\n\n\n"
        "def kernel(p, t, threads):\n"
        "    code(p, t, threads)\n"
    )
