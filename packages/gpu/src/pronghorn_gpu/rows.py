"""Row programs: formulas over the rows of a matrix, run as one launch.

A program is sums and maxima over a row and then one expression for each element or for the row. Lanes share a row as in
a reduction.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from pronghorn.passes.access import elements
from pronghorn_gpu.emit import HELPERS, Expression, load, register, store
from pronghorn_gpu.launch import Kernel, Launch, Pointer, Real, Slot, blocks_for, kernel
from pronghorn_gpu.reduction import LANES, TREE, combined, initial, split


@dataclass(frozen=True)
class RowProgram:
    """`operands` are names with their kinds: "row" (an element for each column), "column" (the same elements for all
    rows), "number" (one for each row) or "label" (an integer for each row). `column` and `columns` may be named, and
    `low` and `high`, which are epsilon and 1 - epsilon."""

    operands: tuple[str, ...]
    folds: tuple[tuple[str, str, str], ...]
    """Name, "max" or "sum", and what is folded."""
    result: str
    kind: str = "row"


HEADER = 8


@cache
def rows_kernel(program: RowProgram, dtypes: tuple[str, ...]) -> Kernel:
    """The block: rows, columns, lanes, threads between lanes, rows of a block, threads between them, epsilon,
    1 - epsilon; the operands' bases."""
    kind = register(dtypes[-1])
    names = [operand.split(": ") for operand in program.operands]
    values = {"column": "column", "columns": "columns", "low": "low", "high": "high"}
    values.update((n, n) for n, _ in names)
    values.update((fold, fold) for fold, _, _ in program.folds)
    expression = Expression(kind, values)
    bases = [f"b{j} = int64s[p + {HEADER + j}]" for j in range(len(dtypes))]
    once: list[str] = []
    each: list[str] = []
    for j, (operand, sort) in enumerate(names):
        index = f"b{j} + " + {"row": "row * columns + column", "column": "column"}.get(sort, "row")
        text = load(dtypes[j], index)
        (each if sort in ("row", "column") else once).append(
            f"{operand} = {'int64' if sort == 'label' else kind}({text})"
        )

    def written(text: str) -> str:
        return expression.text(ast.parse(text, mode="eval").body)

    def block(lines: Sequence[str], depth: int) -> str:
        return "\n".join("    " * depth + line for line in lines)

    folds = ""
    for fold, how, text in program.folds:
        combine = f"values[tid] = {combined(how, kind, 'values[tid]', 'values[tid + half * lane_step]')}"
        folds += f"""
    a = {initial(how, kind)}
    if row < rows:
        column = lane
        while column < columns:
{block(each, 3)}
            x_ = {written(text)}
            a = {combined(how, kind, "a", "x_")}
            column += lanes
    values[tid] = a
    cuda.syncthreads()
{block(TREE.format(combine=combine).splitlines(), 1)}
    {fold} = values[tid - lane * lane_step]
    cuda.syncthreads()
"""
    last = len(dtypes) - 1
    if program.kind == "number":
        result = f"        if lane == 0:\n            {store(dtypes[last], f'b{last} + row', written(program.result))}"
    else:
        result = f"""        column = lane
        while column < columns:
{block(each, 3)}
            {store(dtypes[last], f"b{last} + row * columns + column", written(program.result))}
            column += lanes"""
    text = f"""
rows, columns, lanes, lane_step = int64s[p], int64s[p + 1], int64s[p + 2], int64s[p + 3]
group, group_step = int64s[p + 4], int64s[p + 5]
low, high = {kind}(float64s[p + 6]), {kind}(float64s[p + 7])
{block(bases, 0)}
values = cuda.shared.array({LANES}, {kind})
tid = int64(cuda.threadIdx.x)
lane = (tid // lane_step) % lanes
own = (tid // group_step) % group
tile = int64(cuda.blockIdx.x)
tiles = (rows + group - 1) // group
while tile < tiles:
    row = tile * group + own
    first = row if row < rows else int64(0)
{block([line.replace("row", "first") if "row]" in line else line for line in once], 1)}
{folds}
    if row < rows:
{result}
    tile += cuda.gridDim.x
"""
    return kernel(text, [*dtypes, "float64"], HELPERS)


def plan_rows(
    program: RowProgram, operands: Sequence[tuple[str, tuple[int, ...]]], epsilon: float | None
) -> tuple[Launch, ...] | None:
    """The program on its operands (dtype and shape of the inputs, then of the result); rows are last axes."""
    shape = next(s for (_, s), kind in zip(operands, program.operands, strict=False) if kind.endswith(": row"))
    for (_, own), operand in zip(operands, program.operands, strict=False):
        if own != {"row": shape, "column": shape[-1:]}.get(operand.split(": ")[1], shape[:-1]):
            return None
    rows, columns = elements(shape[:-1]), shape[-1]
    if not rows or (program.kind == "row" and not columns):
        return ()
    lanes, lane_step, group, group_step = split(rows, columns, inner=True)
    low = epsilon or 0.0
    slots: list[Slot] = [rows, columns, lanes, lane_step, group, group_step, Real(low), Real(1 - low)]
    slots += [Pointer(j, dtype) for j, (dtype, _) in enumerate(operands)]
    source = rows_kernel(program, tuple(dtype for dtype, _ in operands))
    return (Launch(source, tuple(slots), blocks_for(-(-rows // group), 1), LANES),)
