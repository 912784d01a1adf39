"""Matrix decompositions: primitives with gradients over the last two axes, and their public functions.

Gradients follow Giles, "Collected matrix derivative results for forward and reverse mode algorithmic
differentiation" (2008), and Townsend, "Differentiating the singular value decomposition" (2016). They exist where
eigenvalues, or singular values, differ.
"""

# mypy: disable-error-code="has-type,no-any-return"
# (rules name ops that are defined further down; what a primitive returns is only known at run time)

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from pronghorn import dtypes, ops
from pronghorn.graph import Spec
from pronghorn.op import composed, primitive
from pronghorn.tensor import Tensor, constant, convert_to_tensor

Array = np.ndarray[Any, Any]


def matrices(op: str, x: Any, square: bool = True) -> Any:
    """`x` as floats: a matrix, or many of one shape."""
    x = convert_to_tensor(x)
    if len(x.shape) < 2 or (square and x.shape[-1] != x.shape[-2]):
        raise ValueError(f"{op}: expected {'square ' * square}matrices (…, rows, columns), got shape {x.shape}")
    return ops.cast(x, dtypes.floating(x.dtype))


def transposed(x: Any) -> Any:
    """The last two axes exchanged."""
    return ops.swapaxes(x, -1, -2)


def in_single(reference: Callable[..., Any]) -> Callable[..., Any]:
    """A reference that computes float16 and bfloat16 in float32, and says in our words what has no solution."""

    @wraps(reference)
    def function(*arrays: Array, **attrs: Any) -> Any:
        narrow = arrays[0].dtype
        if narrow.itemsize == 2:
            arrays = tuple(a.astype(np.float32) for a in arrays)
        try:
            found = reference(*arrays, **attrs)
        except np.linalg.LinAlgError as error:
            raise ValueError(f"{reference.__name__}: {str(error).lower()} (shape {arrays[0].shape})") from None
        many = found if isinstance(found, tuple) else (found,)
        many = tuple(
            np.array(a, narrow if narrow.itemsize == 2 and a.dtype.kind == "f" else a.dtype, order="C") for a in many
        )
        return many if isinstance(found, tuple) else many[0]

    return function


def _identity(n: int, like: Tensor) -> Any:
    return constant(np.eye(n), like.dtype)


def _along_diagonal(values: Any) -> Any:
    """Matrices with the vectors `values` on their diagonals."""
    return ops.expand_dims(values, -1) * _identity(values.shape[-1], values)


def _inverse_differences(values: Any) -> Any:
    """1 / (v[j] - v[i]) off the diagonal, 0 on it."""
    differences = ops.expand_dims(values, -2) - ops.expand_dims(values, -1)
    diagonal = constant(np.eye(values.shape[-1]), "bool")
    return ops.where(diagonal, 0, 1 / ops.where(diagonal, 1, differences))


# ------------------------------------------------------------------------------ systems of equations


def _solve_gradient(g: Any, out: Any, a: Any, b: Any) -> tuple[Any, Any]:
    db = linear_solve(transposed(a), g)
    return ops.negative(ops.matmul(db, transposed(out))), db


@primitive(lambda a, b: b, _solve_gradient, name="solve")
@in_single
def linear_solve(a: Array, b: Array) -> Array:
    """X of a X = b; both have the same axes before the last two."""
    return np.linalg.solve(a, b)


def _triangle(x: Any, lower: bool) -> Any:
    return ops.tril(x) if lower else ops.triu(x)


def _triangular_gradient(g: Any, out: Any, a: Any, b: Any, lower: bool, transpose: bool) -> tuple[Any, Any]:
    db = triangular_solve(a, g, lower=lower, transpose=not transpose)
    product = ops.matmul(out, transposed(db)) if transpose else ops.matmul(db, transposed(out))
    return ops.negative(_triangle(product, lower)), db


@primitive(lambda a, b, lower, transpose: b, _triangular_gradient)
@in_single
def triangular_solve(a: Array, b: Array, lower: bool, transpose: bool) -> Array:
    """X of a X = b, or of its transpose, where `a` is the lower or upper triangle of what is given."""
    a = np.tril(a) if lower else np.triu(a)
    return np.linalg.solve(np.swapaxes(a, -1, -2) if transpose else a, b)


def _determinant_gradient(g: Any, out: Any, x: Any) -> tuple[Any]:
    return (ops.expand_dims(g * out, (-1, -2)) * transposed(ops.inv(x)),)


@primitive(lambda x: Spec(x.shape[:-2], x.dtype), _determinant_gradient, name="det")
@in_single
def determinant(x: Array) -> Array:
    """The determinant."""
    return np.asarray(np.linalg.det(x))


