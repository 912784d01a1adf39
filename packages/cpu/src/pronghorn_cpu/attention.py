"""Attention by heads: a block of rows at a time goes through both products while its scores are in the cache.

Neither scores nor weights are kept: the backward pass computes them again from queries, keys and, for each row, the
largest score and the sum of the exponentials (Dao et al., "FlashAttention", 2022). Where a head is too large for the
cache, queries are worked on in blocks for their own gradient, and keys in blocks for theirs and that of the values.

Operands lie in memory as projections make them, with the heads behind the places: `axes` gives for each dimension of
an array which one of (…, places, size) it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from pronghorn.body import Body
from pronghorn.body import Step as BodyStep
from pronghorn.graph import Node, Spec
from pronghorn.op import Op
from pronghorn_cpu.host import ITEMSIZE
from pronghorn_cpu.launch import Launch, Pointer, Scratch
from pronghorn_cpu.linear import Epilogue, View, plan_matmul
from pronghorn_cpu.rows import RowProgram, plan_rows
from pronghorn_cpu.runner import default_pool
from pronghorn_cpu.sequence import Place, plan_sequence
from pronghorn_cpu.spaces import broadcast_strides

Array = np.ndarray[Any, Any]
Axes = tuple[int, ...]

_BLOCK_SCORES = 1 << 15
"""So many scores of a block, if it has rows (or columns) enough for a product to be worth its preparation: they stay in
the second-level cache."""

_ENOUGH_ROWS, _MOST_SCORES = 96, 1 << 19
"""Rows that are enough, and scores up to which a block grows to have them: a few in the third-level cache cost less
than keys prepared again and again."""

_ROW_STEP = 24
"""Rows of a block come in such steps, which tiles of six and of eight rows divide; at least one."""

_MANY_HEADS = 4
"""From so many heads on threads share heads rather than blocks of them."""

_FETCHED_BYTES = 32 << 10
"""A matrix of a head that is no larger is fetched while the product before computes."""

EXPONENTIALS = RowProgram(
    """
m = max_row(x)
e = exp_below(x - m)
s = sum_row(e)
""",
    ("x: row",),
    ("e: row", "m: number", "s: number"),
)

ALLOWED_EXPONENTIALS = RowProgram(
    """
m = max_row(x)
f = exp_below(x - m)
s = sum_row(f)
e = 0.0 if x == low else f
""",
    ("x: row",),
    ("e: row", "m: number", "s: number"),
    ("low",),
)
"""Of scores that are `low` where the mask forbids; a row in which it forbids all has a sum, and no weight."""

WEIGHTS = RowProgram(
    """
r = 1.0 / s
p = exp_below(x - m) * r
t = sum_row(g * p)
""",
    ("x: row", "g: row", "m: number", "s: number"),
    ("p: row", "t: number"),
)

ALLOWED_WEIGHTS = RowProgram(
    """
r = 1.0 / s
p = 0.0 if x == low else exp_below(x - m) * r
t = sum_row(g * p)
""",
    ("x: row", "g: row", "m: number", "s: number"),
    ("p: row", "t: number"),
    ("low",),
)

SCORES_GRADIENT = RowProgram(
    """
