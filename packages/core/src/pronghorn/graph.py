"""Graph and Node: the one graph type.

At model depth the nodes are layers and public ops and shapes may be unknown; at program depth the nodes are primitives
and every shape is a number. Control-flow nodes hold body Graphs in their attributes.
"""

from __future__ import annotations

import gc
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pronghorn import tree
from pronghorn.tensor import MODEL, Shape, Tensor, Variable

if TYPE_CHECKING:
    from pronghorn.op import Operation


class Spec(NamedTuple):
    """Shape and dtype of a tensor."""

    shape: Shape
    dtype: str


class Node:
    """One application of an operation.

    `inputs` are tensors (concrete ones are constants), `outputs` the tensors it makes. At program depth `attrs` are the
    primitive's attributes; at model depth they are {"args": …, "kwargs": …}, the call's arguments as they were nested.
    """

    __slots__ = ("attrs", "inputs", "layer", "location", "op", "outputs", "structure")

    def __init__(
        self,
        op: Any,
        inputs: Sequence[Tensor],
        attrs: dict[str, Any],
        outputs: Sequence[Tensor],
        *,
        layer: str = "",
        structure: Any = None,
    ) -> None:
        self.op = op
        self.inputs = tuple(inputs)
        self.attrs = attrs
        self.outputs = tuple(outputs)
        self.layer = layer
        self.structure = structure
        self.location: str | None = None

    @property
    def args(self) -> tuple[Any, ...]:
        """Positional arguments of a model node."""
        return self.attrs["args"]  # type: ignore[no-any-return]

    @property
    def kwargs(self) -> dict[str, Any]:
        """Keyword arguments of a model node."""
        return self.attrs["kwargs"]  # type: ignore[no-any-return]

    def bodies(self) -> list[Graph]:
        """The graphs of a control-flow node."""
        return [value for value in self.attrs.values() if isinstance(value, Graph)] if self.attrs else []

    def __repr__(self) -> str:
        outputs = ", ".join(str(t.shape) for t in self.outputs)
        return f"<Node {self.op.name} {[t.shape for t in self.inputs]} -> {outputs}>"


@dataclass(eq=False)
class Graph:
    """Nodes in an order in which each comes after what it reads.

    `reads` are the placeholders that hold a variable's value on entry, `writes` the values that variables get at the
    end. A body graph has neither: its variables are explicit inputs and outputs.
    """

    inputs: list[Tensor]
    outputs: list[Tensor]
    nodes: list[Node]
    reads: dict[Variable, Tensor] = field(default_factory=dict)
    writes: dict[Variable, Tensor] = field(default_factory=dict)

    @property
    def results(self) -> list[Tensor]:
        """Outputs and written values: all that must be computed."""
        return [*self.outputs, *self.writes.values()]

    @property
    def placeholders(self) -> list[Tensor]:
        """Inputs and variables read."""
        return [*self.inputs, *self.reads.values()]

    def __str__(self) -> str:
        from pronghorn import plugins

        return plugins.load("utils", "Graph.listing")(self)  # type: ignore[no-any-return]


def topological(outputs: Iterable[Tensor], stop: Iterable[Tensor] = ()) -> list[Node]:
    """The nodes that `outputs` depend on, each after what it reads; tensors in `stop` count as inputs."""
    stops = set(stop)
    order: list[Node] = []
    seen: set[Node] = set()
    stack: list[tuple[Node, bool]] = [
        (t.node, False) for t in reversed(list(outputs)) if t.node is not None and t not in stops
    ]
    while stack:
        node, done = stack.pop()
        if done:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack.extend(
                (t.node, False)
                for t in reversed(node.inputs)
                if t.node is not None and t.node not in seen and t not in stops
            )
    return order


def users_of(nodes: Iterable[Node]) -> dict[Tensor, list[Node]]:
    """The nodes that read each tensor, in their order; none of a tensor that is not read."""
    users: dict[Tensor, list[Node]] = defaultdict(list)
    for node in nodes:
        for t in dict.fromkeys(node.inputs):
            users[t].append(node)
    return users


def constant_value(t: Tensor) -> np.ndarray[Any, Any] | None:
    """The value of a traced tensor that depends on nothing but constants, None where it depends on more."""
    values: dict[Tensor, Any] = {}
    for node in topological([t]):
        if t.scope is MODEL or any(u.scope is not None and u not in values for u in node.inputs) or node.bodies():
            return None
        result = node.op.reference(*(values[u] if u in values else u.numpy() for u in node.inputs), **node.attrs)
        values.update(zip(node.outputs, result if isinstance(result, tuple) else (result,), strict=True))
    return np.array(values[t], copy=True) if t in values else None


def model_tensors(arguments: tuple[Any, ...] | dict[str, Any] | list[Any]) -> bool:
    """Whether a call's arguments are, or hold, tensors of a model graph."""
    for item in arguments.values() if isinstance(arguments, dict) else arguments:
        if type(item) is Tensor:
            if item.scope is MODEL:
                return True
        elif isinstance(item, (tuple, dict, list)) and model_tensors(item):
            return True
    return False


def record(operation: Operation, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Records a call on tensors of a model graph as one node and returns symbols for its outputs."""
    specs = operation.compute_output_spec(*args, **kwargs)
    inputs = [t for t in tree.flatten((args, kwargs)) if isinstance(t, Tensor)]
    flat = [t if isinstance(t, Tensor) else Tensor(t.shape, t.dtype) for t in flatten_specs(specs)]
    outputs = [Tensor(t.shape, t.dtype, scope=MODEL, index=i, name=t.name) for i, t in enumerate(flat)]
    node = Node(operation, inputs, {"args": args, "kwargs": kwargs}, outputs)
    for out in outputs:
        out.node = node
    node.structure = pack_specs(specs, outputs)
    return node.structure


_HELD: ContextVar[bool] = ContextVar("held", default=False)
"""Whether `collections_held` switched collections off here."""


@contextmanager
def collections_held(held: bool = True) -> Iterator[None]:
    """Holds off garbage collections inside: a trace makes thousands of objects, nearly all of which end with its plan.

    Collections in the middle of it find nothing, but take all there is for long-lived, which soon makes them look at
    every object of the process: a stall of 0.1 s and more. With False it lets them happen again inside of a hold, for
    what makes more garbage than that: a compilation.
    """
    switched = gc.isenabled() if held else _HELD.get()
    if not switched:
        yield
        return
    token = _HELD.set(held)
    (gc.disable if held else gc.enable)()
    try:
        yield
    finally:
        (gc.enable if held else gc.disable)()
        _HELD.reset(token)


def flatten_specs(specs: Any) -> list[Any]:
    """The specs or tensors of a nested structure (a Spec is a leaf, not a tuple)."""
    if isinstance(specs, (Spec, Tensor)):
        return [specs]
    if isinstance(specs, dict):
        return [leaf for key in sorted(specs) for leaf in flatten_specs(specs[key])]
    return [leaf for item in specs for leaf in flatten_specs(item)]


def pack_specs(specs: Any, flat: Sequence[Any]) -> Any:
    """`specs` with its leaves replaced by the items of `flat`."""
    items = iter(flat)

    def build(part: Any) -> Any:
        if isinstance(part, (Spec, Tensor)):
            return next(items)
        if isinstance(part, dict):
            built = {key: build(part[key]) for key in sorted(part)}
            return {key: built[key] for key in part}
        return (
            type(part)(build(item) for item in part) if not hasattr(part, "_fields") else type(part)(*map(build, part))
        )

    return build(specs)