@primitive(
    lambda x: (Spec(x.shape[:-2], x.dtype),) * 2,
    lambda g, out, x: (None if g[1] is None else ops.expand_dims(g[1], (-1, -2)) * transposed(ops.inv(x)),),
    name="slogdet",
)
@in_single
def sign_and_logarithm(x: Array) -> tuple[Array, Array]:
    """The sign of the determinant, and the logarithm of its absolute value."""
    sign, logarithm = np.linalg.slogdet(x)
    return np.asarray(sign), np.asarray(logarithm)


# ------------------------------------------------------------------------------ Cholesky, QR, LU


def _cholesky_gradient(g: Any, out: Any, x: Any) -> tuple[Any]:
    n = out.shape[-1]
    middle = ops.tril(ops.matmul(transposed(out), g)) * constant(1 - 0.5 * np.eye(n), out.dtype)
    left = triangular_solve(out, middle, lower=True, transpose=True)
    whole = transposed(triangular_solve(out, transposed(left), lower=True, transpose=True))
    return ((whole + transposed(whole)) * 0.5,)


@primitive(lambda x: x, _cholesky_gradient, name="cholesky")
@in_single
def cholesky_factor(x: Array) -> Array:
    """The lower triangular L with L L^T = x."""
    return np.linalg.cholesky((x + np.swapaxes(x, -1, -2)) / 2)


def _qr_spec(x: Spec, complete: bool) -> tuple[Spec, Spec]:
    *batch, rows, columns = x.shape
    inner = rows if complete else min(rows, columns)  # type: ignore[type-var]
    return Spec((*batch, rows, inner), x.dtype), Spec((*batch, inner, columns), x.dtype)


def _tall_qr_gradient(q: Any, r: Any, dq: Any, dr: Any) -> Any:
    m = ops.matmul(r, transposed(dr)) - ops.matmul(transposed(dq), q)
    symmetric = ops.tril(m) + transposed(ops.tril(m, -1))
    right = dq + ops.matmul(q, symmetric)
    return transposed(triangular_solve(r, transposed(right), lower=False, transpose=False))


def _qr_gradient(g: Any, out: Any, x: Any, complete: bool) -> tuple[Any]:
    (q, r), (rows, columns) = out, x.shape[-2:]
    if complete and rows > columns:
        raise NotImplementedError("qr: mode 'complete' has no gradient for matrices with more rows than columns")
    dq, dr = (ops.zeros_like(t) if part is None else part for part, t in zip(g, out, strict=True))
    if rows >= columns:
        return (_tall_qr_gradient(q, r, dq, dr),)
    rest, drest = x[..., rows:], dr[..., rows:]
    left = _tall_qr_gradient(q, r[..., :rows], dq + ops.matmul(rest, transposed(drest)), dr[..., :rows])
    return (ops.concatenate([left, ops.matmul(q, drest)], axis=-1),)


@primitive(_qr_spec, _qr_gradient, name="qr")
@in_single
def orthogonal_and_triangular(x: Array, complete: bool) -> tuple[Array, Array]:
    """Orthogonal Q and upper triangular R with Q R = x."""
    q, r = np.linalg.qr(x, "complete" if complete else "reduced")
    return q, r


@primitive(lambda x: (x, Spec((*x.shape[:-2], min(x.shape[-2:])), "int32")), name="lu_factor")
@in_single
def lower_and_upper(x: Array) -> tuple[Array, Array]:
    """L (below the diagonal, with ones on it) and U in one matrix, and the row that each was exchanged with."""
    lu = x.copy()
    rows, columns = x.shape[-2:]
    pivots = np.empty((*x.shape[:-2], min(rows, columns)), np.int32)
    for index in np.ndindex(x.shape[:-2]):
        a = lu[index]
        for k in range(min(rows, columns)):
            p = k + int(np.argmax(np.abs(a[k:, k])))
            pivots[(*index, k)] = p
            a[[k, p]] = a[[p, k]]
            if a[k, k] != 0:
                a[k + 1 :, k] /= a[k, k]
            a[k + 1 :, k + 1 :] -= np.outer(a[k + 1 :, k], a[k, k + 1 :])
    return lu, pivots


# ------------------------------------------------------------------------------ eigenvalues and singular values


def _real_only(op: str, x: Any) -> None:
    if x.dtype in dtypes.COMPLEX:
        raise NotImplementedError(f"{op}: matrices of complex numbers have no gradient")


def _real(dtype: str) -> str:
    return dtypes.COMPLEX.get(dtype, dtype)


def _eigh_gradient(g: Any, out: Any, x: Any) -> tuple[Any]:
    _real_only("eigh", x)
    values, vectors = out
    dvalues, dvectors = g
    middle: Any = 0 if dvalues is None else _along_diagonal(dvalues)
    if dvectors is not None:
        middle = middle + _inverse_differences(values) * ops.matmul(transposed(vectors), dvectors)
    whole = ops.matmul(ops.matmul(vectors, middle), transposed(vectors))
    return ((whole + transposed(whole)) * 0.5,)


