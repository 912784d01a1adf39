"""Recurrences over whole sequences: for each step a product and the map of the cell's program, forward and back.

The program is the cell's own text (`pronghorn_ops.primitives.recurrent`); every step launches the same two kernels.
Where noise multiplies the state, with another draw for each gate, the product is that of a batch of matrices, a gate's
each.
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


def _apart(place: int | Scratch, batch: int, units: int, count: int) -> list[_View]:
    """`count` matrices one after the other."""
    return [_View(place, k * batch * units, units) for k in range(count)]


def _parts(rows: int, units: int, gates: int, transpose: bool) -> Operand:
    """The gates' columns of a matrix (rows, gates * units), each read as a matrix of its own, transposed or not."""
    shape, strides = ((units, rows), (1, gates * units)) if transpose else ((rows, units), (gates * units, 1))
    return Operand((gates, *shape), (units, *strides), transpose)


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
    """Lowering of `recurrence`: x, kernel, perhaps the bias, initial states, perhaps the mask, perhaps noise."""
    cell: Recurrence = node.attrs["cell"]
    noisy = node.attrs.get("noisy", False)
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
    kernel, before = Operand.matrix((units, gates * units), False), Operand.matrix((batch, units), False)
    if noisy:
        kernel, before = _parts(units, units, gates, False), Operand.matrix((gates, batch, units), False)
    own = _rounded_up(workspace_of(plan_matmul(dtype, before, kernel)))
    size = _rounded_up(batch * gates * units * dtypes.itemsize(dtype))
    products, dropped = Scratch(dtype, own), Scratch(dtype, own + size)
    total = own + size * (1 + noisy)
    names = [*(f"p{k}" for k in range(gates)), *(f"r{k}" for k in range(gates))]
    names += [*(f"b{k}" for k in range(gates if cell.bias else 0)), *(f"{s}_" for s in cell.states)]
    names += ["valid"] * masked
    body = cell.body(cell.forward, names, cell.results, dtype)
    multiply = tuple(Step("multiply", "x * y", ("x", "y"), (0, 1 + k), dtype) for k in range(gates))
    times_noise = Body((dtype,) * (1 + gates), multiply, tuple(range(1 + gates, 1 + 2 * gates)))
    work: list[Work] = []
    for t in range(steps):
        old = [
            _View(outputs + k if t else initial + k, (t - 1) * batch * units if t else 0, units) for k in range(states)
        ]
        if noisy:
            noise, multiplied = (_apart(place, batch, units, gates) for place in (outputs - 1, dropped))
            work += _map(times_noise, batch, units, [old[0], *noise, *multiplied])
            work += renumber(plan_matmul(dtype, before, kernel), (dropped, 1, products))
        else:
            a = before._replace(offset=old[0].offset)
            work += renumber(plan_matmul(dtype, a, kernel), (old[0].place, 1, products))
        views = _columns(0, t, batch, units, gates)
        views += _apart(products, batch, units, gates) if noisy else _columns(products, 0, batch, units, gates)
        views += [_View(2, k * units, 0) for k in range(gates if cell.bias else 0)] + old
        views += [_View(mask, t * batch, 1, 0)] * masked
        views += [_View(outputs + k, t * batch * units, units) for k in range(states)]
        views += _columns(outputs + states, t, batch, units, len(cell.saved))
        work += _map(body, batch, units, views)
    return _needs(work, total)


def plan_recurrence_gradient(node: Node) -> tuple[Work, ...] | None:
    """Lowering of `recurrence_gradient`: kernel, initial states, what the forward op gave, perhaps the mask, perhaps
    noise, and the gradients of its states."""
    cell: Recurrence = node.attrs["cell"]
    noisy = node.attrs.get("noisy", False)
    masked, dtype = node.attrs["masked"], node.outputs[0].dtype
    if dtype not in FLOATS:
        return None
    states, gates, saved = len(cell.states), cell.gates, len(cell.saved)
    after = 1 + states
    mask = after + states + bool(saved)
    incoming, outputs = mask + masked + noisy, len(node.inputs)
    products = 1 + int(cell.bias)
    previous, last = outputs + products, outputs + products + 1
    steps, batch, units = node.inputs[after].shape
    assert steps is not None and batch is not None and units is not None
    size = batch * units
    if not size:
        return ()
    if not steps:
        return tuple(w for k in range(states) for w in plan_fill(dtype, size, 0, last + k))
    gradient, kernel = Operand.matrix((batch, gates * units), False), Operand.matrix((units, gates * units), True)
    if noisy:
        gradient, kernel = _parts(batch, units, gates, False), _parts(units, units, gates, True)
    own = _rounded_up(workspace_of(plan_matmul(dtype, gradient, kernel)))
    each, matrices = _rounded_up(size * dtypes.itemsize(dtype)), gates if noisy else 1
    through = Scratch(dtype, own)  # what comes back through the products
    carried = [Scratch(dtype, own + (matrices + k) * each) for k in range(states)]
    total = own + (matrices + states) * each
    factors = _apart(through, batch, units, matrices) + (_apart(incoming - 1, batch, units, gates) if noisy else [])
    factor_names = [f"{letter}{k}" for letter in "qn"[: 1 + noisy] for k in range(matrices)]
    through_h = "".join(f" + q{k} * n{k}" if noisy else f" + q{k}" for k in range(matrices))
    names = [*cell.states, *(f"{s}_" for s in cell.states), *cell.saved]
    names += [f"{kind}{s}" for s in cell.states for kind in ("d", "arriving_")] + ["valid"] * masked + factor_names
    sums = [f"d{s} = d{s}{through_h if s == 'h' else ''} + arriving_{s}\n" for s in cell.states]
    body = cell.body("".join([*sums, cell.backward.lstrip()]), names, cell.gradients(), dtype)
    work: list[Work] = [w for place in carried for w in plan_fill(dtype, size, 0, place)]
    work += plan_fill(dtype, matrices * size, 0, through)
    for t in reversed(range(steps)):
        at = t * size
        views = [_View(after + k, at, units) for k in range(states)]
        views += [_View(after + k if t else 1 + k, at - size if t else 0, units) for k in range(states)]
        views += _columns(after + states, t, batch, units, saved)
        for k in range(states):
            views += [_View(carried[k], 0, units), _View(incoming + k, at, units)]
        views += [_View(mask, t * batch, 1, 0)] * masked + factors
        for k in range(products):
            views += _columns(outputs + k, t, batch, units, gates)
        views.append(_View(previous, at, units))
        views += [_View(carried[k], 0, units) for k in range(states)]
        work += _map(body, batch, units, views)
        a = gradient._replace(offset=t * batch * gates * units)
        work += renumber(plan_matmul(dtype, a, kernel), (outputs, 0, through))
    count = 1 + len(factors)
    add = Step("add", f"dh{through_h}", ("dh", *factor_names), tuple(range(count)), dtype)
    views = [_View(carried[0], 0, units), *factors, _View(last, 0, units)]
    work += _map(Body((dtype,) * count, (add,), (count,)), batch, units, views)
    copy = Body((dtype,), (), (0,))
    for k in range(1, states):
        work += _map(copy, batch, units, [_View(carried[k], 0, units), _View(last + k, 0, units)])
    return _needs(work, total)
