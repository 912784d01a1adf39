"""Layer normalization, forward and backward: one instruction each, on the rows of a matrix."""

from __future__ import annotations

from pronghorn.graph import Node
from pronghorn.passes.access import elements
from pronghorn_cpu.host import ITEMSIZE
from pronghorn_cpu.launch import Launch
from pronghorn_cpu.moments import OF_ROW
from pronghorn_cpu.rows import RowProgram, plan_rows

_NORMAL = (
    OF_ROW
    + """
factor = 1.0 / sqrt(variance + epsilon)
n = (x - mean) * factor
"""
)

_PROGRAMS = {
    "normalized_rows": RowProgram(
        _NORMAL + "y = n * gamma + beta",
        ("x: row", "gamma: row", "beta: row"),
        ("y: row",),
        ("count", "epsilon"),
    ),
    "normalized_rows_gradient": RowProgram(
        _NORMAL
        + """
h = g * gamma
total = sum_row(h)
along = sum_row(h * n)
dx = factor * (h - total / count - n * (along / count))
dgamma = sum_column(g * n)
dbeta = sum_column(g)
""",
        ("g: row", "x: row", "gamma: row"),
        ("dx: row", "dgamma: column", "dbeta: column"),
        ("count", "epsilon"),
    ),
}


def lower_normalization(node: Node) -> tuple[Launch, ...] | None:
    """The launches of layer normalization over the last axis or of its gradient; gamma and beta serve all rows."""
    x, operands = node.inputs[0], (*node.inputs, *node.outputs)
    if x.dtype not in ITEMSIZE:
        return None
    shape: tuple[int, ...] = x.shape  # type: ignore[assignment]
    columns, rows = shape[-1], elements(shape[:-1])
    strides = [columns if len(t.shape) == len(shape) > 1 else 0 for t in operands]
    parameters = float(columns), node.attrs["epsilon"]
    return plan_rows(_PROGRAMS[node.op.name], [x.dtype] * len(operands), rows, columns, parameters, strides)
