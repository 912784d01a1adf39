"""A compiled graph on the GPU: its launches, captured as graphs between the instructions that need the host."""

from __future__ import annotations

import time
import warnings
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pronghorn.accelerator import Executable, Instruction
from pronghorn.body import Body
from pronghorn.graph import Graph
from pronghorn.passes.fuse import fuse
from pronghorn.passes.memory import aligned, nbytes
from pronghorn.passes.simplify import simplify
from pronghorn.tensor import Tensor
from pronghorn_gpu.arena import arena
from pronghorn_gpu.buffer import resident
from pronghorn_gpu.device import Captured, device
from pronghorn_gpu.heap import DeviceMemoryError, Piece, amount
from pronghorn_gpu.launch import DTYPES
from pronghorn_gpu.lowered import LoweredGraph
from pronghorn_gpu.writing import Item, Writer

Array = np.ndarray[Any, Any]

KINDS = {"scan": "loop", "while_loop": "while", "cond": "branch"}


class Segment:
    """Launches with nothing between them: plain at first, when kernels are compiled and loaded; then one graph."""

    def __init__(self, items: Sequence[Item]) -> None:
        self.items = items
        self.runs = 0
        self.captured: Captured | None = None

    def __call__(self) -> None:
        if self.captured is not None:
            self.captured.replay()
            return
        self.runs += 1
        if self.runs < 2 or len(self.items) < 2 or not device().graphs:
            self._launch()
            return
        try:
            self.captured = device().capture(self._launch)
        except RuntimeError as error:
            device().graphs = False
            warnings.warn(f"CUDA graphs are not used: {error}", RuntimeWarning, stacklevel=2)
            self._launch()
            return
        self.captured.replay()

    def _launch(self) -> None:
        for item in self.items:
            item.run()


def segments(items: Sequence[Item], fed_on_device: bool = False) -> list[Callable[[], None]]:
    """The items with neighbouring launches put together."""
    found: list[Callable[[], None]] = []
    launches: list[Item] = []
    for item in items:
        if fed_on_device and item.gather is not None:
            launches.append(Item(item.gather, True, item.node))
            continue
        if item.captures:
            launches.append(item)
            continue
        if launches:
            found.append(Segment(launches))
            launches = []
        found.append(item.run)
    return [*found, Segment(launches)] if launches else found


