"""A model's program as an ONNX graph."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

from pronghorn.graph import Graph, Node
from pronghorn.op import Elementwise
from pronghorn.tensor import Tensor
from pronghorn_formats.onnx.builder import Builder, dimensions, package, value_info
from pronghorn_formats.onnx.expressions import NAMED, expression
from pronghorn_formats.onnx.primitives import PRIMITIVES
from pronghorn_formats.onnx.sizes import Traced, traced

Names = dict[Tensor, str]


def exported(model: Any) -> Any:
    """The GraphProto of what a model computes for inference.

    Raises:
        NotImplementedError: a layer computes what cannot be expressed; it is named.
    """
    if not hasattr(model, "input_names") and not getattr(model, "inputs", None):
        raise NotImplementedError(
            f"model {model.name!r} is no graph of known inputs; only Sequential models with an Input, and functional "
            f"ones, are exported"
        )
    program, symbols = traced(model)
    graph, b, values = program.graph, Builder(), {}
    if graph.writes:
        changed = sorted(v.path for v in graph.writes)
        raise NotImplementedError(f"the model changes {changed} when it is called, which ONNX models cannot do")
    inputs = []
    for t, origin in zip(graph.inputs, model.inputs, strict=True):
        values[t] = name = origin.node.op.name
        inputs.append(value_info(name, t.dtype, dimensions(program.shapes[t])))
        for axis in [axis for axis, n in enumerate(origin.shape) if n is None and symbols[axis] not in b.symbols]:
            ends = (b.integers([axis]), b.integers([axis + 1]))
            b.symbols[symbols[axis]] = b.add("Slice", b.add("Shape", name), *ends)
    for variable, t in graph.reads.items():
        values[t] = b.constant(variable.numpy(), name=variable.path)
    _emit(b, program, values)
    outputs = []
    names = _output_names(model, len(graph.outputs), set(values.values()))
    for t, name in zip(graph.outputs, names, strict=True):
        b.nodes.append(package().helper.make_node("Identity", [_value(b, program, values, t)], [name]))
        shape = dimensions(program.shapes[t]) if t in program.shapes else list(t.shape)
        outputs.append(value_info(name, t.dtype, shape))
    return package().helper.make_graph(b.nodes, model.name, inputs, outputs, list(b.constants.values()))


def _output_names(model: Any, count: int, taken: set[str]) -> list[str]:
    found: list[str] = []
    names = getattr(model, "output_names", None) or [f"output_{i}" for i in range(count)]
    for name in names:
        number, unique = 0, name
        while unique in taken:
            number += 1
            unique = f"{name}_{number}"
        taken.add(unique)
        found.append(unique)
    return found


def _emit(b: Builder, program: Traced, values: Names) -> None:
    """Adds the nodes of a graph; `values` gets the names of what they make."""
    for node in program.graph.nodes:
        b.prefix = f"{node.layer}/{node.op.name}" if node.layer else node.op.name
        inputs = [_value(b, program, values, t) for t in node.inputs]
        try:
            made = _node(b, program, node, inputs, values)
        except NotImplementedError as error:
            where = f"layer {node.layer!r}" if node.layer else "the model"
            raise NotImplementedError(f"{where} cannot be exported to ONNX: {error}") from None
        values.update(zip(node.outputs, made, strict=False))
    b.prefix = ""


def _value(b: Builder, program: Traced, values: Names, t: Tensor) -> str:
    """The name of a tensor; one that is known is a constant, of which one is kept where it repeats along a size."""
    if t in values:
        return values[t]
    array = t.numpy()
    shape = program.shapes.get(t) or array.shape
    unknown = tuple(axis for axis, n in enumerate(shape) if not isinstance(n, int))
    if not unknown:
        values[t] = b.constant(array)
        return values[t]
    first = array[tuple(slice(0, 1) if axis in unknown else slice(None) for axis in range(array.ndim))]
    if not np.array_equal(np.broadcast_to(first, array.shape), array, equal_nan=array.dtype.kind == "f"):
        raise NotImplementedError(
            "the model has a constant that depends on a size that is unknown; give Input all sizes"
        )
    return b.add("Expand", b.constant(first), b.sizes(shape))  # type: ignore[no-any-return]


def _node(b: Builder, program: Traced, node: Node, inputs: list[str], values: Names) -> list[str]:
    attrs, name = program.attrs[node], node.op.name
    if name == "cast":
        return [b.cast(inputs[0], attrs["dtype"])]
    if isinstance(node.op, Elementwise):
        if name in NAMED and node.inputs[0].dtype.startswith("float"):
            return [b.add(NAMED[name], *inputs)]
        named = dict(zip(node.op.parameters, inputs, strict=True))
        return [expression(b, node.op.expression, named, node.inputs[-1].dtype)]
    if name == "scan":
        return _scan(b, inputs, **attrs)
    if name == "recurrence":
        return _recurrence(b, node, inputs, **attrs)
    if name not in PRIMITIVES:
        raise NotImplementedError(f"there is no form for {name!r} there")
    emit = PRIMITIVES[name]
    if "dtype" in inspect.signature(emit).parameters:
        attrs = {**attrs, "dtype": node.inputs[0].dtype}
    shapes = [program.shapes.get(t, t.shape) for t in node.inputs]
    made = emit(b, inputs, shapes, **attrs)
    return [made] if isinstance(made, str) else list(made)


# ------------------------------------------------------------------------------------------------ loops


def _scan(
    b: Builder,
    inputs: list[str],
    body: Traced,
    carries: int,
    sequences: int,
    length: Any,
    reverse: bool,
    recompute: bool,
) -> list[str]:
    """A loop over steps: carried values, then sequences, then what the body reads of the graph around it. How its
    gradient would be computed, which `recompute` says, makes no difference."""
    inner, values = Builder(b), dict[Tensor, str]()
    graph: Graph = body.graph
    heads = []
    for i, t in enumerate(graph.inputs):
        own = i < carries + sequences
        values[t] = inner.name("step") if own else inputs[i]
        if own:
            heads.append(value_info(values[t], t.dtype, dimensions(body.shapes[t])))
    _emit(inner, body, values)
    results = [(_value(inner, body, values, t), t.dtype, len(t.shape)) for t in graph.outputs]
    return _looped(b, inner, heads, results, inputs[: carries + sequences], sequences, reverse)


def _looped(
    b: Builder,
    inner: Builder,
    heads: list[Any],
    results: list[tuple[str, str, int]],
    inputs: list[str],
    sequences: int,
    reverse: bool,
) -> list[str]:
    tails = []
    for value, dtype, rank in results:
        name = inner.add("Identity", value)  # an output must be made in the body, and be no other's
        tails.append(value_info(name, dtype, [None] * rank))
    graph = package().helper.make_graph(inner.nodes, b.name("body"), heads, tails)
    stacked = len(tails) - (len(heads) - sequences)
    made = b.add(
        "Scan",
        *inputs,
        outputs=len(tails),
        body=graph,
        num_scan_inputs=sequences,
        scan_input_directions=[int(reverse)] * sequences,
        **({"scan_output_directions": [int(reverse)] * stacked} if stacked else {}),
    )
    return [made] if len(tails) == 1 else made


def _recurrence(b: Builder, node: Node, inputs: list[str], cell: Any, masked: bool, noisy: bool = False) -> list[str]:
    """A recurrent layer's whole sequence: the cell's own program, looped over the steps."""
    if noisy:
        raise NotImplementedError("there is no form for recurrent dropout there; export the model for inference")
    dtype = node.inputs[0].dtype
    projected, kernel, *rest = inputs
    bias = rest.pop(0) if cell.bias else None
    before, mask = rest[: len(cell.states)], rest[len(cell.states) :]
    inner, heads = Builder(b), []

    def argument(name: str, kind: str, rank: int) -> str:
        unique = inner.name(name)
        heads.append(value_info(unique, kind, [None] * rank))
        return unique

    def columns(x: str, letter: str, axis: int) -> Mapping[str, str]:
        parts = inner.add("Split", x, outputs=cell.gates, axis=axis, num_outputs=cell.gates) if cell.gates > 1 else [x]
        return {f"{letter}{k}": part for k, part in enumerate(parts)}

    values = {f"{state}_": argument(state, dtype, 2) for state in cell.states}
    values |= columns(argument("x", dtype, 2), "p", 1)
    valid = argument("valid", "bool", 1) if masked else None
    values |= columns(inner.add("MatMul", values["h_"], kernel), "r", 1)
    if bias is not None:
        values |= columns(bias, "b", 0)
    for line in cell.forward.strip().splitlines():
        name, _, text = line.partition(" = ")
        values[name] = expression(inner, text, values, dtype)
    after = [values[state] for state in cell.states]
    if valid is not None:
        rows = inner.add("Unsqueeze", valid, b.integers([1]))
        after = [inner.add("Where", rows, values[s], values[f"{s}_"]) for s in cell.states]
    results = [(name, dtype, 2) for name in (*after, *after)]
    made = _looped(b, inner, heads, results, [*before, projected, *mask], 1 + masked, False)
    return made[len(cell.states) :]
