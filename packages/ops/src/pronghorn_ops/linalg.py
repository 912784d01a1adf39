"""Products and sums of products."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pronghorn import config, dtypes, ops
from pronghorn.op import composed, promote
from pronghorn.ops.axes import canonical_axis
from pronghorn.ops.linear import multiplied
from pronghorn.ops.reduction import summable
from pronghorn.tensor import Tensor, convert_to_tensor
from pronghorn_ops.complex_numbers import squared_size


@composed
def dot(x1: Any, x2: Any) -> Any:
    """NumPy's dot: the last axis of `x1` against the last but one (or only) of `x2`; scalars multiply."""
    a, b = promote([x1, x2])
    if not a.shape or not b.shape:
        return ops.multiply(a, b)
    return tensordot(a, b, [[-1], [-1 if len(b.shape) == 1 else -2]])


@composed
def tensordot(x1: Any, x2: Any, axes: Any = 2) -> Any:
    """Sum of products over `axes`: a number (the last of `x1`, the first of `x2`), or a list for each."""
    a, b = promote([x1, x2])
    if isinstance(axes, int):
        if not 0 <= axes <= min(len(a.shape), len(b.shape)):
            raise ValueError(f"tensordot: argument `axes` is {axes}, for tensors of shapes {a.shape} and {b.shape}")
        pairs: list[Sequence[int]] = [range(len(a.shape) - axes, len(a.shape)), range(axes)]
    else:
        pairs = [[v] if isinstance(v, int) else v for v in axes]
    over_a, over_b = (
        [canonical_axis(i, len(t.shape), "tensordot") for i in pair] for t, pair in zip((a, b), pairs, strict=True)
    )
    if [a.shape[i] for i in over_a] != [b.shape[i] for i in over_b]:
        raise ValueError(f"tensordot: axes {axes} of shapes {a.shape} and {b.shape} do not have the same sizes")
    free_a = [i for i in range(len(a.shape)) if i not in over_a]
    free_b = [i for i in range(len(b.shape)) if i not in over_b]
    shape = [a.shape[i] for i in free_a] + [b.shape[i] for i in free_b]
    k = _size(a, over_a)
    rows = ops.reshape(ops.transpose(a, free_a + over_a), (_size(a, free_a), k))
    columns = ops.reshape(ops.transpose(b, over_b + free_b), (k, _size(b, free_b)))
    return ops.reshape(multiplied(rows, columns), shape)


def _size(t: Tensor, axes: Sequence[int]) -> int:
    return int(np.prod([t.shape[i] for i in axes], dtype=np.int64))  # type: ignore[arg-type]


@composed
def inner(x1: Any, x2: Any) -> Any:
    """Sum of products over the last axis of both; scalars multiply."""
    a, b = promote([x1, x2])
    return ops.multiply(a, b) if not a.shape or not b.shape else tensordot(a, b, [[-1], [-1]])


@composed
def vdot(x1: Any, x2: Any) -> Any:
    """Sum of products of all elements, those of `x1` conjugated."""
    return dot(ops.conj(ops.ravel(x1)), ops.ravel(x2))


@composed
def outer(x1: Any, x2: Any) -> Any:
    """The product of each element of `x1` with each of `x2`, both flattened."""
    a, b = promote([x1, x2])
    return ops.multiply(ops.expand_dims(ops.ravel(a), 1), ops.expand_dims(ops.ravel(b), 0))


@composed
def kron(x1: Any, x2: Any) -> Any:
    """Kronecker's product: `x2` times each element of `x1`, in blocks."""
    a, b = promote([x1, x2])
    rank = max(len(a.shape), len(b.shape))
    sizes = [(1,) * (rank - len(t.shape)) + t.shape for t in (a, b)]
    a = ops.reshape(a, [n for size in sizes[0] for n in (size, 1)])
    b = ops.reshape(b, [n for size in sizes[1] for n in (1, size)])
    return ops.reshape(ops.multiply(a, b), [n * m for n, m in zip(*sizes, strict=True)])


