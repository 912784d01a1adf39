"""From a node of a fused graph to launches: one function per op, found by the op's name.

A lowering numbers operands as the node does: its inputs, then its outputs. Ops without one, and nodes whose dtypes
kernels do not cover, run on the host.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from pronghorn.graph import Node
from pronghorn.passes.access import elements
from pronghorn.tensor import Tensor
from pronghorn_gpu import normalization
from pronghorn_gpu.convolution import plan_convolution, plan_input_gradient, plan_kernel_gradient
from pronghorn_gpu.elementwise import plan_map
from pronghorn_gpu.emit import supports
from pronghorn_gpu.launch import DTYPES, Work, renumber
from pronghorn_gpu.linear import Operand, plan_epilogue, plan_matmul
from pronghorn_gpu.nn import PROGRAMS
from pronghorn_gpu.random import DRAWS, plan_random
from pronghorn_gpu.recurrent import plan_recurrence, plan_recurrence_gradient
from pronghorn_gpu.reduction import KINDS, plan_moments, plan_reduce
from pronghorn_gpu.rows import RowProgram, plan_rows
from pronghorn_gpu.shape import (
    plan_concatenate,
    plan_dynamic_slice,
    plan_dynamic_update_slice,
    plan_gather,
    plan_pad,
    plan_scatter_rows,
    plan_slice,
    plan_transpose,
)
from pronghorn_gpu.sorting import plan_argsort, plan_cumsum, plan_searchsorted
from pronghorn_gpu.spaces import dense
from pronghorn_gpu.windows import plan_pool

Lowering = Callable[[Node], "tuple[Work, ...] | None"]
"""Work for a node, or None where the kernels do not cover its dtypes or attributes."""


def _sizes(t: Tensor) -> tuple[int, ...]:
    return t.shape  # type: ignore[return-value]


def _members(node: Node) -> list[tuple[dict[str, Any], Sequence[Tensor], Sequence[Tensor]]]:
    """Attributes, inputs and outputs of each member of a table; of the node itself, if it is none."""
    if node.op.name != "table":
        return [(node.attrs, node.inputs, node.outputs)]
    members, arity = node.attrs["members"], node.attrs["arity"]
    count = len(node.outputs) // len(members)
    return [
        (attrs, node.inputs[k * arity : (k + 1) * arity], node.outputs[k * count : (k + 1) * count])
        for k, attrs in enumerate(members)
    ]


def _operands(node: Node) -> list[int]:
    """The operands of a table's node, member by member: inputs, then outputs."""
    found, total, made = [], len(node.inputs), 0
    first = 0
    for _, inputs, outputs in _members(node):
        found += [*range(first, first + len(inputs)), *range(total + made, total + made + len(outputs))]
        first, made = first + len(inputs), made + len(outputs)
    return found


def _fused(node: Node) -> tuple[Work, ...] | None:
    members = _members(node)
    body = members[0][0]["body"]
    if not supports(body):
        return None
    spaces = [dense(attrs["shape"], [_sizes(t) for t in inputs], len(outs)) for attrs, inputs, outs in members]
    return renumber(plan_map(body, spaces), _operands(node))


def _fused_reduce(node: Node) -> tuple[Work, ...] | None:
    work: list[Work] = []
    order = _operands(node)
    for attrs, inputs, outputs in _members(node):
        if not supports(attrs["body"]) or outputs[0].dtype not in DTYPES:
            return None
        kind = KINDS[attrs["kind"].name]
        own = plan_reduce(
            attrs["body"], kind, outputs[0].dtype, attrs["shape"], [_sizes(t) for t in inputs], attrs["axis"]
        )
        work += renumber(own, order[: len(inputs) + 1])
        order = order[len(inputs) + 1 :]
    return tuple(work)


def _random(node: Node) -> tuple[Work, ...] | None:
    work: list[Work] = []
    name = node.attrs["op"].name if node.op.name == "table" else node.op.name
    order = _operands(node)
    for k, (attrs, _, outputs) in enumerate(_members(node)):
        out = outputs[0]
        if out.dtype not in DRAWS[name]:
            return None
        work += renumber(plan_random(name, out.dtype, elements(out.shape), attrs["call"]), order[2 * k : 2 * k + 2])
    return tuple(work)


def _table(node: Node) -> tuple[Work, ...] | None:
    rules = {"fused": _fused, "fused_reduce": _fused_reduce, **dict.fromkeys(DRAWS, _random)}
    return rules[node.attrs["op"].name](node)


def _matmul(node: Node) -> tuple[Work, ...] | None:
    a, b = node.inputs[:2]
    body = node.attrs.get("body")
    if a.dtype not in DTYPES or a.dtype == "bool" or (body is not None and not supports(body)):
        return None
    left = Operand.matrix(_sizes(a), node.attrs["transpose_a"])
    right = Operand.matrix(_sizes(b), node.attrs["transpose_b"])
    if body is None:
        return plan_matmul(a.dtype, left, right)
    return plan_epilogue(node, plan_matmul(a.dtype, left, right))


def _convolution(node: Node) -> tuple[Work, ...] | None:
    x, kernel = node.inputs[:2]
    body, windows, groups = node.attrs.get("body"), node.attrs["windows"], node.attrs["groups"]
    if x.dtype not in DTYPES or x.dtype == "bool" or (body is not None and not supports(body)):
        return None
    work = plan_convolution(x.dtype, _sizes(x), _sizes(kernel), windows, groups)
    return work if body is None else plan_epilogue(node, work)


