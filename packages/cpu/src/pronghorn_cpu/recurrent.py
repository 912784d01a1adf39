"""Plans of recurrences over whole sequences: pack the matrix, then all steps in one launch or each in its own."""

from __future__ import annotations

import math

from pronghorn.graph import Node
from pronghorn.ops.attributes import Recurrence
from pronghorn.tensor import Tensor
from pronghorn_cpu import host
from pronghorn_cpu.launch import Launch, Pointer, Scratch, Slot, kernel_source
from pronghorn_cpu.recurrent_kernels import (
    PACK_SLOTS,
    PIECE,
    Tiles,
    backward_kernel,
    backward_slots,
    forward_kernel,
    forward_slots,
    pack_kernel,
)

_PARALLEL_PRODUCTS = 1 << 16
"""Multiply-adds from which a second thread pays for the barrier."""

_RESIDENT = 1 << 20
"""Bytes of a matrix that a thread reads from its second-level cache at every step; of a larger one it takes a part."""

_STEP_PRODUCTS = 1 << 18
"""Multiply-adds of a step from which it pays for a barrier of its own."""


def _numbered(prefixes: tuple[str, ...], count: int) -> tuple[str, ...]:
    return tuple(f"{prefix}{k}" for prefix in prefixes for k in range(count))


def forward(node: Node) -> tuple[Launch, ...] | None:
    """The launches of `recurrence`."""
    cell, masked, noisy = node.attrs["cell"], node.attrs["masked"], node.attrs.get("noisy", False)
    dtype = node.outputs[0].dtype
    if dtype not in host.ITEMSIZE:
        return None
    steps, batch = _sizes(node.outputs[0])[:2]
    inputs = (
        *_numbered(("p", "r", "b") if cell.bias else ("p", "r"), cell.gates),
        *(f"{s}_" for s in cell.states),
        *["valid"] * masked,
    )
    slots = forward_slots(cell.states, bool(cell.saved), cell.bias, masked, noisy)
    names = ("p", "kernel", *["b"] * cell.bias, *(f"first_{s}" for s in cell.states), *["valid"] * masked)
    operands = (*names, *["noise"] * noisy, *cell.states, *["saved"] * bool(cell.saved))
    plan = _Plan(cell, dtype, batch, steps, _sizes(node.outputs[0])[2], operands)
    pack = plan.pack(transposed=False)
    body = cell.body(cell.forward, inputs, cell.results, dtype)
    return plan.launches(pack, forward_kernel, steps, slots, (inputs, cell.results, body))


def backward(node: Node) -> tuple[Launch, ...] | None:
    """The launches of `recurrence_gradient`, without operands that `sequences` found to be zero."""
    cell, masked, noisy = node.attrs["cell"], node.attrs["masked"], node.attrs.get("noisy", False)
    dtype = node.outputs[0].dtype
    arriving = node.attrs.get("arriving", ("all",) * len(cell.states))
    if dtype not in host.ITEMSIZE:
        return None
    batch, units = _sizes(node.outputs[-1])
    inputs = (*cell.saved, *cell.states, *(f"{s}_" for s in cell.states), *(f"d{s}" for s in cell.states))
    inputs = (*inputs, *_numbered(("n", "q"), cell.gates * noisy), *["valid"] * masked)
    operands = (
        *("kernel", *(f"first_{s}" for s in cell.states), *cell.states, *["saved"] * bool(cell.saved)),
        *(*["valid"] * masked, *["noise"] * noisy),
        *(f"d{s}" for s, steps in zip(cell.states, arriving, strict=True) if steps != "none"),
        *("dr", *["dp"] * cell.bias, "previous", *(f"dfirst_{s}" for s in cell.states)),
    )
    plan = _Plan(cell, dtype, batch, _sizes(node.outputs[0])[0], units, operands)
    pack = plan.pack(transposed=True)
    through = "".join(f" + n{k} * q{k}" for k in range(cell.gates * noisy))  # what comes back through the products
    body = cell.body(f"dh = dh{through}\n" * noisy + cell.backward.lstrip(), inputs, cell.gradients(), dtype)
    slots = backward_slots(cell.states, bool(cell.saved), cell.bias, masked, noisy, arriving)
    return plan.launches(pack, backward_kernel, plan.steps + 1, slots, (inputs, cell.gradients(), body), (arriving,))


