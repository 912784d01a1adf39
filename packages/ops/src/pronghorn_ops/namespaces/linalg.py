"""keras.ops.linalg: matrices, a part of the names of keras.ops."""

from __future__ import annotations

from pronghorn_ops.namespaces import part_of_ops

__getattr__, __dir__ = part_of_ops(
    __name__,
    """
    cholesky cholesky_inverse det eig eigh inv jvp lstsq lu_factor matrix_rank norm pinv qr solve
    solve_triangular svd
    """,
)