def _convolution_input_gradient(node: Node) -> tuple[Work, ...] | None:
    dy, kernel = node.inputs
    if dy.dtype not in DTYPES:
        return None
    return plan_input_gradient(dy.dtype, _sizes(dy), _sizes(kernel), **node.attrs)


def _convolution_kernel_gradient(node: Node) -> tuple[Work, ...] | None:
    x, dy = node.inputs
    return plan_kernel_gradient(x.dtype, _sizes(x), _sizes(dy), **node.attrs) if dy.dtype in DTYPES else None


def _pool(node: Node) -> tuple[Work, ...] | None:
    image = node.outputs[0] if "sizes" in node.attrs else node.inputs[0]
    if any(t.dtype not in DTYPES or t.dtype == "bool" for t in (*node.inputs, *node.outputs)):
        return None
    return plan_pool(node.op.name, node.outputs[0].dtype, _sizes(image), node.attrs["windows"])


def _rows(program: RowProgram) -> Lowering:
    """Of an op whose operands are the program's, in order."""

    def lowering(node: Node) -> tuple[Work, ...] | None:
        operands = (*node.inputs, *node.outputs)
        if node.outputs[0].dtype not in ("float16", "bfloat16", "float32", "float64"):
            return None
        if any(t.dtype not in DTYPES for t in operands):
            return None
        return plan_rows(program, [(t.dtype, _sizes(t)) for t in operands], node.attrs.get("epsilon"))

    return lowering


def _normalized_gradient(node: Node) -> tuple[Work, ...] | None:
    x = node.inputs[1]
    if x.dtype not in ("float32", "float64"):
        return None
    return normalization.plan_gradient(x.dtype, _sizes(x), **node.attrs)


def _moved(plan: Callable[..., tuple[Work, ...] | None]) -> Lowering:
    """Of an op that moves elements of one dtype; `plan` takes the dtype, the inputs' shapes and the attributes."""

    def lowering(node: Node) -> tuple[Work, ...] | None:
        if node.outputs[0].dtype not in DTYPES:
            return None
        return plan(node.outputs[0].dtype, *map(_sizes, node.inputs), **node.attrs)

    return lowering


def _indexed(plan: Callable[..., tuple[Work, ...] | None]) -> Lowering:
    """Like `_moved`, where the last input holds integers, whose dtype comes second."""

    def lowering(node: Node) -> tuple[Work, ...] | None:
        index = node.inputs[-1].dtype
        if node.outputs[0].dtype not in DTYPES or index not in ("int32", "int64"):
            return None
        return plan(node.outputs[0].dtype, index, *map(_sizes, node.inputs), **node.attrs)

    return lowering


def _ordered(plan: Callable[..., tuple[Work, ...] | None]) -> Lowering:
    """Of an op that compares or sums along an axis; `plan` takes the dtype of the first input first."""

    def lowering(node: Node) -> tuple[Work, ...] | None:
        if any(t.dtype not in DTYPES for t in node.inputs):
            return None
        return plan(node.inputs[0].dtype, *map(_sizes, node.inputs), **node.attrs)

    return lowering


LOWERINGS: dict[str, Lowering] = {
    "fused": _fused,
    "fused_reduce": _fused_reduce,
    "table": _table,
    "matmul": _matmul,
    "fused_matmul": _matmul,
    "convolution": _convolution,
    "fused_convolution": _convolution,
    "convolution_input_gradient": _convolution_input_gradient,
    "convolution_kernel_gradient": _convolution_kernel_gradient,
    **dict.fromkeys(("max_pool", "max_pool_gradient", "max_pool_pick", "sum_pool", "sum_pool_gradient"), _pool),
    **{op: _rows(program) for op, program in PROGRAMS.items()},
    "normalized_rows": _rows(normalization.PROGRAMS["normalized_rows"]),
    "normalized_rows_gradient": _normalized_gradient,
    **dict.fromkeys(DRAWS, _random),
    "transpose": _moved(plan_transpose),
    "slice": _moved(plan_slice),
    "concatenate": _moved(plan_concatenate),
    "pad": _moved(plan_pad),
    "gather": _indexed(plan_gather),
    "scatter_rows": _indexed(plan_scatter_rows),
    "dynamic_slice": _indexed(plan_dynamic_slice),
    "dynamic_update_slice": _indexed(plan_dynamic_update_slice),
    "argsort": _ordered(plan_argsort),
    "cumsum": _ordered(plan_cumsum),
    "searchsorted": _ordered(plan_searchsorted),
    "moments": _ordered(plan_moments),
    "recurrence": plan_recurrence,
    "recurrence_gradient": plan_recurrence_gradient,
}


@cache
def _plugin_lowerings() -> dict[str, Lowering]:
    from pronghorn import plugins

    names = [name for name in plugins.references("kernels") if name.startswith("gpu/")]
    return {name.removeprefix("gpu/"): plugins.load("kernels", name) for name in names}


def lower(node: Node) -> tuple[Work, ...] | None:
    """The work of a node, or None where it must run on the host."""
    lowering = LOWERINGS.get(node.op.name) or _plugin_lowerings().get(node.op.name)
    return None if lowering is None else lowering(node)
