"""Solving, inverting and measuring matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from pronghorn import dtypes, ops
from pronghorn.op import composed, promote
from pronghorn.ops.axes import canonical_axes, canonical_axis
from pronghorn.tensor import Tensor, constant, convert_to_tensor
from pronghorn_ops.complex_numbers import squared_size
from pronghorn_ops.decompositions import (
    determinant,
    linear_solve,
    matrices,
    sign_and_logarithm,
    singular_values,
    svd,
    transposed,
    triangular_solve,
)


def _system(op: str, a: Any, b: Any, square: bool = True) -> tuple[Any, Any, bool]:
    """Matrices and right sides with the same leading axes, and whether the right sides are vectors."""
    a, b = promote([convert_to_tensor(a), convert_to_tensor(b)], "float")
    a = matrices(op, a, square)
    vector = len(b.shape) == len(a.shape) - 1
    b = ops.expand_dims(b, -1) if vector else b
    if len(b.shape) < 2 or b.shape[-2] != a.shape[-2]:
        raise ValueError(f"{op}: `b` of shape {b.shape} does not fit `a` of shape {a.shape}; it needs a row for each")
    try:
        batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    except ValueError:
        raise ValueError(f"{op}: the axes before the matrices of {a.shape} and {b.shape} do not broadcast") from None
    return ops.broadcast_to(a, batch + a.shape[-2:]), ops.broadcast_to(b, batch + b.shape[-2:]), vector


@composed
def solve(a: Any, b: Any) -> Any:
    """X of a X = b.

    Args:
        a: square matrices (…, n, n).
        b: (…, n, k), or (…, n) with one axis less than `a`.

    Raises:
        ValueError: a matrix is singular.
    """
    a, b, vector = _system("solve", a, b)
    x = linear_solve(a, b)
    return ops.squeeze(x, -1) if vector else x


@composed
def solve_triangular(a: Any, b: Any, lower: bool = False) -> Any:
    """X of a X = b, where only the upper (or lower) triangle of `a` is read."""
    a, b, vector = _system("solve_triangular", a, b)
    x = triangular_solve(a, b, lower=bool(lower), transpose=False)
    return ops.squeeze(x, -1) if vector else x


@composed
def inv(x: Any) -> Any:
    """The inverse of square matrices.

    Raises:
        ValueError: a matrix is singular.
    """
    x = matrices("inv", x)
    return linear_solve(x, ops.broadcast_to(constant(np.eye(x.shape[-1]), x.dtype), x.shape))


@composed
def cholesky_inverse(x: Any, upper: bool = False) -> Any:
    """The inverse of the matrix whose Cholesky factor is `x`."""
    x = matrices("cholesky_inverse", x)
    identity = ops.broadcast_to(constant(np.eye(x.shape[-1]), x.dtype), x.shape)
    half = triangular_solve(x, identity, lower=not upper, transpose=bool(upper))
    return ops.matmul(transposed(half), half)


@composed
def det(x: Any) -> Any:
    """The determinant of square matrices."""
    return determinant(matrices("det", x))


@composed
def slogdet(x: Any) -> Any:
    """The sign of the determinant, and the logarithm of its absolute value."""
    return sign_and_logarithm(matrices("slogdet", x))


@composed
def logdet(x: Any) -> Any:
    """The logarithm of the determinant of positive definite matrices."""
    return sign_and_logarithm(matrices("logdet", x))[1]


def _kept(s: Any, shape: Any, rcond: Any) -> Any:
    """Which singular values are not to be taken for rounding errors."""
    if rcond is None:
        narrow = s.dtype == "bfloat16"  # unknown to np.finfo
        rcond = max(shape[-2:]) * (2**-7 if narrow else float(np.finfo(dtypes.numpy_dtype(s.dtype)).eps))
    return s > ops.max(s, axis=-1, keepdims=True) * rcond


@composed
def pinv(x: Any, rcond: float | None = None) -> Any:
    """The pseudo-inverse (Moore and Penrose); singular values up to `rcond` times the largest count as 0."""
    x = matrices("pinv", x, square=False)
    u, s, vh = singular_values(x, full=False)
    kept = _kept(s, x.shape, rcond)
    inverse = ops.where(kept, 1 / ops.where(kept, s, 1), 0)
    return ops.matmul(transposed(ops.conj(vh)) * ops.expand_dims(inverse, -2), transposed(ops.conj(u)))


@composed
def lstsq(a: Any, b: Any, rcond: float | None = None) -> Any:
    """The x of least norm that makes a x - b smallest; singular values up to `rcond` times the largest count as 0."""
    a, b, vector = _system("lstsq", a, b, square=False)
    x = ops.matmul(pinv(a, rcond), b)
    return ops.squeeze(x, -1) if vector else x


@composed
def matrix_rank(x: Any, tol: float | None = None) -> Any:
    """The number (int32) of singular values above `tol`, by default what rounding may leave of a zero."""
    x = matrices("matrix_rank", x, square=False)
    s = svd(x, compute_uv=False)
    return ops.sum(ops.cast(_kept(s, x.shape, None) if tol is None else s > tol, "int32"), axis=-1)


@composed
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """Norm of vectors (one axis) or matrices (two axes); of all elements without `ord` and `axis`.

    Args:
        ord: inf, -inf, 0 or a number p (default 2) for vectors; "fro" (default), "nuc", 1, -1, 2, -2, ±inf for
            matrices.
    """
    x = convert_to_tensor(x)
    x = ops.cast(x, dtypes.floating(x.dtype))
    rank = len(x.shape)
    axes = tuple(range(rank)) if axis is None else canonical_axes(axis, rank, "norm")
    if ord is None or (ord == "fro" and len(axes) == 2) or (ord == 2 and len(axes) == 1):
        return ops.sqrt(ops.sum(squared_size(x), axes, keepdims))
    if len(axes) == 2:
        order = axes if axis is None else tuple(canonical_axis(a, rank, "norm") for a in axis)
        return _matrix_norm(x, ord, order, keepdims)
    if len(axes) != 1 or isinstance(ord, str):
        raise ValueError(
            f"norm: there is no norm of `ord` {ord!r} over {len(axes)} axes; give `axis` one or two of them"
        )
    size: Any = ops.absolute(x)
    if ord in (np.inf, -np.inf):
        return (ops.max if ord > 0 else ops.min)(size, axes, keepdims)
    if ord == 0:
        return ops.sum(ops.cast(ops.not_equal(size, 0), size.dtype), axes, keepdims)
    return ops.power(ops.sum(ops.power(size, float(ord)), axes, keepdims), 1 / ord)


def _matrix_norm(x: Tensor, ord: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    if ord in (1, -1, np.inf, -np.inf):
        added, compared = axes if ord in (1, -1) else axes[::-1]
        top = (ops.max if ord > 0 else ops.min)(ops.sum(ops.absolute(x), added, True), compared, True)
        return top if keepdims else ops.squeeze(top, axes)
    if ord not in ("nuc", 2, -2):
        raise ValueError(f"norm: unknown `ord` {ord!r} of a matrix; expected 'fro', 'nuc', 1, -1, 2, -2, inf or -inf")
    s = svd(ops.moveaxis(x, axes, (-2, -1)), compute_uv=False)
    value = ops.sum(s, -1) if ord == "nuc" else (ops.max if ord > 0 else ops.min)(s, -1)
    return ops.expand_dims(value, sorted(axes)) if keepdims else value
