"""Python state that would freeze into a compiled program, found by tracing it twice."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import pronghorn
from pronghorn import accelerator, naming
from pronghorn.graph import Graph, Node
from pronghorn.tensor import Tensor


def refuse_frozen_state(name: str, first: Graph, again: Graph) -> None:
    """Raises RuntimeError where two traces of the program `name` differ; says where, and what was set in the second."""
    difference = first_difference(first, again)
    if difference is not None:
        changed = "; ".join(f"attribute {name!r} of {_name(owner)}" for owner, name in naming.recent_changes if name)
        hint = f" Set while tracing: {changed}." if changed else ""
        raise RuntimeError(
            f"{name}: {difference}. Python state read while a program is traced is frozen into it.{hint} "
            f"Keep the state in a Variable (add_weight(trainable=False)), pass it as an argument, or compile with "
            f"run_eagerly=True"
        )


def _name(owner: Any) -> str:
    return f"layer {owner.name!r}" if hasattr(owner, "name") else type(owner).__name__


def first_difference(a: Graph, b: Graph) -> str | None:
    """Says where two traces of one function differ, None where they agree."""
    numbers: list[dict[Tensor, int]] = [{}, {}]
    for table, graph in zip(numbers, (a, b), strict=True):
        for t in graph.placeholders:
            table[t] = len(table)
    for left, right in zip(a.nodes, b.nodes, strict=False):
        where = f"layer {right.layer!r}" if right.layer else "the traced function"
        at = f"in {where} at {right.location}"
        if left.op is not right.op:
            return f"operation {left.op.name!r} of the first trace is {right.op.name!r} in the second, {at}"
        for x, y in zip(left.inputs, right.inputs, strict=False):
            if x.scope is None and y.scope is None:
                if not _same_constant(x, y):
                    return (
                        f"a constant of operation {left.op.name!r} was {_short(x)} in the first trace "
                        f"and is {_short(y)} in the second, {at}"
                    )
            elif numbers[0].get(x) != numbers[1].get(y):
                return f"operation {left.op.name!r} reads another value in the second trace, {at}"
        for name, value in left.attrs.items():
            other = right.attrs.get(name)
            if isinstance(value, Graph) and isinstance(other, Graph):
                inner = first_difference(value, other)
                if inner is not None:
                    return inner
            elif value != other:
                return (
                    f"{name} of operation {left.op.name!r} was {value!r} in the first trace "
                    f"and is {other!r} in the second, {at}"
                )
        for table, node in zip(numbers, (left, right), strict=True):
            for t in node.outputs:
                table[t] = len(table)
    if len(a.nodes) != len(b.nodes):
        longer: Sequence[Node] = max((a.nodes, b.nodes), key=len)
        extra = longer[min(len(a.nodes), len(b.nodes))]
        return (
            f"the first trace has {len(a.nodes)} operations and the second {len(b.nodes)} (from {extra.op.name!r} on)"
        )
    return None


def _same_constant(x: Tensor, y: Tensor) -> bool:
    if x is y or x.buffer is y.buffer:
        return True
    a, b = accelerator.to_numpy(x.buffer), accelerator.to_numpy(y.buffer)
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


def _short(t: Tensor) -> str:
    return str(t.numpy()) if t.size is not None and t.size <= 4 else f"an array of shape {t.shape}"


def user_location() -> str:
    """ "file:line" of the innermost frame outside of Pronghorn."""
    inside = str(pronghorn.__path__[0])
    frame = sys._getframe(1)
    while frame.f_back is not None and (
        frame.f_code.co_filename.startswith(inside) or "pronghorn_" in frame.f_code.co_filename
    ):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
