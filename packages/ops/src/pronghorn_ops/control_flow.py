"""Control flow: cond, while_loop and scan, as Python on concrete values and as ops with body Graphs in a trace.

A body's captures, and the variables it reads, are explicit inputs of the node; variables that it assigns are carried
values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from pronghorn import dtypes, interpreter, tree
from pronghorn.graph import Graph, Node, Spec
from pronghorn.interpreter import LAYER, Tape, Tracer, using
from pronghorn.op import Op, composed
from pronghorn.ops.elementwise import add
from pronghorn.ops.shape import zeros_like
from pronghorn.tensor import Tensor, Variable, convert_to_tensor
from pronghorn_ops.arrays import stack

Array = np.ndarray[Any, Any]
Function = Callable[..., Any]


# ------------------------------------------------------------------------------------------------ bodies


def inline(graph: Graph, values: dict[Tensor, Tensor], nodes: Sequence[Node] | None = None) -> None:
    """Applies a graph's nodes under the interpreter in force; `values` maps its tensors to ours and is filled in."""
    for node in graph.nodes if nodes is None else nodes:
        token = LAYER.set(node.layer)
        try:
            inputs = [values.get(t, t) for t in node.inputs]
            values.update(zip(node.outputs, interpreter.current().apply(node.op, inputs, node.attrs), strict=True))
        finally:
            LAYER.reset(token)


class _Body:
    """The trace of a body function: its graph, its captures, and the variables that it assigns."""

    def __init__(self, function: Function, arguments: Sequence[Any]) -> None:
        self.tracer = Tracer(parent=interpreter.current())
        self.arguments = [self.tracer.argument(t.shape, t.dtype) for t in arguments]
        with using(self.tracer):
            self.structure = function(*self.arguments)
            outputs = [convert_to_tensor(t) for t in tree.flatten(self.structure) if t is not None]
        self.graph = self.tracer.finish(outputs)

    @property
    def written(self) -> list[Variable]:
        return list(self.graph.writes)

    def close(self, written: Sequence[Variable]) -> list[Tensor]:
        """Makes captures explicit inputs, after the arguments and the values of `written`; returns the outer
        tensors."""
        with using(self.tracer):
            for v in written:
                self.tracer.read(v)
        entries = [self.tracer.reads[v] for v in written]
        carried = set(written)
        read = [v for v in self.tracer.reads if v not in carried]
        captures = {**self.tracer.captures}
        self.graph.inputs = [*self.arguments, *entries, *captures.values(), *(self.tracer.reads[v] for v in read)]
        self.graph.outputs = [*self.graph.outputs, *(self.tracer.versions[v] for v in written)]
        self.graph.reads, self.graph.writes = {}, {}
        return [*captures, *(self.tracer.outer[v] for v in read)]


def _interpret(graph: Graph, arrays: Sequence[Array]) -> list[Array]:
    from pronghorn.accelerator import interpret

    return [np.asarray(a) for a in interpret(graph, dict(zip(graph.inputs, arrays, strict=True)))[0]]


def _apply(
    op: Op, inputs: Sequence[Tensor], attrs: dict[str, Any], written: Sequence[Variable], at: int
) -> list[Tensor]:
    """The results of an op; those from number `at` on are the new values of `written`, and left out."""
    current = interpreter.current()
    results = list(current.apply(op, inputs, attrs))
    for variable in written:
        current.assign(variable, results.pop(at))
    return results


def _vjp(
    graph: Graph, arguments: Sequence[Tensor], outputs: Sequence[int], seeds: Sequence[Tensor], wanted: Sequence[int]
) -> tuple[list[Tensor | None], dict[Tensor, Tensor]]:
    """Gradients of a graph's `outputs` with respect to the arguments `wanted`, and the values of all its tensors."""
    from pronghorn.autodiff import backward

    values = dict(zip(graph.inputs, arguments, strict=True))
    sources = [arguments[k] for k in wanted]
    with using(Tape(interpreter.current())) as tape:
        assert isinstance(tape, Tape)
        for t in sources:
            tape.watch(t)
        inline(graph, values)
    results = [values.get(graph.outputs[k], graph.outputs[k]) for k in outputs]
    return backward(tape.nodes, results, seeds, sources), values


def _as_tuple(x: Any) -> tuple[Any, ...]:
    return x if isinstance(x, tuple) else (x,)


def _floats(tensors: Sequence[Tensor]) -> list[int]:
    return [k for k, t in enumerate(tensors) if dtypes.is_float(t.dtype)]


