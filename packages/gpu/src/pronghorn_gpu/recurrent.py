"""Recurrences over whole sequences: for each step a product and the map of the cell's program, forward and back.

The program is the cell's own text (`pronghorn_ops.primitives.recurrent`); every step launches the same two kernels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pronghorn import dtypes
from pronghorn.body import Body, Step
from pronghorn.graph import Node
from pronghorn.ops.attributes import Recurrence
from pronghorn_gpu.elementwise import plan_map
from pronghorn_gpu.launch import Choice, Launch, Scratch, Work, renumber, workspace_of
from pronghorn_gpu.linear import Operand, plan_matmul
from pronghorn_gpu.shape import plan_fill
from pronghorn_gpu.spaces import Space

FLOATS = ("float16", "bfloat16", "float32", "float64")


class _View:
    """One (batch, units) matrix of an operand or of scratch memory."""

    def __init__(self, place: int | Scratch, offset: int, row: int, column: int = 1) -> None:
        self.place = place
        self.offset = offset
        self.strides = (row, column)


def _map(body: Body, batch: int, units: int, views: Sequence[_View]) -> tuple[Work, ...]:
    """A body on views: of its inputs, then of its outputs."""
    space = Space((batch, units), tuple(v.strides for v in views), tuple(v.offset for v in views))
    return renumber(plan_map(body, [space]), [v.place for v in views])


def _columns(place: int | Scratch, step: int, batch: int, units: int, count: int) -> list[_View]:
    """The `count` matrices side by side in step `step` of an operand."""
    return [_View(place, (step * batch * count + k) * units, count * units) for k in range(count)]


def _rounded_up(nbytes: int) -> int:
    return -(-nbytes // 256) * 256


def _needs(work: Sequence[Any], nbytes: int) -> tuple[Any, ...]:
    """The work, whose scratch memory is `nbytes`."""
    found: list[Any] = []
    for item in work:
        if isinstance(item, Launch):
            found.append(replace(item, workspace=nbytes))
        elif isinstance(item, Choice):
            found.append(Choice(tuple(_needs(way, nbytes) for way in item.ways)))
        else:
            found.append(item)
    return tuple(found)


def plan_recurrence(node: Node) -> tuple[Work, ...] | None:
    """Lowering of `recurrence`: x, kernel, perhaps the bias, initial states, perhaps the mask."""
    cell: Recurrence = node.attrs["cell"]
    masked, dtype = node.attrs["masked"], node.outputs[0].dtype
    if dtype not in FLOATS:
        return None
    steps, batch, _ = node.inputs[0].shape
    units, states = node.inputs[1].shape[0], len(cell.states)
    assert steps is not None and batch is not None and units is not None
    if not steps * batch * units:
        return ()
    initial, gates = 2 + int(cell.bias), cell.gates
    mask, outputs = initial + states, len(node.inputs)
    kernel = Operand.matrix((units, gates * units), False)
    before = Operand.matrix((batch, units), False)
    own = _rounded_up(workspace_of(plan_matmul(dtype, before, kernel)))
    total = own + batch * gates * units * dtypes.itemsize(dtype)
    names = [*(f"p{k}" for k in range(gates)), *(f"r{k}" for k in range(gates))]
    names += [*(f"b{k}" for k in range(gates if cell.bias else 0)), *(f"{s}_" for s in cell.states)]
    names += ["valid"] * masked
    body = cell.body(cell.forward, names, cell.results, dtype)
    work: list[Work] = []
    for t in range(steps):
        old = [
            _View(outputs + k if t else initial + k, (t - 1) * batch * units if t else 0, units) for k in range(states)
        ]
        a = before._replace(offset=old[0].offset)
        work += renumber(plan_matmul(dtype, a, kernel), (old[0].place, 1, Scratch(dtype, own)))
        views = _columns(0, t, batch, units, gates) + _columns(Scratch(dtype, own), 0, batch, units, gates)
        views += [_View(2, k * units, 0) for k in range(gates if cell.bias else 0)] + old
        views += [_View(mask, t * batch, 1, 0)] * masked
        views += [_View(outputs + k, t * batch * units, units) for k in range(states)]
        views += _columns(outputs + states, t, batch, units, len(cell.saved))
        work += _map(body, batch, units, views)
    return _needs(work, total)


def _with_sums(body: Body, sums: dict[int, int], dtype: str) -> Body:
    """The body with input k computed first, as the sum of so many inputs, which take its place."""
    inputs: list[str] = []
    steps: list[Step] = []
    groups: list[list[int]] = []
    for k, kind in enumerate(body.inputs):
        groups.append(list(range(len(inputs), len(inputs) + sums.get(k, 1))))
        inputs += [kind] * sums.get(k, 1)
    ids: list[int] = []
    for group in groups:
        if len(group) > 1:
            names = ("x", "y", "z")[: len(group)]
            steps.append(Step("sum", " + ".join(names), names, tuple(group), dtype))
        ids.append(group[0] if len(group) == 1 else len(inputs) + len(steps) - 1)
    first = len(inputs) + len(steps)
    ids += range(first, first + len(body.steps))
    for s in body.steps:
        steps.append(Step(s.name, s.expression, s.parameters, tuple(ids[a] for a in s.arguments), s.dtype))
    return Body(tuple(inputs), tuple(steps), tuple(ids[k] for k in body.outputs))


def plan_recurrence_gradient(node: Node) -> tuple[Work, ...] | None:
    """Lowering of `recurrence_gradient`: kernel, initial states, what the forward op gave, perhaps the mask, and the
    gradients of its states."""
    cell: Recurrence = node.attrs["cell"]
    masked, dtype = node.attrs["masked"], node.outputs[0].dtype
    if dtype not in FLOATS:
        return None
    states, gates, saved = len(cell.states), cell.gates, len(cell.saved)
    after = 1 + states
    mask = after + states + bool(saved)
    incoming, outputs = mask + int(masked), len(node.inputs)
    products = 1 + int(cell.bias)
    previous, last = outputs + products, outputs + products + 1
    steps, batch, units = node.inputs[after].shape
    assert steps is not None and batch is not None and units is not None
    size = batch * units
    if not size:
        return ()
    if not steps:
        return tuple(w for k in range(states) for w in plan_fill(dtype, size, 0, last + k))
    gradient = Operand.matrix((batch, gates * units), False)
    kernel = Operand.matrix((units, gates * units), True)
    own = _rounded_up(workspace_of(plan_matmul(dtype, gradient, kernel)))
    each = _rounded_up(size * dtypes.itemsize(dtype))
    through = Scratch(dtype, own)  # what comes back through the product
    carried = [Scratch(dtype, own + (1 + k) * each) for k in range(states)]
    total = own + (1 + states) * each
    names = [*cell.states, *(f"{s}_" for s in cell.states), *cell.saved, *(f"d{s}" for s in cell.states)]
    names += ["valid"] * masked
    first = 2 * states + saved
    plain = cell.body(cell.backward, names, cell.gradients(), dtype)
    body = _with_sums(plain, {first: 3} | {first + k: 2 for k in range(1, states)}, dtype)
    work: list[Work] = [w for place in (through, *carried) for w in plan_fill(dtype, size, 0, place)]
    for t in reversed(range(steps)):
        at = t * size
        views = [_View(after + k, at, units) for k in range(states)]
        views += [_View(after + k if t else 1 + k, at - size if t else 0, units) for k in range(states)]
        views += _columns(after + states, t, batch, units, saved)
        for k in range(states):
            views += [_View(carried[k], 0, units)] + [_View(through, 0, units)] * (k == 0)
            views.append(_View(incoming + k, at, units))
        views += [_View(mask, t * batch, 1, 0)] * masked
        for k in range(products):
            views += _columns(outputs + k, t, batch, units, gates)
        views.append(_View(previous, at, units))
        views += [_View(carried[k], 0, units) for k in range(states)]
        work += _map(body, batch, units, views)
        a = gradient._replace(offset=t * batch * gates * units)
        work += renumber(plan_matmul(dtype, a, kernel), (outputs, 0, through))
    add = Body((dtype, dtype), (Step("add", "x + y", ("x", "y"), (0, 1), dtype),), (2,))
    work += _map(add, batch, units, [_View(p, 0, units) for p in (carried[0], through, last)])
    copy = Body((dtype,), (), (0,))
    for k in range(1, states):
        work += _map(copy, batch, units, [_View(carried[k], 0, units), _View(last + k, 0, units)])
    return _needs(work, total)
