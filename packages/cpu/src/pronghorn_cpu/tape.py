"""The tape: a program's instructions as a flat array of words, which compiled code replays without Python.

Its words are laid down in :mod:`pronghorn_cpu.layout`; :mod:`pronghorn_cpu.replay` is the reader.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

from pronghorn_cpu.cache import Kernel
from pronghorn_cpu.layout import CALL, ENTRY_WORDS, HOST, JUMP, LOOP, PARALLEL, TURN, UNLESS

_Block = npt.NDArray[np.int64] | int


class Tape:
    """Instructions to be replayed by a :class:`pronghorn_cpu.runner.Pool`.

    Written once, in order, then closed by :meth:`finish`. Cells (counters, counts, conditions) are addresses
    of memory that the caller keeps alive and kernels may read and write.

    Attributes:
        entries: int64 ``(n, 4)``; valid after :meth:`finish`.
        address: of the entries.
        hosts: the functions of the host entries, by position.
    """

    def __init__(self) -> None:
        self.hosts: dict[int, Callable[[], object]] = {}
        self.entries: npt.NDArray[np.int64] = np.zeros((0, ENTRY_WORDS), np.int64)
        self.address = 0
        self._words: list[list[int]] = []
        self._alive: list[object] = []

    def __len__(self) -> int:
        """The number of entries written."""
        return len(self._words)

    def call(self, kernel: Kernel, block: _Block, parallel: bool = True) -> int:
        """Calls ``kernel`` with the argument ``block``, an int64 array (kept alive) or the address of one.

        A parallel call runs ``kernel(block, t, threads)`` on every thread t, a serial one
        ``kernel(block, 0, 1)`` on the main thread: the better choice below some ten microseconds of work.

        Returns:
            The position of the entry.
        """
        self._alive.append(kernel)
        return self.write(PARALLEL if parallel else CALL, kernel.address, self._address(block))

    def host(self, function: Callable[[], object]) -> int:
        """Returns to Python, calls ``function()`` and goes on. Allowed inside loops and branches.

        Returns:
            The position of the entry.
        """
        position = self.write(HOST)
        self.hosts[position] = function
        return position

    @contextmanager
    def loop(self, counter: int, *, count: int | None = None, count_cell: int | None = None) -> Iterator[None]:
        """Repeats what is written inside with the int64 cell ``counter`` at 0, 1, ... ``count - 1``.

        The trip count is the number ``count``, or is read from the int64 at the address ``count_cell`` before
        each turn.
        """
        if (count is None) == (count_cell is None):
            raise ValueError("Tape.loop takes either count (a number) or count_cell (the address of one)")
        cell = self._address(np.array([count], np.int64)) if count_cell is None else count_cell
        start = self.write(LOOP, counter, cell)
        yield
        end = self.write(TURN, counter, cell, start + 1)
        self._words[start][3] = end + 1

    @contextmanager
    def while_loop(self) -> Iterator[While]:
        """Repeats what is written inside until a :meth:`While.test` in it finds a false condition."""
        start = len(self._words)
        loop = While(self)
        yield loop
        end = self.write(JUMP, 0, start)
        for test in loop.tests:
            self._words[test][2] = end + 1

    @contextmanager
    def branch(self, condition: int) -> Iterator[Branch]:
        """Runs what is written inside if the bool (one byte) at the address ``condition`` is true, up to
        :meth:`Branch.otherwise`; what follows that, if it is false."""
        branch = Branch(self, self.write(UNLESS, condition))
        yield branch
        self._words[branch.jump][2] = len(self._words)

    def finish(self) -> Tape:
        """Fixes the entries; the tape can be replayed from now on."""
        run = 0
        for words in reversed(self._words):
            run = run + 1 if words[0] == PARALLEL else 0
            if run:
                words[3] = run
        self.entries = np.array(self._words, np.int64).reshape(-1, ENTRY_WORDS)
        self.address = self.entries.ctypes.data
        self._words = []
        return self

    def write(self, opcode: int, *operands: int) -> int:
        """Writes one entry; its position."""
        self._words.append([opcode, *operands, *[0] * (ENTRY_WORDS - 1 - len(operands))])
        return len(self._words) - 1

    def _address(self, block: _Block) -> int:
        if isinstance(block, int):
            return block
        if block.dtype != np.int64 or not block.flags.c_contiguous:
            raise ValueError(f"an argument block is a contiguous int64 array, not {block.dtype} of shape {block.shape}")
        self._alive.append(block)
        return block.ctypes.data


class While:
    """The loop that :meth:`Tape.while_loop` opened."""

    def __init__(self, tape: Tape) -> None:
        self.tests: list[int] = []
        self._tape = tape

    def test(self, condition: int) -> None:
        """Leaves the loop here if the bool (one byte) at the address ``condition`` is false."""
        self.tests.append(self._tape.write(UNLESS, condition))


class Branch:
    """The alternative that :meth:`Tape.branch` opened.

    Attributes:
        start: position of the entry that decides.
        jump: position of the entry whose target is the end.
    """

    def __init__(self, tape: Tape, start: int) -> None:
        self.start = self.jump = start
        self._tape = tape

    def otherwise(self) -> None:
        """Ends what is done if the condition is true, and begins what is done if it is not."""
        self.jump = self._tape.write(JUMP)
        self._tape._words[self.start][2] = self.jump + 1
