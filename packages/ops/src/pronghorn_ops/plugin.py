"""What this distribution offers, as references: listing it imports nothing else."""

from __future__ import annotations

from pronghorn.plugins import hookimpl

MODULES = {
    "arrays": """
        append array array_split bincount count_nonzero diag diagonal diff digitize dstack eye
        fliplr flipud hstack identity in_top_k isin linspace logspace meshgrid repeat roll rot90
        scatter searchsorted segment_max segment_sum tile trace tri tril triu unique vstack
    """,
    "elementwise": """
        allclose cbrt deg2rad divide_no_nan erfc fabs fmax fmin fmod heaviside hypot isclose
        isneginf isposinf logaddexp2 nan_to_num rad2deg saturate_cast sinc
    """,
    "linalg": """
        cross einsum inner kron norm normalize outer vdot
    """,
    "nn": """
        celu glu hard_shrink multi_hot soft_shrink sparse_plus sparse_sigmoid sparsemax squareplus
        threshold
    """,
    "statistics": """
        amax amin average median percentile ptp quantile trapezoid
    """,
}
"""The functions of each module, under their names in keras.ops."""

DISTRIBUTIONS = ("beta", "binomial", "gamma")
"""Functions of `random`, offered as "random.gamma" …, which `pronghorn.random` shows."""


@hookimpl
def pronghorn_ops() -> dict[str, str]:
    """Name -> "module:attribute"."""
    functions = {
        name: f"pronghorn_ops.{module}:{name}" for module, names in MODULES.items() for name in names.split()
    }
    return functions | {f"random.{name}": f"pronghorn_ops.random:{name}" for name in DISTRIBUTIONS}
