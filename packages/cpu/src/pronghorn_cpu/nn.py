"""Softmax and the cross-entropies, forward and backward: one instruction each, on the rows of a matrix.

`PROGRAMS` holds them by the name of the op, with the op's operands in its order (axis last); plan with
`rows.plan_rows`. A label that is no class gives loss and gradient 0.
"""

from __future__ import annotations

from pronghorn_cpu.rows import RowProgram

SOFTMAX = RowProgram(
    """
m = max_row(x)
y = exp_below(x - m)
s = sum_row(y)
y = y / s
""",
    ("x: row",),
    ("y: row",),
)

SOFTMAX_GRADIENT = RowProgram(
    """
s = sum_row(g * y)
dx = y * (g - s)
""",
    ("y: row", "g: row"),
    ("dx: row",),
)

LOG_SOFTMAX = RowProgram(
    """
m = max_row(x)
s = sum_row(exp_below(x - m))
total = log(s)
y = x - m - total
""",
    ("x: row",),
    ("y: row",),
)

LOG_SOFTMAX_GRADIENT = RowProgram(
    """
s = sum_row(g)
dx = g - exp(y) * s
""",
    ("y: row", "g: row"),
    ("dx: row",),
)

SOFTMAX_CROSSENTROPY = RowProgram(
    """
m = max_row(logits)
s = sum_row(exp_below(logits - m))
total = log(s)
loss = sum_row((total - (logits - m)) * labels)
""",
    ("logits: row", "labels: row"),
    ("loss: number",),
)

SOFTMAX_CROSSENTROPY_GRADIENT = RowProgram(
    """
m = max_row(logits)
d = exp_below(logits - m)
s = sum_row(d)
w = sum_row(labels)
d = g * (d / s * w - labels)
""",
    ("logits: row", "labels: row", "g: number"),
    ("d: row",),
)

SPARSE_SOFTMAX_CROSSENTROPY = RowProgram(
    """
m = max_row(logits)
s = sum_row(exp_below(logits - m))
picked = sum_row(logits - m if column == labels else 0.0)
w = sum_row(1.0 if column == labels else 0.0)
total = log(s)
loss = total - picked if w > 0.0 else 0.0
""",
    ("logits: row", "labels: label"),
    ("loss: number",),
)

SPARSE_SOFTMAX_CROSSENTROPY_GRADIENT = RowProgram(
    """
m = max_row(logits)
d = exp_below(logits - m)
s = sum_row(d)
w = sum_row(1.0 if column == labels else 0.0)
d = g * (d / s - (1.0 if column == labels else 0.0)) if w > 0.0 else 0.0
""",
    ("logits: row", "labels: label", "g: number"),
    ("d: row",),
)

PROBABILITY_CROSSENTROPY = RowProgram(
    """
s = sum_row(output)
p = output / s
c = low if p < low else (high if p > high else p)
loss = sum_row(-(target * log(c)))
""",
    ("target: row", "output: row"),
    ("loss: number",),
    ("low", "high"),
)
"""The parameters are epsilon and 1 - epsilon."""

PROBABILITY_CROSSENTROPY_GRADIENT = RowProgram(
    """
s = sum_row(output)
p = output / s
slope = -target / p if p >= low and p <= high else 0.0
u = sum_row(slope * p)
d = g * (slope - u) / s
""",
    ("target: row", "output: row", "g: number"),
    ("d: row",),
    ("low", "high"),
)

PROGRAMS = {
    "softmax": SOFTMAX,
    "softmax_gradient": SOFTMAX_GRADIENT,
    "log_softmax": LOG_SOFTMAX,
    "log_softmax_gradient": LOG_SOFTMAX_GRADIENT,
    "softmax_crossentropy": SOFTMAX_CROSSENTROPY,
    "softmax_crossentropy_gradient": SOFTMAX_CROSSENTROPY_GRADIENT,
    "sparse_softmax_crossentropy": SPARSE_SOFTMAX_CROSSENTROPY,
    "sparse_softmax_crossentropy_gradient": SPARSE_SOFTMAX_CROSSENTROPY_GRADIENT,
    "probability_crossentropy": PROBABILITY_CROSSENTROPY,
    "probability_crossentropy_gradient": PROBABILITY_CROSSENTROPY_GRADIENT,
}
