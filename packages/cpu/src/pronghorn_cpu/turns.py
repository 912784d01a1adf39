"""Kernels for the turns of loops: moving one item of a sequence in or out of the body, and counting."""

from __future__ import annotations

from numba import njit

from pronghorn_cpu.intrinsics import set_slot, slot, u8_array


@njit(error_model="numpy", nogil=True)
def copy_turn(p, t, threads):  # type: ignore[no-untyped-def]
    """Copies `size` bytes.

    Slots: source, target, size, counter's address, source's and target's bytes per turn, last turn. The turn is the
    counter, or `last` less the counter where `last` is not negative (a loop in reverse).
    """
    turn = slot(slot(p, 3), 0)
    if slot(p, 6) >= 0:
        turn = slot(p, 6) - turn
    size = slot(p, 2)
    source = u8_array(slot(p, 0) + turn * slot(p, 4), size)
    target = u8_array(slot(p, 1) + turn * slot(p, 5), size)
    for i in range(size):
        target[i] = source[i]


@njit(error_model="numpy", nogil=True)
def count_turn(p, t, threads):  # type: ignore[no-untyped-def]
    """Counts the turns of a loop with a limit. Slots: address of the count, address of a bool, limit, 1 to start at 0.

    The bool says whether the turn that the count stands at may be taken; then the count rises.
    """
    count = 0 if slot(p, 3) else slot(slot(p, 0), 0)
    u8_array(slot(p, 1), 1)[0] = count < slot(p, 2)
    set_slot(slot(p, 0), 0, count if slot(p, 3) else count + 1)