class _Plan:
    """Sizes, operands by name, and scratch memory of one direction."""

    def __init__(
        self, cell: Recurrence, dtype: str, batch: int, steps: int, units: int, operands: tuple[str, ...]
    ) -> None:
        self.cell, self.batch, self.steps, self.units, self.operands = cell, batch, steps, units, operands
        self.noisy = "noise" in operands
        self.tiles = Tiles.of(dtype)
        self.itemsize = host.ITEMSIZE[dtype]
        self.scratch: dict[str, Slot] = {}
        self.bytes = 0
        lines = math.ceil(batch / PIECE) * PIECE
        wide, narrow = self.tiles.padded(cell.gates * units), self.tiles.padded(units)
        self._reserve("panels", units * max(wide, cell.gates * narrow))
        self._reserve("products", lines * (cell.gates * narrow if self.noisy else wide))
        if self.noisy:
            self._reserve("dropped", lines * cell.gates * units)
        for s in cell.states:
            self._reserve(f"carried_{s}", lines * units)

    def _reserve(self, name: str, elements: int) -> None:
        self.scratch[name] = Scratch(self.bytes)
        self.bytes += math.ceil(elements * self.itemsize / 64) * 64

    def _slot(self, name: str) -> Slot:
        if name in self.scratch:
            return self.scratch[name]
        return Pointer(self.operands.index(name)) if name in self.operands else int(getattr(self, name))

    def pack(self, transposed: bool) -> Launch:
        """The matrix (units, gates * units) in panels, or its transpose; with noise each gate's columns by itself."""
        size, units = self.itemsize, self.units
        matrices, wide = (self.cell.gates, units) if self.noisy else (1, self.cell.gates * units)
        row = self.cell.gates * units * size
        shape, along = ((wide, units), (size, row)) if transposed else ((units, wide), (row, size))
        values = (self.scratch["panels"], self._slot("kernel"), matrices, *shape, units * size, *along)
        assert len(values) == len(PACK_SLOTS)
        return Launch(kernel_source(pack_kernel, self.tiles), values, self.bytes, self._parallel(self.batch))

    def launches(
        self,
        pack: Launch,
        maker: object,
        turns: int,
        slots: tuple[str, ...],
        program: tuple[object, ...],
        first: tuple[object, ...] = (),
    ) -> tuple[Launch, ...]:
        """Packing, and all turns; `first` are arguments of the maker before those of `_Writer`."""
        if 0 in (self.batch, self.units):
            return ()
        cell = self.cell
        description = (self.tiles, cell.gates, cell.states, cell.saved, slots, *program)
        source = kernel_source(maker, *first, *description)
        by_units = self._by_units()
        parallel = by_units or self._parallel(self.steps * self.batch)

        def launch(turn: int, end: int) -> Launch:
            cut = {"turn": turn, "turns": end, "by_units": int(by_units)}
            block = tuple(cut[name] if name in cut else self._slot(name) for name in slots)
            return Launch(source, block, self.bytes, parallel)

        if by_units:
            return (pack, *(launch(turn, turn + 1) for turn in range(turns)))
        return (pack, launch(0, turns))

    def _by_units(self) -> bool:
        """Whether threads share the units, and not the sequences."""
        if self.noisy:
            return False
        products = self.cell.gates * self.units**2
        costly = self.batch <= PIECE or products * self.itemsize > _RESIDENT
        return costly and self.units % self.tiles.tall.columns == 0 and self.batch * products >= _STEP_PRODUCTS

    def _parallel(self, rows: int) -> bool:
        return rows * self.cell.gates * self.units**2 >= _PARALLEL_PRODUCTS


def _sizes(t: Tensor) -> tuple[int, ...]:
    return t.shape  # type: ignore[return-value]
