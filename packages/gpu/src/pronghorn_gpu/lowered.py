"""A fused graph with its nodes lowered and its memory planned, and where its tensors are while it runs."""

from __future__ import annotations

from collections.abc import Sequence

from pronghorn.graph import Graph, Node
from pronghorn.passes import memory
from pronghorn.passes.memory import MemoryPlan, aligned, nbytes
from pronghorn.tensor import Tensor
from pronghorn_gpu.launch import DTYPES, workspace_of
from pronghorn_gpu.library import chosen
from pronghorn_gpu.lowering import lower

FEED = "batch_rows"
"""The op that takes a batch from a data set; what it does depends on where the data set is."""


class Lowered:
    """What a node becomes: work for the device, a host call, a feed, or control flow with lowered bodies."""

    def __init__(self, node: Node) -> None:
        self.node = node
        on_device = all(t.dtype in DTYPES for t in (*node.inputs, *node.outputs))
        self.view = node.op.name in memory.VIEWS and on_device
        self.feed = node.op.name == FEED and on_device
        self.bodies = {name: LoweredGraph(value) for name, value in node.attrs.items() if isinstance(value, Graph)}
        simple = not (self.view or self.feed or self.bodies)
        work = lower(node) if simple and on_device else None
        self.work = None if work is None else chosen(work)
        self.host = simple and self.work is None

    def workspace(self) -> int:
        """Bytes of scratch memory."""
        if self.bodies:
            carried = sum(aligned(nbytes(t)) for t in self.node.outputs)
            return 2 * carried + sum(aligned(body.plan.size) for body in self.bodies.values())
        return workspace_of(self.work or ())


class LoweredGraph:
    """A fused graph with its nodes lowered and its memory planned."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.nodes = [Lowered(node) for node in graph.nodes]
        by_node = {lowered.node: lowered for lowered in self.nodes}
        self.plan: MemoryPlan = memory.plan(graph, lambda node: by_node[node].workspace())

    def largest(self) -> tuple[Tensor, str]:
        """The largest value in the arena, and what makes it."""
        made = [(t, node) for node in self.graph.nodes for t in node.outputs if self.plan.places[t].kind == "arena"]
        t, node = max(made, key=lambda pair: nbytes(pair[0]))
        return t, f"{node.op.name} of layer {node.layer!r}" if node.layer else node.op.name


class Frame:
    """Where the tensors of one graph are: its part of the arena, and the addresses of its inputs."""

    def __init__(self, lowered: LoweredGraph, base: int, inputs: Sequence[int]) -> None:
        self.lowered = lowered
        self.base = base
        self.inputs = dict(zip(lowered.graph.inputs, inputs, strict=True))
