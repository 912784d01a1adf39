"""Control flow: cond, while_loop and scan, as Python on concrete values and as ops with body Graphs in a trace.

A body's captures, and the variables it reads, are explicit inputs of the node; variables that it assigns are carried
values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pronghorn import dtypes, interpreter, tree
from pronghorn.graph import Graph, Node, Spec
from pronghorn.interpreter import LAYER, Tape, Tracer, using
from pronghorn.op import Op, composed
from pronghorn.tensor import Tensor, Variable, convert_to_tensor

__all__ = ["cond", "scan", "while_loop"]

Array = np.ndarray[Any, Any]


# ------------------------------------------------------------------------------------------------ bodies


def _zeros(shape: Sequence[int], dtype: str) -> Tensor:
    from pronghorn import ops

    return ops.zeros(shape, dtype=dtype)


def _zeros_like(t: Tensor) -> Tensor:
    return _zeros(t.shape, t.dtype)  # type: ignore[arg-type]


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

    def __init__(self, function: Callable[..., Any], arguments: Sequence[Any]) -> None:
        self.tracer = Tracer(parent=interpreter.current())
        self.arguments = [self.tracer.argument(t.shape, t.dtype) for t in arguments]
        with using(self.tracer):
            self.structure = function(*self.arguments)
            outputs = [convert_to_tensor(t) for t in tree.flatten(self.structure)]
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


def _specs(tensors: Sequence[Tensor]) -> tuple[Spec, ...]:
    return tuple(Spec(t.shape, t.dtype) for t in tensors)


def _traced() -> bool:
    return interpreter.current().tracer is not None


def _check_carry(name: str, before: Sequence[Tensor], after: Sequence[Tensor]) -> None:
    for k, (a, b) in enumerate(zip(before, after, strict=True)):
        if a.shape != b.shape or a.dtype != b.dtype:
            raise ValueError(
                f"{name}: carried value {k} enters the body as {a.dtype}{list(a.shape)} and leaves it as "
                f"{b.dtype}{list(b.shape)}; both must be the same: cast or reshape it in the body, or start from a "
                f"value of the final shape and dtype"
            )


# ------------------------------------------------------------------------------------------------ cond


def _cond_reference(pred: Array, *operands: Array, true: Graph, false: Graph) -> tuple[Array, ...]:
    return tuple(_interpret(true if bool(pred) else false, operands))


def _cond_gradient(g: Any, out: Any, pred: Tensor, *operands: Tensor, true: Graph, false: Graph) -> list[Tensor | None]:
    from pronghorn.autodiff import backward

    outs = out if isinstance(out, tuple) else (out,)
    incoming = g if isinstance(g, tuple) else (g,)
    seeds = [
        _zeros_like(o) if s is None else s for o, s in zip(outs, incoming, strict=True) if dtypes.is_float(o.dtype)
    ]
    wanted = [k for k, t in enumerate(operands) if dtypes.is_float(t.dtype)]

    def branch(graph: Graph) -> Callable[..., list[Tensor]]:
        def gradient(*arguments: Tensor) -> list[Tensor]:
            values = dict(zip(graph.inputs, arguments[: len(operands)], strict=True))
            with using(Tape(interpreter.current())) as tape:
                assert isinstance(tape, Tape)
                for k in wanted:
                    tape.watch(arguments[k])
                inline(graph, values)
            results = [values.get(t, t) for t, o in zip(graph.outputs, outs, strict=True) if dtypes.is_float(o.dtype)]
            found = backward(tape.nodes, results, arguments[len(operands) :], [arguments[k] for k in wanted])
            return [_zeros_like(arguments[k]) if f is None else f for k, f in zip(wanted, found, strict=True)]

        return gradient

    grads = _cond_traced(pred, branch(true), branch(false), [*operands, *seeds])
    result: list[Tensor | None] = [None] * (1 + len(operands))
    for k, grad in zip(wanted, grads, strict=True):
        result[1 + k] = grad
    return result


cond_op = Op("cond", _cond_reference, lambda pred, *operands, true, false: _specs(true.outputs), _cond_gradient)


def _cond_traced(
    pred: Tensor, true_fn: Callable[..., Any], false_fn: Callable[..., Any], operands: Sequence[Tensor] = ()
) -> Any:
    bodies = [_Body(true_fn, operands), _Body(false_fn, operands)]
    tree.assert_same_structure(bodies[0].structure, bodies[1].structure)
    _check_branches(bodies[0].graph.outputs, bodies[1].graph.outputs)
    written = list(dict.fromkeys([*bodies[0].written, *bodies[1].written]))
    current = interpreter.current()
    entering = [current.read(v) for v in written]
    outer = [body.close(written) for body in bodies]
    fixed = len(operands) + len(written)
    for position, body in enumerate(bodies):  # both branches take the captures of both
        own = body.graph.inputs[fixed:]
        other = [body.tracer.placeholder(t.shape, t.dtype) for t in outer[1 - position]]
        body.graph.inputs[fixed:] = [*own, *other] if position == 0 else [*other, *own]
    inputs = [pred, *operands, *entering, *outer[0], *outer[1]]
    results = current.apply(cond_op, inputs, {"true": bodies[0].graph, "false": bodies[1].graph})
    for variable, value in zip(written, results[len(results) - len(written) :], strict=True):
        current.assign(variable, value)
    flat = list(results[: len(results) - len(written)])
    structure = bodies[0].structure
    return tree.pack_sequence_as(structure, flat) if tree.is_nested(structure) else flat[0]


def _check_branches(a: Sequence[Tensor], b: Sequence[Tensor]) -> None:
    for k, (x, y) in enumerate(zip(a, b, strict=True)):
        if x.shape != y.shape or x.dtype != y.dtype:
            raise ValueError(
                f"cond: output {k} is {x.dtype}{list(x.shape)} in the true branch and {y.dtype}{list(y.shape)} in the "
                f"false branch; both must be the same"
            )


@composed
def cond(pred: Any, true_fn: Callable[[], Any], false_fn: Callable[[], Any]) -> Any:
    """The result of `true_fn()` where the scalar `pred` holds, else of `false_fn()`; only that branch is computed.

    Both must return the same structure, shapes and dtypes; variables assigned in one keep their value in the other.
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


