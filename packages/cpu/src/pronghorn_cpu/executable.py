"""A compiled graph on the CPU: kernels loaded, memory planned, instructions on a tape."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from pronghorn import dtypes
from pronghorn.accelerator import Executable, Instruction, to_numpy
from pronghorn.body import Body
from pronghorn.graph import Graph, Node
from pronghorn.passes import memory
from pronghorn.passes.fuse import fuse
from pronghorn.passes.memory import MemoryPlan, nbytes
from pronghorn.passes.simplify import simplify
from pronghorn.tensor import Tensor
from pronghorn_cpu import cache
from pronghorn_cpu.arena import arena
from pronghorn_cpu.elementwise import plan_map
from pronghorn_cpu.launch import Launch, Pointer
from pronghorn_cpu.lowering import lower
from pronghorn_cpu.runner import REPLAY_SOURCE, default_pool
from pronghorn_cpu.shape import GATHER_SLOTS, SOURCE_ROWS, SOURCE_STRIDES
from pronghorn_cpu.spaces import Space
from pronghorn_cpu.tape import Tape

Array = np.ndarray[Any, Any]

KINDS = {"scan": "loop", "while_loop": "while", "cond": "branch"}
_CELLS = 64
"""Bytes of workspace that a control-flow node keeps for its counter."""

COPY_TURN = "from pronghorn_cpu.turns import copy_turn as kernel\n"
COUNT_TURN = "from pronghorn_cpu.turns import count_turn as kernel\n"
_TURNS = {"scan": [COPY_TURN], "while_loop": [COUNT_TURN]}


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
            return _CELLS + sum(body.size() for body in self.bodies.values())
        return max((launch.scratch_bytes for launch in self.launches or ()), default=0)

    def sources(self) -> list[str]:
        """All kernels that must be loaded."""
        found = [source for launch in self.launches or () for source in launch.sources]
        for body in self.bodies.values():
            found += body.sources()
            found += [_copy_launch(t.dtype, nbytes(t)).source for t in (*body.graph.inputs, *body.graph.outputs)]
        found += _TURNS.get(self.node.op.name, ())
        return found


class LoweredGraph:
    """A fused graph with its nodes lowered and its memory planned; `size` counts the copies of its inputs and outputs."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.nodes = [Lowered(node) for node in graph.nodes]
        by_node = {lowered.node: lowered for lowered in self.nodes}
        self.plan: MemoryPlan = memory.plan(graph, lambda node: by_node[node].workspace())

    def size(self) -> int:
        """Bytes for the arena, and for staged inputs and outputs."""
        staged = sum(memory._aligned(nbytes(t)) for t in (*self.graph.inputs, *self.graph.outputs))
        return memory._aligned(self.plan.size) + staged

    def sources(self) -> list[str]:
        """All kernels that must be loaded."""
        return [source for lowered in self.nodes for source in lowered.sources()] + [
            _copy_launch(t.dtype, nbytes(t)).source for t, _ in self.plan.copies
        ]


def _copy_launch(dtype: str, size: int) -> Launch:
    """Copies `size` bytes: in words of the dtype, so that it needs no kernel that the program would not have anyway."""
    count = size // dtypes.itemsize(dtype)
    return plan_map(Body((dtype,), (), (0,)), [Space((count,), ((1,),))])


class Frame:
    """Where the tensors of one graph are: its part of the arena, and the addresses of its inputs."""

    def __init__(self, lowered: LoweredGraph, base: int, inputs: Sequence[Address]) -> None:
        self.lowered = lowered
        self.base = base
        self.inputs = dict(zip(lowered.graph.inputs, inputs, strict=True))

    def address(self, t: Tensor) -> Address:
        """The address of a tensor's first element."""
        place = self.lowered.plan.places[t]
        if place.kind == "arena":
            return arena().address + self.base + place.offset
        if place.kind == "argument":
            return self.inputs[place.root]
        buffer = place.variable.buffer if place.variable is not None else to_numpy(place.root.buffer)
        return int(buffer.__array_interface__["data"][0])

    def workspace(self, node: Node) -> int:
        """Offset in the arena of a node's scratch memory."""
        return self.base + self.lowered.plan.workspaces.get(node, 0)


