"""Asking for what comes next while something else is computed.

The processor guesses the next cache lines along a run, but not across the rows of a matrix, and hundreds of requests at
once only fill its queue. So whoever computes in turns announces a matrix, and asks for a few of its lines in each turn.
"""

from __future__ import annotations

from enum import auto
from typing import NamedTuple

from pronghorn_cpu.staging import Code, Slots, Word

LINE = 64
"""Bytes of a cache line."""


class Matrix(NamedTuple):
    """Elements in memory; strides, between rows and between columns, in bytes."""

    address: Word
    row: Word
    column: Word
    rows: Word
    columns: Word


class _Requests(Slots):
    """Slots of a block of requests, which lie in a thread's scratch memory."""

    ADDRESS = auto()
    LENGTH = auto()
    """Bytes of a run."""
    STRIDE = auto()
    """Bytes from run to run."""
    RUNS = auto()
    """Runs left; 0 or less when all is asked for."""
    PLACE = auto()
    """Bytes into the run."""
    SHARE = auto()
    """Bytes of a run for each turn: all of them if a turn asks for several runs."""
    COUNT = auto()
    """Runs that a turn asks for, in whole or in part."""


BYTES = LINE
"""Of a block of requests: what follows them keeps its alignment."""


def announce(code: Code, block: Word, matrix: Matrix, itemsize: int, turns: Word) -> None:
    """Has so many turns of `ask` fetch a matrix whose rows or columns are contiguous; one without elements is none."""
    flat = matrix.column == itemsize
    length = code.maximum(code.select(flat, matrix.columns, matrix.rows), 0) * itemsize
    stride = code.select(flat, matrix.row, matrix.column)
    runs = code.select(length == 0, 0, code.maximum(code.select(flat, matrix.rows, matrix.columns), 0))
    dense = stride == length  # all of it is one run
    length, runs = code.select(dense, length * runs, length), code.select(dense, code.minimum(runs, 1), runs)
    turns, some = code.maximum(turns, 1), code.maximum(runs, 1)
    lines, shares = (length + LINE - 1) // LINE, code.maximum(turns // some, 1)
    values: dict[_Requests, Word | int] = {
        _Requests.ADDRESS: matrix.address,
        _Requests.LENGTH: length,
        _Requests.STRIDE: stride,
        _Requests.RUNS: runs,
        _Requests.PLACE: 0,
        _Requests.SHARE: (lines + shares - 1) // shares * LINE,
        _Requests.COUNT: (some + turns - 1) // turns,
    }
    for slot, value in values.items():
        code.set_slot(block, slot, value)


def ask(code: Code, block: Word) -> None:
    """A turn: asks for the next lines, in the second-level cache."""

    def write(code: Code, block: Word) -> None:
        address, length, stride, runs, place, share, count = (code.slot(block, slot) for slot in _Requests)
        with code.loop(0, code.minimum(count, runs), carried=[address.value, runs.value, place.value]) as loop:
            address, runs, place = (code.word(value) for value in loop.carried)
            end = code.minimum(place + share, length)
            with code.loop(place, end, LINE) as line:
                code.prefetch(address + line.index, write=False, level=2)
            over = end == length
            address, runs = address + code.select(over, stride, 0), runs - code.select(over, 1, 0)
            loop.carry([address.value, runs.value, code.select(over, 0, end).value])
        for slot, value in zip((_Requests.ADDRESS, _Requests.RUNS, _Requests.PLACE), loop.results, strict=True):
            code.set_slot(block, slot, code.word(value))

    with code.when(code.slot(block, _Requests.RUNS) > 0):
        code.call("ask", write, block)
