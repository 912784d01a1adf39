"""From a node of a fused graph to kernel launches: one function per op, found by the op's name.

A lowering numbers operands as the node does: its inputs, then its outputs. Ops without one run on the host.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from typing import Any

import numpy as np

from pronghorn import dtypes
from pronghorn.graph import Node
from pronghorn.op import Op
from pronghorn.passes.access import as_matrix, elements
from pronghorn.tensor import Tensor
from pronghorn_cpu import winograd
from pronghorn_cpu.attention import lower_attention, lower_attention_gradient
from pronghorn_cpu.convolution import plan_convolution, plan_input_gradient, plan_kernel_gradient
from pronghorn_cpu.elementwise import plan_map, plan_map_of_rows
from pronghorn_cpu.elementwise import signature as map_signature
from pronghorn_cpu.emit import supports
from pronghorn_cpu.host import ITEMSIZE
from pronghorn_cpu.launch import Launch, Pointer
from pronghorn_cpu.linear import Epilogue, View, fusable, plan_matmul
from pronghorn_cpu.long_tail import LONG_TAIL
from pronghorn_cpu.long_tail import scatter_rows as scatter_integers
from pronghorn_cpu.moments import lower_moments
from pronghorn_cpu.nn import PROGRAMS
from pronghorn_cpu.normalization import lower_normalization
from pronghorn_cpu.random import DISTRIBUTIONS, Draw, plan_random
from pronghorn_cpu.recurrent import backward as recurrence_backward
from pronghorn_cpu.recurrent import forward as recurrence_forward
from pronghorn_cpu.reduction import ReduceSpace, plan_reduce, turned
from pronghorn_cpu.reduction import signature as reduce_signature
from pronghorn_cpu.rows import RowProgram, plan_rows
from pronghorn_cpu.runner import default_pool
from pronghorn_cpu.scatter import plan_scatter, plan_sum_rows
from pronghorn_cpu.shape import (
    Copy,
    Fill,
    Gather,
    concatenate_copies,
    place_copy,
    plan_copy,
    plan_fill,
    plan_gather,
    slice_copy,
    transpose_copy,
)
from pronghorn_cpu.spaces import Space, broadcast_strides
from pronghorn_cpu.windows import plan_windows

Lowering = Callable[[Node], "tuple[Launch, ...] | None"]
"""Launches for a node, or None where the kernels do not cover its dtypes or attributes."""


def _sizes(t: Tensor) -> tuple[int, ...]:
    return t.shape  # type: ignore[return-value]


def _space(shape: tuple[int, ...], inputs: Sequence[Tensor]) -> Space:
    return Space(shape, tuple(broadcast_strides(_sizes(t), shape) for t in inputs))


def _fused(node: Node) -> tuple[Launch, ...] | None:
    body = node.attrs["body"]
    if "rows" in node.attrs:
        shape, position = node.attrs["shape"], node.attrs["rows"]
        shapes = [shape if k == position else _sizes(t) for k, t in enumerate(node.inputs[:-1])]
        space = Space(shape, tuple(broadcast_strides(s, shape) for s in shapes))
        return (plan_map_of_rows(body, space, position),) if supports(body) else None
    return (plan_map(body, [_space(node.attrs["shape"], node.inputs)]),) if supports(body) else None


def _matmul_views(node: Node) -> tuple[View, View]:
    views = []
    for t, flag in zip(node.inputs[:2], (node.attrs["transpose_a"], node.attrs["transpose_b"]), strict=True):
        view = View.dense(_sizes(t))
        if flag:
            shape, strides = view.shape, view.strides
            view = View((*shape[:-2], shape[-1], shape[-2]), (*strides[:-2], strides[-1], strides[-2]))
        views.append(view)
    return views[0], views[1]


def _matmul(node: Node) -> tuple[Launch, ...] | None:
    dtype = node.outputs[0].dtype
    if dtype not in ("float32", "float64"):
        return None
    a, b = _matmul_views(node)
    return plan_matmul(dtype, a, b)


def _fused_matmul(node: Node) -> tuple[Launch, ...] | None:
    body, dtype = node.attrs["body"], node.inputs[0].dtype
    if dtype not in ("float32", "float64") or not supports(body):
        return None
    a, b = _matmul_views(node)
    shape, (rows, columns) = node.attrs["shape"], (a.shape[-2], b.shape[-1])
    matrices = [as_matrix(_sizes(t), shape, columns) for t in node.inputs[2:]]
    views = tuple(View.dense(matrix) for matrix in matrices if matrix)
    if len(views) < len(matrices) or not all(fusable(view, (rows, columns)) for view in views):
        return None
    return plan_matmul(dtype, a, b, Epilogue(body, views))


def _convolution(node: Node) -> tuple[Launch, ...] | None:
    (x, kernel), dtype = node.inputs[:2], node.inputs[0].dtype
    body, windows, groups = node.attrs.get("body"), node.attrs["windows"], node.attrs["groups"]
    if dtype not in ITEMSIZE:
        return None
    if body is not None and not supports(body):
        return None
    if _each_channel_alone(kernel, groups):
        return _channels_convolved(node)
    minimal = winograd.applies(_sizes(kernel), windows, groups, windows.count(_sizes(x)[1:-1]))
    if body is None and minimal:
        return winograd.plan_convolution(dtype, _sizes(x), _sizes(kernel), windows)
    if body is None:
        return plan_convolution(dtype, _sizes(x), _sizes(kernel), windows, groups)
    *positions, channels = node.attrs["shape"]
    shapes = [(elements(t.shape[:-1]), _sizes(t)[-1] if t.shape else 1) for t in node.inputs[2:]]
    views = tuple(View.dense(shape) for shape in shapes)
    if not all(fusable(view, (elements(positions), channels)) for view in views):
        return None
    epilogue = Epilogue(body, views)
    if minimal:
        return winograd.plan_convolution(dtype, _sizes(x), _sizes(kernel), windows, epilogue)
    return plan_convolution(dtype, _sizes(x), _sizes(kernel), windows, groups, epilogue)


def _each_channel_alone(kernel: Tensor, groups: int) -> bool:
    return groups > 1 and kernel.shape[-2:] == (1, groups)


def _channels_convolved(node: Node) -> tuple[Launch, ...]:
    """The convolution of each channel alone; what follows it is a map in place."""
    dtype, body = node.inputs[0].dtype, node.attrs.get("body")
    batch, *sizes, channels = _sizes(node.inputs[0])
    launches = plan_windows("convolution", dtype, batch, sizes, node.attrs["windows"], channels)
    if body is None:
        return launches
    outputs = [len(node.inputs) + k for k in range(len(node.outputs))]
    home = outputs[[t.dtype for t in node.outputs].index(dtype)]
    shape = node.attrs["shape"]
    space = Space(shape, tuple(broadcast_strides(s, shape) for s in (shape, *map(_sizes, node.inputs[2:]))))
    behind = _renumber((plan_map(body, [space]),), [home, *range(2, len(node.inputs)), *outputs])
    return (*_renumber(launches, (0, 1, home)), *behind)


def _convolution_input_gradient(node: Node) -> tuple[Launch, ...] | None:
    (dy, kernel), attrs = node.inputs, node.attrs
    if dy.dtype not in ITEMSIZE:
        return None
    if _each_channel_alone(kernel, attrs["groups"]):
        batch, channels = dy.shape[0], _sizes(dy)[-1]
        return plan_windows(node.op.name, dy.dtype, batch, attrs["sizes"], attrs["windows"], channels)  # type: ignore[arg-type]
    if winograd.applies(_sizes(kernel), attrs["windows"], attrs["groups"], attrs["sizes"]):
        return winograd.plan_input_gradient(dy.dtype, _sizes(dy), _sizes(kernel), attrs["sizes"], attrs["windows"])
    return plan_input_gradient(dy.dtype, _sizes(dy), _sizes(kernel), **attrs)


def _convolution_kernel_gradient(node: Node) -> tuple[Launch, ...] | None:
    (x, dy), attrs = node.inputs, node.attrs
    if x.dtype not in ITEMSIZE:
        return None
    if _each_channel_alone(node.outputs[0], attrs["groups"]):
        batch, *sizes, channels = _sizes(x)
        return plan_windows(node.op.name, x.dtype, batch, sizes, attrs["windows"], channels)
    if winograd.applies(_sizes(node.outputs[0]), attrs["windows"], attrs["groups"], _sizes(dy)[1:-1]):
        return winograd.plan_kernel_gradient(x.dtype, _sizes(x), _sizes(dy), attrs["windows"])
    return plan_kernel_gradient(x.dtype, _sizes(x), _sizes(dy), **attrs)


def _pool(node: Node) -> tuple[Launch, ...] | None:
    """Pooling: the image is the largest of the operands and the result."""
    dtype, image = node.outputs[0].dtype, node.outputs[0] if "sizes" in node.attrs else node.inputs[0]
    summed = node.op.name not in ("max_pool", "max_pool_pick")
    if dtype in ("bool", "string", "complex64", "complex128") or (summed and dtype in ("float16", "bfloat16")):
        return None
    batch, *sizes, channels = _sizes(image)
    return plan_windows(node.op.name, dtype, batch, sizes, node.attrs["windows"], channels)


_KINDS = {
    "reduce_sum": "sum",
    "reduce_prod": "prod",
    "reduce_max": "max",
    "reduce_min": "min",
    "reduce_any": "any",
    "reduce_all": "all",
    "argmax": "argmax",
    "argmin": "argmin",
}


def _target(attrs: dict[str, Any], inputs: Sequence[Tensor]) -> ReduceSpace:
    shape = attrs["shape"]
    target = ReduceSpace(_space(shape, inputs), tuple(axis in attrs["axis"] for axis in range(len(shape))))
    return turned(target, _KINDS[attrs["kind"].name], attrs["body"])


def _fused_reduce(node: Node) -> tuple[Launch, ...] | None:
    body = node.attrs["body"]
    if not supports(body):
        return None
    kind = _KINDS[node.attrs["kind"].name]
    return plan_reduce(body, kind, node.outputs[0].dtype, [_target(node.attrs, node.inputs)])


def _random(distribution: str) -> Lowering:
    def lowering(node: Node) -> tuple[Launch, ...] | None:
        out = node.outputs[0]
        if out.dtype not in DISTRIBUTIONS[distribution]:
            return None
        return (plan_random(distribution, out.dtype, [_draw(node.attrs, out)]),)

    return lowering


def _draw(attrs: dict[str, Any], out: Tensor) -> Draw:
    return Draw(elements(out.shape), attrs["call"])


def _table(node: Node) -> tuple[Launch, ...] | None:
    """One launch for all members; those whose sizes collapse in another way get a launch of their own."""
    op, members, arity = node.attrs["op"], node.attrs["members"], node.attrs["arity"]
    count, total = len(node.outputs) // len(members), len(node.inputs)
    inputs = [node.inputs[k * arity : (k + 1) * arity] for k in range(len(members))]
    operands = [
        (*range(k * arity, (k + 1) * arity), *range(total + k * count, total + (k + 1) * count))
        for k in range(len(members))
    ]
    if op.name in _DISTRIBUTIONS:
        distribution, dtype = _DISTRIBUTIONS[op.name], node.outputs[0].dtype
        if dtype not in DISTRIBUTIONS[distribution]:
            return None
        draws = [_draw(attrs, out) for attrs, out in zip(members, node.outputs, strict=True)]
        return _renumber((plan_random(distribution, dtype, draws),), [k for own in operands for k in own])
    body = members[0]["body"]
    if not supports(body):
        return None
    groups: dict[Any, list[tuple[Any, tuple[int, ...]]]] = defaultdict(list)
    for attrs, tensors, own in zip(members, inputs, operands, strict=True):
        item: Any = _space(attrs["shape"], tensors) if op.name == "fused" else _target(attrs, tensors)
        groups[map_signature(item) if op.name == "fused" else reduce_signature(body, item)].append((item, own))
    launches: list[Launch] = []
    for group in groups.values():
        items, order = [item for item, _ in group], [k for _, own in group for k in own]
        if op.name == "fused":
            launches += _renumber((plan_map(body, items),), order)
        else:
            launches += _renumber(
                plan_reduce(body, _KINDS[members[0]["kind"].name], node.outputs[0].dtype, items), order
            )
    return tuple(launches)


def _renumber(launches: Sequence[Launch], order: Sequence[int]) -> tuple[Launch, ...]:
    """The launches with operand k called `order[k]`."""
    return tuple(
        launch._replace(
            slots=tuple(Pointer(order[s.operand], s.offset) if type(s) is Pointer else s for s in launch.slots)
        )
        for launch in launches
    )


# ------------------------------------------------------------------------------------------------ rows


def _rows(program: RowProgram) -> Lowering:
    """Softmax and cross-entropies over the last axis; the op's operands are the program's, in order."""

    def lowering(node: Node) -> tuple[Launch, ...] | None:
        matrix = next(t for t in node.inputs if len(t.shape) == max(len(x.shape) for x in node.inputs))
        operands = (*node.inputs, *node.outputs)
        rank = len(matrix.shape)
        if node.attrs.get("axis", rank - 1) not in (-1, rank - 1) or not rank:
            return None
        if node.outputs[0].dtype not in ("float32", "float64") or any(t.dtype not in _ROW_DTYPES for t in operands):
            return None
        columns = _sizes(matrix)[-1]
        epsilon = node.attrs.get("epsilon")
        parameters = (epsilon, 1 - epsilon) if epsilon is not None else ()
        rows = elements(matrix.shape[:-1])
        return plan_rows(program, [t.dtype for t in operands], rows, columns, parameters)

    return lowering


_ROW_DTYPES = ("float32", "float64", "int32", "int64", "uint8")


# ------------------------------------------------------------------------------------------------ moving elements


def _batch_rows(node: Node) -> tuple[Launch, ...] | None:
    """The array's address, number of rows and row stride are put into the block at each call."""
    source, indices = node.inputs
    row = _sizes(source)[1:]
    if source.dtype not in _GATHERED or node.attrs["dtype"] not in _GATHERED or len(indices.shape) != 1:
        return None
    gather = Gather((1, 1, *row), (0, 0, *node.attrs["layout"]), elements(indices.shape), node.attrs["swapped"])
    return (plan_gather(gather, source.dtype, node.attrs["dtype"], indices.dtype),)


