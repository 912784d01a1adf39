"""What Python writes and the compiled replay reads: the words of a tape's entries and of the control
block."""

from __future__ import annotations

import platform
import sys

HAS_WORKERS = sys.platform == "linux" and platform.machine() in ("x86_64", "aarch64")
"""Whether tapes are replayed by several threads. They sleep in a Linux system call; elsewhere everything runs
on the calling thread, with the same bits."""

# A tape's entry is four int64, an opcode and three operands.
#
# opcode         operands
CALL = 0  #      function, block                       on the main thread alone
PARALLEL = 1  #  function, block, run                  on all threads; run: entries to the end of the run
LOOP = 2  #      counter, count, exit                  counter = 0; to exit if it is not below count
TURN = 3  #      counter, count, body                  counter += 1; to body if it is below count
JUMP = 4  #      -, target
UNLESS = 5  #    condition, target                     to target if the byte at condition is 0
HOST = 6  #      back to Python, which goes on at the next entry
DISMISS = 7  #   the workers return

ENTRY_WORDS = 4
ENTRY_BYTES = 8 * ENTRY_WORDS

# The control block, through which Python, the main thread's replay and the workers talk. Positions are in
# int64 words; those that different threads write lie on different cache lines of eight words.

# Written by Python before a replay.
TAPE = 0  #      address of the entries
LENGTH = 1  #    their number
POSITION = 2  #  where to begin; after the replay, where it stopped
BUDGET = 3  #    entries to execute at most
SPINS = 4  #     how often a thread looks whether the others have arrived before it sleeps
PATIENCE = 5  #  how long a worker looks for the next run before it sleeps, at most; in nanoseconds

# Written by the replay, read by the workers: one cache line carries all they wait for.
SEQUENCE = 8  #  counts the runs handed out; a worker that waits, waits for it to change
RUN = 9  #       address of the run's first entry
RUN_LENGTH = 10  #  entries of the run; negative: the workers are dismissed
PASSED = 16  #   arrivals that the barriers behind the main thread add up to

# Written by all.
ARRIVED = 24  #  arrivals at barriers since the workers started
WAITERS = 25  #  threads to be woken when all have arrived
SLEEPERS = 32  # workers to be woken for the next run

SCRATCH = 40  #  a line for each thread: its clock in two words, then
TRUST = 2  #     whether it expects spinning at a barrier to be of use: not if negative


def words(threads: int) -> int:
    """The size of the control block for so many threads."""
    return SCRATCH + 8 * threads