d = p * (g - t)
""",
    ("p: row", "g: row", "t: number"),
    ("d: row",),
)
"""From the weights and their gradient; t is the sum over all of a row, also where the rest of it is elsewhere."""


# ------------------------------------------------------------------------------------------------ the ops


def logical(a: Array, axes: Axes) -> Array:
    """The array as (…, places, size)."""
    return a.transpose([axes.index(k) for k in range(len(axes))])


def _stored(a: Array, axes: Axes) -> Array:
    return np.ascontiguousarray(a.transpose(axes))


def _scores(q: Array, k: Array, mask: Array | None, low: float | None) -> Array:
    scores = q @ k.swapaxes(-1, -2)
    return scores if mask is None else np.where(mask, scores, scores.dtype.type(low))


def _forward_reference(
    q: Array, k: Array, v: Array, mask: Array | None = None, *, axes: tuple[Axes, ...], low: float | None = None
) -> tuple[Array, ...]:
    q, k, v = (logical(a, own) for a, own in zip((q, k, v), axes, strict=False))
    scores = _scores(q, k, mask, low)
    m = scores.max(-1)
    e = np.exp(scores - m[..., None])
    s = e.sum(-1)
    allowed = e if mask is None else e * mask
    return _stored((allowed @ v) / s[..., None], axes[3]), m, s


def _forward_infer(
    q: Spec, k: Spec, v: Spec, mask: Spec | None = None, *, axes: tuple[Axes, ...], low: float | None = None
) -> tuple[Spec, ...]:
    def size(spec: Spec, own: Axes, axis: int) -> Any:
        return spec.shape[own.index(axis)]

    rank = len(q.shape)
    rows = tuple(size(q, axes[0], axis) for axis in range(rank - 1))
    whole = (*rows, size(v, axes[2], rank - 1))
    return Spec(tuple(whole[axis] for axis in axes[3]), q.dtype), Spec(rows, q.dtype), Spec(rows, q.dtype)


attention = Op("attention", _forward_reference, _forward_infer)
"""softmax(q @ kᵀ) @ v. Inputs: q, k, v and, if not every query may look at every key, a mask that broadcasts to the
scores. attrs: axes of q, k, v and the result; low, the score where the mask is False: there the weight is 0.
Outputs: the result; each row's largest score, and the sum of the exponentials of what its scores are below that,
(…, queries) both."""


def _backward_reference(
    q: Array,
    k: Array,
    v: Array,
    g: Array,
    m: Array,
    s: Array,
    mask: Array | None = None,
    *,
    axes: tuple[Axes, ...],
    low: float | None = None,
) -> tuple[Array, ...]:
    q, k, v, g = (logical(a, own) for a, own in zip((q, k, v, g), axes, strict=False))
    p = np.exp(_scores(q, k, mask, low) - m[..., None]) / s[..., None]
    if mask is not None:
        p = p * mask
    dp = g @ v.swapaxes(-1, -2)
    d = p * (dp - (p * dp).sum(-1, keepdims=True))
    found = d @ k, d.swapaxes(-1, -2) @ q, p.swapaxes(-1, -2) @ g
    return tuple(_stored(a, own) for a, own in zip(found, axes[4:], strict=True))


def _backward_infer(q: Spec, k: Spec, v: Spec, *others: Spec, axes: tuple[Axes, ...], **_: Any) -> tuple[Spec, ...]:
    specs = []
    for spec, own, stored in zip((q, k, v), axes, axes[4:], strict=False):
        whole = [spec.shape[own.index(axis)] for axis in range(len(own))]
        specs.append(Spec(tuple(whole[axis] for axis in stored), q.dtype))
    return tuple(specs)


attention_gradient = Op("attention_gradient", _backward_reference, _backward_infer)
"""The gradients of q, k and v. Inputs: q, k, v, the gradient of the result, the other outputs of `attention`, and its
mask if there was one. attrs: axes of q, k, v, the result's gradient, and of the three outputs; low."""


# ------------------------------------------------------------------------------------------------ plans


class _Operand:
    """A matrix for every item: which of the node's operands, strides in elements over (outer, inner, row, column)."""

    def __init__(self, operand: int, shape: Sequence[int], axes: Axes, dtype: str) -> None:
        dense = View.dense(shape).strides
        strides, sizes = [0] * len(axes), [1] * len(axes)
        for axis, stride, size in zip(axes, dense, shape, strict=True):
            strides[axis], sizes[axis] = stride, size
        missing = [0] * (4 - len(axes))
        self.operand, self.size = operand, ITEMSIZE[dtype]
        self.strides = [*missing, *strides]
        self.sizes = [*(1 for _ in missing), *sizes]

    def view(self, rows: int) -> View:
        """So many rows of an item."""
        return View((rows, self.sizes[3]), (self.strides[2], self.strides[3]))

    def turned(self, rows: int) -> View:
        """The transposed matrix."""
        return View((self.sizes[3], rows), (self.strides[3], self.strides[2]))

    def after(self) -> Place:
        """Where the next item begins; behind the last inner one that is a guess, as good for a request."""
        outer, inner, _ = strides = self.at().strides
        return Place(Pointer(self.operand, inner if self.sizes[1] > 1 else outer), strides)

    def at(self, start: int = 0, step: int = 0) -> Place:
        """From row `start` on, `step` rows further for every block."""
        outer, inner, row = (stride * self.size for stride in self.strides[:3])
        return Place(Pointer(self.operand, start * row), (outer, inner, step * row))


class _Fetched(NamedTuple):
    """Matrices that a product has fetched into the cache while it computes, at most two, and where they are."""

    views: Sequence[View]
    places: Sequence[Place]


_NOTHING = _Fetched((), ())