def _or_zeros(found: Tensor | None, like: Tensor) -> Tensor:
    return zeros_like(like) if found is None else found


def _traced() -> bool:
    return interpreter.current().tracer is not None


def _check_same(message: str, before: Sequence[Tensor], after: Sequence[Tensor]) -> None:
    for k, (a, b) in enumerate(zip(before, after, strict=True)):
        if a.shape != b.shape or a.dtype != b.dtype:
            raise ValueError(message.format(k, f"{a.dtype}{list(a.shape)}", f"{b.dtype}{list(b.shape)}"))


_CARRIES = (
    "carried value {} enters the body as {} and leaves it as {}; both must be the same: cast or reshape it in the "
    "body, or start from a value of the final shape and dtype"
)


# ------------------------------------------------------------------------------------------------ cond


def _cond_reference(pred: Array, *operands: Array, true: Graph, false: Graph) -> tuple[Array, ...]:
    return tuple(_interpret(true if bool(pred) else false, operands))


def _cond_gradient(g: Any, out: Any, pred: Tensor, *operands: Tensor, true: Graph, false: Graph) -> list[Tensor | None]:
    outs, incoming = _as_tuple(out), _as_tuple(g)
    seeded, wanted = _floats(outs), _floats(operands)
    seeds = [_or_zeros(incoming[k], outs[k]) for k in seeded]

    def gradient(graph: Graph) -> Callable[..., list[Tensor]]:
        def branch(*arguments: Tensor) -> list[Tensor]:
            found, _ = _vjp(graph, arguments[: len(operands)], seeded, arguments[len(operands) :], wanted)
            return [_or_zeros(f, arguments[k]) for k, f in zip(wanted, found, strict=True)]

        return branch

    found = _cond_traced(pred, gradient(true), gradient(false), [*operands, *seeds])
    grads = dict(zip(wanted, found, strict=True))
    return [None, *(grads.get(k) for k in range(len(operands)))]


def _cond_infer(pred: Spec, *operands: Spec, true: Graph, false: Graph) -> tuple[Spec, ...]:
    return tuple(Spec(t.shape, t.dtype) for t in true.outputs)


cond_op = Op("cond", _cond_reference, _cond_infer, _cond_gradient)


def _outline(structure: Any) -> Any:
    """What branches must have in common: how their results are nested, and where they are None."""
    if isinstance(structure, Mapping):
        return {key: _outline(item) for key, item in structure.items()}
    return [_outline(item) for item in structure] if tree.is_nested(structure) else structure is None


def _cond_traced(pred: Tensor, true_fn: Function, false_fn: Function, operands: Sequence[Tensor] = ()) -> Any:
    true, false = bodies = _Body(true_fn, operands), _Body(false_fn, operands)
    if _outline(true.structure) != _outline(false.structure):
        raise ValueError(
            f"cond: the true branch returns {true.structure!r} and the false branch {false.structure!r}; both must "
            f"return the same structure, with None in the same places"
        )
    message = "cond: output {} is {} in the true branch and {} in the false branch; both must be the same"
    _check_same(message, true.graph.outputs, false.graph.outputs)
    count = len(true.graph.outputs)
    written = list(dict.fromkeys([*true.written, *false.written]))
    if not count and not written:
        return true.structure
    entering = [interpreter.current().read(v) for v in written]
    outer = [body.close(written) for body in bodies]
    fixed = len(operands) + len(written)
    for body, others, own_first in ((true, outer[1], True), (false, outer[0], False)):  # both take the captures of both
        own = body.graph.inputs[fixed:]
        other = [body.tracer.placeholder(t.shape, t.dtype) for t in others]
        body.graph.inputs[fixed:] = [*own, *other] if own_first else [*other, *own]
    inputs = [pred, *operands, *entering, *outer[0], *outer[1]]
    results = iter(_apply(cond_op, inputs, {"true": true.graph, "false": false.graph}, written, count))
    return tree.map_structure(lambda _: next(results), true.structure, none_is_leaf=False)


@composed
def cond(pred: Any, true_fn: Callable[[], Any], false_fn: Callable[[], Any]) -> Any:
    """The result of `true_fn()` where the scalar `pred` holds, else of `false_fn()`; only that branch is computed.

    Both must return the same structure, shapes and dtypes, or None in the same places; variables assigned in one keep
    their value in the other.
    """
    pred = convert_to_tensor(pred, "bool")
    if pred.shape != ():
        raise ValueError(f"cond: `pred` must be a scalar, got shape {pred.shape}; use ops.where to choose per element")
    if not _traced():
        return true_fn() if bool(pred) else false_fn()
    return _cond_traced(pred, true_fn, false_fn)


