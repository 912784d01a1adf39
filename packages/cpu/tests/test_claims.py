"""Pieces of work are done once each, whoever comes first, and the line of claims is 0 afterwards."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from pronghorn_cpu import cache, claims
from pronghorn_cpu.runner import Pool
from pronghorn_cpu.tape import Tape

# block: address of the line, pieces, threads that share them, address of a count for each piece, of one for each thread
COUNT = """
from pronghorn_cpu.claims import claimed
from pronghorn_cpu.staging import intrinsic


def write(code, p, t, threads):
    line, pieces, most, counts, own = (code.slot(p, k) for k in range(5))
    with claimed(code, line, pieces, t, code.minimum(threads, most)) as (begin, end, first):
        with code.loop(begin, end) as piece:
            code.add_atomically(counts + piece.index * 8, 1)
            code.add_atomically(own + t * 8, 1)


code = intrinsic(write)


def kernel(p, t, threads):
    code(p, t, threads)
"""


@pytest.fixture(autouse=True)
def clean_line() -> Iterator[None]:
    yield
    assert not claims._line.any()


def count(pieces: int, threads: int, order: list[int], most: int = 99, line: int = claims.ADDRESS) -> np.ndarray:
    """How many pieces each thread did, which come one after the other in this order."""
    counts, own = np.zeros(pieces + 1, np.int64), np.zeros(threads, np.int64)
    block = np.array([line, pieces, most, counts.ctypes.data, own.ctypes.data], np.int64)
    kernel = cache.load(COUNT)
    for t in order:
        kernel(block.ctypes.data, t, threads)
    np.testing.assert_array_equal(counts, [1] * pieces + [0])
    return own


@pytest.mark.parametrize("pieces", [0, 1, 7, 16, 63, 64, 65, 1000])
@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_every_piece_is_done_once(pieces: int, threads: int) -> None:
    for line in (0, claims.ADDRESS):
        for order in (range(threads), reversed(range(threads))):
            count(pieces, threads, list(order), line=line)


def test_who_comes_first_does_more() -> None:
    assert list(count(800, 2, [1, 0])) == [350, 450]
    assert list(count(800, 2, [1, 0], line=0)) == [400, 400]


def test_threads_without_memory_do_nothing() -> None:
    assert list(count(800, 4, [3, 2, 1, 0], most=2)) == [350, 450, 0, 0]


def test_threads_at_a_time_share_all_pieces() -> None:
    pieces, repeats = 999, 200
    counts, own = np.zeros(pieces, np.int64), np.zeros(4, np.int64)
    tape = Tape()
    for _ in range(repeats):
        tape.call(
            cache.load(COUNT), np.array([claims.ADDRESS, pieces, 99, counts.ctypes.data, own.ctypes.data], np.int64)
        )
    with Pool(4) as pool:
        pool.run(tape.finish())
    np.testing.assert_array_equal(counts, [repeats] * pieces)
    assert own.sum() == pieces * repeats


def test_a_child_knows_nothing_of_claims_made_before_the_fork() -> None:
    claims._line[:] = 3
    claims.renew_after_fork()
    assert not claims._line.any()
