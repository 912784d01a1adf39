"""Products of matrices and tensors."""

# mypy: disable-error-code="has-type,no-any-return"
# (rules name ops that are defined further down; what a primitive returns is only known at run time)

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pronghorn.graph import Spec
from pronghorn.op import composed, primitive, promote, unbroadcast
from pronghorn.ops import elementwise as e
from pronghorn.ops.reduction import summable
from pronghorn.ops.shape import expand_dims, reshape, squeeze, transpose
from pronghorn.tensor import Tensor, convert_to_tensor

__all__ = [
    "dot", "matmul", "tensordot",
]  # fmt: skip

Array = np.ndarray[Any, Any]


def _product_spec(a: Spec, b: Spec, transpose_a: bool, transpose_b: bool) -> Spec:
    rows, inner = a.shape[-2:][::-1] if transpose_a else a.shape[-2:]
    inner_b, columns = b.shape[-2:][::-1] if transpose_b else b.shape[-2:]
    try:
        batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])  # type: ignore[arg-type]
    except ValueError:
        batch, inner_b = (), -1  # reported below, like an inner size that does not fit
    if inner != inner_b:
        raise ValueError(
            f"matmul: shapes {a.shape} and {b.shape} do not fit: the last axis of the first must have the "
            f"size of the last but one of the second, and the axes before must broadcast"
        )
    return Spec((*batch, rows, columns), a.dtype)


def _product_gradient(
    g: Any, out: Any, a: Any, b: Any, transpose_a: bool, transpose_b: bool
) -> tuple[Any, Any]:
    if transpose_a:
        da = product(b, g, transpose_a=transpose_b, transpose_b=True)
    else:
        da = product(g, b, transpose_a=False, transpose_b=not transpose_b)
    if transpose_b:
        db = product(g, a, transpose_a=True, transpose_b=transpose_a)
    else:
        db = product(a, g, transpose_a=not transpose_a, transpose_b=False)
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


@composed
def matmul(x1: Any, x2: Any) -> Tensor:
    """Matrix product of the last two axes, batched over the axes before; vectors as in NumPy.

    Raises:
        ValueError: the shapes do not fit.
    """
    a, b = _multiplicands(x1, x2)
    if not a.shape or not b.shape:
        raise ValueError(
            f"matmul: needs at least one axis each, got shapes {a.shape} and {b.shape}; use multiply"
        )
    left, right = len(a.shape) == 1, len(b.shape) == 1
    a = expand_dims(a, 0) if left else a
    b = expand_dims(b, 1) if right else b
    if len(a.shape) > 2 and len(b.shape) == 2 and a.shape[-1] == b.shape[0]:
        # One large product instead of many small ones with the same matrix.
        rows = product(reshape(a, (-1, a.shape[-1])), b, transpose_a=False, transpose_b=False)
        c = reshape(rows, (*a.shape[:-1], b.shape[-1]))
    else:
        c = product(a, b, transpose_a=False, transpose_b=False)
    axes = [axis for axis, drop in ((-2, left), (-1, right)) if drop]
    return squeeze(c, axes) if axes else c


def _multiplicands(x1: Any, x2: Any) -> list[Tensor]:
    """Both operands in the dtype of the product; int8 products are summed in int32."""
    tensors = promote([convert_to_tensor(x1), convert_to_tensor(x2)])
    return [summable(t) for t in tensors] if tensors[0].dtype == "int8" else tensors


@composed
def dot(x1: Any, x2: Any) -> Tensor:
    """NumPy's dot: the last axis of `x1` against the last but one (or only) of `x2`; scalars multiply."""
    a, b = convert_to_tensor(x1), convert_to_tensor(x2)
    if not a.shape or not b.shape:
        return e.multiply(a, b)
    return tensordot(a, b, [[-1], [-1 if len(b.shape) == 1 else -2]])


@composed
def tensordot(x1: Any, x2: Any, axes: Any = 2) -> Tensor:
    """Sum of products over `axes`: a number (the last of `x1`, the first of `x2`), or a list for each."""
    a, b = _multiplicands(x1, x2)
    if isinstance(axes, int):
        pairs: list[Sequence[int]] = [range(len(a.shape) - axes, len(a.shape)), range(axes)]
    else:
        pairs = [[v] if isinstance(v, int) else v for v in axes]
    over_a = [int(i) % len(a.shape) for i in pairs[0]]
    over_b = [int(i) % len(b.shape) for i in pairs[1]]
    if [a.shape[i] for i in over_a] != [b.shape[i] for i in over_b]:
        raise ValueError(
            f"tensordot: axes {axes} of shapes {a.shape} and {b.shape} do not have the same sizes"
        )
    free_a = [i for i in range(len(a.shape)) if i not in over_a]
    free_b = [i for i in range(len(b.shape)) if i not in over_b]
    shape = [a.shape[i] for i in free_a] + [b.shape[i] for i in free_b]
    k = _size(a, over_a)
    rows = reshape(transpose(a, free_a + over_a), (_size(a, free_a), k))
    columns = reshape(transpose(b, over_b + free_b), (k, _size(b, free_b)))
    return reshape(product(rows, columns, transpose_a=False, transpose_b=False), shape)


def _size(t: Tensor, axes: Sequence[int]) -> int:
    return int(np.prod([t.shape[i] for i in axes], dtype=np.int64))  # type: ignore[arg-type]
