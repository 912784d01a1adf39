"""Recurrences over whole sequences, forward and backward, as one primitive each.

A cell is one product of the state with a matrix and then a scalar program for each unit. The program is written once,
as text; the reference, the ops for second derivatives and accelerators' kernels (by `Recurrence.body`) come from it.
`act` and `gate` in it stand for the activations, `act_slope` and `gate_slope` for their slopes, from their values.
"""

# mypy: disable-error-code="has-type,no-any-return"
# (rules name ops that are defined further down; what a primitive returns is only known at run time)

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable, Iterator, Sequence
from types import CodeType
from typing import Any

import numpy as np

from pronghorn.graph import Spec
from pronghorn.op import array_code, primitive
from pronghorn.ops import elementwise
from pronghorn.ops.attributes import Recurrence, program_lines
from pronghorn.ops.linear import product
from pronghorn.tensor import Tensor
from pronghorn_ops import activations

Array = np.ndarray[Any, Any]


ACTIVATIONS = {
    "elu": ("x if x > 0 else expm1(x)", "1 if y > 0 else y + 1"),
    "hard_sigmoid": (activations.hard_sigmoid.expression, "1 / 6 if y > 0 and y < 1 else 0"),
    "hard_tanh": (activations.hard_tanh.expression, "1 if abs(y) < 1 else 0"),
    "leaky_relu": ("0.2 * x if x < 0 else x", "0.2 if y < 0 else 1"),
    "linear": ("x", "1"),
    "relu": (elementwise.relu.expression, "1 if y > 0 else 0"),
    "relu6": (activations.relu6.expression, "1 if y > 0 and y < 6 else 0"),
    "selu": (activations.selu.expression, "1.0507009873554805 if y > 0 else y + 1.7580993408473766"),
    "sigmoid": (elementwise.sigmoid.expression, "y * (1 - y)"),
    "softplus": (elementwise.softplus.expression, "-expm1(-y)"),
    "softsign": (activations.softsign.expression, "(1 - abs(y)) * (1 - abs(y))"),
    "tanh": (elementwise.tanh.expression, "1 - y * y"),
}
"""Those whose slope follows from their value: the value y from x, and the slope from y."""

_CELLS = {
    "simple": Recurrence(
        "simple",
        1,
        ("h",),
        (),
        "h = act(p0 + r0)",
        """
dr0 = dh * act_slope(h)
dh_ = 0 * dh""",
    ),
    "lstm": Recurrence(
        "lstm",
        4,
        ("h", "c"),
        ("i", "f", "g", "o"),
        """
i = gate(p0 + r0)
f = gate(p1 + r1)
g = act(p2 + r2)
o = gate(p3 + r3)
c = f * c_ + i * g
h = o * act(c)""",
        """
t = act(c)
d = dc + dh * o * act_slope(t)
dr0 = d * g * gate_slope(i)
dr1 = d * c_ * gate_slope(f)
dr2 = d * i * act_slope(g)
dr3 = dh * t * gate_slope(o)
dc_ = d * f
dh_ = 0 * dh""",
    ),
    "gru": Recurrence(
        "gru",
        3,
        ("h",),
        ("z", "r", "g", "m"),
        """
z = gate(p0 + r0 + b0)
r = gate(p1 + r1 + b1)
m = r2 + b2
g = act(p2 + r * m)
h = z * h_ + (1 - z) * g""",
        """
dp0 = dh * (h_ - g) * gate_slope(z)
dp2 = dh * (1 - z) * act_slope(g)
dp1 = dp2 * m * gate_slope(r)
dr0 = 1 * dp0
dr1 = 1 * dp1
dr2 = dp2 * r
dh_ = dh * z""",
        bias=True,
    ),
}


@functools.cache
def activated(name: str, activation: str = "tanh", recurrent_activation: str = "sigmoid") -> Recurrence:
    """The cell "simple", "lstm" or "gru" with two of `ACTIVATIONS`."""
    cell, formulas = _CELLS[name], {"act": ACTIVATIONS[activation], "gate": ACTIVATIONS[recurrent_activation]}

    def written(call: re.Match[str]) -> str:
        of_x, of_y = formulas[call[1]]
        return "(" + re.sub(r"\b[xy]\b", f"({call[3]})", of_y if call[2] else of_x) + ")"

    expand = functools.partial(re.sub, r"\b(act|gate)(_slope)?\(([^()]*)\)", written)
    return dataclasses.replace(cell, forward=expand(cell.forward), backward=expand(cell.backward))


