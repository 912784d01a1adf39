"""The tile kernel, of which products and convolutions are made.

A block works on a square tile of the result, `depth` elements of the inner dimension at a time: these come to shared
memory while the products of those before are computed, and each thread has a few rows and columns in registers. The
kernel is text around the statements that read an element of either side. Each element of the result is one chain of
fused multiply-adds along the inner dimension (or a few, where that is cut into parts), whatever the tiles.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pronghorn import dtypes
from pronghorn.body import Body
from pronghorn_gpu.emit import HALVES, HELPERS, store
from pronghorn_gpu.launch import Kernel, Launch, Pointer, Scratch, blocks_for, kernel
from pronghorn_gpu.reduction import plan_reduce
from pronghorn_gpu.target import ALIGNED, SIMULATED


class Tile(NamedTuple):
    """Rows and columns that a block works on, how many of each one thread does, and the depth of a turn."""

    side: int
    own: int
    depth: int

    @property
    def threads(self) -> int:
        return (self.side // self.own) ** 2


TILES = (Tile(4, 2, 4),) if SIMULATED else (Tile(128, 8, 8), Tile(64, 4, 16), Tile(32, 2, 16))
"""The largest first."""

ENOUGH_TILES = 4 if SIMULATED else 264
"""Tiles that keep the card busy; with fewer, smaller tiles are taken and the inner dimension is cut into parts."""

PART = 16 if SIMULATED else 512
"""The least length of a part of the inner dimension."""

HEADER = ("rows", "columns", "inner", "batches", "parts", "length")
"""What the first slots of a block are called; `length` is that of a part."""

_GAP = 4
"""Elements between the rows of shared memory: threads that write down a column meet different banks."""


_WRITTEN_OUT = 2
"""Steps along the inner dimension in one turn of the loop: more take long to compile, one spends much on the loop."""


class Side(NamedTuple):
    """How an element of one side is read.

    `at` are statements for its row i (of the right side its column j), `step` for its inner index k; `read` assigns
    `value`. They see the names of `batch`. Names that `at` makes end in "@", those of `step` in "#". `along`: whether
    neighbouring threads read along the inner dimension.
    """

    at: Sequence[str]
    step: Sequence[str]
    read: Sequence[str]
    along: bool


def accumulator(dtype: str) -> str:
    """The dtype in which products of `dtype` are summed."""
    return "float32" if dtype in HALVES else dtype


def tiles(dtype: str) -> tuple[Tile, ...]:
    """Those whose sums fit into registers."""
    return tuple(t for t in TILES if t.own**2 * dtypes.itemsize(accumulator(dtype)) <= 256)


def choose(dtype: str, rows: int, columns: int, inner: int, batches: int) -> tuple[Tile, int, int]:
    """The tile, the number of parts and their length; by dtype and shape alone."""

    def count(tile: Tile) -> int:
        return -(-rows // tile.side) * -(-columns // tile.side) * batches

    known = tiles(dtype)
    tile = next((t for t in known if count(t) >= ENOUGH_TILES), known[-1])
    parts = max(1, min(inner // PART, ENOUGH_TILES // max(count(tile), 1)))
    length = -(-max(-(-inner // parts), 1) // tile.depth) * tile.depth
    return tile, max(-(-inner // length), 1), length


def _block(lines: Sequence[str], level: int) -> str:
    return "\n".join("    " * level + line for line in lines)


class _Fill:
    """Statements that bring one side's part of a turn to registers, and from there to shared memory."""

    def __init__(self, name: str, side: Side, tile: Tile, acc: str) -> None:
        self.index, self.limit, self.shared = ("i", "rows", "a") if name == "left" else ("j", "columns", "b")
        self.side, self.tile, self.acc = side, tile, acc
        self.loads = tile.side * tile.depth // tile.threads
        self.across = tile.depth if side.along else tile.side  # along which neighbouring threads lie
        assert tile.threads % self.across == 0

    def _spread(self, load: int) -> tuple[str, str]:
        """Row (or column) and inner index of a thread's element number `load`, from the tile's corner."""
        near, far = f"tid % {self.across}", f"tid // {self.across} + {load * self.tile.threads // self.across}"
        return (far, near) if self.side.along else (near, far)

    def _named(self, lines: Sequence[str], load: int) -> list[str]:
        which = f"_{self.shared}{load}"
        one = f"_{self.shared}"
        at, step = (which, one) if self.side.along else (one, one)
        return [line.replace("@", at).replace("#", step) for line in lines]

    def begin(self) -> list[str]:
        """Before the first turn: where its rows lie."""
        lines = []
        for load in range(self.loads if self.side.along else 1):
            lines += [f"{self.index} = {self.index}0 + {self._spread(load)[0]}"]
            lines += self._named([f"inside@ = {self.index} < {self.limit}", *self.side.at], load)
        return lines

    def fetch(self) -> list[str]:
        """Those of the turn at k0, to registers; 0 where there is none."""
        lines = []
        for load in range(self.loads):
            if load == 0 or not self.side.along:
                lines += [f"k = k0 + {self._spread(load)[1]}", *self._named(self.side.step, load)]
            lines += [f"value = {self.acc}(0)"]
            lines += self._named(["if inside@ and k < end:", *("    " + line for line in self.side.read)], load)
            lines += [f"next_{self.shared}{load} = value"]
        return lines

    def put(self) -> list[str]:
        """From registers to shared memory."""
        places = [self._spread(load) for load in range(self.loads)]
        return [f"tile_{self.shared}[{k}, {x}] = next_{self.shared}{n}" for n, (x, k) in enumerate(places)]