_GATHERED = (
    *("float16", "bfloat16", "float32", "float64", "bool"),
    *("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"),
)


def _gather(node: Node) -> tuple[Launch, ...] | None:
    x, indices = node.inputs
    if x.dtype not in _GATHERED or indices.dtype not in ("int32", "int64"):
        return None
    shape, axis, size = _sizes(x), node.attrs["axis"], dtypes.itemsize(x.dtype)
    outer, rows, inner = elements(shape[:axis]), shape[axis], elements(shape[axis + 1 :])
    gather = Gather((outer, rows, inner), (rows * inner * size, inner * size, size), elements(indices.shape))
    return (plan_gather(gather, x.dtype, x.dtype, indices.dtype),)


def _copies(dtype: str, copies: Sequence[Copy], order: Sequence[int]) -> tuple[Launch, ...] | None:
    return None if dtype in ("string", "complex128") else _renumber(plan_copy(dtype, copies), order)


def _transpose(node: Node) -> tuple[Launch, ...] | None:
    x = node.inputs[0]
    return _copies(x.dtype, [transpose_copy(_sizes(x), node.attrs["axes"])], (0, 1))


def _slice(node: Node) -> tuple[Launch, ...] | None:
    x, attrs = node.inputs[0], node.attrs
    return _copies(x.dtype, [slice_copy(_sizes(x), attrs["start"], attrs["size"], attrs["step"])], (0, 1))