class GpuExecutable(Executable):
    """The launches of a graph, with what each call must bring to the device."""

    def __init__(self, graph: Graph) -> None:
        self.graph = fuse(simplify(graph))
        with device().lock:  # libraries are asked, which must not become part of what another thread captures
            device().enter()
            self.lowered = LoweredGraph(self.graph)
        staged = [t for t in self.graph.inputs if t.dtype in DTYPES and None not in t.shape]
        self._staged: dict[Tensor, int] = {}
        size = aligned(self.lowered.plan.size)
        for t in staged:
            self._staged[t] = size
            size += aligned(nbytes(t))
        self._size = size
        self._written = [resident(v) for v in self.graph.writes if v.dtype in DTYPES]
        self._writer: Writer | None = None
        self._runs: dict[bool, list[Callable[[], None]]] = {}
        """What a call runs, by whether all data sets are on the device: then a batch is gathered within the graph."""
        self._place: weakref.ref[Piece] | None = None
        """The arena that the launches are written for; a smaller one must not live on because of that."""

    def _prepare(self) -> Writer:
        """Writes the launches for the arena as it is; again when another program made it larger."""
        try:
            piece = arena().require(self._size)
        except DeviceMemoryError:
            raise DeviceMemoryError(self._too_large()) from None
        if self._writer is None or self._place is None or self._place() is not piece:
            inputs = [piece.address + self._staged.get(t, 0) for t in self.graph.inputs]
            self._writer = Writer(self.lowered, piece.address, inputs)
            self._runs = {}
            self._place = weakref.ref(piece)
        return self._writer

    def _too_large(self) -> str:
        available = device().heap.largest
        text = (
            f"the program needs {amount(self._size)} of the GPU's memory for its values, {amount(available)} are free"
        )
        if self.lowered.plan.size:
            t, maker = self.lowered.largest()
            text += f"; the largest is {t.dtype}{list(t.shape)} ({amount(nbytes(t))}), made by {maker}"
        batch = next((t.shape[0] for t in self.graph.inputs if t.shape and t.shape[0]), None)
        if batch and batch > 1:
            fits = max(int(batch * available / self._size), 0)
            text += f"; a batch of about {fits} fits instead of {batch}" if fits else "; no batch fits"
        return text + ". Use a smaller batch, or free models and tensors that are no longer used"

    def __call__(self, arguments: Sequence[Any]) -> list[Any]:
        with device().lock:
            device().enter()
            writer = self._prepare()
            self._bind(writer, arguments)
            try:
                for run in self._parts(writer, writer.fed_on_device()):
                    run()
                return [writer.result(t) for t in self.graph.outputs]
            finally:
                writer.release()
                for buffer in self._written:
                    buffer.written_on_device()

    def _parts(self, writer: Writer, fed_on_device: bool) -> list[Callable[[], None]]:
        if fed_on_device not in self._runs:
            self._runs[fed_on_device] = segments(writer.items, fed_on_device)
        return self._runs[fed_on_device]

    def _bind(self, writer: Writer, arguments: Sequence[Any]) -> None:
        """Brings arguments, and variables that the host has changed, to the device."""
        for buffer, what in writer.buffers:
            if not buffer.on_device:
                buffer.address(what)
        for t, value in zip(self.graph.inputs, arguments, strict=True):
            writer.bind(t, value, self._staged.get(t))
        for variable in self.graph.writes:
            if variable._reader is not None:
                variable.detach_reader()

    def profile(self, arguments: Sequence[Any], repeats: int = 20) -> list[float]:
        seconds = []
        with device().lock:
            device().enter()
            writer = self._prepare()
            for _ in range(repeats):
                self._bind(writer, arguments)
                found = [0.0] * len(self.lowered.nodes)
                for item in writer.items:
                    device().synchronize()
                    begin = time.perf_counter()
                    item.run()
                    device().synchronize()
                    if item.node is not None:
                        found[item.node] += time.perf_counter() - begin
                writer.release()
                for buffer in self._written:
                    buffer.written_on_device()
                seconds.append([s for s, item in zip(found, self.lowered.nodes, strict=True) if not item.view])
        return [float(s) for s in np.median(seconds, axis=0)]

    @property
    def activation_bytes(self) -> int:
        return self.lowered.plan.size

    def instructions(self) -> list[Instruction]:
        return _instructions(self.lowered)

    def counts(self) -> dict[str, int]:
        """What one call hands to the device and does on the host; a branch or a loop that the values decide is one.

        `launches`: kernels, copies and calls of libraries; `graphs`: captured graphs that hold them; `host`: items that
        the host runs between them, batches among them of data sets that are not on the device.
        """
        with device().lock:
            device().enter()
            run = self._parts(self._prepare(), False not in self._runs)
        parts = [part for part in run if isinstance(part, Segment)]
        launches = sum(len(part.items) for part in parts)
        return {"launches": launches, "graphs": len(parts), "host": len(run) - len(parts)}


def _instructions(lowered: LoweredGraph) -> list[Instruction]:
    def where(t: Tensor) -> str:
        place = lowered.plan.places[t]
        return place.variable.path if place.variable is not None else f"arena+{place.offset}"

    found = []
    for item in lowered.nodes:
        node = item.node
        if not item.view:
            kind = "host" if item.host else KINDS.get(node.op.name, "kernel")
            bodies = [_instructions(body) for body in item.bodies.values()]
            found.append(Instruction(kind, node, _title(node), [where(t) for t in node.outputs], bodies))
    return found


def _title(node: Any) -> str:
    body = node.attrs.get("body")
    if node.op.name == "table":
        member = node.attrs["members"][0].get("body", "")
        return f"{len(node.attrs['members'])} × {node.attrs['op'].name}({member})"
    kind = f" {node.attrs['kind'].name}" if "kind" in node.attrs else ""
    return f"{node.op.name}({f'{body}{kind}'.strip()})" if isinstance(body, Body) else node.op.name
