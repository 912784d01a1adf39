"""The kernel that adds up the parts of a matrix product whose sum was cut, as a Numba intrinsic."""

from __future__ import annotations

from enum import auto
from typing import Any

from pronghorn_cpu import host, microkernel
from pronghorn_cpu.epilogue_kernels import call_epilogue
from pronghorn_cpu.staging import Code, Slots, Word, intrinsic, share


class Combine(Slots):
    """Slots of the sum of a matmul's parts; the epilogue's operand table follows."""

    PARTS = auto()
    """The address of the first part; each is a dense matrix like C."""
    C = auto()
    COUNT = auto()
    """How many parts there are."""
    PART_STRIDE = auto()
    ROWS = auto()
    COLUMNS = auto()
    WORK_ROWS = auto()
    EPILOGUE = auto()
    SCRATCH = auto()
    SCRATCH_STRIDE = auto()
    THREADS = auto()
    OPERANDS = auto()


def combine_kernel(dtype: str, lanes: int) -> Any:
    """The sum of a matmul's parts, first to last: see `Combine`."""
    size = host.ITEMSIZE[dtype]

    def write(code: Code, p: Word, t: Word, threads: Word) -> None:
        def read(slot: Combine) -> Word:
            return code.slot(p, slot)

        rows, columns, work_rows = read(Combine.ROWS), read(Combine.COLUMNS), read(Combine.WORK_ROWS)
        scratch = read(Combine.SCRATCH) + t * read(Combine.SCRATCH_STRIDE)
        pieces = (rows + work_rows - 1) // work_rows
        begin, end = share(code, pieces, t, code.minimum(threads, read(Combine.THREADS)))
        with code.loop(begin, end) as piece:
            row = piece.index * work_rows
            row_end = code.minimum(row + work_rows, rows)
            offset, count = row * columns * size, (row_end - row) * columns
            with code.loop(0, read(Combine.COUNT)) as part:
                source = read(Combine.PARTS) + part.index * read(Combine.PART_STRIDE) + offset
                microkernel.move(code, dtype, lanes, source, read(Combine.C) + offset, count, part.index)
            nil = code.word(0)
            region = [p + 8 * Combine.OPERANDS, nil, nil, row, row_end, nil, columns]
            call_epilogue(code, read(Combine.EPILOGUE), scratch, region)

    return intrinsic(write)
