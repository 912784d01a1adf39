"""A compiled graph on the CPU: kernels loaded, memory planned, instructions on a tape."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from pronghorn import dtypes
from pronghorn.accelerator import Executable, Instruction
from pronghorn.body import Body
from pronghorn.graph import Graph
from pronghorn.passes.fuse import fuse
from pronghorn.passes.memory import nbytes
from pronghorn.passes.simplify import simplify
from pronghorn.tensor import Tensor
from pronghorn_cpu import cache
from pronghorn_cpu.arena import arena
from pronghorn_cpu.attention_pattern import with_attention
from pronghorn_cpu.halves import widen
from pronghorn_cpu.lowered import Argument, Frame, LoweredGraph, home
from pronghorn_cpu.row_gradients import keep_row_gradients
from pronghorn_cpu.runner import REPLAY_SOURCE, default_pool
from pronghorn_cpu.sequences import by_steps
from pronghorn_cpu.stored import StoredGraph
from pronghorn_cpu.writing import Writer

Array = np.ndarray[Any, Any]

_PASSES = (simplify, widen, by_steps, with_attention, fuse, keep_row_gradients)

KINDS = {"scan": "loop", "while_loop": "while", "cond": "branch"}


class CpuExecutable(Executable):
    """A tape to replay, with what each call must put into it."""

    def __init__(self, graph: Graph) -> None:
        stages = [graph]
        for change in _PASSES:
            stages.append(change(stages[-1]))
        lowered = LoweredGraph(stages[-1])
        self._size = lowered.plan.size
        arena().require(self._size)
        cache.load_all(list(dict.fromkeys([REPLAY_SOURCE, *lowered.sources()])))
        self._write(lowered)
        _let_go(stages)
        self._stored = StoredGraph(stages[-1])

    def _write(self, lowered: LoweredGraph) -> None:
        graph = lowered.graph
        starts: list[int] = []
        self._writer = Writer()
        frame = Frame(lowered, 0, [Argument(k, 0) for k in range(len(graph.inputs))])
        self._writer.graph(frame, starts)
        self._starts = tuple(starts)  # as a list it would be looked at by every garbage collection
        for t, variable in lowered.plan.copies:
            self._writer.copy(t.dtype, nbytes(t), frame.address(t), int(home(variable).__array_interface__["data"][0]))
        self.tape = self._writer.tape.finish()
        self._variables = list(graph.writes)
        self._specs = [(t.shape, dtypes.numpy_dtype(t.dtype)) for t in graph.inputs]
        self._results = [self._writer.viewer(frame, t) for t in graph.outputs]

    @property
    def graph(self) -> Graph:  # type: ignore[override]
        """What is run: the fused graph."""
        return self._stored.restored()

    def __call__(self, arguments: Sequence[Array]) -> list[Array]:
        return self.repeat(arguments, ())

    def repeat(self, arguments: Sequence[Array], more: Iterable[Array]) -> list[Array]:
        pool = default_pool()
        with pool.lock:
            self._bind(arguments)
            try:
                pool.run(self.tape)
                if following := list(more):
                    self._run_on(np.array(following, self._specs[-1][1]))
                return [view().copy() for view in self._results]
            finally:
                self._writer.arguments = []  # a data set must not live on for having been trained on

    def _run_on(self, values: Array) -> None:
        """Replays once for each of the values, which stand together, as the last argument."""
        pool, last = default_pool(), len(self._specs) - 1
        places = [(block, slot, offset) for block, slot, index, offset in self._writer.patches if index == last]
        address, stride = _address(values), values.strides[0]
        for value in values:
            self._writer.arguments[last] = value
            for block, slot, offset in places:
                block[slot] = address + offset
            pool.run(self.tape)
            address += stride

    def _bind(self, arguments: Sequence[Array]) -> None:
        """Puts the arguments' addresses into the blocks, and gives Tensors that show a variable's old value a copy."""
        bound = [
            a if shape[:1] == (None,) else _usable(a, dtype)
            for a, (shape, dtype) in zip(arguments, self._specs, strict=True)
        ]
        self._writer.arguments = bound
        addresses = [_address(a) for a in bound]
        for block, slot, index, offset in self._writer.patches:
            block[slot] = addresses[index] + offset
        for block, rows, stride, index in self._writer.row_patches:
            block[rows] = bound[index].shape[0]
            block[stride] = bound[index].strides[0]
        for variable in self._variables:
            if variable._reader is not None:
                variable.detach_reader()

    def profile(self, arguments: Sequence[Array], repeats: int = 20) -> list[float]:
        pool = default_pool()
        with pool.lock:
            self._bind(arguments)
            seconds = pool.profile(self.tape, repeats)
        ends = [*self._starts[1:], len(seconds)]
        return [float(seconds[a:b].sum()) for a, b in zip(self._starts, ends, strict=True)]

    @property
    def activation_bytes(self) -> int:
        return self._size

    def instructions(self) -> list[Instruction]:
        return _instructions(LoweredGraph(self.graph))


def _let_go(graphs: Sequence[Graph]) -> None:
    """Cuts the ways from graphs' tensors to the nodes and the trace they come from, which lead in circles.

    So all that a plan does not need is gone at once, and nothing is left to the garbage collector.
    """
    nodes = {node for graph in graphs for node in graph.nodes}
    tensors = {t for graph in graphs for t in graph.placeholders}.union(*[(*n.inputs, *n.outputs) for n in nodes])
    for t in tensors:
        if t.scope is not None:
            t.scope, t.node = _ENDED, None
    if bodies := [body for node in nodes for body in node.bodies()]:
        _let_go(bodies)


_ENDED = True
"""The scope of symbols whose trace is over."""


def _address(array: Array) -> int:
    return int(array.__array_interface__["data"][0])


def _usable(array: Any, dtype: np.dtype[Any]) -> Array:
    """The array as the kernels read it: C-contiguous, native, aligned."""
    if type(array) is not np.ndarray or array.dtype != dtype or not array.flags.c_contiguous or not array.flags.aligned:
        return np.ascontiguousarray(array, dtype)
    return array


def _instructions(lowered: LoweredGraph) -> list[Instruction]:
    places = lowered.plan.places

    def where(t: Tensor) -> str:
        place = places[t]
        return place.variable.path if place.variable is not None else f"arena+{place.offset}"

    found = []
    for item in lowered.nodes:
        if item.view:
            continue
        node = item.node
        kind = "host" if item.host else KINDS.get(node.op.name, "kernel")
        body: Any = node.attrs.get("body")
        name = node.op.name
        if name == "table":
            member = node.attrs["members"][0].get("body")
            name = f"{len(node.attrs['members'])} × {node.attrs['op'].name}{f'({member})' if member else ''}"
        elif isinstance(body, Body):
            reduction = node.attrs["kind"].name if "kind" in node.attrs else ""
            steps = f"{body} {reduction}".strip()
            name = f"{name}({steps})"
        found.append(
            Instruction(
                kind,
                node,
                name,
                [where(t) for t in node.outputs],
                [_instructions(body) for body in item.bodies.values()],
            )
        )
    return found