def _while_infer(
    *specs: Spec, condition: Graph, body: Graph, carries: int, captured: int, limit: int | None
) -> tuple[Spec, ...]:
    return specs[:carries]


def _while_gradient(*_: Any, **__: Any) -> Any:
    raise NotImplementedError(
        "while_loop has a gradient only with `maximum_iterations`, which bounds the memory; give it, or use scan"
    )


while_op = Op("while_loop", _while_reference, _while_infer, _while_gradient)


@composed
def while_loop(
    cond: Callable[..., Any], body: Callable[..., Any], loop_vars: Any, maximum_iterations: int | None = None
) -> Any:
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


def _while_as_scan(condition: Callable[..., Any], body: Callable[..., Any], loop_vars: Any, limit: int) -> Any:
    def step(carry: Any, _: Any) -> Any:
        return cond(condition(*carry), lambda: body(*carry), lambda: carry), None

    return scan(step, loop_vars, None, length=limit)[0]


def _while_traced(condition: Callable[..., Any], body: Callable[..., Any], loop_vars: Any, limit: int | None) -> Any:
    current = interpreter.current()
    flat = tree.flatten(loop_vars)

    def on_flat(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *values: function(*tree.pack_sequence_as(loop_vars, list(values)))

    turn = _Body(on_flat(body), flat)
    _check_carry("while_loop", flat, turn.graph.outputs)
    written = turn.written
    entering = [current.read(v) for v in written]
    test = _Body(on_flat(condition), flat)
    if test.written:
        raise ValueError(
            f"while_loop: `cond` must not assign variables, it assigns {test.written[0].path!r}; do it in `body`"
        )
    for_body = turn.close(written)
    # the condition sees the loop's versions of the variables that the body assigns
    seen = {
        v: test.tracer.reads.pop(v) if v in test.tracer.reads else test.tracer.placeholder(v.shape, v.dtype)
        for v in written
    }
    for_condition = test.close([])
    test.graph.inputs[len(flat) : len(flat)] = seen.values()
    results = current.apply(
        while_op,
        [*flat, *entering, *for_condition, *for_body],
        {
            "condition": test.graph,
            "body": turn.graph,
            "carries": len(flat) + len(written),
            "captured": len(for_condition),
            "limit": limit,
        },
    )
    for variable, value in zip(written, results[len(flat) :], strict=True):
        current.assign(variable, value)
    return tree.pack_sequence_as(loop_vars, list(results[: len(flat)]))


# ------------------------------------------------------------------------------------------------ scan


def _scan_reference(
    *arrays: Array, body: Graph, carries: int, sequences: int, length: int, reverse: bool
) -> tuple[Array, ...]:
    carry, xs, captures = arrays[:carries], arrays[carries : carries + sequences], arrays[carries + sequences :]
    specs = _scan_infer(body=body, carries=0, sequences=0, length=length, reverse=reverse)[carries:]
    ys: list[Array] = [np.empty(s.shape, dtypes.numpy_dtype(s.dtype)) for s in specs]
    for t in reversed(range(length)) if reverse else range(length):
        results = _interpret(body, [*carry, *(x[t] for x in xs), *captures])
        carry = tuple(results[:carries])
        for y, value in zip(ys, results[carries:], strict=True):
            y[t] = value
    return (*carry, *ys)


def _scan_infer(
    *specs: Spec, body: Graph, carries: int, sequences: int, length: int, reverse: bool
) -> tuple[Spec, ...]:
    return (*specs[:carries], *(Spec((length, *t.shape), t.dtype) for t in body.outputs[carries:]))


def _scan_gradient(
    g: Any, out: Any, *inputs: Tensor, body: Graph, carries: int, sequences: int, length: int, reverse: bool
) -> list[Tensor | None]:
    """A scan in the other direction. What it reads of the forward steps is stacked: the forward node gets it as further
    outputs."""
    from pronghorn import ops
    from pronghorn.autodiff import backward

    outs = out if isinstance(out, tuple) else (out,)
    incoming = g if isinstance(g, tuple) else (g,)
    node = outs[0].node
    assert node is not None
    floats = [k for k, t in enumerate(inputs) if dtypes.is_float(t.dtype)]
    carried = [k for k in floats if k < carries]
    constants = [k for k in floats if k >= carries + sequences]
    seeded = [k for k, t in enumerate(outs) if dtypes.is_float(t.dtype) and (k < carries or incoming[k] is not None)]

    # One step forward and back, to learn what the way back reads of the way forward.
    joint = Tracer(parent=interpreter.current())
    entering = [joint.placeholder(t.shape, t.dtype) for t in body.inputs]
    values: dict[Tensor, Tensor] = dict(zip(body.inputs, entering, strict=True))
    seeds = [joint.placeholder(body.outputs[k].shape, outs[k].dtype) for k in seeded]
    with using(joint):
        with using(Tape(joint)) as tape:
            assert isinstance(tape, Tape)
            for k in floats:
                tape.watch(entering[k])
            inline(body, values)
        forward_nodes = set(joint.nodes)
        results = [values.get(body.outputs[k], body.outputs[k]) for k in seeded]
        found = backward(tape.nodes, results, seeds, [entering[k] for k in floats])
    grads = dict(zip(floats, found, strict=True))
    backward_nodes = [n for n in joint.nodes if n not in forward_nodes]
    produced = {t for n in forward_nodes for t in n.outputs} | set(entering[:carries])
    read = dict.fromkeys(t for n in backward_nodes for t in n.inputs)
    read.update(dict.fromkeys(t for t in found if t is not None))
    residuals = [t for t in read if t in produced]
    original = {ours: theirs for theirs, ours in values.items()}
    stacked = _stack_residuals(node, [original[t] for t in residuals], carries, length)

    arriving = {k: _zeros_like(outs[k]) if incoming[k] is None else incoming[k] for k in seeded}
    state_seeds = [k for k in seeded if k < carries]
    sequence_seeds = [k for k in seeded if k >= carries]
    used_sequences = [k for k in range(carries, carries + sequences) if entering[k] in read]

    def step(carry: Any, items: Any) -> Any:
        state, totals = carry
        local: dict[Tensor, Tensor] = dict(zip(residuals, items["residuals"], strict=True))
        by_seed = {
            **dict(zip(state_seeds, state, strict=True)),
            **dict(zip(sequence_seeds, items["seeds"], strict=True)),
        }
        local.update((placeholder, by_seed[k]) for k, placeholder in zip(seeded, seeds, strict=True))
        local.update((entering[k], x) for k, x in zip(used_sequences, items["xs"], strict=True))
        local.update((entering[k], inputs[k]) for k in range(carries + sequences, len(inputs)))
        local.update((placeholder, outer) for outer, placeholder in joint.captures.items())
        inline(body, local, backward_nodes)

        def gradient(k: int) -> Tensor:
            found = grads[k]
            return _zeros_like(entering[k]) if found is None else local.get(found, found)

        state = [gradient(k) for k in carried]
        totals = [ops.add(total, gradient(k)) for total, k in zip(totals, constants, strict=True)]
        return (state, totals), [gradient(k) for k in floats if carries <= k < carries + sequences]

    init = ([arriving[k] for k in state_seeds], [_zeros_like(inputs[k]) for k in constants])
    items = {
        "residuals": stacked,
        "seeds": [arriving[k] for k in sequence_seeds],
        "xs": [inputs[k] for k in used_sequences],
    }
    (states, totals), sequence_grads = scan(step, init, items, length=length, reverse=not reverse)
    result: list[Tensor | None] = [None] * len(inputs)
    for k, value in zip([*carried, *constants], [*states, *totals], strict=True):
        result[k] = value
    for k, value in zip([k for k in floats if carries <= k < carries + sequences], sequence_grads, strict=True):
        result[k] = value
    return result


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
    node.attrs["body"] = body
    return stacked


scan_op = Op("scan", _scan_reference, _scan_infer, _scan_gradient)


@composed
def scan(
    f: Callable[..., Any],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    unroll: int | bool = 1,
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
    """
    from pronghorn import ops

    init = tree.map_structure(convert_to_tensor, init, none_is_leaf=False)
    xs = tree.map_structure(convert_to_tensor, xs, none_is_leaf=False)
    items = [x for x in tree.flatten(xs) if x is not None]
    for x in items:
        if not x.shape:
            raise ValueError("scan: every tensor in `xs` needs a first axis to run over, got a scalar")
    lengths = {x.shape[0] for x in items} | ({int(length)} if length is not None else set())
    if len(lengths) != 1:
        raise ValueError(f"scan: `xs` and `length` must agree on the number of steps, got {sorted(lengths) or 'none'}")
    steps: int = lengths.pop()
    if _traced() and unroll is not True:
        return _scan_traced(f, init, xs, steps, reverse)
    carry, ys = init, [None] * steps
    for t in reversed(range(steps)) if reverse else range(steps):
        step_items = tree.map_structure(lambda x, t=t: None if x is None else x[t], xs)
        carry, ys[t] = f(carry, step_items)
        carry = tree.map_structure(convert_to_tensor, carry, none_is_leaf=False)
    if steps == 0:
        return init, None
    stack = tree.map_structure(lambda *parts: None if parts[0] is None else ops.stack(parts), ys[0], *ys[1:])
    return carry, stack


def _scan_traced(f: Callable[..., Any], init: Any, xs: Any, length: int, reverse: bool) -> Any:
    current = interpreter.current()
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

    arguments = [*flat_init, *(Tensor(x.shape[1:], x.dtype) for x in flat_xs)]
    body = _Body(on_flat, arguments)
    count = len(flat_init)
    _check_carry("scan", flat_init, body.graph.outputs[:count])
    written = body.written
    entering = [current.read(v) for v in written]
    captures = body.close(written)
    # arguments are (init, xs), then the variables' values: put those with the carries
    graph = body.graph
    total, sequences = count + len(written), len(flat_xs)
    ins, outs = graph.inputs, graph.outputs
    after = count + sequences
    graph.inputs = [*ins[:count], *ins[after : after + len(written)], *ins[count:after], *ins[after + len(written) :]]
    ys = len(outs) - count - len(written)
    graph.outputs = [*outs[:count], *outs[count + ys :], *outs[count : count + ys]]
    attrs = {"body": graph, "carries": total, "sequences": sequences, "length": length, "reverse": reverse}
    results = current.apply(scan_op, [*flat_init, *entering, *flat_xs, *captures], attrs)
    for variable, value in zip(written, results[count:total], strict=True):
        current.assign(variable, value)
    stacked = iter(results[total:])
    y = tree.map_structure(lambda leaf: None if leaf is None else next(stacked), structure[0])
    return tree.pack_sequence_as(init, list(results[:count])), y
