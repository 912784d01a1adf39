"""A kernel launch as data: the kernel, its parameters, and how many threads it wants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeVar

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


def each(
    total: str, names: Sequence[str], steps: str | Sequence[str], kinds: Sequence[str], helpers: str = "",
    setup: Sequence[str] = (),
) -> Kernel:  # fmt: skip
    """A kernel whose threads take turns at the elements 0 … `total` - 1.

    Args:
        names: what the slots of its block are called, in their order.
        steps: statements for each element `i`.
        kinds, helpers: as in `kernel`.
        setup: statements before the first element.
    """
    lines = steps.strip("\n").splitlines() if isinstance(steps, str) else steps
    text = [
        *(f"{name} = int64s[p + {k}]" for k, name in enumerate(names)),
        *setup,
        "i = int64(cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x)",
        f"while i < {total}:",
        *("    " + line for line in lines),
        "    i += cuda.blockDim.x * cuda.gridDim.x",
    ]
    return kernel("\n".join(text), kinds, helpers)


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
    stored, `strides` those from one matrix of a batch to the next. `bias` (columns,) is added to each row; `activation`
    ("relu", "gelu_tanh" or none) comes last.
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
    bias: Pointer | Scratch | None = None
    activation: str = ""


@dataclass(frozen=True)
class Convolve:
    """A convolution for a library, or one of its gradients: `c` is made of `a` and `b`.

    Images (batch, *spatial, channels) and results (batch, *spatial, filters) are dense; kernels lie as (filters,
    *window, channels of a group). `kind` is "output" (of image and kernel), "input" (of the result's gradient and
    kernel) or "kernel" (of image and the result's gradient). `padding` is the same at both ends.
    """

    dtype: str
    kind: str
    image: tuple[int, ...]
    kernel: tuple[int, ...]
    result: tuple[int, ...]
    strides: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int
    a: Pointer | Scratch
    b: Pointer | Scratch
    c: Pointer | Scratch
    space: Scratch
    """Where the library's own workspace begins."""
    algorithm: tuple[int, int] = (-1, 0)
    """The library's algorithm and kind of arithmetic, when it has been asked."""
    workspace: int = 0
    """As of a launch; what the library needs is known when it has been asked."""


@dataclass(frozen=True)
class Choice:
    """Ways to the same result, best first; the first is taken whose calls the libraries here can do. The last has no
    call."""

    ways: tuple[tuple[Launch | Product | Convolve, ...], ...]


Settled = Launch | Product | Convolve
Work = Settled | Choice
_Work = TypeVar("_Work", bound=Work)


def _renumber_slot(slot: Any, order: Sequence[int | Scratch]) -> Any:
    if not isinstance(slot, Pointer):
        return slot
    place = order[slot.operand]
    if isinstance(place, Scratch):
        return Scratch(slot.dtype, place.offset + slot.offset * dtypes.itemsize(slot.dtype))
    return replace(slot, operand=place)


def renumber(work: Sequence[_Work], order: Sequence[int | Scratch]) -> tuple[_Work, ...]:
    """The same work with operand k called `order[k]`, or found in scratch memory."""
    found: list[Any] = []
    for item in work:
        if isinstance(item, Launch):
            found.append(replace(item, slots=tuple(_renumber_slot(s, order) for s in item.slots)))
        elif isinstance(item, Choice):
            found.append(Choice(tuple(renumber(way, order) for way in item.ways)))
        else:
            pointers = {name: slot for name, slot in vars(item).items() if isinstance(slot, Pointer)}
            found.append(replace(item, **{name: _renumber_slot(slot, order) for name, slot in pointers.items()}))
    return tuple(found)


def workspace_of(work: Sequence[Work]) -> int:
    """Bytes of scratch memory that the work needs."""
    sizes = [0]
    for item in work:
        if isinstance(item, Choice):
            sizes += map(workspace_of, item.ways)
        elif not isinstance(item, Product):
            sizes.append(item.workspace)
    return max(sizes)


def blocks_for(items: int, each: int) -> int:
    """Blocks for so many items, of which one takes `each` at a time."""
    return max(1, min(MOST_BLOCKS, -(-items // each)))