class CpuExecutable(Executable):
    """Replays a tape; see the module."""

    def __init__(self, graph: Graph) -> None:
        self.graph = fuse(simplify(graph))
        self.lowered = LoweredGraph(self.graph)
        arena().require(self.lowered.plan.size)
        cache.load_all(list(dict.fromkeys([REPLAY_SOURCE, *self.lowered.sources()])))
        self._patches: list[tuple[Array, int, int, int]] = []
        self._row_patches: list[tuple[Array, int, int, int]] = []
        self._entries: list[int] = []
        self._arguments: list[Array] = []
        self._alive: list[Any] = [t.buffer for node in self.graph.nodes for t in node.inputs if t.scope is None]
        self.tape = Tape()
        self.frame = Frame(self.lowered, 0, [Argument(k, 0) for k in range(len(self.graph.inputs))])
        self._write_graph(self.frame, top=True)
        self._entry_starts = [*self._entries, len(self.tape._words)]
        for t, variable in self.lowered.plan.copies:
            self._copy(t.dtype, nbytes(t), self.frame.address(t), int(variable.buffer.__array_interface__["data"][0]))
        self.tape.finish()
        self._variables = list(self.graph.writes)
        self._specs = [(t.shape, dtypes.numpy_dtype(t.dtype)) for t in self.graph.inputs]
        self._results = [self._reader(t) for t in self.graph.outputs]

    # -------------------------------------------------------------------------------------------- running

    def __call__(self, arguments: Sequence[Array]) -> list[Array]:
        pool = default_pool()
        with pool.lock:
            self._bind(arguments)
            pool.run(self.tape)
            return [read() for read in self._results]

    def _bind(self, arguments: Sequence[Array]) -> None:
        """Puts the arguments' addresses into the blocks, and gives Tensors that show a variable's old value a copy."""
        bound = [a if shape[:1] == (None,) else _usable(a, dtype) for a, (shape, dtype) in zip(arguments, self._specs, strict=True)]
        self._arguments = bound
        addresses = [a.__array_interface__["data"][0] for a in bound]
        for block, slot, index, offset in self._patches:
            block[slot] = addresses[index] + offset
        for block, rows, stride, index in self._row_patches:
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
        ends = [*self._entries[1:], len(seconds)]
        return [float(seconds[a:b].sum()) for a, b in zip(self._entries, ends, strict=True)]

    @property
    def activation_bytes(self) -> int:
        return self.lowered.plan.size

    def instructions(self) -> list[Instruction]:
        return _instructions(self.lowered)

    def _reader(self, t: Tensor) -> Callable[[], Array]:
        view = self._viewer(self.frame, t)
        return lambda: view().copy()

    def _viewer(self, frame: Frame, t: Tensor) -> Callable[[], Array]:
        """A function giving a tensor's present memory as an array."""
        shape, dtype = t.shape, dtypes.numpy_dtype(t.dtype)
        if t.scope is None:
            constant = to_numpy(t.buffer)
            return lambda: constant
        place = frame.lowered.plan.places[t]
        if place.variable is not None:
            buffer = place.variable.buffer.reshape(shape)
            return lambda: buffer
        address = frame.address(t)
        if isinstance(address, Argument):
            return lambda: self._arguments[address.position].reshape(shape)
        array = arena().view(address - arena().address, shape, dtype)  # type: ignore[arg-type]
        return lambda: array

    # -------------------------------------------------------------------------------------------- writing the tape

    def _write_graph(self, frame: Frame, top: bool = False) -> None:
        for lowered in frame.lowered.nodes:
            if lowered.view:
                continue
            if top:
                self._entries.append(len(self.tape._words))
            if lowered.bodies:
                _CONTROL[lowered.node.op.name](self, frame, lowered)
            elif lowered.launches is None:
                self._write_host(frame, lowered.node)
            else:
                addresses = [frame.address(t) for t in (*lowered.node.inputs, *lowered.node.outputs)]
                scratch = arena().address + frame.workspace(lowered.node)
                for launch in lowered.launches:
                    block = self._launch(launch, addresses, scratch)
                if lowered.node.op.name == "batch_rows":
                    self._bind_rows(block, lowered.node, frame)

    def _bind_rows(self, block: Array, node: Node, frame: Frame) -> None:
        """A data set's number of rows and row stride go into the gather's block at each call."""
        address = frame.address(node.inputs[0])
        assert isinstance(address, Argument)
        rank = (len(block) - GATHER_SLOTS) // 2
        self._row_patches.append((block, SOURCE_ROWS, SOURCE_STRIDES + rank + 1, address.position))

    def _launch(self, launch: Launch, addresses: Sequence[Address], scratch: int = 0) -> Array:
        known = [0 if isinstance(a, Argument) else a for a in addresses]
        block = np.array(launch.block(known, scratch, lambda source: cache.load(source).address), np.int64)
        for slot, value in enumerate(launch.slots):
            if isinstance(value, Pointer):
                address = addresses[value.operand]
                if isinstance(address, Argument):
                    self._patches.append((block, slot, address.position, address.offset + value.offset))
        self.tape.call(cache.load(launch.source), block, launch.parallel)
        return block

    def _copy(self, dtype: str, size: int, source: Address, target: Address) -> None:
        if size and source != target:
            self._launch(_copy_launch(dtype, size), [source, target])

    def _write_host(self, frame: Frame, node: Node) -> None:
        warn_host(node)
        inputs = [self._viewer(frame, t) for t in node.inputs]
        outputs = [self._viewer(frame, t) for t in node.outputs]
        reference, attrs = node.op.reference, node.attrs

        def call() -> None:
            result = reference(*(view() for view in inputs), **attrs)
            for view, value in zip(outputs, result if isinstance(result, tuple) else (result,), strict=True):
                view()[...] = value

        self.tape.host(call)

    def _staging(self, node: Node, base: int) -> Callable[[Tensor], int]:
        """Hands out memory for staged inputs and outputs of a body, behind `base`."""
        position = base

        def reserve(t: Tensor) -> int:
            nonlocal position
            start, position = position, position + memory._aligned(nbytes(t))
            return arena().address + start

        return reserve

    def _write_scan(self, frame: Frame, lowered: Lowered) -> None:
        node, body = lowered.node, lowered.bodies["body"]
        carries, sequences, length = node.attrs["carries"], node.attrs["sequences"], node.attrs["length"]
        base = frame.workspace(node)
        counter = arena().address + base
        inner = base + _CELLS
        reserve = self._staging(node, inner + memory._aligned(body.plan.size))
        graph = body.graph
        staged = [reserve(t) for t in graph.inputs[: carries + sequences]]
        captures = [frame.address(t) for t in node.inputs[carries + sequences :]]
        inside = Frame(body, inner, [*staged, *captures])
        for t, address in zip(node.inputs[:carries], staged, strict=False):
            self._copy(t.dtype, nbytes(t), frame.address(t), address)
        with self.tape.loop(counter, count=length):
            for k in range(carries, carries + sequences):
                self._copy_turn(node, counter, graph.inputs[k], frame.address(node.inputs[k]), staged[k], taking=True)
            self._write_graph(inside)
            for k in range(carries, len(graph.outputs)):
                self._copy_turn(node, counter, graph.outputs[k], inside.address(graph.outputs[k]), frame.address(node.outputs[k]), taking=False)
            self._carry(inside, graph.outputs[:carries], staged[:carries], reserve)
        for out, address in zip(node.outputs[:carries], staged, strict=False):
            self._copy(out.dtype, nbytes(out), address, frame.address(out))

    def _carry(self, inside: Frame, outputs: Sequence[Tensor], targets: Sequence[int], reserve: Callable[[Tensor], int]) -> None:
        """Copies results to where the next turn reads them; those that are inputs themselves go by way of a temporary."""
        sources: list[Address] = []
        for t, target in zip(outputs, targets, strict=True):
            source = inside.address(t)
            if source in targets and source != target:
                temporary = reserve(t)
                self._copy(t.dtype, nbytes(t), source, temporary)
                source = temporary
            sources.append(source)
        for t, source, target in zip(outputs, sources, targets, strict=True):
            self._copy(t.dtype, nbytes(t), source, target)

    def _copy_turn(self, node: Node, counter: int, item: Tensor, source: Address, target: Address, *, taking: bool) -> None:
        size = nbytes(item)
        if not size:
            return
        last = node.attrs["length"] - 1 if node.attrs["reverse"] else -1
        steps = (size, 0) if taking else (0, size)
        launch = Launch(COPY_TURN, (Pointer(0), Pointer(1), size, counter, *steps, last), parallel=False)
        self._launch(launch, [source, target])

    def _write_cond(self, frame: Frame, lowered: Lowered) -> None:
        node = lowered.node
        base = frame.workspace(node) + _CELLS
        inputs = [frame.address(t) for t in node.inputs[1:]]
        with self.tape.branch(self._cell(frame, node.inputs[0], frame.workspace(node))) as branch:
            for name in ("true", "false"):
                body = lowered.bodies[name]
                inside = Frame(body, base, inputs)
                self._write_graph(inside)
                for t, out in zip(body.graph.outputs, node.outputs, strict=True):
                    self._copy(t.dtype, nbytes(t), inside.address(t), frame.address(out))
                if name == "true":
                    branch.otherwise()

    def _cell(self, frame: Frame, t: Tensor, offset: int) -> int:
        """The address of a bool, copied to a cell where it is an argument and has no fixed address."""
        address = frame.address(t)
        if isinstance(address, Argument):
            self._copy(t.dtype, nbytes(t), address, arena().address + offset)
            return arena().address + offset
        return address

    def _write_while(self, frame: Frame, lowered: Lowered) -> None:
        node = lowered.node
        condition, body = lowered.bodies["condition"], lowered.bodies["body"]
        carries, captured, limit = node.attrs["carries"], node.attrs["captured"], node.attrs["limit"]
        base = frame.workspace(node)
        inner = base + _CELLS
        after = inner + condition.size()
        reserve = self._staging(node, after + memory._aligned(body.plan.size))
        staged = [reserve(t) for t in body.graph.inputs[:carries]]
        outer = [frame.address(t) for t in node.inputs[carries:]]
        testing = Frame(condition, inner, [*staged, *outer[:captured]])
        turning = Frame(body, after, [*staged, *outer[captured:]])
        for t, address in zip(node.inputs[:carries], staged, strict=True):
            self._copy(t.dtype, nbytes(t), frame.address(t), address)

        def turn(test: Callable[[int], None]) -> None:
            self._write_graph(testing)
            test(self._cell(testing, condition.graph.outputs[0], base + 16))
            self._write_graph(turning)
            self._carry(turning, body.graph.outputs, staged, reserve)

        count, allowed = arena().address + base, arena().address + base + 8
        if limit is not None:
            self._launch(Launch(COUNT_TURN, (count, allowed, limit, 1), parallel=False), [])
        with self.tape.while_loop() as loop:
            if limit is not None:
                self._launch(Launch(COUNT_TURN, (count, allowed, limit, 0), parallel=False), [])
                loop.test(allowed)
            turn(loop.test)
        for out, address in zip(node.outputs, staged, strict=True):
            self._copy(out.dtype, nbytes(out), address, frame.address(out))


_CONTROL: dict[str, Callable[[CpuExecutable, Frame, Lowered], None]] = {
    "scan": CpuExecutable._write_scan,
    "cond": CpuExecutable._write_cond,
    "while_loop": CpuExecutable._write_while,
}


def _usable(array: Any, dtype: np.dtype[Any]) -> Array:
    """The array as the kernels read it: C-contiguous, native, aligned."""
    if type(array) is not np.ndarray or array.dtype != dtype or not array.flags.c_contiguous or not array.flags.aligned:
        return np.ascontiguousarray(array, dtype)
    return array


_warned: set[str] = set()


def warn_host(node: Node) -> None:
    """Says once per op that it has no kernel here."""
    if node.op.name not in _warned:
        _warned.add(node.op.name)
        size = sum(nbytes(t) for t in (*node.inputs, *node.outputs) if None not in t.shape)
        warnings.warn(
            f"operation {node.op.name!r}{f' of layer {node.layer!r}' if node.layer else ''} has no CPU kernel: it runs on NumPy in "
            f"every step, one thread, {size / 1e6:.2f} MB of operands",
            stacklevel=2,
        )


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
            Instruction(kind, node, name, [where(t) for t in node.outputs], [_instructions(body) for body in item.bodies.values()])
        )
    return found