# ------------------------------------------------------------------------------------------------ while_loop


def _while_reference(
    *arrays: Array, condition: Graph, body: Graph, carries: int, captured: int, limit: int | None
) -> tuple[Array, ...]:
    carry = list(arrays[:carries])
    for_condition, for_body = arrays[carries : carries + captured], arrays[carries + captured :]
    turns = 0
    while (limit is None or turns < limit) and bool(_interpret(condition, [*carry, *for_condition])[0]):
        carry = _interpret(body, [*carry, *for_body])
        turns += 1
    return tuple(carry)


def _while_gradient(*_: Any, **__: Any) -> Any:
    raise NotImplementedError(
        "while_loop has a gradient only with `maximum_iterations`, which bounds the memory; give it, or use scan"
    )


while_op = Op("while_loop", _while_reference, lambda *specs, carries, **_: specs[:carries], _while_gradient)


@composed
def while_loop(cond: Function, body: Function, loop_vars: Any, maximum_iterations: int | None = None) -> Any:
    """Repeats `loop_vars = body(*loop_vars)` while `cond(*loop_vars)` holds.

    Shapes and dtypes of the loop variables stay the same. A gradient needs `maximum_iterations`.
    """
    single = not isinstance(loop_vars, (list, tuple))
    loop_vars = tree.map_structure(convert_to_tensor, (loop_vars,) if single else tuple(loop_vars))

    def turn(*values: Any) -> Any:
        result = body(*values)
        result = tuple(result) if isinstance(result, (list, tuple)) and not single else (result,)
        return tree.map_structure(convert_to_tensor, result)

    if not _traced():
        turns = 0
        while (maximum_iterations is None or turns < maximum_iterations) and bool(convert_to_tensor(cond(*loop_vars))):
            loop_vars = turn(*loop_vars)
            turns += 1
        return loop_vars[0] if single else loop_vars
    if maximum_iterations is not None and interpreter.current().tape is not None:
        result = _while_as_scan(cond, turn, loop_vars, maximum_iterations)
    else:
        result = _while_traced(cond, turn, loop_vars, maximum_iterations)
    return result[0] if single else result


def _while_as_scan(condition: Function, body: Function, loop_vars: Any, limit: int) -> Any:
    def step(carry: Any, _: Any) -> Any:
        return cond(condition(*carry), lambda: body(*carry), lambda: carry), None

    return scan(step, loop_vars, None, length=limit)[0]


def _while_traced(condition: Function, body: Function, loop_vars: Any, limit: int | None) -> Any:
    flat = tree.flatten(loop_vars)

    def on_flat(function: Function) -> Function:
        return lambda *values: function(*tree.pack_sequence_as(loop_vars, list(values)))

    turn = _Body(on_flat(body), flat)
    _check_same("while_loop: " + _CARRIES, flat, turn.graph.outputs)
    written = turn.written
    entering = [interpreter.current().read(v) for v in written]
    test = _Body(on_flat(condition), flat)
    if test.written:
        path = test.written[0].path
        raise ValueError(f"while_loop: `cond` must not assign variables, it assigns {path!r}; do it in `body`")
    for_body = turn.close(written)
    # the condition sees the loop's versions of the variables that the body assigns
    reads, placeholder = test.tracer.reads, test.tracer.placeholder
    seen = [reads.pop(v) if v in reads else placeholder(v.shape, v.dtype) for v in written]
    for_condition = test.close([])
    test.graph.inputs[len(flat) : len(flat)] = seen
    attrs = {"condition": test.graph, "body": turn.graph, "captured": len(for_condition), "limit": limit}
    inputs = [*flat, *entering, *for_condition, *for_body]
    results = _apply(while_op, inputs, {**attrs, "carries": len(flat) + len(written)}, written, len(flat))
    return tree.pack_sequence_as(loop_vars, results)


# ------------------------------------------------------------------------------------------------ scan


