"""The product of matrices."""

# mypy: disable-error-code="has-type,no-any-return"
# (rules name ops that are defined further down; what a primitive returns is only known at run time)

from __future__ import annotations

from typing import Any

import numpy as np

from pronghorn.graph import Spec
from pronghorn.op import broadcast_shapes, composed, fitted, primitive, promote, unbroadcast
from pronghorn.ops.reduction import summable
from pronghorn.ops.shape import expand_dims, reshape, squeeze
from pronghorn.tensor import Tensor, convert_to_tensor

__all__ = ["matmul"]

Array = np.ndarray[Any, Any]


def _product_spec(a: Spec, b: Spec, transpose_a: bool, transpose_b: bool) -> Spec:
    rows, inner = a.shape[-2:][::-1] if transpose_a else a.shape[-2:]
    inner_b, columns = b.shape[-2:][::-1] if transpose_b else b.shape[-2:]
    try:
        batch = broadcast_shapes(a.shape[:-2], b.shape[:-2])
        (inner,), (inner_b,) = fitted([(inner,), (inner_b,)])
    except ValueError:
        batch, inner_b = (), -1  # reported below, like an inner size that does not fit
    if inner != inner_b:
        raise ValueError(
            f"matmul: shapes {a.shape} and {b.shape} do not fit: the last axis of the first must have the "
            f"size of the last but one of the second, and the axes before must broadcast"
        )
    return Spec((*batch, rows, columns), a.dtype)


def _product_gradient(g: Any, out: Any, a: Any, b: Any, transpose_a: bool, transpose_b: bool) -> tuple[Any, Any]:
    # c = a' b' as they are read: da' = g b'^T and db' = a'^T g; one read transposed gets the transpose.
    da = multiplied(b, g, transpose_b, True) if transpose_a else multiplied(g, b, False, not transpose_b)
    db = multiplied(g, a, True, transpose_a) if transpose_b else multiplied(a, g, not transpose_a, False)
    return unbroadcast(da, a.shape), unbroadcast(db, b.shape)


@primitive(_product_spec, _product_gradient, name="matmul")
def product(a: Array, b: Array, transpose_a: bool, transpose_b: bool) -> Array:
    """Matrix product over the last two axes, either of which may be read transposed; the rest broadcast."""
    dtype = a.dtype
    if dtype.itemsize == 2 and dtype.kind in "fV":  # float16 and bfloat16 are summed in float32
        a, b = a.astype(np.float32), b.astype(np.float32)
    a = np.swapaxes(a, -1, -2) if transpose_a else a
    b = np.swapaxes(b, -1, -2) if transpose_b else b
    return np.ascontiguousarray(np.matmul(a, b), dtype=dtype)


def multiplied(a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False) -> Any:
    """The product of matrices, neither of them read transposed by default."""
    return product(a, b, transpose_a=transpose_a, transpose_b=transpose_b)


def multiplicands(x1: Any, x2: Any) -> list[Tensor]:
    """Both operands in the dtype of the product; products of int8 and int8 are summed in int32."""
    given = [convert_to_tensor(x1), convert_to_tensor(x2)]
    return [summable(t) for t in given] if all(t.dtype == "int8" for t in given) else promote(given)


@composed
def matmul(x1: Any, x2: Any) -> Tensor:
    """Matrix product of the last two axes, batched over the axes before; vectors as in NumPy.

    Raises:
        ValueError: the shapes do not fit.
    """
    a, b = multiplicands(x1, x2)
    if not a.shape or not b.shape:
        raise ValueError(f"matmul: needs at least one axis each, got shapes {a.shape} and {b.shape}; use multiply")
    left, right = len(a.shape) == 1, len(b.shape) == 1
    a = expand_dims(a, 0) if left else a
    b = expand_dims(b, 1) if right else b
    if len(a.shape) > 2 and len(b.shape) == 2 and a.shape[-1] == b.shape[0]:
        # One large product instead of many small ones with the same matrix.
        c = reshape(multiplied(reshape(a, (-1, a.shape[-1])), b), (*a.shape[:-1], b.shape[-1]))
    else:
        c = multiplied(a, b)
    axes = [axis for axis, drop in ((-2, left), (-1, right)) if drop]
    return squeeze(c, axes) if axes else c
