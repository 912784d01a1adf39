"""Softmax and the cross-entropies, forward and backward, as row programs, by the name of the op.

A label that is no class gives loss and gradient 0.
"""

from __future__ import annotations

from pronghorn_gpu.rows import RowProgram

_TOP = ("m", "max", "logits")
_TOTAL = ("s", "sum", "exp(logits - m)")
_HIT = "column == labels"
_SHARES = ("s", "sum", "output")
_CLIPPED = "(low if output / s < low else (high if output / s > high else output / s))"
_INSIDE = "output / s >= low and output / s <= high"

PROGRAMS = {
    "softmax": RowProgram(("x: row",), (("m", "max", "x"), ("s", "sum", "exp(x - m)")), "exp(x - m) / s"),
    "softmax_gradient": RowProgram(("y: row", "g: row"), (("s", "sum", "g * y"),), "y * (g - s)"),
    "log_softmax": RowProgram(("x: row",), (("m", "max", "x"), ("s", "sum", "exp(x - m)")), "x - m - log(s)"),
    "log_softmax_gradient": RowProgram(("y: row", "g: row"), (("s", "sum", "g"),), "g - exp(y) * s"),
    "softmax_crossentropy": RowProgram(
        ("logits: row", "labels: row"),
        (_TOP, _TOTAL, ("t", "sum", "(log(s) - (logits - m)) * labels")),
        "t",
        "number",
    ),
    "softmax_crossentropy_gradient": RowProgram(
        ("logits: row", "labels: row", "g: number"),
        (_TOP, _TOTAL, ("w", "sum", "labels")),
        "g * (exp(logits - m) / s * w - labels)",
    ),
    "sparse_softmax_crossentropy": RowProgram(
        ("logits: row", "labels: label"),
        (_TOP, _TOTAL, ("picked", "sum", f"logits - m if {_HIT} else 0"), ("w", "sum", f"1 if {_HIT} else 0")),
        "log(s) - picked if w > 0 else 0",
        "number",
    ),
    "sparse_softmax_crossentropy_gradient": RowProgram(
        ("logits: row", "labels: label", "g: number"),
        (_TOP, _TOTAL, ("w", "sum", f"1 if {_HIT} else 0")),
        f"g * (exp(logits - m) / s - (1 if {_HIT} else 0)) if w > 0 else 0",
    ),
    "probability_crossentropy": RowProgram(
        ("target: row", "output: row"),
        (_SHARES, ("t", "sum", f"-(target * log({_CLIPPED}))")),
        "t",
        "number",
    ),
    "probability_crossentropy_gradient": RowProgram(
        ("target: row", "output: row", "g: number"),
        (_SHARES, ("u", "sum", f"-target / (output / s) * (output / s) if {_INSIDE} else 0")),
        f"g * ((-target / (output / s) if {_INSIDE} else 0) - u) / s",
    ),
}