def _scan_reference(
    *arrays: Array, body: Graph, carries: int, sequences: int, length: int, reverse: bool, recompute: bool
) -> tuple[Array, ...]:
    carry, xs, captures = arrays[:carries], arrays[carries : carries + sequences], arrays[carries + sequences :]
    specs = [Spec((length, *t.shape), t.dtype) for t in body.outputs[carries:]]
    ys: list[Array] = [np.empty(s.shape, dtypes.numpy_dtype(s.dtype)) for s in specs]
    for t in reversed(range(length)) if reverse else range(length):
        results = _interpret(body, [*carry, *(x[t] for x in xs), *captures])
        carry = tuple(results[:carries])
        for y, value in zip(ys, results[carries:], strict=True):
            y[t] = value
    return (*carry, *ys)


def _scan_infer(*specs: Spec, body: Graph, carries: int, length: int, **_: Any) -> tuple[Spec, ...]:
    return (*specs[:carries], *(Spec((length, *t.shape), t.dtype) for t in body.outputs[carries:]))


def _scan_gradient(
    g: Any,
    out: Any,
    *inputs: Tensor,
    body: Graph,
    carries: int,
    sequences: int,
    length: int,
    reverse: bool,
    recompute: bool,
) -> list[Tensor | None]:
    """A scan in the other direction. What it reads of the forward steps is stacked: the forward node gets it as further
    outputs. With `recompute` that is the carries alone, and a step back starts with the step forward."""
    outs, incoming = _as_tuple(out), _as_tuple(g)
    node = outs[0].node
    assert node is not None
    floats, after = _floats(inputs), carries + sequences
    carried = [k for k in floats if k < carries]
    swept = [k for k in floats if carries <= k < after]
    constants = [k for k in floats if k >= after]
    seeded = [*carried, *(k for k in _floats(outs) if k >= carries and incoming[k] is not None)]

    # One step forward and back, to learn what the way back reads of the way forward.
    joint = Tracer(parent=interpreter.current())
    entering = [joint.placeholder(t.shape, t.dtype) for t in body.inputs]
    seeds = [joint.placeholder(body.outputs[k].shape, outs[k].dtype) for k in seeded]
    with using(joint):
        found, values = _vjp(body, entering, seeded, seeds, floats)
    grads = dict(zip(floats, found, strict=True))
    forward = {ours: theirs for theirs, ours in values.items()}
    step_nodes = joint.nodes if recompute else [n for n in joint.nodes if n.outputs[0] not in forward]
    made = {t for n in step_nodes for t in n.outputs}
    read = dict.fromkeys([*(t for n in step_nodes for t in n.inputs), *(t for t in found if t is not None)])
    residuals = [t for t in read if t in forward.keys() - set(entering[carries:]) - made]
    used = [k for k in range(carries, after) if entering[k] in read]

    def step(carry: Any, items: Any) -> Any:
        state, totals = carry
        local: dict[Tensor, Tensor] = dict(zip(seeds, [*state, *items["seeds"]], strict=True))
        local.update(zip(residuals, items["residuals"], strict=True))
        local.update((entering[k], x) for k, x in zip(used, items["xs"], strict=True))
        local.update(zip(entering[after:], inputs[after:], strict=True))
        local.update((placeholder, outer) for outer, placeholder in joint.captures.items())
        inline(body, local, step_nodes)

        def gradient(k: int) -> Tensor:
            found = grads[k]
            return zeros_like(entering[k]) if found is None else local.get(found, found)

        totals = [add(total, gradient(k)) for total, k in zip(totals, constants, strict=True)]
        return ([gradient(k) for k in carried], totals), [gradient(k) for k in swept]

    arriving = [_or_zeros(incoming[k], outs[k]) for k in seeded]
    stacked = _stack_residuals(node, [forward[t] for t in residuals], carries, length)
    items = {"residuals": stacked, "seeds": arriving[len(carried) :], "xs": [inputs[k] for k in used]}
    init = (arriving[: len(carried)], [zeros_like(inputs[k]) for k in constants])
    (states, totals), sweeps = scan(step, init, items, length, reverse=not reverse, recompute=recompute)
    result = dict(zip([*carried, *constants, *swept], [*states, *totals, *sweeps], strict=True))
    return [result.get(k) for k in range(len(inputs))]


def _stack_residuals(node: Node, tensors: Sequence[Tensor], carries: int, length: int) -> list[Tensor]:
    """Further outputs of a scan node: the values that `tensors` of its body take, stacked."""
    body: Graph = node.attrs["body"]
    stacked = []
    for t in tensors:
        position = next((k for k in range(carries, len(body.outputs)) if body.outputs[k] is t), None)
        if position is None:
            position = len(body.outputs)
            body = Graph(body.inputs, [*body.outputs, t], body.nodes)
            extra = Tensor((length, *t.shape), t.dtype, node=node, index=position, scope=node.outputs[0].scope)
            node.outputs = (*node.outputs, extra)
        stacked.append(node.outputs[position])
    node.attrs = {**node.attrs, "body": body}  # copies of the node share its attributes
    return stacked