def _concatenate(node: Node) -> tuple[Launch, ...] | None:
    last = len(node.inputs)
    copies = concatenate_copies([_sizes(t) for t in node.inputs], node.attrs["axis"])
    return _copies(node.outputs[0].dtype, copies, [k for position in range(last) for k in (position, last)])


def _pad(node: Node) -> tuple[Launch, ...] | None:
    x, out, low = node.inputs[0], node.outputs[0], node.attrs["low"]
    if min((*low, *node.attrs["high"]), default=0) < 0 or x.dtype in ("string", "complex64", "complex128"):
        return None
    value = np.asarray(node.attrs["value"], dtypes.numpy_dtype(x.dtype))
    fill = plan_fill(x.dtype, [Fill(elements(out.shape), int.from_bytes(value.tobytes(), "little"))])
    copy = place_copy(_sizes(x), _sizes(out), low, [gap + 1 for gap in node.attrs["interior"]])
    return (*_renumber([fill], (1,)), *_renumber(plan_copy(x.dtype, [copy]), (0, 1)))


def _scatter_rows(node: Node) -> tuple[Launch, ...] | None:
    values, indices = node.inputs
    if values.dtype not in ("float32", "float64") or indices.dtype not in ("int32", "int64"):
        return scatter_integers(node)
    count = elements(indices.shape)
    columns = elements(values.shape) // count if count else 0
    return (plan_scatter(node.attrs["rows"], columns, count, values.dtype, indices.dtype),) if count else None


