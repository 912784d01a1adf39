"""The kernels of recurrences over whole sequences: packing the matrix, all steps forward, all steps back.

Threads share the batch, in pieces of a few sequences, and need not wait for each other: each takes its sequences
through all steps. A step is a product on the microkernel, with the packed matrix in the second-level cache, and then
the cell's scalar program on the products while they are in the first. Where the sequences are few, or the matrix is too
large for that cache, they share the units instead, each with its part of the matrix, and wait for each other after
every step.

Where noise multiplies the state, with another draw for each gate, a step has a product for each gate, of the state with
its noise and the gate's columns of the matrix, which are packed as a matrix of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from pronghorn.body import Body
from pronghorn_cpu import host, microkernel
from pronghorn_cpu.emit import Emitter
from pronghorn_cpu.loops import LANES
from pronghorn_cpu.matmul_kernels import tall_rows
from pronghorn_cpu.microkernel import Tile
from pronghorn_cpu.staging import Code, Condition, Word, intrinsic, share

PIECE = 8
"""Sequences in a thread's piece: whole pieces are whole tiles."""

PACK_SLOTS = ("panels", "source", "matrices", "depth", "columns", "source_matrix", "source_depth", "source_column")

SIZES = ("steps", "batch", "units", "turn", "turns", "by_units")
"""Then turns from `turn` to `turns` are taken, one for each step; back there is one more, for the initial states.
`by_units` is 1 where threads share the units: then one turn in a launch, and the units fill wide panels."""


def forward_slots(states: tuple[str, ...], saved: bool, bias: bool, masked: bool, noisy: bool) -> tuple[str, ...]:
    """The slots of the forward kernel: sizes, then addresses."""
    return (
        *SIZES,
        *("panels", "products", "p"),
        *(["b"] if bias else []),
        *(f"first_{s}" for s in states),
        *(["valid"] if masked else []),
        *(["noise", "dropped"] if noisy else []),
        *states,
        *(["saved"] if saved else []),
    )


def backward_slots(
    states: tuple[str, ...], saved: bool, split: bool, masked: bool, noisy: bool, arriving: tuple[str, ...]
) -> tuple[str, ...]:
    """The slots of the backward kernel. `arriving` says of each state for which steps gradients are given: "all", the
    "last" or "none".
    """
    return (
        *SIZES,
        *("panels", "products"),
        *(f"carried_{s}" for s in states),
        *(f"first_{s}" for s in states),
        *states,
        *(["saved"] if saved else []),
        *(["valid"] if masked else []),
        *(["noise"] if noisy else []),
        *(f"d{s}" for s, steps in zip(states, arriving, strict=True) if steps != "none"),
        "dr",
        *(["dp"] if split else []),
        "previous",
        *(f"dfirst_{s}" for s in states),
    )


_Number = TypeVar("_Number", int, Word)