scan_op = Op("scan", _scan_reference, _scan_infer, _scan_gradient)


@composed
def scan(
    f: Function,
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    unroll: Any = 1,
    recompute: bool = False,
) -> Any:
    """Carries a state over the first axis of `xs`: `carry, y = f(carry, x)`; returns the last carry and the stacked ys.

    Args:
        f: `(carry, x) -> (carry, y)`; the carry keeps its structure, shapes and dtypes; y may be None.
        init: the first carry.
        xs: nested tensors with equal first dimensions, or None (then `length` is needed).
        length: the number of steps.
        reverse: runs from the last item to the first; ys stay in the order of xs.
        unroll: True writes all steps out in the program; other values only say how fast a loop might be and change
            nothing.
        recompute: in a traced program, the gradient keeps the carries only and computes each step again on its way
            back: less memory for a second forward pass (Chen et al., 2016, arXiv:1604.06174).
    """
    init = tree.map_structure(convert_to_tensor, init, none_is_leaf=False)
    xs = tree.map_structure(convert_to_tensor, xs, none_is_leaf=False)
    items = [x for x in tree.flatten(xs) if x is not None]
    if any(not x.shape for x in items):
        raise ValueError("scan: every tensor in `xs` needs a first axis to run over, got a scalar")
    lengths = {x.shape[0] for x in items} | ({int(length)} if length is not None else set())
    if len(lengths) != 1:
        raise ValueError(f"scan: `xs` and `length` must agree on the number of steps, got {sorted(lengths) or 'none'}")
    steps: int = lengths.pop()
    if _traced() and unroll is not True:
        return _scan_traced(f, init, xs, steps, reverse, recompute)
    carry, ys = init, [None] * steps
    for t in reversed(range(steps)) if reverse else range(steps):
        step_items = tree.map_structure(lambda x, t=t: None if x is None else x[t], xs)
        carry, ys[t] = f(carry, step_items)
        carry = tree.map_structure(convert_to_tensor, carry, none_is_leaf=False)
    if steps == 0:
        return init, None
    return carry, tree.map_structure(lambda *parts: None if parts[0] is None else stack(parts), ys[0], *ys[1:])


def _scan_traced(f: Function, init: Any, xs: Any, length: int, reverse: bool, recompute: bool) -> Any:
    flat_init = tree.flatten(init)
    flat_xs = [x for x in tree.flatten(xs) if x is not None]
    structure: list[Any] = []

    def on_flat(*values: Tensor) -> list[Any]:
        carry = tree.pack_sequence_as(init, list(values[: len(flat_init)]))
        items = iter(values[len(flat_init) :])
        x = tree.map_structure(lambda leaf: None if leaf is None else next(items), xs)
        carry, y = f(carry, x)
        structure.append(y)
        return [*tree.flatten(carry), *(leaf for leaf in tree.flatten(y) if leaf is not None)]

    count = len(flat_init)
    body = _Body(on_flat, [*flat_init, *(Tensor(x.shape[1:], x.dtype) for x in flat_xs)])
    graph, written = body.graph, body.written
    _check_same("scan: " + _CARRIES, flat_init, graph.outputs[:count])
    entering = [interpreter.current().read(v) for v in written]
    captures = body.close(written)
    # arguments are (init, xs), then the variables' values: put those with the carries
    ins, outs, extra, after = graph.inputs, graph.outputs, len(written), count + len(flat_xs)
    graph.inputs = [*ins[:count], *ins[after : after + extra], *ins[count:after], *ins[after + extra :]]
    graph.outputs = [*outs[:count], *outs[len(outs) - extra :], *outs[count : len(outs) - extra]]
    sizes = {"carries": count + extra, "sequences": len(flat_xs), "length": length}
    attrs = {"body": graph, **sizes, "reverse": reverse, "recompute": recompute}
    results = _apply(scan_op, [*flat_init, *entering, *flat_xs, *captures], attrs, written, count)
    stacked = iter(results[count:])
    y = tree.map_structure(lambda leaf: None if leaf is None else next(stacked), structure[0])
    return tree.pack_sequence_as(init, results[:count]), y