@primitive(lambda x: (Spec(x.shape[:-1], _real(x.dtype)), x), _eigh_gradient, name="eigh")
@in_single
def symmetric_eigenvalues(x: Array) -> tuple[Array, Array]:
    """Eigenvalues in ascending order and eigenvectors (columns) of symmetric (complex: Hermitian) matrices."""
    values, vectors = np.linalg.eigh((x + np.conj(np.swapaxes(x, -1, -2))) / 2)
    return values, vectors


def _complex(dtype: str) -> str:
    return "complex128" if dtype == "float64" else "complex64"


@primitive(lambda x: (Spec(x.shape[:-1], _complex(x.dtype)), Spec(x.shape, _complex(x.dtype))), name="eig")
@in_single
def eigenvalues(x: Array) -> tuple[Array, Array]:
    """Eigenvalues and eigenvectors (columns), complex."""
    values, vectors = np.linalg.eig(x)
    kind = np.complex128 if x.dtype == np.float64 else np.complex64
    return values.astype(kind), vectors.astype(kind)


def _svd_spec(x: Spec, full: bool) -> tuple[Spec, Spec, Spec]:
    *batch, rows, columns = x.shape
    k = min(rows, columns)  # type: ignore[type-var]
    left, right = (rows, columns) if full else (k, k)
    return (
        Spec((*batch, rows, left), x.dtype),
        Spec((*batch, k), _real(x.dtype)),
        Spec((*batch, right, columns), x.dtype),
    )


def _svd_gradient(g: Any, out: Any, x: Any, full: bool) -> tuple[Any]:
    _real_only("svd", x)
    (u, s, vh), (du, ds, dvh) = out, g
    rows, columns = x.shape[-2:]
    k = min(rows, columns)
    if full and rows != columns and (du is not None or dvh is not None):
        raise NotImplementedError("svd: full_matrices=True has no gradient of U and V; use full_matrices=False")
    u, vh = u[..., :k], vh[..., :k, :]
    scaled = ops.expand_dims(s, -2)
    middle: Any = 0 if ds is None else _along_diagonal(ds)
    gaps = _inverse_differences(ops.square(s))
    outside: Any = 0
    if du is not None:
        inner = ops.matmul(transposed(u), du)
        middle = middle + gaps * (inner - transposed(inner)) * scaled
        outside = ops.matmul((du - ops.matmul(u, inner)) / scaled, vh)
    if dvh is not None:
        inner = ops.matmul(vh, transposed(dvh))
        middle = middle + transposed(scaled) * (gaps * (inner - transposed(inner)))
        outside = outside + ops.matmul(u / scaled, dvh - ops.matmul(transposed(inner), vh))
    return (ops.matmul(ops.matmul(u, middle), vh) + outside,)


@primitive(_svd_spec, _svd_gradient, name="svd")
@in_single
def singular_values(x: Array, full: bool) -> tuple[Array, Array, Array]:
    """U, the singular values in descending order, and V^T."""
    u, s, vh = np.linalg.svd(x, full_matrices=full)
    return u, s, vh


# ------------------------------------------------------------------------------ public


@composed
def cholesky(x: Any, upper: bool = False) -> Any:
    """The lower (or upper) triangular L with L L^T = x (or U^T U = x), for symmetric positive definite matrices.

    Raises:
        ValueError: a matrix is not positive definite.
    """
    factor = cholesky_factor(matrices("cholesky", x))
    return transposed(factor) if upper else factor


@composed
def qr(x: Any, mode: str = "reduced") -> Any:
    """Orthogonal Q and upper triangular R with Q R = x; "complete" gives a square Q."""
    if mode not in ("reduced", "complete"):
        raise ValueError(f"qr: argument `mode` must be 'reduced' or 'complete', got {mode!r}")
    return orthogonal_and_triangular(matrices("qr", x, square=False), complete=mode == "complete")


@composed
def lu_factor(x: Any) -> Any:
    """L (below the diagonal, with ones on it) and U in one matrix, and the row (int32) that each was exchanged with."""
    return lower_and_upper(matrices("lu_factor", x, square=False))


@composed
def eigh(x: Any) -> Any:
    """Eigenvalues in ascending order and eigenvectors (columns) of symmetric matrices."""
    return symmetric_eigenvalues(matrices("eigh", x))


@composed
def eig(x: Any) -> Any:
    """Complex eigenvalues and eigenvectors (columns) of square matrices; without gradient."""
    return eigenvalues(matrices("eig", x))


@composed
def svd(x: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """U, the singular values in descending order, and V^T; the singular values alone without `compute_uv`."""
    parts = singular_values(matrices("svd", x, square=False), full=bool(full_matrices and compute_uv))
    return parts if compute_uv else parts[1]