class _Head:
    """What the plans of both directions share: scores in a thread's memory, one statistic per row in the node's."""

    def __init__(self, node: Node) -> None:
        tensors = [*node.inputs, *node.outputs]
        self.dtype = node.outputs[0].dtype
        self.size = ITEMSIZE[self.dtype]
        self.threads = default_pool().threads
        rank = len(node.attrs["axes"][0])
        self.arrays = [k for k, t in enumerate(tensors) if len(t.shape) == rank and t.dtype != "bool"]
        self.operands = [
            _Operand(t, tensors[t].shape, axes, self.dtype)  # type: ignore[arg-type]
            for t, axes in zip(self.arrays, node.attrs["axes"], strict=True)
        ]
        q, k = self.operands[:2]
        self.outer, self.inner, self.queries = q.sizes[:3]
        self.keys = k.sizes[2]
        self.low: float = node.attrs.get("low", 0.0)
        self.mask = next((k for k, t in enumerate(tensors) if t.dtype == "bool"), 0)
        whole = (self.outer, self.inner, self.queries, self.keys)
        self.mask_strides = broadcast_strides(tensors[self.mask].shape, whole) if self.mask else ()  # type: ignore[arg-type]

    def scores(self, number: int, count: int) -> Place:
        """The memory for one of the matrices of so many scores."""
        return Place(Scratch(number * math.ceil(count * self.size / 64) * 64), own=True)

    def number(self, slot: Pointer | Scratch, start: int = 0, step: int = 0) -> Place:
        """A statistic of the rows from `start` on."""
        row = self.queries * self.size
        return Place(slot._replace(offset=slot.offset + start * self.size), (self.inner * row, row, step * self.size))

    def product(
        self,
        a: View,
        b: View,
        c: View | None = None,
        epilogue: Epilogue | None = None,
        fetched: _Fetched = _NOTHING,
        added: bool = False,
    ) -> tuple[Launch, ...]:
        return plan_matmul(self.dtype, a, b, epilogue, threads=1, out=c, fetched=fetched.views, added=added)

    def fetched(self, *wanted: tuple[View, Place]) -> _Fetched:
        """Of matrices that will soon be read those that are small, and contiguous along their rows."""
        fits = [(v, p) for v, p in wanted if v.strides[1] == 1 and math.prod(v.shape) * self.size <= _FETCHED_BYTES]
        return _Fetched([view for view, _ in fits], [place for _, place in fits])

    def scored(
        self,
        q: View,
        k: View,
        places: tuple[Place, Place, Place],
        rows: tuple[int, int] = (0, 0),
        columns: tuple[int, int] = (0, 0),
        fetched: _Fetched = _NOTHING,
    ) -> tuple[tuple[Launch, ...], tuple[Place, ...]]:
        """The step that makes scores, `places` being those of q, kᵀ and the scores: low where the mask forbids.

        Of the mask it reads rows and columns from a first one on, so many further for every block.
        """
        if not self.mask:
            return self.product(q, k, fetched=fetched), (*places, *fetched.places)
        *items, down, across = self.mask_strides
        (row, row_step), (column, column_step) = rows, columns
        strides = (*items, row_step * down + column_step * across)
        place = Place(Pointer(self.mask, row * down + column * across), strides)  # type: ignore[arg-type]
        view = View((q.shape[0], k.shape[1]), (down, across))
        epilogue = Epilogue(_forbidden(self.dtype, self.low), (view,))
        return self.product(q, k, epilogue=epilogue, fetched=fetched), (*places[:2], place, places[2], *fetched.places)

    def rows(self, program: RowProgram, rows: int, columns: int) -> tuple[Launch, ...]:
        if self.mask:
            program = _ALLOWED.get(program, program)
        parameters = (self.low,) if program.parameters else ()
        return plan_rows(program, [self.dtype] * len(program.operands), rows, columns, parameters)