def _sum_rows(node: Node) -> tuple[Launch, ...]:
    values, indices = node.inputs
    count, columns = _sizes(values)
    return plan_sum_rows(node.attrs["rows"], columns, count, values.dtype, indices.dtype)


_DISTRIBUTIONS = {"random_uniform": "uniform", "random_bits": "bits", "random_normal": "normal"}

LOWERINGS: dict[str, Lowering] = {
    "fused": _fused,
    "matmul": _matmul,
    "fused_matmul": _fused_matmul,
    "convolution": _convolution,
    "fused_convolution": _convolution,
    "convolution_input_gradient": _convolution_input_gradient,
    "convolution_kernel_gradient": _convolution_kernel_gradient,
    **dict.fromkeys(("max_pool", "max_pool_gradient", "max_pool_pick", "sum_pool", "sum_pool_gradient"), _pool),
    "fused_reduce": _fused_reduce,
    "table": _table,
    "batch_rows": _batch_rows,
    "gather": _gather,
    "transpose": _transpose,
    "slice": _slice,
    "concatenate": _concatenate,
    "pad": _pad,
    "scatter_rows": _scatter_rows,
    "sum_rows": _sum_rows,
    "moments": lower_moments,
    **LONG_TAIL,
    "attention": lower_attention,
    "attention_gradient": lower_attention_gradient,
    "recurrence": recurrence_forward,
    "recurrence_gradient": recurrence_backward,
    **{op: _rows(program) for op, program in PROGRAMS.items()},
    **dict.fromkeys(("normalized_rows", "normalized_rows_gradient"), lower_normalization),
    **{op: _random(distribution) for op, distribution in _DISTRIBUTIONS.items()},
}


