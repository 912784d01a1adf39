"""Several launches run as one, item by item: what lies between them stays in the cache of the thread that made it.

An item is a head of attention, say, or some of its rows. Every step is a launch as it is planned for one item; a
thread keeps its own copy of the steps' argument blocks, puts the item's addresses into them and calls the kernels one
after the other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import auto
from typing import Any, NamedTuple

from pronghorn_cpu.claims import claimed
from pronghorn_cpu.launch import Callee, Claims, Launch, Pointer, Scratch, Slot, kernel_source
from pronghorn_cpu.staging import Code, Slots, Word, intrinsic


class Items(Slots):
    """Slots of the kernel. The tables of steps and of patches follow, then the steps' blocks."""

    OUTER = auto()
    """The items are OUTER x INNER x BLOCKS."""
    INNER = auto()
    BLOCKS = auto()
    TOGETHER = auto()
    """So many neighbouring items are one thread's, in their order."""
    STEPS = auto()
    PATCHES = auto()
    WORDS = auto()
    """Slots of all the steps' blocks together."""
    MEMORY = auto()
    """The first thread's memory, which begins with its blocks."""
    MEMORY_STRIDE = auto()
    THREADS = auto()
    CLAIMS = auto()
    TABLES = auto()


class Step(Slots):
    """An entry of the table of steps: the kernel, and where its block begins among those of all steps."""

    KERNEL = auto()
    WORD = auto()


class Patch(Slots):
    """An entry of the table of patches: a slot, the address for the first item, and bytes to that of the next one."""

    WORD = auto()
    ADDRESS = auto()
    OUTER = auto()
    INNER = auto()
    BLOCK = auto()
    THREAD = auto()
    """Bytes to the next thread's address."""


class Place(NamedTuple):
    """Where an operand of a step begins for an item: an address for the first, and bytes per outer, inner and block.

    A `Scratch` slot that is a thread's `own` counts from the start of that thread's memory. A number is as it is.
    """

    slot: Pointer | Scratch | int
    strides: tuple[int, int, int] = (0, 0, 0)
    own: bool = False


def sequence_kernel() -> Any:
    """Runs the steps for each of the thread's items: see `Items`."""

    def write(code: Code, p: Word, t: Word, threads: Word) -> None:
        read = {name: code.slot(p, name) for name in Items if name is not Items.TABLES}
        steps = p + 8 * Items.TABLES
        patches = steps + read[Items.STEPS] * (8 * len(Step))
        template = patches + read[Items.PATCHES] * (8 * len(Patch))
        blocks = read[Items.MEMORY] + t * read[Items.MEMORY_STRIDE]
        inner_items = read[Items.INNER] * read[Items.BLOCKS]
        items = read[Items.OUTER] * inner_items
        together = read[Items.TOGETHER]
        threads = code.minimum(threads, read[Items.THREADS])
        with code.when(t < threads), code.loop(0, read[Items.WORDS]) as word:
            code.set_slot(blocks + word.index * 8, 0, code.slot(template, word.index))
        ranges = claimed(code, read[Items.CLAIMS], items // together, t, threads)
        with ranges as (begin, end, _), code.loop(begin * together, end * together) as item:
            outer, rest = item.index // inner_items, item.index % inner_items
            inner, block = rest // read[Items.BLOCKS], rest % read[Items.BLOCKS]
            with code.loop(0, read[Items.PATCHES]) as patch:
                entry = patches + patch.index * (8 * len(Patch))
                place, address, by_outer, by_inner, by_block, by_thread = (code.slot(entry, slot) for slot in Patch)
                value = address + outer * by_outer + inner * by_inner + block * by_block + t * by_thread
                code.set_slot(blocks + place * 8, 0, value)
            with code.loop(0, read[Items.STEPS]) as step:
                entry = steps + step.index * (8 * len(Step))
                code.call_kernel(code.slot(entry, Step.KERNEL), blocks + code.slot(entry, Step.WORD) * 8)

    return intrinsic(write)


def plan_sequence(
    items: tuple[int, int, int],
    steps: Sequence[tuple[Sequence[Launch], Sequence[Place]]],
    own_bytes: int,
    threads: int,
    shared_bytes: int = 0,
    in_turn: bool = False,
) -> Launch:
    """One launch that runs `steps` for each of outer x inner x blocks items.

    Args:
        items: how many.
        steps: launches planned for one item and one thread, each with the places of its operands.
        own_bytes: memory that the steps share within a thread, for places that are its `own`.
        threads: for how many there is to be memory.
        shared_bytes: scratch memory in front of the threads', which other launches planned together use, too.
        in_turn: whether the blocks of an item are worked on one after the other, by one thread.
    """
    launches = [(launch, places) for planned, places in steps for launch in planned]
    words = sum(len(launch.slots) for launch, _ in launches)
    own = _aligned(8 * words)
    scratch = own + _aligned(own_bytes)
    stride = scratch + _aligned(max(launch.scratch_bytes for launch, _ in launches))
    memory = _aligned(shared_bytes)
    table: list[Slot] = []
    patches: list[Slot] = []
    template: list[Slot] = []
    for launch, places in launches:
        table += [Callee(launch.source), len(template)]
        for slot in launch.slots:
            place = None
            if isinstance(slot, Scratch):
                place = Place(Scratch(memory + scratch + slot.offset), own=True)
            elif isinstance(slot, Pointer):
                place = places[slot.operand]
                offset = slot.offset + (memory + own if place.own else 0)
                if not isinstance(place.slot, int):
                    place = place._replace(slot=place.slot._replace(offset=place.slot.offset + offset))
            if place is not None:
                patches += [len(template), place.slot, *place.strides, stride if place.own else 0]
            template.append(0 if place is not None else slot)
    head: dict[Items, Slot] = {
        Items.OUTER: items[0],
        Items.INNER: items[1],
        Items.BLOCKS: items[2],
        Items.TOGETHER: items[2] if in_turn else 1,
        Items.STEPS: len(launches),
        Items.PATCHES: len(patches) // len(Patch),
        Items.WORDS: words,
        Items.MEMORY: Scratch(memory),
        Items.MEMORY_STRIDE: stride,
        Items.THREADS: threads,
        Items.CLAIMS: Claims(),
    }
    slots = [head[name] for name in Items if name is not Items.TABLES]
    return Launch(
        kernel_source(sequence_kernel), (*slots, *table, *patches, *template), memory + threads * stride,
        math.prod(items) > 1,
    )  # fmt: skip


def _aligned(size: int) -> int:
    return math.ceil(size / 64) * 64