SIMPLE, LSTM, GRU = map(activated, _CELLS)


def _columns(name: str, x: Any, count: int) -> dict[str, Any]:
    units = x.shape[-1] // count
    return {f"{name}{k}": x[..., k * units : (k + 1) * units] for k in range(count)}


def _run(m: Any, program: str, values: dict[str, Any]) -> None:
    """Assigns in NumPy or in ops, whichever `m` is; both have the functions that programs may call."""
    functions = {name: getattr(m, name) for name in ("abs", "exp", "expm1", "log1p", "logical_and", "tanh", "where")}
    functions["literal"] = functools.partial(m.array, dtype=values["h_"].dtype)
    for name, code in _code(program):
        values[name] = eval(code, {"__builtins__": {}, **functions}, values)  # text of this module


@functools.cache
def _code(program: str) -> list[tuple[str, CodeType]]:
    return [(name, array_code(expression)) for name, expression, _ in program_lines(program)]


def _times_kernel(m: Any, state: Any, kernel: Any, noise: Any) -> Any:
    """state @ kernel, where there is noise the state of each gate with its own."""
    if noise is None:
        return m.matmul(state, kernel)
    columns = _columns("", kernel, len(noise)).values()
    return m.concatenate([m.matmul(state * n, part) for n, part in zip(noise, columns, strict=True)], axis=-1)


def _times_transposed(m: Any, gradient: Any, kernel: Any, noise: Any) -> Any:
    """The gradient of the state of `_times_kernel`."""
    if noise is None:
        return m.matmul(gradient, m.transpose(kernel))
    pairs = zip(*(_columns("", t, len(noise)).values() for t in (gradient, kernel)), strict=True)
    return sum(n * m.matmul(d, m.transpose(part)) for n, (d, part) in zip(noise, pairs, strict=True))


def _forward(
    m: Any, cell: Recurrence, x: Any, before: Sequence[Any], kernel: Any, bias: Any, valid: Any, noise: Any
) -> list[Any]:
    """States after one step, and the saved values side by side."""
    values = _columns("p", x, cell.gates) | _columns("r", _times_kernel(m, before[0], kernel, noise), cell.gates)
    values |= {f"{s}_": value for s, value in zip(cell.states, before, strict=True)}
    if cell.bias:
        values |= _columns("b", bias, cell.gates)
    _run(m, cell.forward, values)
    states = [values[s] for s in cell.states]
    if valid is not None:
        states = [m.where(valid[:, None], new, old) for new, old in zip(states, before, strict=True)]
    return [*states, m.concatenate([values[s] for s in cell.saved], axis=-1)] if cell.saved else states


def _backward(
    m: Any,
    cell: Recurrence,
    before: Sequence[Any],
    after: Sequence[Any],
    dafter: Sequence[Any],
    kernel: Any,
    valid: Any,
    noise: Any,
) -> tuple[list[Any], list[Any]]:
    """dr and perhaps dp; and the gradients of the states before one step."""
    values = dict(zip(cell.states, after, strict=False))
    values |= {f"{s}_": value for s, value in zip(cell.states, before, strict=True)}
    values |= {f"d{s}": value for s, value in zip(cell.states, dafter, strict=True)}
    if cell.saved:
        columns = _columns("", after[-1], len(cell.saved))
        values |= {name: columns[str(k)] for k, name in enumerate(cell.saved)}
    _run(m, cell.backward, values)
    kinds = ("dr", "dp") if cell.bias else ("dr",)
    products = [m.concatenate([values[f"{kind}{k}"] for k in range(cell.gates)], axis=-1) for kind in kinds]
    states = [values[f"d{s}_"] for s in cell.states]
    if valid is not None:
        products = [m.where(valid[:, None], d, m.zeros_like(d)) for d in products]
        states = [m.where(valid[:, None], d, same) for d, same in zip(states, dafter, strict=True)]
    states[0] = states[0] + _times_transposed(m, products[0], kernel, noise)
    return products, states


def _take(operands: Sequence[Any], *counts: int) -> Iterator[list[Any]]:
    """The operands in groups of so many."""
    position = 0
    for count in counts:
        yield list(operands[position : position + count])
        position += count