def _blocks(rows: int, other: int) -> Iterator[tuple[int, int, int]]:
    """First row, rows and number of the blocks that a head is cut into; the last one may be of another size."""
    fitting, most = _BLOCK_SCORES // max(other, 1), _MOST_SCORES // max(other, 1)
    size = min(rows, max(fitting, min(_ENOUGH_ROWS, most), _ROW_STEP) // _ROW_STEP * _ROW_STEP)
    yield 0, size, rows // size
    if rows % size:
        yield rows - rows % size, rows % size, 1


def _divided(dtype: str) -> Body:
    return Body((dtype, dtype), (BodyStep("true_divide", "x / y", ("x", "y"), (0, 1), dtype),), (2,))


def _forbidden(dtype: str, low: float) -> Body:
    step = BodyStep("where", f"x if y else {low!r}", ("x", "y"), (0, 1), dtype)
    return Body((dtype, "bool"), (step,), (2,))


_ALLOWED = {EXPONENTIALS: ALLOWED_EXPONENTIALS, WEIGHTS: ALLOWED_WEIGHTS}


def lower_attention(node: Node) -> tuple[Launch, ...] | None:
    """A launch for the blocks of queries, and one more where the last block is smaller."""
    head = _Head(node)
    q, k, v, out = head.operands
    launches = []
    for start, rows, blocks in _blocks(head.queries, head.keys):
        scores, dense = head.scores(0, rows * head.keys), View.dense((rows, head.keys))
        m, s = (head.number(Pointer(out.operand + k), start, rows) for k in (1, 2))
        divide = Epilogue(_divided(head.dtype), (View((rows, 1), (1, 0)),))
        places = q.at(start, rows), k.at(), scores
        now = head.fetched((v.view(head.keys), v.at()))
        later = head.fetched((q.view(rows), q.after()), (k.view(head.keys), k.after())) if blocks == 1 else _NOTHING
        steps = [
            head.scored(q.view(rows), k.turned(head.keys), places, (start, rows), fetched=now),
            (head.rows(EXPONENTIALS, rows, head.keys), (scores, scores, m, s)),
            (
                head.product(dense, v.view(head.keys), out.view(rows), divide, later),
                (scores, v.at(), s, out.at(start, rows), *later.places),
            ),
        ]
        own = rows * head.keys * head.size
        launches.append(plan_sequence((head.outer, head.inner, blocks), steps, own, head.threads))
    return tuple(launches)


def lower_attention_gradient(node: Node) -> tuple[Launch, ...] | None:
    """All gradients head by head, those of keys and values summed over the blocks of a large head. Of few large heads,
    first the gradients of blocks of queries, then of blocks of keys: that is more arithmetic, for more threads.
    """
    head = _Head(node)
    q, k, v, g, dq, dk, dv = head.operands
    queries, keys, size = head.queries, head.keys, head.size
    m, s = Pointer(4), Pointer(5)
    total = math.ceil(head.outer * head.inner * queries * size / 64) * 64
    t = Scratch()  # the sums of the rows
    whole = len(list(_blocks(queries, keys))) == 1 == next(_blocks(queries, keys))[2]
    at_once = whole or head.outer * head.inner >= _MANY_HEADS
    launches = []
    for start, rows, blocks in _blocks(queries, keys):
        scores, slopes = (head.scores(number, rows * keys) for number in range(2))
        dense = View.dense((rows, keys))
        numbers = [head.number(slot, start, rows) for slot in (m, s, t)]
        places = q.at(start, rows), k.at(), scores
        now = head.fetched((g.view(rows), g.at(start, rows)), (v.view(keys), v.at()))
        later = head.fetched((q.view(rows), q.after()), (k.view(keys), k.after())) if whole else _NOTHING
        steps = [
            head.scored(q.view(rows), k.turned(keys), places, (start, rows), fetched=now),
            (head.product(g.view(rows), v.turned(keys)), (g.at(start, rows), v.at(), slopes)),
            (head.rows(WEIGHTS, rows, keys), (scores, slopes, *numbers[:2], scores, numbers[2])),
            (head.rows(SCORES_GRADIENT, rows, keys), (scores, slopes, numbers[2], slopes)),
            (
                head.product(dense, k.view(keys), dq.view(rows), fetched=later),
                (slopes, k.at(), dq.at(start, rows), *later.places),
            ),
        ]
        if at_once:
            turned, added = View((keys, rows), (1, keys)), not whole
            behind = (Place(int(start > 0), (0, 0, 1)),) * added
            steps += [
                (
                    head.product(turned, g.view(rows), dv.view(keys), added=added),
                    (scores, g.at(start, rows), dv.at(), *behind),
                ),
                (
                    head.product(turned, q.view(rows), dk.view(keys), added=added),
                    (slopes, q.at(start, rows), dk.at(), *behind),
                ),
            ]
        items, own = (head.outer, head.inner, blocks), 2 * rows * keys * size + 64
        launches.append(plan_sequence(items, steps, own, head.threads, total, in_turn=at_once))
    if at_once:
        return tuple(launches)
    for start, columns, blocks in _blocks(keys, queries):
        scores, slopes, partial = (head.scores(number, queries * columns) for number in range(3))
        turned = View((columns, queries), (1, columns))
        steps = [
            head.scored(
                q.view(queries), k.turned(columns), (q.at(), k.at(start, columns), scores), columns=(start, columns)
            ),
            (head.product(g.view(queries), v.turned(columns)), (g.at(), v.at(start, columns), slopes)),
            (head.rows(WEIGHTS, queries, columns), (scores, slopes, head.number(m), head.number(s), scores, partial)),
            (head.rows(SCORES_GRADIENT, queries, columns), (scores, slopes, head.number(t), slopes)),
            (head.product(turned, g.view(queries), dv.view(columns)), (scores, g.at(), dv.at(start, columns))),
            (head.product(turned, q.view(queries), dk.view(columns)), (slopes, q.at(), dk.at(start, columns))),
        ]
        own = (2 * columns + 1) * queries * size + 128
        launches.append(plan_sequence((head.outer, head.inner, blocks), steps, own, head.threads, total))
    return tuple(launches)