def numba_kernel(reference: str, *, parallel: bool = True) -> Lowering:
    """The lowering of an op that has a Numba kernel of its own, for plugins.

    Args:
        reference: "module:function". The function `kernel(p, t, threads)` is compiled by Numba: it does share `t` of
            `threads` of the work. Block `p` has two slots for each operand (inputs, then outputs): the address of its
            first element, and its number of elements; read them with `pronghorn_cpu.intrinsics.slot`. Operands are
            dense.
        parallel: False has one thread do all of it.
    """
    module, _, function = reference.partition(":")
    source = f"from {module} import {function} as kernel\n"

    def lowering(node: Node) -> tuple[Launch, ...]:
        operands = (*node.inputs, *node.outputs)
        slots = [slot for k, t in enumerate(operands) for slot in (Pointer(k), elements(t.shape))]
        return (Launch(source, tuple(slots), parallel=parallel),)

    return lowering


@cache
def _plugin_lowerings() -> dict[str, Lowering]:
    from pronghorn import plugins

    names = [name for name in plugins.references("kernels") if name.startswith("cpu/")]
    return {name.removeprefix("cpu/"): plugins.load("kernels", name) for name in names}


def lower(node: Node) -> tuple[Launch, ...] | None:
    """The launches of a node, or None where it must run on the host."""
    if node.op.name not in LOWERINGS:
        lowering = _plugin_lowerings().get(node.op.name)
        return None if lowering is None else lowering(node)
    inputs, outputs = (tuple([(t.shape, t.dtype) for t in tensors]) for tensors in (node.inputs, node.outputs))
    try:
        attrs = _Attributes(node.attrs)
    except TypeError:  # nothing to be looked up by
        return LOWERINGS[node.op.name](node)
    asked = (node.op, inputs, outputs, attrs, default_pool().threads)
    if (code := hash(asked)) in _met:
        return _lowered(*asked)
    if len(_met) >= _MOST_MET:
        _met.clear()
    _met.add(code)
    return LOWERINGS[node.op.name](node)


_met: set[int] = set()
"""Hashes of what was lowered once. Launches are kept from the second time on: those of a batch that is met once would
only be more for garbage collections to look at.
"""
_MOST_MET = 8192


class _Attributes(dict[str, Any]):
    """A node's attributes as a key: equal are those that no lowering can tell apart, so 0.0 and -0.0 are not."""

    def __init__(self, attrs: dict[str, Any]) -> None:
        super().__init__(attrs)
        self.key = _exact(attrs)
        self.hash = hash(self.key)

    def __hash__(self) -> int:  # type: ignore[override]
        return self.hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Attributes) and self.key == other.key


def _exact(value: Any) -> Any:
    kind = type(value)
    if kind is dict:
        return tuple([(name, _exact(item)) for name, item in value.items()])
    if kind is tuple:
        return tuple([_exact(item) for item in value])
    if kind is float:
        return value.hex()
    return (kind, value) if kind is bool or kind is int else value


_Specs = tuple[tuple[Any, str], ...]


@lru_cache(maxsize=512)
def _lowered(op: Op, inputs: _Specs, outputs: _Specs, attrs: _Attributes, threads: int) -> tuple[Launch, ...] | None:
    """Plans of other sizes share many nodes, an optimizer's say. Scratch memory depends on `threads`."""
    return LOWERINGS[op.name](Node(op, [Tensor(*spec) for spec in inputs], attrs, [Tensor(*spec) for spec in outputs]))
