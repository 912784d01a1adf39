"""Layer normalization, forward and backward, on the rows of a matrix: row programs, and sums over all rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pronghorn.body import Body, Step
from pronghorn.passes.access import elements
from pronghorn_gpu.launch import Launch, Scratch, renumber, workspace_of
from pronghorn_gpu.reduction import plan_reduce
from pronghorn_gpu.rows import RowProgram, plan_rows

_NORMAL = "((x - s / columns) / sqrt(q / columns + low))"
_OF_ROW = (("s", "sum", "x"), ("q", "sum", "(x - s / columns) * (x - s / columns)"))

PROGRAMS = {
    "normal": RowProgram(("x: row",), _OF_ROW, _NORMAL),
    "normalized_rows": RowProgram(("x: row", "gamma: column", "beta: column"), _OF_ROW, f"{_NORMAL} * gamma + beta"),
    "gradient": RowProgram(
        ("g: row", "x: row", "gamma: column"),
        (*_OF_ROW, ("t", "sum", "g * gamma"), ("a", "sum", f"g * gamma * {_NORMAL}")),
        f"(g * gamma - t / columns - {_NORMAL} * (a / columns)) / sqrt(q / columns + low)",
    ),
}
"""The gradient is that of x."""


def plan_gradient(dtype: str, shape: tuple[int, ...], epsilon: float) -> tuple[Launch, ...] | None:
    """Gradients of layer normalization; operands: g, x (both of `shape`), gamma, and those of x, gamma and beta."""
    like, vector, leading = (dtype, shape), (dtype, shape[-1:]), range(len(shape) - 1)
    product = Body((dtype, dtype), (Step("multiply", "x * y", ("x", "y"), (0, 1), dtype),), (2,))
    of_gamma = plan_reduce(product, "sum", dtype, shape, [shape] * 2, leading)
    of_beta = plan_reduce(Body((dtype,), (), (0,)), "sum", dtype, shape, [shape], leading)
    of_x = plan_rows(PROGRAMS["gradient"], [like, like, vector, like], epsilon)
    normal = plan_rows(PROGRAMS["normal"], [like, like], epsilon)
    if of_x is None or normal is None:
        return None
    start = -(-workspace_of((*of_gamma, *of_beta)) // 64) * 64
    size = start + elements(shape) * np.dtype(dtype).itemsize
    place = Scratch(dtype, start)
    return (
        *renumber(of_x, (0, 1, 2, 3)),
        *(replace(launch, workspace=size) for launch in renumber(normal, (1, place))),
        *renumber(of_gamma, (0, place, 4)),
        *renumber(of_beta, (0, 5)),
    )