def tile_kernel(
    dtype: str, tile: Tile, names: Sequence[str], left: Side, right: Side, batch: Sequence[str], result: str,
    partial: bool,
) -> Kernel:  # fmt: skip
    """A kernel of products.

    Args:
        names: what the slots of the block after `HEADER` are called.
        left, right: how the elements (i, k) and (k, j) are read.
        batch: statements for the matrix number `number` of the batch.
        result: the index of the element (i, j) of the result.
        partial: whether the result is a sum of the inner dimension's parts, kept in the accumulator's dtype.
    """
    side, own, depth = tile
    acc = accumulator(dtype)
    steps, group = side // own, min(own, 4)
    fma = f"fma{acc[-2:]}({{}}, {{}}, {{}})" if acc.startswith("float") else f"{acc}({{}} * {{}} + {{}})"
    fills = [_Fill("left", left, tile, acc), _Fill("right", right, tile, acc)]

    def own_place(lane: str, u: int) -> str:
        """A thread has groups of neighbouring rows, which are read from shared memory together."""
        return f"{lane} * {group} + {u // group * steps * group + u % group}"

    places = [(u, v) for u in range(own) for v in range(own)]
    multiply = []
    for t in range(_WRITTEN_OUT):
        multiply += [f"a{u} = tile_a[k + {t}, {own_place('ty', u)}]" for u in range(own)]
        multiply += [f"b{v} = tile_b[k + {t}, {own_place('tx', v)}]" for v in range(own)]
        multiply += [f"c{u}_{v} = " + fma.format(f"a{u}", f"b{v}", f"c{u}_{v}") for u, v in places]
    kept = acc if partial else dtype
    stores = []
    for u in range(own):
        stores += [f"i = i0 + {own_place('ty', u)}", "if i < rows:"]
        for v in range(own):
            stores += [f"    j = j0 + {own_place('tx', v)}", "    if j < columns:"]
            stores += ["        " + store(kept, result, f"c{u}_{v}")]
    setup = [f"{name} = int64s[p + {k}]" for k, name in enumerate((*HEADER, *names))]
    lie = [
        *setup,
        f"across = (columns + {side - 1}) // {side}",
        f"tiles = (rows + {side - 1}) // {side} * across",
        "tile, part, number = work % tiles, work // tiles % parts, work // tiles // parts",
        f"i0, j0 = tile // across * {side}, tile % across * {side}",
        *batch,
    ]
    shared = f"cuda.shared.array(({depth}, {side + _GAP}), {acc}{ALIGNED})"
    # where things lie is read again behind the loop, so that it needs no registers in it
    text = f"""
tile_a = {shared}
tile_b = {shared}
tid = int64(cuda.threadIdx.x)
ty, tx = tid // {steps}, tid % {steps}
work = int64(cuda.blockIdx.x)
total = (int64s[p] + {side - 1}) // {side} * ((int64s[p + 1] + {side - 1}) // {side}) * int64s[p + 3] * int64s[p + 4]
while work < total:
{_block(lie, 1)}
{_block([f"c{u}_{v} = {acc}(0)" for u, v in places], 1)}
    k0 = part * length
    end = min(inner, k0 + length)
{_block([line for fill in fills for line in (*fill.begin(), *fill.fetch())], 1)}
    while k0 < end:
{_block([line for fill in fills for line in fill.put()], 2)}
        cuda.syncthreads()
        k0 += {depth}
{_block([line for fill in fills for line in fill.fetch()], 2)}
        for k in range(0, {depth}, {_WRITTEN_OUT}):
{_block(multiply, 3)}
        cuda.syncthreads()
{_block([*lie, *stores], 1)}
    work += cuda.gridDim.x
"""
    return kernel(text, [dtype, kept], HELPERS)


def blocks_of(tile: Tile, rows: int, columns: int, batches: int, parts: int) -> int:
    """Blocks of a launch of the tile kernel."""
    return blocks_for(-(-rows // tile.side) * -(-columns // tile.side) * batches * parts, 1)


def sum_parts(dtype: str, parts: int, count: int, operand: int, workspace: int) -> tuple[Launch, ...]:
    """Sums `parts` partial results in scratch memory into an operand of `count` elements."""
    acc = accumulator(dtype)
    body = Body((acc,), (), (0,))
    found = plan_reduce(body, "sum", dtype, (parts, count), [(parts, count)], (0,))
    launches = []
    for launch in found:
        slots = tuple(
            (Scratch(acc) if slot.operand == 0 else Pointer(operand, dtype)) if isinstance(slot, Pointer) else slot
            for slot in launch.slots
        )
        launches.append(Launch(launch.kernel, slots, launch.blocks, launch.threads, workspace))
    return tuple(launches)
