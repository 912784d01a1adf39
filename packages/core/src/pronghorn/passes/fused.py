"""The ops that fusion makes: a map, a map and reduction, a matmul with an epilogue, and several alike in one launch.

Each has a NumPy reference, so that a fused graph can be checked against the graph it was made from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from pronghorn import plugins
from pronghorn.body import Body, Step
from pronghorn.graph import Spec
from pronghorn.op import Op, cast_op, reference_kernel

Array = np.ndarray[Any, Any]


@cache
def _kernel(expression: str, parameters: tuple[str, ...]) -> Any:
    return reference_kernel(expression, parameters)


def _step(step: Step, arguments: list[Array]) -> Array:
    if step.expression == "cast(x)":
        return np.asarray(cast_op.reference(arguments[0], dtype=step.dtype))
    return np.asarray(_kernel(step.expression, step.parameters)(*arguments))


def run_body(body: Body, arrays: Sequence[Array], shape: tuple[int, ...]) -> list[Array]:
    """The outputs of a body on arrays that broadcast to `shape`."""
    values = list(arrays)
    for step in body.steps:
        values.append(_step(step, [values[k] for k in step.arguments]))
    return [np.array(np.broadcast_to(values[k], shape)) for k in body.outputs]


def _map_reference(*arrays: Array, body: Body, shape: tuple[int, ...]) -> tuple[Array, ...]:
    return tuple(run_body(body, arrays, shape))


def _map_infer(*specs: Spec, body: Body, shape: tuple[int, ...]) -> tuple[Spec, ...]:
    return tuple(Spec(shape, body.dtype(k)) for k in body.outputs)


fused = Op("fused", _map_reference, _map_infer)
"""attrs: body, shape. Outputs dense arrays of `shape`."""


def _reduce_reference(
    *arrays: Array, body: Body, shape: tuple[int, ...], kind: Op, axis: tuple[int, ...], keepdims: bool
) -> tuple[Array, ...]:
    (value,) = run_body(body, arrays, shape)
    return (np.asarray(kind.reference(value, axis=axis, keepdims=keepdims)),)


def _reduce_infer(
    *specs: Spec, body: Body, shape: tuple[int, ...], kind: Op, axis: tuple[int, ...], keepdims: bool
) -> Spec:
    return kind.infer(Spec(shape, body.dtype(body.outputs[0])), axis=axis, keepdims=keepdims)  # type: ignore[no-any-return]


fused_reduce = Op("fused_reduce", _reduce_reference, _reduce_infer)
"""attrs: body, shape, kind (the reduction op), axis, keepdims."""


def _with_epilogue(name: str, find: Callable[[], Op]) -> Op:
    """A primitive of two operands, which `find` finds, and a map behind it.

    attrs: those of the primitive, body (its input 0 is the product), shape (that the product is reshaped to before).
    Inputs: a, b, the body's other inputs.
    """

    def reference(
        a: Array, b: Array, *extras: Array, body: Body, shape: tuple[int, ...], **attrs: Any
    ) -> tuple[Array, ...]:
        return tuple(run_body(body, [find().reference(a, b, **attrs).reshape(shape), *extras], shape))

    def infer(*specs: Spec, body: Body, shape: tuple[int, ...], **attrs: Any) -> tuple[Spec, ...]:
        return tuple(Spec(shape, body.dtype(k)) for k in body.outputs)

    return Op(f"fused_{name}", reference, infer)


def _matmul() -> Op:
    from pronghorn.ops.linear import product  # which needs this module

    return product


EPILOGUES = {
    "matmul": _with_epilogue("matmul", _matmul),
    "convolution": _with_epilogue("convolution", lambda: plugins.load("utils", "primitives.convolution")),
}
"""Primitive -> the op that applies a map to its product piece by piece."""


def _table_reference(*arrays: Array, op: Op, members: tuple[dict[str, Any], ...], arity: int) -> tuple[Array, ...]:
    results: list[Array] = []
    for k, attrs in enumerate(members):
        result = op.reference(*arrays[k * arity : (k + 1) * arity], **attrs)
        results.extend(result if isinstance(result, tuple) else (np.asarray(result),))
    return tuple(results)


def _table_infer(*specs: Spec, op: Op, members: tuple[dict[str, Any], ...], arity: int) -> tuple[Spec, ...]:
    results: list[Spec] = []
    for k, attrs in enumerate(members):
        result = op.infer(*specs[k * arity : (k + 1) * arity], **attrs)
        results.extend((result,) if isinstance(result, Spec) else result)
    return tuple(results)


table = Op("table", _table_reference, _table_infer)
"""attrs: op, members (each one's attributes), arity (inputs per member). Equal kernels on different tensors: one
launch."""
