"""Who does which pieces of an instruction's work: most are shared out evenly, the last ones are taken by whoever comes.

Threads are rarely equally fast: one begins later, or its core is lent to somebody else for a while. Which thread does a
piece changes no bits, for pieces depend on shapes alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from llvmlite import ir

from pronghorn_cpu.memory import aligned
from pronghorn_cpu.staging import INT64, Code, Condition, Word, share

_LEFT = 8
"""One in so many pieces is left to be claimed."""

_CLAIMS = 4
"""In so many claims for each thread."""

_BIT = ir.IntType(1)

_TAKEN, _DONE = range(0, 16, 8)
"""Where in the line it says how many claims were made, and how many threads made their last one; in bytes."""

_line = aligned(np.zeros(8, np.int64))
ADDRESS = _line.ctypes.data
"""The line in which threads claim pieces: one for the process, for replays take turns. Between instructions it is 0."""


def renew_after_fork() -> None:
    """Forgets the claims of threads that the child does not have."""
    _line[:] = 0


@contextmanager
def claimed(code: Code, line: Word, total: Word, t: Word, threads: Word) -> Iterator[tuple[Word, Word, Condition]]:
    """Ranges of `total` pieces for thread t, one after the other, and whether it is the first.

    Args:
        line: 0 for one range alone, the even share; else `ADDRESS`.
        threads: how many share the work; further ones get nothing.
    """
    builder = code.builder
    worth = code.all(line != 0, threads > 1, total >= threads * _LEFT)
    left = code.select(worth, total // _LEFT, 0)
    even = total - left
    size = code.maximum(left // (threads * _CLAIMS), 1)
    begin, end = share(code, even, t, threads)
    before = builder.block
    work, claim, last, after = (builder.append_basic_block(name) for name in ("work", "claim", "last", "after"))
    builder.cbranch(t < threads, work, after)
    builder.position_at_end(work)
    start, stop, first = (builder.phi(kind) for kind in (INT64, INT64, _BIT))
    yield code.word(start), code.word(stop), first
    builder.cbranch(worth, claim, after)
    builder.position_at_end(claim)
    following = even + code.add_atomically(line + _TAKEN, 1) * size
    further = following, code.minimum(following + size, total), code.word(_BIT(0))
    builder.cbranch(following < total, work, last)
    for phi, initial, later in zip((start, stop, first), (begin, end, code.word(_BIT(1))), further, strict=True):
        phi.add_incoming(initial.value, before)
        phi.add_incoming(later.value, claim)
    builder.position_at_end(last)
    with code.when(code.add_atomically(line + _DONE, 1) == threads - 1):
        code.set_slot(line + _TAKEN, 0, 0)
        code.set_slot(line + _DONE, 0, 0)
    builder.branch(after)
    builder.position_at_end(after)