class Tiles(NamedTuple):
    """What products of a piece are made of: wide panels, and a narrow one where the rest is no wider."""

    tall: Tile
    short: Tile
    narrow: Tile

    @classmethod
    def of(cls, dtype: str) -> Tiles:
        """Those that need the fewest loads on this machine."""
        lanes, vectors = host.lanes(dtype), 4 if host.vector_registers() == 32 else 2
        return cls(*(Tile(dtype, lanes, *size) for size in ((6, vectors), (4, vectors), (8, vectors // 2))))

    def filled(self, columns: _Number) -> _Number:
        """How many columns the wide panels have, of a matrix of so many."""
        return (columns + self.tall.columns - 1 - self.narrow.columns) // self.tall.columns * self.tall.columns

    def padded(self, columns: int) -> int:
        """How many all panels have."""
        filled = self.filled(columns)
        return filled + (self.narrow.columns if columns > filled else 0)


def _padded(code: Code, tiles: Tiles, columns: Word) -> Word:
    """`Tiles.padded` in a kernel."""
    filled = tiles.filled(columns)
    return filled + code.select(columns > filled, tiles.narrow.columns, 0)


def pack_kernel(tiles: Tiles) -> Any:
    """Copies matrices of one size to panels as wide as the tiles."""

    def write(code: Code, p: Word, t: Word, threads: Word) -> None:
        slot = {name: code.slot(p, k) for k, name in enumerate(PACK_SLOTS)}
        depth, columns, tile = slot["depth"], slot["columns"], tiles.tall
        filled, count = tiles.filled(columns), (columns + tile.columns - 1) // tile.columns
        begin, end = share(code, slot["matrices"] * count, t, threads)
        with code.loop(begin, end) as panel:
            matrix, column = panel.index // count, panel.index % count * tile.columns
            source = slot["source"] + matrix * slot["source_matrix"] + column * slot["source_column"]
            target = slot["panels"] + (matrix * _padded(code, tiles, columns) + column) * depth * tile.itemsize
            width = code.select(column < filled, tile.columns, tiles.narrow.columns)
            strides = (slot["source_depth"], slot["source_column"])
            rest = code.minimum(columns - column, width)
            microkernel.pack(code, tile.dtype, tile.lanes, source, *strides, target, depth, rest, width)

    return intrinsic(write)


class _Writer:
    """What both directions have in common.

    Args:
        tiles: of the products.
        gates: how many times `units` the product of the state has columns.
        states: their names.
        saved: names of the values that are kept for the way back.
        slots: names of the slots.
        inputs, outputs: names of the values that `body` takes and gives.
    """

    def __init__(
        self,
        tiles: Tiles,
        gates: int,
        states: tuple[str, ...],
        saved: tuple[str, ...],
        slots: tuple[str, ...],
        inputs: tuple[str, ...],
        outputs: tuple[str, ...],
        body: Body,
    ) -> None:
        self.tiles, self.gates, self.states, self.saved = tiles, gates, states, saved
        self.dtype, self.itemsize = tiles.tall.dtype, tiles.tall.itemsize
        self.slots, self.inputs, self.outputs, self.body = slots, inputs, outputs, body
        self.matrices = gates if "noise" in slots else 1  # that are packed, and have a product each

    def open(self, code: Code, p: Word, t: Word, threads: Word) -> tuple[Word, Word]:
        """Reads the slots; returns this thread's sequences. Its units are from `first` to `last`."""
        self.code, self.slot = code, {name: code.slot(p, k) for k, name in enumerate(self.slots)}
        self.units, self.batch = self.slot["units"], self.slot["batch"]
        self.row = self.units * self.itemsize  # bytes of a vector of units
        self.by_units, wide = self.slot["by_units"] != 0, self.tiles.tall.columns
        pieces = code.select(self.by_units, self.units // wide, (self.batch + PIECE - 1) // PIECE)
        begin, end = share(code, pieces, t, threads)
        self.first = code.select(self.by_units, begin * wide, 0)
        self.last = code.select(self.by_units, end * wide, self.units)
        end = code.select(self.by_units, self.batch, code.minimum(end * PIECE, self.batch))
        return code.select(self.by_units, 0, begin * PIECE), code.select(self.first < self.last, end, 0)

    def at(self, name: str, step: Word, width: int = 1) -> Word:
        """The address of the sequences at a step, in an array (steps, batch, width * units)."""
        return self.slot[name] + step * self.batch * self.row * width

    def before(self, state: str, step: Word) -> Word:
        """The address of a state before a step."""
        return self.code.select(step == 0, self.slot[f"first_{state}"], self.at(state, step - 1))

    def products(self, line: Word, parts: int) -> list[Word]:
        """The addresses of a sequence's products, of `parts` vectors of units each: one with each matrix."""
        width = _padded(self.code, self.tiles, self.units * parts) * self.itemsize
        first = self.slot["products"] + line * width * self.matrices
        return [first + width * k for k in range(self.matrices)]

    def noise(self, line: Word) -> list[Word]:
        """The addresses of a sequence's noise, for each gate."""
        return [self.slot["noise"] + (line + self.batch * k) * self.row for k in range(self.gates)]

    def product(
        self, a: Word, depth: Word, parts: int, begin: Word, end: Word, ahead: Sequence[tuple[Word, int]]
    ) -> None:
        """products = a @ panels, for the sequences from `begin` to `end` and this thread's units of all parts. A row of
        `a` has `depth` columns for each matrix.

        Meanwhile, unless threads share the units, the sequences' parts of arrays come into the second-level cache that
        the next step reads: `ahead` has the addresses of that step, and how many vectors of units each sequence has.
        """
        code, tiles = self.code, self.tiles
        row = depth * self.itemsize * self.matrices
        c_row = self.products(code.word(1), parts)[0] - self.slot["products"]
        columns, wide = self.units * parts, tiles.tall.columns
        filled = tiles.filled(columns)
        stretch = code.select(self.by_units, self.last - self.first, columns)
        count = (stretch + wide - 1) // wide
        tall_end = begin + tall_rows(code, tiles.tall, tiles.short, end - begin)

        def lines(tile: Tile, a: Word, column: Word, start: Word, stop: Word) -> None:
            def write(code: Code, a: Word, a_row: Word, b: Word, c: Word, c_row: Word, depth: Word, rows: Word) -> None:
                b_row, size = code.word(tile.columns * tile.itemsize), code.word(tile.itemsize)
                microkernel.outer_product(code, tile, a, a_row, size, b, b_row, c, c_row, depth, rows, code.word(0))

            b = self.slot["panels"] + column * depth * self.itemsize
            c = self.slot["products"] + column * self.itemsize
            with code.loop(start, stop, tile.rows) as line:
                rows = code.minimum(stop - line.index, tile.rows)
                corner = (a + line.index * row, row, b, c + line.index * c_row, c_row)
                code.call(f"tile_{tile}", write, *corner, depth, rows)

        stretches = code.select(self.by_units, parts, self.matrices)
        with code.loop(0, stretches) as part, code.loop(0, count) as panel:
            for address, vectors in ahead:
                total = code.select(self.by_units, 0, (end - begin) * self.row * vectors)
                piece = (total // (count * self.matrices) + 63) & -64
                first = (part.index * count + panel.index) * piece
                with code.loop(first, code.minimum(first + piece, total), 64) as place:
                    code.prefetch(address + begin * self.row * vectors + place.index, write=False, level=2)
            within = self.first + panel.index * wide
            column = part.index * _padded(code, tiles, self.units) + within
            left = a + part.index * depth * self.itemsize if self.matrices > 1 else a
            with code.either(within < filled) as (yes, no):
                with yes:
                    lines(tiles.tall, left, column, begin, tall_end)
                    lines(tiles.short, left, column, tall_end, end)
                with no:
                    lines(tiles.narrow, left, column, begin, end)

    def part(self, array: Word, line: Word, number: int, count: int) -> Word:
        """The address of part `number` of the `count` that make a row of an array."""
        return array + line * self.row * count + self.row * number

    def apply(self, addresses: dict[str, list[Word]], line: Word, valid: Word | None) -> None:
        """The scalar program on this thread's units of a sequence; a name with several addresses is their sum."""
        code, dtype = self.code, self.dtype
        emitter = Emitter(code.builder, LANES)
        flag = None if valid is None else emitter.load_scalar("bool", (valid + line).value)

        def vectors(offset: Word, mask: Condition | None) -> None:
            def load(address: Word) -> Any:
                return emitter.load(dtype, (address + offset).value, mask)

            values = []
            for name in self.inputs:
                if name == "valid":
                    values.append(flag)
                    continue
                total = load(addresses[name][0])
                for address in addresses[name][1:]:
                    total = code.builder.fadd(total, load(address))
                values.append(total)
            for name, value in zip(self.outputs, emitter.apply(self.body, values), strict=True):
                for address in addresses[f"to {name}"]:
                    emitter.store(dtype, value, (address + offset).value, mask)

        self.across(emitter, vectors)

    def across(self, emitter: Emitter, vectors: Callable[[Word, Condition | None], None]) -> None:
        """Writes `vectors` for all of this thread's units; it is given their offset in bytes, and a mask at the end."""
        code, whole = self.code, self.last - self.last % LANES
        with code.loop(self.first, whole, LANES) as loop:
            vectors(loop.index * self.itemsize, None)
        with code.when(whole < self.last):
            vectors(whole * self.itemsize, emitter.tail_mask((self.last - whole).value))

    def saved_parts(self, step: Word, line: Word) -> dict[str, list[Word]]:
        """Where the saved values of a sequence are."""
        count = len(self.saved)
        return {s: [self.part(self.at("saved", step, count), line, k, count)] for k, s in enumerate(self.saved)}


class _Forward(_Writer):
    def write(self, code: Code, p: Word, t: Word, threads: Word) -> None:
        begin, end = self.open(code, p, t, threads)
        gates = self.gates
        with code.when(begin < end), code.loop(self.slot["turn"], self.slot["turns"]) as loop:
            step = loop.index
            ahead = [(self.at("p", step + 1, gates), gates)]
            a, parts = self.before("h", step), gates // self.matrices
            if "noise" in self.slot:
                a = self.drop(a, begin, end)
            self.product(a, self.units, parts, begin, end, ahead)
            with code.loop(begin, end) as sequence:
                line = sequence.index
                products = [address + self.row * k for address in self.products(line, parts) for k in range(parts)]
                addresses = {}
                for k in range(gates):
                    addresses[f"p{k}"] = [self.part(self.at("p", step, gates), line, k, gates)]
                    addresses[f"r{k}"] = [products[k]]
                    if "b" in self.slot:
                        addresses[f"b{k}"] = [self.slot["b"] + self.row * k]
                for s in self.states:
                    addresses[f"{s}_"] = [self.part(self.before(s, step), line, 0, 1)]
                    addresses[f"to {s}"] = [self.part(self.at(s, step), line, 0, 1)]
                for s, places in self.saved_parts(step, line).items() if self.saved else ():
                    addresses[f"to {s}"] = places
                self.apply(addresses, line, self.at_mask(step))

    def drop(self, h: Word, begin: Word, end: Word) -> Word:
        """Writes the sequences' state with the noise of each gate, side by side; where."""
        dropped, emitter = self.slot["dropped"], Emitter(self.code.builder, LANES)
        with self.code.loop(begin, end) as sequence:
            line = sequence.index
            targets = [self.part(dropped, line, k, self.gates) for k in range(self.gates)]

            def vectors(offset: Word, mask: Condition | None) -> None:
                def load(address: Word) -> Any:
                    return emitter.load(self.dtype, (address + offset).value, mask)

                state = load(self.part(h, line, 0, 1))
                for noise, target in zip(self.noise(line), targets, strict=True):
                    value = self.code.builder.fmul(state, load(noise))
                    emitter.store(self.dtype, value, (target + offset).value, mask)

            self.across(emitter, vectors)
        return dropped

    def at_mask(self, step: Word) -> Word | None:
        return self.slot["valid"] + step * self.batch if "valid" in self.slot else None


class _Backward(_Forward):
    def __init__(self, arriving: tuple[str, ...], *description: Any) -> None:
        super().__init__(*description)
        self.arriving = dict(zip(self.states, arriving, strict=True))

    def write(self, code: Code, p: Word, t: Word, threads: Word) -> None:
        begin, end = self.open(code, p, t, threads)
        steps = self.slot["steps"]
        with code.when(begin < end), code.loop(self.slot["turn"], self.slot["turns"]) as turn:
            step = steps - 1 - turn.index
            with code.either(turn.index == 0) as (yes, no):
                with yes:
                    self._begin(begin, end)
                with no:
                    ahead = [(self.at("saved", step, len(self.saved)), len(self.saved))] if self.saved else []
                    ahead += [(self.at(s, step - 1), 1) for s in self.states]
                    depth = self.units * (self.gates // self.matrices)
                    self.product(self.at("dr", step + 1, self.gates), depth, 1, begin, end, ahead)
            with code.either(turn.index < steps) as (yes, no):
                with yes, code.loop(begin, end) as sequence:
                    self._step(step, sequence.index)
                with no:
                    self._finish(begin, end)

    def _step(self, step: Word, line: Word) -> None:
        """A step of one sequence."""
        addresses = self.saved_parts(step, line) if self.saved else {}
        for s in self.states:
            carried = self.part(self.slot[f"carried_{s}"], line, 0, 1)
            addresses[s] = [self.part(self.at(s, step), line, 0, 1)]
            addresses[f"{s}_"] = [self.part(self.before(s, step), line, 0, 1)]
            addresses[f"d{s}"] = [carried]
            if self.arriving[s] == "all":
                addresses[f"d{s}"].insert(0, self.part(self.at(f"d{s}", step), line, 0, 1))
            addresses[f"to d{s}_"] = [carried]
        addresses["to h_"] = [self.part(self.at("previous", step), line, 0, 1)]
        if "noise" in self.slot:
            for k, pair in enumerate(zip(self.noise(line), self.products(line, 1), strict=True)):
                addresses[f"n{k}"], addresses[f"q{k}"] = ([address] for address in pair)
        else:
            addresses["dh"] += self.products(line, 1)
        for kind in ("dr", "dp"):
            for k in range(self.gates) if kind in self.slot else ():
                addresses[f"to {kind}{k}"] = [self.part(self.at(kind, step, self.gates), line, k, self.gates)]
        self.apply(addresses, line, self.at_mask(step))

    def _begin(self, begin: Word, end: Word) -> None:
        """What comes to the last step: the gradients that arrive there alone, and nothing through a product."""
        code, size, kind = self.code, self.itemsize, self.code.vector(self.dtype, 1)
        with code.loop(begin, end) as sequence, code.loop(self.first * size, self.last * size, size) as loop:
            place = sequence.index * self.row + loop.index
            for s in self.states:
                arrives = self.arriving[s] == "last"
                value = code.load(self.slot[f"d{s}"] + place, kind, size) if arrives else code.zeros(kind)
                code.store(value, self.slot[f"carried_{s}"] + place, size)
            for product in self.products(sequence.index, 1):
                code.store(code.zeros(kind), product + loop.index, size)

    def _finish(self, begin: Word, end: Word) -> None:
        """The gradients of the initial states: what was carried, and for h what came through the last products."""
        code, size = self.code, self.itemsize
        kind = code.vector(self.dtype, 1)
        with code.loop(begin, end) as sequence, code.loop(self.first * size, self.last * size, size) as loop:
            through = [code.load(a + loop.index, kind, size) for a in self.products(sequence.index, 1)]
            if "noise" in self.slot:
                noise = [code.load(a + loop.index, kind, size) for a in self.noise(sequence.index)]
                through = [code.builder.fmul(n, q) for n, q in zip(noise, through, strict=True)]
            for s in self.states:
                place = sequence.index * self.row + loop.index
                value = code.load(self.slot[f"carried_{s}"] + place, kind, size)
                for term in through if s == "h" else ():
                    value = code.builder.fadd(value, term)
                code.store(value, self.slot[f"dfirst_{s}"] + place, size)


def forward_kernel(*description: Any) -> Any:
    """All steps of a recurrence; the arguments are those of `_Writer`."""
    return intrinsic(_Forward(*description).write)


def backward_kernel(*description: Any) -> Any:
    """All steps back; the arguments are `arriving` as in `backward_slots`, and those of `_Writer`."""
    return intrinsic(_Backward(*description).write)
