"""Epilogues: what is done to each finished piece of a product while that is in cache.

An epilogue is a kernel of its own, which is called through its address: so the costly kernels are compiled once, an
epilogue costs what an elementwise kernel costs, and fused and unfused bits are equal by construction.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import auto
from typing import Any

from llvmlite import ir

from pronghorn.body import Body
from pronghorn_cpu.emit import Emitter
from pronghorn_cpu.loops import LANES
from pronghorn_cpu.staging import Code, Condition, Slots, Word, intrinsic
from pronghorn_cpu.vectors import element


class Region(Slots):
    """Slots of an epilogue: the address of its operand table, and the piece of the result that is ready."""

    TABLE = auto()
    OUTER = auto()
    INNER = auto()
    ROW = auto()
    ROW_END = auto()
    COLUMN = auto()
    COLUMN_END = auto()


class Operand(Slots):
    """An entry of the operand table; strides in bytes. That of the columns is in the kernel's source."""

    ADDRESS = auto()
    OUTER = auto()
    INNER = auto()
    ROW = auto()


def call_epilogue(code: Code, epilogue: Word, block: Word, region: Sequence[Word]) -> None:
    """Calls the epilogue at that address, if any, for a region (the values of `Region`) that is put into `block`."""
    with code.when(epilogue != 0):
        for slot, value in zip(Region, region, strict=True):
            code.set_slot(block, slot, value)
        code.call_kernel(epilogue, block)


def epilogue_kernel(body: Body, contiguous: tuple[bool, ...]) -> Any:
    """``outputs = body(inputs)`` for a piece of the result: see `Region`.

    Args:
        body: the first input is the product itself.
        contiguous: for each input whether its columns lie side by side; else a row has one value.
    """
    outputs = [body.dtype(output) for output in body.outputs]

    def write(code: Code, p: Word, t: Word, threads: Word) -> None:
        table, outer, inner, row, row_end, column, column_end = (code.slot(p, slot) for slot in Region)

        def place(operand: int) -> tuple[Word, Word]:
            start, by_outer, by_inner, by_row = (
                code.slot(table + operand * len(Operand) * 8, slot) for slot in Operand
            )
            return start + outer * by_outer + inner * by_inner, by_row

        # Read once: LLVM cannot know that what is written below is not the table.
        places = [place(k) for k in range(len(body.inputs) + len(outputs))]
        emitter = Emitter(code.builder, LANES)
        whole = column_end - (column_end - column) % LANES
        with code.loop(row, row_end) as line:
            operands = [start + line.index * by_row for start, by_row in places]
            splats = [
                None if side_by_side else emitter.load_scalar(dtype, operand.value)
                for dtype, side_by_side, operand in zip(body.inputs, contiguous, operands, strict=False)
            ]

            def vectors(j: Word, mask: Condition | None = None) -> None:
                def at(operand: int, dtype: str) -> ir.Value:
                    return (operands[operand] + j * element(dtype).size).value

                inputs = [
                    emitter.load(dtype, at(k, dtype), mask) if splat is None else splat
                    for k, (dtype, splat) in enumerate(zip(body.inputs, splats, strict=True))
                ]
                for k, value in enumerate(emitter.apply(body, inputs)):
                    emitter.store(outputs[k], value, at(len(inputs) + k, outputs[k]), mask)

            with code.loop(column, whole, LANES) as loop:
                vectors(loop.index)
            with code.when(whole < column_end):
                vectors(whole, emitter.tail_mask((column_end - whole).value))

    return intrinsic(write)
