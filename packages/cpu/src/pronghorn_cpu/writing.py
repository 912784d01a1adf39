"""Writes a lowered graph on a tape: launches with their blocks, host calls, loops and branches."""

from __future__ import annotations

import ctypes
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pronghorn import dtypes
from pronghorn.accelerator import to_numpy
from pronghorn.graph import Node
from pronghorn.passes import memory
from pronghorn.passes.memory import nbytes
from pronghorn.tensor import Tensor
from pronghorn_cpu import cache
from pronghorn_cpu.arena import arena
from pronghorn_cpu.launch import Launch, Pointer
from pronghorn_cpu.lowered import CELLS, COPY_TURN, COUNT_TURN, Address, Argument, Frame, Lowered, copy_launch
from pronghorn_cpu.shape import GATHER_SLOTS, SOURCE_ROWS, SOURCE_STRIDES
from pronghorn_cpu.tape import Tape

Array = np.ndarray[Any, Any]


class Writer:
    """A tape being written.

    Attributes:
        tape: closed by `finish`.
        arguments: the arrays of the present call, which host calls read.
        patches: (block, slot, argument, offset) of the addresses that each call puts in.
        row_patches: (block, slot of the number of rows, slot of the row stride, argument) of data sets in memory.
    """

    def __init__(self) -> None:
        self.tape = Tape()
        self.arguments: list[Array] = []
        self.patches: list[tuple[Array, int, int, int]] = []
        self.row_patches: list[tuple[Array, int, int, int]] = []

    def graph(self, frame: Frame, starts: list[int] | None = None) -> None:
        """Writes a graph's nodes; `starts` gets the entry at which each begins."""
        for lowered in frame.lowered.nodes:
            if lowered.view:
                continue
            if starts is not None:
                starts.append(len(self.tape))
            self._node(frame, lowered)

    def _node(self, frame: Frame, lowered: Lowered) -> None:
        node = lowered.node
        if lowered.bodies:
            _CONTROL[node.op.name](self, frame, lowered)
        elif lowered.launches is None:
            self._host(frame, node)
        else:
            addresses = [frame.address(t) for t in (*node.inputs, *node.outputs)]
            scratch = arena().address + frame.workspace(node)
            for launch in lowered.launches:
                block = self._launch(launch, addresses, scratch)
                if node.op.name == "batch_rows":
                    self._bind_rows(block, node, frame)

    def viewer(self, frame: Frame, t: Tensor) -> Callable[[], Array]:
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
            return lambda: self.arguments[address.position].reshape(shape)
        offset: Any = address - arena().address
        sizes: Any = shape
        if 0 <= offset < arena().bytes.size:
            array = arena().view(offset, sizes, dtype)
        else:  # a variable's, in the body of a loop or branch
            memory_of: Any = (ctypes.c_byte * nbytes(t)).from_address(address)
            array = np.frombuffer(memory_of, dtype).reshape(sizes)
        return lambda: array

    def _bind_rows(self, block: Array, node: Node, frame: Frame) -> None:
        """A data set's number of rows and row stride go into the gather's block at each call."""
        address = frame.address(node.inputs[0])
        assert isinstance(address, Argument)
        rank = (len(block) - GATHER_SLOTS) // 2
        self.row_patches.append((block, SOURCE_ROWS, SOURCE_STRIDES + rank + 1, address.position))

    def _launch(self, launch: Launch, addresses: Sequence[Address], scratch: int = 0) -> Array:
        known = [0 if isinstance(a, Argument) else a for a in addresses]
        block = np.array(launch.block(known, scratch, lambda source: cache.load(source).address), np.int64)
        arguments = {k: a for k, a in enumerate(addresses) if isinstance(a, Argument)}
        for slot, value in enumerate(launch.slots if arguments else ()):
            if isinstance(value, Pointer) and value.operand in arguments:
                position, offset = arguments[value.operand]
                self.patches.append((block, slot, position, offset + value.offset))
        self.tape.call(cache.load(launch.source), block, launch.parallel)
        return block

    def copy(self, dtype: str, size: int, source: Address, target: Address) -> None:
        """Copies `size` bytes."""
        if size and source != target:
            self._launch(copy_launch(dtype, size), [source, target])

    def _host(self, frame: Frame, node: Node) -> None:
        warn_host(node)
        inputs = [self.viewer(frame, t) for t in node.inputs]
        outputs = [self.viewer(frame, t) for t in node.outputs]
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
            start, position = position, position + memory.aligned(nbytes(t))
            return arena().address + start

        return reserve

    def _scan(self, frame: Frame, lowered: Lowered) -> None:
        node, body = lowered.node, lowered.bodies["body"]
        carries, sequences, length = node.attrs["carries"], node.attrs["sequences"], node.attrs["length"]
        base = frame.workspace(node)
        counter = arena().address + base
        inner = base + CELLS
        reserve = self._staging(node, inner + memory.aligned(body.plan.size))
        graph = body.graph
        staged = [reserve(t) for t in graph.inputs[: carries + sequences]]
        captures = [frame.address(t) for t in node.inputs[carries + sequences :]]
        inside = Frame(body, inner, [*staged, *captures])
        for t, address in zip(node.inputs[:carries], staged, strict=False):
            self.copy(t.dtype, nbytes(t), frame.address(t), address)
        with self.tape.loop(counter, count=length):
            for k in range(carries, carries + sequences):
                self._copy_turn(node, counter, graph.inputs[k], frame.address(node.inputs[k]), staged[k], taking=True)
            self.graph(inside)
            for k in range(carries, len(graph.outputs)):
                self._copy_turn(
                    node,
                    counter,
                    graph.outputs[k],
                    inside.address(graph.outputs[k]),
                    frame.address(node.outputs[k]),
                    taking=False,
                )
            self._carry(inside, graph.outputs[:carries], staged[:carries], reserve)
        for out, address in zip(node.outputs[:carries], staged, strict=False):
            self.copy(out.dtype, nbytes(out), address, frame.address(out))

    def _carry(
        self, inside: Frame, outputs: Sequence[Tensor], targets: Sequence[int], reserve: Callable[[Tensor], int]
    ) -> None:
        """Copies results to where the next turn reads them; inputs among them go by way of a temporary."""
        sources: list[Address] = []
        for t, target in zip(outputs, targets, strict=True):
            source = inside.address(t)
            if source in targets and source != target:
                temporary = reserve(t)
                self.copy(t.dtype, nbytes(t), source, temporary)
                source = temporary
            sources.append(source)
        for t, source, target in zip(outputs, sources, targets, strict=True):
            self.copy(t.dtype, nbytes(t), source, target)

    def _copy_turn(
        self, node: Node, counter: int, item: Tensor, source: Address, target: Address, *, taking: bool
    ) -> None:
        size = nbytes(item)
        if not size:
            return
        last = node.attrs["length"] - 1 if node.attrs["reverse"] else -1
        steps = (size, 0) if taking else (0, size)
        launch = Launch(COPY_TURN, (Pointer(0), Pointer(1), size, counter, *steps, last), parallel=False)
        self._launch(launch, [source, target])

    def _cond(self, frame: Frame, lowered: Lowered) -> None:
        node = lowered.node
        base = frame.workspace(node) + CELLS
        inputs = [frame.address(t) for t in node.inputs[1:]]
        with self.tape.branch(self._cell(frame, node.inputs[0], frame.workspace(node))) as branch:
            for name in ("true", "false"):
                body = lowered.bodies[name]
                inside = Frame(body, base, inputs)
                self.graph(inside)
                for t, out in zip(body.graph.outputs, node.outputs, strict=True):
                    self.copy(t.dtype, nbytes(t), inside.address(t), frame.address(out))
                if name == "true":
                    branch.otherwise()

    def _cell(self, frame: Frame, t: Tensor, offset: int) -> int:
        """The address of a bool, copied to a cell where it is an argument and has no fixed address."""
        address = frame.address(t)
        if isinstance(address, Argument):
            self.copy(t.dtype, nbytes(t), address, arena().address + offset)
            return arena().address + offset
        return address

    def _while(self, frame: Frame, lowered: Lowered) -> None:
        node = lowered.node
        condition, body = lowered.bodies["condition"], lowered.bodies["body"]
        carries, captured, limit = node.attrs["carries"], node.attrs["captured"], node.attrs["limit"]
        base = frame.workspace(node)
        inner = base + CELLS
        after = inner + condition.size()
        reserve = self._staging(node, after + memory.aligned(body.plan.size))
        staged = [reserve(t) for t in body.graph.inputs[:carries]]
        outer = [frame.address(t) for t in node.inputs[carries:]]
        testing = Frame(condition, inner, [*staged, *outer[:captured]])
        turning = Frame(body, after, [*staged, *outer[captured:]])
        for t, address in zip(node.inputs[:carries], staged, strict=True):
            self.copy(t.dtype, nbytes(t), frame.address(t), address)

        def turn(test: Callable[[int], None]) -> None:
            self.graph(testing)
            test(self._cell(testing, condition.graph.outputs[0], base + 16))
            self.graph(turning)
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
            self.copy(out.dtype, nbytes(out), address, frame.address(out))


_CONTROL: dict[str, Callable[[Writer, Frame, Lowered], None]] = {
    "scan": Writer._scan,
    "cond": Writer._cond,
    "while_loop": Writer._while,
}


_warned: set[str] = set()


def warn_host(node: Node) -> None:
    """Says once per op that it has no kernel here."""
    if node.op.name not in _warned:
        _warned.add(node.op.name)
        size = sum(nbytes(t) for t in (*node.inputs, *node.outputs) if None not in t.shape)
        warnings.warn(
            f"operation {node.op.name!r}{f' of layer {node.layer!r}' if node.layer else ''} has no CPU kernel: "
            f"it runs on NumPy in every step, one thread, {size / 1e6:.2f} MB of operands",
            stacklevel=2,
        )