def _groups(cell: Recurrence, masked: bool, noisy: bool, operands: Sequence[Any]) -> Iterator[list[Any]]:
    """Of the forward op: projected and kernel; bias; initial states; mask; noise. Some may be empty."""
    return _take(operands, 2, int(cell.bias), len(cell.states), int(masked), int(noisy))


def _gradient_groups(cell: Recurrence, masked: bool, noisy: bool, operands: Sequence[Any]) -> Iterator[list[Any]]:
    """Of the backward op: kernel; initial states; what the forward op returned; mask; noise; its states' gradients."""
    states = len(cell.states)
    return _take(operands, 1, states, states + bool(cell.saved), int(masked), int(noisy), states)


def _again(function: Callable[..., Any]) -> Callable[..., Any]:
    """The gradient rule of an op that `function` computes in ops, with zeros for gradients that did not come in."""

    def rule(g: Any, out: Any, *inputs: Tensor, **attrs: Any) -> Any:
        from pronghorn import ops
        from pronghorn.autodiff import GradientTape

        pairs = zip(*((t if isinstance(t, tuple) else (t,)) for t in (g, out)), strict=True)
        seeds = [ops.zeros_like(o) if d is None else d for d, o in pairs]
        with GradientTape(watch_accessed_variables=False) as tape:
            for t in inputs:
                if t.dtype != "bool":
                    tape.watch(t)
            results = function(*inputs, **attrs)
        return tape.gradient(results, list(inputs), output_gradients=seeds)

    return rule


# ---------------------------------------------------------------------- backward


def _gradient_spec(*specs: Spec, cell: Recurrence, masked: bool, noisy: bool = False) -> tuple[Spec, ...]:
    (kernel,), before, after, *_ = _gradient_groups(cell, masked, noisy, specs)
    product_spec = Spec((*after[0].shape[:2], kernel.shape[1]), kernel.dtype)
    return (*[product_spec] * (1 + cell.bias), after[0], *before)


def _gradient_in_ops(*operands: Any, cell: Recurrence, masked: bool, noisy: bool = False) -> Any:
    from pronghorn import ops

    (kernel,), before, after, valid, noise, dafter = _gradient_groups(cell, masked, noisy, operands)
    drawn = _each(noise, cell.gates)
    previous = [ops.concatenate([b[None], a[:-1]]) for b, a in zip(before, after, strict=False)]

    def step(carry: Any, items: Any) -> Any:
        old, new, valid, grads = items
        total = [a + b for a, b in zip(carry, grads, strict=True)]
        products, states = _backward(ops, cell, old, new, total, kernel, valid[0] if valid else None, drawn)
        return states, products

    zeros = [ops.zeros_like(b) for b in before]
    states, products = ops.scan(step, zeros, (previous, after, valid, dafter), reverse=True)
    return [*products, previous[0], *states]


@primitive(_gradient_spec, _again(_gradient_in_ops))
def recurrence_gradient(*operands: Array, cell: Recurrence, masked: bool, noisy: bool = False) -> tuple[Array, ...]:
    """Gradients of the products (steps, batch, gates * units), of the projected inputs if they differ; h before each
    step; and gradients of the initial states. From kernel, initial states, results of `recurrence`, mask, noise, and
    the gradients of its states.
    """
    (kernel,), before, after, valid, noise, dafter = _gradient_groups(cell, masked, noisy, operands)
    drawn = _each(noise, cell.gates)
    found = []
    states = [np.zeros_like(b) for b in before]
    with np.errstate(all="ignore"):
        for t in reversed(range(len(after[0]))):
            old = before if t == 0 else [a[t - 1] for a in after[: len(before)]]
            total = [state + d[t] for state, d in zip(states, dafter, strict=True)]
            new = [a[t] for a in after]
            products, states = _backward(np, cell, old, new, total, kernel, valid[0][t] if masked else None, drawn)
            found.append([*products, old[0]])
    widths = (kernel.shape[1],) * (1 + cell.bias)
    return (*_stacked(found[::-1], kernel, len(before[0]), (*widths, len(kernel))), *states)


def _each(noise: list[Any], gates: int) -> list[Any] | None:
    """The noise of each gate, None if there is none."""
    return [noise[0][k] for k in range(gates)] if noise else None


