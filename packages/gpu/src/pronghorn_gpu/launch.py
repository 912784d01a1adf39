"""A kernel launch as data: the kernel, its parameters, and how many threads it wants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from pronghorn import dtypes
from pronghorn_gpu.target import SIMULATED

THREADS = 2 if SIMULATED else 256
"""Threads of a block where kernels leave the choice; simulated threads are slow."""

MOST_BLOCKS = 2 if SIMULATED else 2048
"""Blocks of a launch; each goes on to further work until none is left."""

STORAGE = {"bool": "uint8", "bfloat16": "uint16"}
"""How dtypes that CUDA's arrays do not have are kept in memory."""

DTYPES = (
    "bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "bfloat16",
    "float32", "float64",
)  # fmt: skip
"""What kernels read and write."""


def storage(dtype: str) -> str:
    """The dtype of the memory that holds `dtype`."""
    return STORAGE.get(dtype, dtype)


class Kernel(NamedTuple):
    """The source of a function `kernel(p, int64s, …)`, and the views of memory that follow `int64s`, by dtype."""

    source: str
    views: tuple[str, ...]


def kernel(body: str, kinds: Sequence[str], helpers: str = "") -> Kernel:
    """A kernel whose statements are `body`; for each dtype it sees the memory as an array of its name and an s."""
    views = tuple(sorted({storage(d) for d in kinds} - {"int64"}))
    parameters = ", ".join(["p", "int64s", *(f"{v}s" for v in views)])
    lines = "\n".join(f"    {line}" if line else "" for line in body.strip("\n").splitlines())
    return Kernel(f"{helpers}\ndef kernel({parameters}):\n{lines}\n", views)


@dataclass(frozen=True)
class Pointer:
    """A slot for the index, in memory seen as `dtype`, of element `offset` of an operand."""

    operand: int
    dtype: str
    offset: int = 0


@dataclass(frozen=True)
class Scratch:
    """A slot for the index, in memory seen as `dtype`, of byte `offset` of the node's workspace."""

    dtype: str
    offset: int = 0


@dataclass(frozen=True)
class Real:
    """A slot for a float64."""

    value: float

    @property
    def bits(self) -> int:
        return int(np.float64(self.value).view(np.int64))


Slot = int | Pointer | Scratch | Real


@dataclass(frozen=True)
class Launch:
    """One launch. Operands are numbered as the node's: its inputs, then its outputs.

    `workspace` is how many bytes of scratch memory the node's launches need together, said by any of them.
    """

    kernel: Kernel
    slots: tuple[Slot, ...]
    blocks: int
    threads: int = THREADS
    workspace: int = 0


@dataclass(frozen=True)
class Product:
    """A product of matrices for a library: C (rows, columns) = A' B'.

    `a` and `b` are read transposed where their flag is set; `leading` are the elements from row to row as they are
    stored, `strides` those from one matrix of a batch to the next.
    """

    dtype: str
    rows: int
    columns: int
    inner: int
    batch: int
    a: Pointer | Scratch
    b: Pointer | Scratch
    c: Pointer | Scratch
    transpose_a: bool
    transpose_b: bool
    strides: tuple[int, int, int]
    leading: tuple[int, int, int]


@dataclass(frozen=True)
class Choice:
    """Two ways: with a library that multiplies matrices of `dtype`, where one is installed, else by kernels alone."""

    dtype: str
    library: tuple[Launch | Product, ...]
    kernels: tuple[Launch, ...]


Work = Launch | Product | Choice


def _renumber_slot(slot: Any, order: Sequence[int | Scratch]) -> Any:
    if not isinstance(slot, Pointer):
        return slot
    place = order[slot.operand]
    if isinstance(place, Scratch):
        return Scratch(slot.dtype, place.offset + slot.offset * dtypes.itemsize(slot.dtype))
    return replace(slot, operand=place)


def renumber(work: Sequence[Work], order: Sequence[int | Scratch]) -> tuple[Work, ...]:
    """The same work with operand k called `order[k]`, or found in scratch memory."""
    found: list[Work] = []
    for item in work:
        if isinstance(item, Launch):
            found.append(replace(item, slots=tuple(_renumber_slot(s, order) for s in item.slots)))
        elif isinstance(item, Product):
            found.append(
                replace(item, **{name: _renumber_slot(getattr(item, name), order) for name in ("a", "b", "c")})
            )
        else:
            ways: Any = (renumber(item.library, order), renumber(item.kernels, order))
            found.append(Choice(item.dtype, *ways))
    return tuple(found)


def workspace_of(work: Sequence[Work]) -> int:
    """Bytes of scratch memory that the work needs."""
    sizes = [0]
    for item in work:
        if isinstance(item, Choice):
            sizes += [workspace_of(item.library), workspace_of(item.kernels)]
        elif isinstance(item, Launch):
            sizes.append(item.workspace)
    return max(sizes)


def blocks_for(items: int, each: int) -> int:
    """Blocks for so many items, of which one takes `each` at a time."""
    return max(1, min(MOST_BLOCKS, -(-items // each)))
