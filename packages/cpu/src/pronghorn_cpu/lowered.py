"""A fused graph with its nodes lowered and its memory planned, and where its tensors are while it runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from pronghorn import dtypes
from pronghorn.accelerator import to_numpy
from pronghorn.body import Body
from pronghorn.graph import Graph, Node
from pronghorn.passes import memory
from pronghorn.passes.memory import MemoryPlan, nbytes
from pronghorn.tensor import Tensor, Variable
from pronghorn_cpu.arena import arena
from pronghorn_cpu.elementwise import plan_map
from pronghorn_cpu.launch import Launch
from pronghorn_cpu.lowering import lower
from pronghorn_cpu.memory import aligned
from pronghorn_cpu.spaces import Space

COPY_TURN = "from pronghorn_cpu.turns import copy_turn as kernel\n"
COUNT_TURN = "from pronghorn_cpu.turns import count_turn as kernel\n"
_TURNS = {"scan": [COPY_TURN], "while_loop": [COUNT_TURN]}
CELLS = 64
"""Bytes of workspace that a control-flow node keeps for its counters."""


class Argument(NamedTuple):
    """An address that is known at each call only: `offset` bytes into argument number `position`."""

    position: int
    offset: int


Address = int | Argument


class Lowered:
    """What a node becomes: launches, a host call, or control flow with lowered bodies."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.view = node.op.name in memory.VIEWS
        self.bodies = {name: LoweredGraph(value) for name, value in node.attrs.items() if isinstance(value, Graph)}
        self.launches = None if self.view or self.bodies else lower(node)
        self.host = not self.view and not self.bodies and self.launches is None

    def workspace(self) -> int:
        """Bytes of scratch memory."""
        if self.bodies:
            return CELLS + sum(body.size() for body in self.bodies.values())
        return max((launch.scratch_bytes for launch in self.launches or ()), default=0)

    def sources(self) -> list[str]:
        """All kernels that must be loaded."""
        found = [source for launch in self.launches or () for source in launch.sources]
        for body in self.bodies.values():
            found += body.sources()
            found += [copy_launch(t.dtype, nbytes(t)).source for t in (*body.graph.inputs, *body.graph.outputs)]
        found += _TURNS.get(self.node.op.name, ())
        return found


class LoweredGraph:
    """A fused graph with its nodes lowered and its memory planned."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.nodes = [Lowered(node) for node in graph.nodes]
        by_node = {lowered.node: lowered for lowered in self.nodes}
        self.plan: MemoryPlan = memory.plan(graph, lambda node: by_node[node].workspace())

    def size(self) -> int:
        """Bytes for the arena, and for staged inputs and outputs."""
        staged = sum(memory.aligned(nbytes(t)) for t in (*self.graph.inputs, *self.graph.outputs))
        return memory.aligned(self.plan.size) + staged

    def sources(self) -> list[str]:
        """All kernels that must be loaded."""
        return [source for lowered in self.nodes for source in lowered.sources()] + [
            copy_launch(t.dtype, nbytes(t)).source for t, _ in self.plan.copies
        ]


def copy_launch(dtype: str, size: int) -> Launch:
    """Copies `size` bytes: in words of the dtype, so that it needs no kernel that the program would not have anyway."""
    count = size // dtypes.itemsize(dtype)
    return plan_map(Body((dtype,), (), (0,)), [Space((count,), ((1,),))])


def home(variable: Variable) -> np.ndarray[Any, Any]:
    """A variable's buffer, made one of the host where another accelerator made it."""
    if not isinstance(variable.buffer, np.ndarray):
        variable.buffer = aligned(np.asarray(variable.buffer))
    array: np.ndarray[Any, Any] = variable.buffer
    return array


class Frame:
    """Where the tensors of one graph are: its part of the arena, and the addresses of its inputs."""

    def __init__(self, lowered: LoweredGraph, base: int, inputs: Sequence[Address]) -> None:
        self.lowered = lowered
        self.base = base
        self.inputs = dict(zip(lowered.graph.inputs, inputs, strict=True))
        self._first = arena().address + base
        self._homes: dict[Tensor | Variable, int] = {}

    def address(self, t: Tensor) -> Address:
        """The address of a tensor's first element."""
        place = self.lowered.plan.places[t]
        if place.kind == "arena":
            return self._first + place.offset
        if place.kind == "argument":
            return self.inputs[place.root]
        owner = place.root if place.variable is None else place.variable
        if owner not in self._homes:
            buffer = home(owner) if isinstance(owner, Variable) else to_numpy(owner.buffer)
            self._homes[owner] = int(buffer.__array_interface__["data"][0])
        return self._homes[owner]

    def workspace(self, node: Node) -> int:
        """Offset in the arena of a node's scratch memory."""
        return self.base + self.lowered.plan.workspaces.get(node, 0)