def _stacked(steps: list[list[Array]], like: Array, batch: int, sizes: Sequence[int]) -> list[Array]:
    """What the steps gave, one array (steps, batch, size) for each size; there may be no steps."""
    if not steps:
        return [np.zeros((0, batch, size), like.dtype) for size in sizes]
    return [np.stack(parts) for parts in zip(*steps, strict=True)]


# ---------------------------------------------------------------------- forward


def _spec(*specs: Spec, cell: Recurrence, masked: bool, noisy: bool = False) -> tuple[Spec, ...]:
    (x, _), _, before, *_ = _groups(cell, masked, noisy, specs)
    widths = [1] * len(before) + [len(cell.saved)] * bool(cell.saved)
    return tuple(Spec((*x.shape[:2], width * before[0].shape[1]), x.dtype) for width in widths)


def _in_ops(*operands: Any, cell: Recurrence, masked: bool, noisy: bool = False) -> Any:
    from pronghorn import ops

    (x, kernel), bias, before, valid, noise = _groups(cell, masked, noisy, operands)
    b, drawn = bias[0] if bias else None, _each(noise, cell.gates)

    def step(states: Any, items: Any) -> Any:
        x, valid = items
        results = _forward(ops, cell, x, states, kernel, b, valid[0] if valid else None, drawn)
        return results[: len(before)], results

    return ops.scan(step, before, (x, valid))[1]


def _rule(g: Any, out: Any, *inputs: Any, cell: Recurrence, masked: bool, noisy: bool = False) -> Any:
    from pronghorn import ops

    attrs = {"cell": cell, "masked": masked, "noisy": noisy}
    (_, kernel), _, before, valid, noise = _groups(cell, masked, noisy, inputs)
    outs, incoming = (t if isinstance(t, tuple) else (t,) for t in (out, g))
    if cell.saved and incoming[-1] is not None:  # a second derivative, through the saved values
        return _again(_in_ops)(g, out, *inputs, **attrs)
    dafter = [ops.zeros_like(o) if d is None else d for d, o in zip(incoming, outs[: len(before)], strict=False)]
    found = recurrence_gradient(kernel, *before, *outs, *valid, *noise, *dafter, **attrs)
    dr, *dp, previous = found[: 2 + cell.bias]
    dbias = [ops.sum(dr, axis=(0, 1))] if cell.bias else []
    parts = _columns("", dr, cell.gates).values() if noisy else [dr]
    kept = [previous * n for n in _each(noise, cell.gates) or ()] or [previous]
    dkernel = [_of_all_rows(h, d) for h, d in zip(kept, parts, strict=True)]
    first = (dp or [dr])[0], ops.concatenate(dkernel, axis=-1) if noisy else dkernel[0]
    return (*first, *dbias, *found[2 + cell.bias :], *[None] * (masked + noisy))


def _of_all_rows(h: Any, d: Any) -> Any:
    """transpose(h) @ d, summed over all steps."""
    from pronghorn import ops

    rows = [ops.reshape(t, (-1, t.shape[-1])) for t in (h, d)]
    return product(*rows, transpose_a=True, transpose_b=False)


@primitive(_spec, _rule)
def recurrence(*operands: Array, cell: Recurrence, masked: bool, noisy: bool = False) -> Any:
    """The states after each step (steps, batch, units), and the saved values side by side.

    Operands: projected inputs (steps, batch, gates * units), kernel (units, gates * units), the bias if the cell has
    one, initial states (batch, units), if `masked` a bool for each step (steps, batch), False where nothing changes,
    and if `noisy` what multiplies h before its product for each gate (gates, batch, units); it has no gradient.
    """
    (x, kernel), bias, states, valid, noise = _groups(cell, masked, noisy, operands)
    b, drawn = bias[0] if bias else None, _each(noise, cell.gates)
    found = []
    with np.errstate(all="ignore"):
        for t in range(len(x)):
            step = _forward(np, cell, x[t], states, kernel, b, valid[0][t] if masked else None, drawn)
            found.append(step)
            states = step[: len(states)]
    units = len(kernel)
    results = _stacked(found, x, x.shape[1], [units] * len(states) + [len(cell.saved) * units] * bool(cell.saved))
    return results[0] if len(results) == 1 else tuple(results)
