"""Writes a lowered graph as items to run: launches with their parameters in place, and what the host must do."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from pronghorn import dtypes
from pronghorn.accelerator import to_numpy
from pronghorn.graph import Graph
from pronghorn.passes.memory import aligned, nbytes
from pronghorn.tensor import Tensor, Variable
from pronghorn_gpu import library
from pronghorn_gpu.buffer import DeviceBuffer, resident
from pronghorn_gpu.device import device
from pronghorn_gpu.feeding import Feed
from pronghorn_gpu.launch import DTYPES, Choice, Launch, Pointer, Real, Scratch
from pronghorn_gpu.lowered import Frame, Lowered, LoweredGraph

Array = np.ndarray[Any, Any]


def _shape(t: Tensor) -> tuple[int, ...]:
    return t.shape  # type: ignore[return-value]


class Item:
    """Something to run. `captures`: it may be part of a captured graph. `node`: the number of the node it is of.
    `gather`: what may be captured in its place where all data sets are on the device."""

    def __init__(
        self, run: Callable[[], None], captures: bool, node: int | None, gather: Callable[[], None] | None = None
    ) -> None:
        self.run = run
        self.captures = captures
        self.node = node
        self.gather = gather


class Writer:
    """The items of a program, for an arena at `base` and arguments at the addresses `inputs`."""

    def __init__(self, lowered: LoweredGraph, base: int, inputs: Sequence[int]) -> None:
        self.items: list[Item] = []
        self.host: dict[Tensor, Any] = {}
        """Values that live on the host: of dtypes that the device does not have, and data sets."""
        self.buffers: list[tuple[DeviceBuffer, str]] = []
        """Variables and constants that must be on the device."""
        self.feeds: list[tuple[Tensor, Feed]] = []
        """Data sets and what takes batches from them."""
        self._known: dict[Any, DeviceBuffer] = {}
        self._parameters: list[int] = []
        self._launches: list[list[int]] = []
        self._node: int | None = None
        self.frame = Frame(lowered, base, inputs)
        self._graph(self.frame)
        self._write_variables(lowered)
        self._place_parameters()

    # -------------------------------------------------------------------------------------------- each call

    def bind(self, t: Tensor, value: Any, offset: int | None) -> None:
        """Gives an argument its value."""
        if offset is None or value.shape != t.shape:
            self.host[t] = value if isinstance(value, np.ndarray) else to_numpy(value)
            return
        address = self.frame.inputs[t]
        if isinstance(value, DeviceBuffer) and value.on_device:
            device().copy(address, value.address("an argument"), value.nbytes)
            return
        array = np.ascontiguousarray(value, dtypes.numpy_dtype(t.dtype))
        self.host[t] = array
        device().copy_in(address, array)

    def fed_on_device(self) -> bool:
        """Whether all data sets are on the device."""
        return all([feed.ready(self.host[source]) for source, feed in self.feeds])

    def release(self) -> None:
        """Forgets arguments: a data set must not live on for having been trained on."""
        self.host.clear()

    def result(self, t: Tensor) -> Any:
        """The value of an output, owned by the caller."""
        if t.dtype not in DTYPES or self.frame.lowered.plan.places[t].kind == "constant":
            return np.array(self._host_value(self.frame, t))
        buffer = DeviceBuffer(_shape(t), dtypes.numpy_dtype(t.dtype))
        device().copy(buffer.place("a result"), self._address(self.frame, t), buffer.nbytes)
        buffer.written_on_device()
        return buffer

    # -------------------------------------------------------------------------------------------- places

    def _resident(self, key: Any, buffer: DeviceBuffer, what: str) -> int:
        if key not in self._known:
            self._known[key] = buffer
            self.buffers.append((buffer, what))
        return self._known[key].place(what)

    def _address(self, frame: Frame, t: Tensor) -> int:
        """Where a tensor is in the device's memory."""
        place = frame.lowered.plan.places[t]
        if place.kind == "arena":
            return frame.base + place.offset
        if place.kind == "argument":
            return frame.inputs[place.root]
        if place.variable is not None:
            return self._resident(place.variable, resident(place.variable), f"variable {place.variable.path!r}")
        root = place.root
        if root not in self._known:
            array = np.ascontiguousarray(to_numpy(root.buffer)).reshape(to_numpy(root.buffer).shape)
            return self._resident(root, DeviceBuffer(array.shape, array.dtype, array), "a constant")
        return self._known[root].place("a constant")

    def _host_value(self, frame: Frame, t: Tensor) -> Array:
        """A tensor's value on the host; waits for the device where it is there."""
        place = frame.lowered.plan.places[t]
        if t in self.host:
            value: Array = self.host[t]
            return value
        if place.kind == "constant":
            return np.asarray(to_numpy(place.root.buffer)).reshape(_shape(t))
        if t.dtype not in DTYPES:
            assert place.variable is not None
            return to_numpy(place.variable.buffer)
        array = np.empty(_shape(t), dtypes.numpy_dtype(t.dtype))
        device().copy_out(array, self._address(frame, t))
        return array

    def _set_value(self, frame: Frame, t: Tensor, array: Array) -> None:
        array = np.ascontiguousarray(array, dtypes.numpy_dtype(t.dtype)).reshape(_shape(t))
        if t.dtype in DTYPES:
            device().copy_in(self._address(frame, t), array)
        else:
            self.host[t] = array

    # -------------------------------------------------------------------------------------------- items

    def _do(self, run: Callable[[], None], captures: bool = False) -> None:
        self.items.append(Item(run, captures, self._node))

    def _graph(self, frame: Frame) -> None:
        top = frame.lowered is self.frame.lowered
        for number, lowered in enumerate(frame.lowered.nodes):
            if top:
                self._node = number
            if lowered.feed:
                self._feed(frame, lowered)
            elif lowered.bodies:
                getattr(self, f"_{lowered.node.op.name}")(frame, lowered)
            elif lowered.host:
                self._host_call(frame, lowered)
            else:
                self._work(frame, lowered)
        if top:
            self._node = None

    def _work(self, frame: Frame, lowered: Lowered) -> None:
        node = lowered.node
        places = [self._address(frame, t) for t in (*node.inputs, *node.outputs)] if lowered.work else []
        scratch = frame.base + frame.lowered.plan.workspaces.get(node, 0)

        def address(slot: Pointer | Scratch) -> int:
            """In bytes."""
            if isinstance(slot, Pointer):
                return places[slot.operand] + slot.offset * dtypes.itemsize(slot.dtype)
            return scratch + slot.offset

        def resolve(slot: Any) -> int:
            if isinstance(slot, (Pointer, Scratch)):
                return address(slot) // dtypes.itemsize(slot.dtype)
            return slot.bits if isinstance(slot, Real) else int(slot)

        for item in lowered.work or ():
            ways = item.ways if isinstance(item, Choice) else ((item,),)
            for way in ways:
                parts = [part if isinstance(part, Launch) else library.prepared(part, address) for part in way]
                if None not in parts:
                    break
            for part in parts:
                if isinstance(part, Launch):
                    self.launch(part, [resolve(slot) for slot in part.slots])
                elif part is not None:
                    self._do(part, captures=True)

    def launch(self, work: Launch, parameters: list[int]) -> None:
        """A launch with these parameters."""
        block = self._block(parameters)
        kernel, blocks, threads = work.kernel, work.blocks, work.threads
        self._do(lambda: device().launch(kernel, blocks, threads, block[0]), captures=True)

    def _block(self, parameters: list[int]) -> list[int]:
        """Room for a block of parameters; its index in `int64s` is in the list when everything is written."""
        block = [len(self._parameters)]
        self._parameters += parameters
        self._launches.append(block)
        return block

    def _place_parameters(self) -> None:
        array = np.array(self._parameters or [0], np.int64)
        self._piece = device().allocate(array.nbytes, "the parameters of a program's kernels")
        device().copy_in(self._piece.address, array)
        for block in self._launches:
            block[0] += self._piece.address // 8

    def _copy(self, target: int, source: int, size: int) -> None:
        if target != source:
            self._do(lambda: device().copy(target, source, size), captures=True)

    def _host_call(self, frame: Frame, lowered: Lowered) -> None:
        node = lowered.node

        def run() -> None:
            arrays = [self._host_value(frame, t) for t in node.inputs]
            with np.errstate(all="ignore"):
                result = node.op.reference(*arrays, **node.attrs)
            results = result if isinstance(result, tuple) else (np.asarray(result),)
            for t, array in zip(node.outputs, results, strict=True):
                self._set_value(frame, t, array)

        moved = [t for t in (*node.inputs, *node.outputs) if t.dtype in DTYPES]
        if moved:
            layer = f" in layer {node.layer!r}" if node.layer else ""
            size = sum(map(nbytes, moved))
            kinds = ", ".join(sorted({t.dtype for t in (*node.inputs, *node.outputs)}))
            warnings.warn(
                f"operation {node.op.name!r}{layer} has no GPU kernel for {kinds} and runs on the host: each call "
                f"copies {size:,} bytes between the GPU and the host and waits for both",
                RuntimeWarning,
                stacklevel=2,
            )
        self._do(run)

    def _feed(self, frame: Frame, lowered: Lowered) -> None:
        node = lowered.node
        source, indices = node.inputs
        target = self._address(frame, node.outputs[0])
        own = self._address(frame, indices)
        known = frame.lowered.plan.places[indices].kind == "argument"
        feed = Feed(node, target, own, self._block([0] * Feed.SLOTS))

        def run() -> None:
            numbers = self._host_value(frame, indices) if not known or indices in self.host else None
            feed(self.host[source], lambda: self._host_value(frame, indices) if numbers is None else numbers)

        self.feeds.append((source, feed))
        self.items.append(Item(run, False, self._node, feed.gather))

    # -------------------------------------------------------------------------------------------- control flow

    def _body_frames(self, frame: Frame, lowered: Lowered, inputs: dict[str, list[int]]) -> dict[str, Frame]:
        """The frames of a node's bodies, one behind the other behind room for the carried values."""
        base = frame.base + frame.lowered.plan.workspaces.get(lowered.node, 0)
        base += 2 * sum(aligned(nbytes(t)) for t in lowered.node.outputs)
        frames = {}
        for name, body in lowered.bodies.items():
            frames[name] = Frame(body, base, inputs[name])
            base += aligned(body.plan.size)
        return frames

    def _room(self, frame: Frame, lowered: Lowered, count: int) -> tuple[list[int], list[int]]:
        """Two places for each of the first `count` outputs of a node with bodies."""
        at = frame.base + frame.lowered.plan.workspaces.get(lowered.node, 0)
        places: list[int] = []
        for t in (*lowered.node.outputs[:count], *lowered.node.outputs[:count]):
            places.append(at)
            at += aligned(nbytes(t))
        return places[:count], places[count:]

    def _carry(self, frame: Frame, results: Sequence[Tensor], targets: Sequence[int], spare: Sequence[int]) -> None:
        """Copies results to where the values are that they replace; one that is itself such a value goes through spare
        room, so that none is overwritten before it is read."""
        late: list[tuple[int, int, int]] = []
        for t, target, room in zip(results, targets, spare, strict=True):
            source = self._address(frame, t)
            if source in targets and source != target:
                self._copy(room, source, nbytes(t))
                late.append((target, room, nbytes(t)))
        for t, target in zip(results, targets, strict=True):
            source = self._address(frame, t)
            if source not in targets:
                self._copy(target, source, nbytes(t))
        for target, room, size in late:
            self._copy(target, room, size)

    def _aside(self, write: Callable[[], None]) -> Callable[[], None]:
        """What `write` writes, as something to run from an item of the host."""
        from pronghorn_gpu.executable import segments

        items, self.items = self.items, []
        write()
        written, self.items = self.items, items
        parts = segments(written)

        def run() -> None:
            for part in parts:
                part()

        return run

    def _cond(self, frame: Frame, lowered: Lowered) -> None:
        node = lowered.node
        inputs = [self._address(frame, t) for t in node.inputs[1:]]
        targets = [self._address(frame, t) for t in node.outputs]
        frames = self._body_frames(frame, lowered, {name: inputs for name in lowered.bodies})
        branches = {}
        for name, body in frames.items():

            def write(body: Frame = body) -> None:
                self._graph(body)
                for t, target in zip(body.lowered.graph.outputs, targets, strict=True):
                    self._copy(target, self._address(body, t), nbytes(t))

            branches[name] = self._aside(write)
        self._do(lambda: branches["true" if self._host_value(frame, node.inputs[0]) else "false"]())

    def _while_loop(self, frame: Frame, lowered: Lowered) -> None:
        node = lowered.node
        carries, captured, limit = (node.attrs[name] for name in ("carries", "captured", "limit"))
        inputs = [self._address(frame, t) for t in node.inputs]
        carried, spare = self._room(frame, lowered, carries)
        frames = self._body_frames(
            frame,
            lowered,
            {
                "condition": [*carried, *inputs[carries : carries + captured]],
                "body": [*carried, *inputs[carries + captured :]],
            },
        )
        condition, body = frames["condition"], frames["body"]
        for t, target, source in zip(node.outputs, carried, inputs, strict=False):
            self._copy(target, source, nbytes(t))
        test = self._aside(lambda: self._graph(condition))

        def write() -> None:
            self._graph(body)
            self._carry(body, body.lowered.graph.outputs, carried, spare)

        turn = self._aside(write)

        def run() -> None:
            turns = 0
            while limit is None or turns < limit:
                test()
                if not self._host_value(condition, condition.lowered.graph.outputs[0]):
                    break
                turn()
                turns += 1

        self._do(run)
        for t, source in zip(node.outputs, carried, strict=True):
            self._copy(self._address(frame, t), source, nbytes(t))

    def _scan(self, frame: Frame, lowered: Lowered) -> None:
        """All turns one after the other: their number is known."""
        node = lowered.node
        carries, sequences, length = (node.attrs[name] for name in ("carries", "sequences", "length"))
        inputs = [self._address(frame, t) for t in node.inputs]
        outputs = [self._address(frame, t) for t in node.outputs]
        body: Graph = lowered.bodies["body"].graph
        _, spare = self._room(frame, lowered, carries)
        for t, target, source in zip(node.outputs[:carries], outputs, inputs, strict=False):
            self._copy(target, source, nbytes(t))
        rows = [nbytes(t) for t in body.inputs[carries : carries + sequences]]
        for turn in reversed(range(length)) if node.attrs["reverse"] else range(length):
            xs = [place + turn * size for place, size in zip(inputs[carries:], rows, strict=False)]
            own = [*outputs[:carries], *xs, *inputs[carries + sequences :]]
            inner = self._body_frames(frame, lowered, {"body": own})["body"]
            self._graph(inner)
            for t, place in zip(body.outputs[carries:], outputs[carries:], strict=True):
                self._copy(place + turn * nbytes(t), self._address(inner, t), nbytes(t))
            self._carry(inner, body.outputs[:carries], outputs[:carries], spare)

    def _write_variables(self, lowered: LoweredGraph) -> None:
        """New values that could not be computed in place."""
        late = [(t, v) for t, v in lowered.plan.copies if v.dtype in DTYPES]
        targets = [self._resident(v, resident(v), f"variable {v.path!r}") for _, v in late]
        self._spare = [device().allocate(nbytes(t), f"the new value of {v.path!r}") for t, v in late]
        self._carry(self.frame, [t for t, _ in late], targets, [piece.address for piece in self._spare])
        for t, variable in lowered.plan.copies:
            if variable.dtype not in DTYPES:
                self._do(partial(self._store_on_host, variable, t))

    def _store_on_host(self, variable: Variable, t: Tensor) -> None:
        np.copyto(variable.buffer, self._host_value(self.frame, t))