@composed
def cross(x1: Any, x2: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Any:
    """The cross product of vectors of three elements, or of two, whose third is 0: of both of two, that third alone.

    Args:
        axisa: the axis of the vectors in `x1`.
        axisb: the axis of the vectors in `x2`.
        axisc: the axis of the vectors in the result.
        axis: all of these.
    """
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = ops.moveaxis(x1, axisa, -1), ops.moveaxis(x2, axisb, -1)
    sizes = [t.shape[-1] for t in (a, b)]
    if not {*sizes} <= {2, 3}:
        raise ValueError(f"cross: the vectors must have 2 or 3 elements, got shapes {a.shape} and {b.shape}")
    (a0, a1, *a2), (b0, b1, *b2) = (ops.unstack(t, axis=-1) for t in (a, b))
    third = a0 * b1 - a1 * b0
    if sizes == [2, 2]:
        return third
    a2, b2 = (t[0] if t else ops.zeros_like(like) for t, like in ((a2, a0), (b2, b0)))
    return ops.stack([a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, third], axisc)


@composed
def normalize(x: Any, axis: Any = -1, order: int = 2, epsilon: float | None = None) -> Any:
    """`x` divided by its norm of `order` over `axis`, at least `epsilon`."""
    x = convert_to_tensor(x)
    x = ops.cast(x, dtypes.floating(x.dtype))
    least = config.epsilon() if epsilon is None else epsilon
    if order == 2:
        total = ops.sum(squared_size(x), axis, True)
        return ops.multiply(x, ops.rsqrt(ops.maximum(total, least * least)))
    return ops.divide(x, ops.maximum(ops.norm(x, order, axis, True), least))


# ------------------------------------------------------------------------------ einsum


@composed
def einsum(subscripts: str, *operands: Any) -> Any:
    """Einstein's summation, by transposition and matrix products: "bij,bjk->bik", with ... for further axes.

    A label that an operand has twice takes its diagonal. Operands are multiplied from left to right.

    Raises:
        ValueError: the subscripts do not fit the operands.
    """
    given = [convert_to_tensor(x) for x in operands]
    tensors = promote(given)
    if len(given) > 1 and all(t.dtype == "int8" for t in given):
        tensors = [summable(t) for t in given]
    labels, result = _parse(subscripts, [len(t.shape) for t in tensors])
    sizes: dict[str, Any] = {}
    for term, t in zip(labels, tensors, strict=True):
        for label, n in zip(term, t.shape, strict=True):
            if sizes.setdefault(label, n) != n:
                raise ValueError(f"einsum: label {label!r} of {subscripts!r} has sizes {sizes[label]} and {n}")
    diagonals = [_diagonal(t, term) for t, term in zip(tensors, labels, strict=True)]
    tensors, labels = [t for t, _ in diagonals], [term for _, term in diagonals]
    done, kept = tensors[0], labels[0]
    for k in range(1, len(tensors)):
        later = set(result).union(*labels[k + 1 :])
        done, kept = _contract(done, kept, tensors[k], labels[k], later)
    done, kept = _sum_out(done, kept, set(result))
    return ops.transpose(done, [kept.index(label) for label in result])


def _parse(subscripts: str, ranks: list[int]) -> tuple[list[str], str]:
    """Labels of each operand and of the result; an ellipsis becomes capital letters of its own."""
    left, arrow, right = subscripts.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        raise ValueError(f"einsum: {subscripts!r} is for {len(terms)} operands, got {len(ranks)}")
    spare = [c for c in "ZYXWVUTSRQPONMLKJIHGFEDCBA" if c not in subscripts]
    bare = [len(term.replace("...", "")) for term in terms]
    widths = [rank - n if "..." in t else 0 for t, rank, n in zip(terms, ranks, bare, strict=True)]
    wide = "".join(spare[: max(widths, default=0)])[::-1]
    labels = [term.replace("...", wide[len(wide) - width :]) for term, width in zip(terms, widths, strict=True)]
    for term, rank in zip(labels, ranks, strict=True):
        if len(term) != rank:
            raise ValueError(f"einsum: a term of {subscripts!r} has {len(term)} labels for an operand of {rank} axes")
    every = "".join(labels)
    once = "".join(c for c in sorted(set(every)) if every.count(c) == 1 and c not in wide)
    result = right.replace("...", wide) if arrow else wide + once
    if not set(result) <= set(every) or len(set(result)) != len(result):
        raise ValueError(f"einsum: the result of {subscripts!r} must name labels of the operands, each once")
    return labels, result


def _diagonal(t: Any, labels: str) -> tuple[Any, str]:
    """The operand with each label once."""
    for label in sorted({c for c in labels if labels.count(c) > 1}):
        while labels.count(label) > 1:
            first, last = labels.index(label), labels.rindex(label)
            t = ops.diagonal(t, axis1=first, axis2=last)
            labels = labels[:first] + labels[first + 1 : last] + labels[last + 1 :] + label
    return t, labels


def _sum_out(t: Tensor, labels: str, wanted: set[str]) -> tuple[Any, str]:
    axes = tuple(i for i, label in enumerate(labels) if label not in wanted)
    return (ops.sum(t, axes), "".join(c for c in labels if c in wanted)) if axes else (t, labels)


def _contract(a: Any, in_a: str, b: Any, in_b: str, later: set[str]) -> tuple[Any, str]:
    """The product of two operands, summed over the labels that nothing later needs."""
    a, in_a = _sum_out(a, in_a, later | set(in_b))
    b, in_b = _sum_out(b, in_b, later | set(in_a))
    batch = [c for c in in_a if c in in_b and c in later]
    over = [c for c in in_a if c in in_b and c not in later]
    free_a = [c for c in in_a if c not in in_b]
    free_b = [c for c in in_b if c not in in_a]

    def sizes(labels: list[str]) -> list[int]:
        return [a.shape[in_a.index(c)] if c in in_a else b.shape[in_b.index(c)] for c in labels]

    def arranged(t: Any, labels: str, rows: list[str], columns: list[str]) -> Any:
        moved = ops.transpose(t, [labels.index(c) for c in (*batch, *rows, *columns)])
        matrix = [int(np.prod(sizes(group), dtype=np.int64)) for group in (rows, columns)]
        return ops.reshape(moved, (*sizes(batch), *matrix))

    left, right = arranged(a, in_a, free_a, over), arranged(b, in_b, over, free_b)
    c = multiplied(left, right)
    return ops.reshape(c, sizes(batch + free_a + free_b)), "".join(batch + free_a + free_b)
