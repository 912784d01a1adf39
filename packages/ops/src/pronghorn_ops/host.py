"""Programs of which the host computes a part: strings, and what a plugin looks up in tables of its own.

Nodes that need no variable are the head: `Program.prepare` computes them while the step before runs. The others wait
for the compiled part: the tail.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from time import perf_counter

import numpy as np

from pronghorn import accelerator
from pronghorn.accelerator import Array, Executable, Instruction
from pronghorn.graph import Graph, Node, topological
from pronghorn.host import HostOp, on_strings
from pronghorn.tensor import Tensor

Values = dict[Tensor, Array]


def results(node: Node, values: Values) -> list[Array]:
    """What the reference makes of the values of a node's inputs."""
    arrays = [values[t] if t.scope is not None else accelerator.to_numpy(t.buffer) for t in node.inputs]
    found = node.op.reference(*arrays, **node.attrs)
    return [np.asarray(a) for a in (found if isinstance(found, tuple) else (found,))]


def _run(nodes: Iterable[Node], values: Values) -> Iterator[float]:
    """Computes nodes one by one, and yields the seconds that each took."""
    for node in nodes:
        start = perf_counter()
        try:
            values.update(zip(node.outputs, results(node, values), strict=True))
        except Exception as error:
            if node.layer:
                error.add_note(f"in layer {node.layer!r}")
            raise
        yield perf_counter() - start


def known(tensors: Iterable[Tensor], given: Values) -> Values | None:
    """The values of tensors of a trace, where they follow from values that it was given."""
    wanted = [t for t in tensors if t.scope is not None]
    nodes = topological(wanted, given)
    if any(t.node is None and t not in given for t in (*wanted, *(t for n in nodes for t in n.inputs if t.scope))):
        return None
    values = dict(given)
    list(_run(nodes, values))
    return values


class Staged(Executable):
    """A program with a head and a tail on the host: `start` computes the head, `finish` the rest."""

    staged = True

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._divide(graph)
        self._after = {t for node in self._tail for t in node.outputs}
        compiled = {t for node in self._body for t in node.outputs}
        self._needed = [t for t in (*_read(self._tail), *graph.outputs) if t in compiled]
        read = {*_read(self._body), *(t for t in graph.writes.values() if t not in self._after)}
        wanted = {*read, *_read(self._tail), *graph.results}
        self.early = [t for node in self._head for t in node.outputs if t in wanted]
        inputs = [t for t in (*graph.inputs, *self.early) if t in read]
        for t in self.early:
            t.node = None  # the compiled part begins with it
        writes = {v: t for v, t in graph.writes.items() if t not in self._after}
        reads = {v: t for v, t in graph.reads.items() if t in read or v in writes}
        self._late = {v: t for v, t in graph.writes.items() if t in self._after}
        self._kept = {v: t for v, t in graph.reads.items() if t in {*_read(self._tail), *graph.outputs}}
        body = Graph(inputs, self._needed, self._body, reads, writes)
        self._inputs = inputs
        self._compiled = accelerator.current().compile(body) if self._body or writes else None

    def _divide(self, graph: Graph) -> None:
        after_variables = set(graph.reads.values())
        early: list[Node] = []
        late: set[Tensor] = set()
        self._tail: list[Node] = []
        for node in graph.nodes:
            waits = any(t in after_variables for t in node.inputs)
            if waits:
                after_variables.update(node.outputs)
            elif isinstance(node.op, HostOp) or on_strings(node):
                early.append(node)
            if any(t in late for t in node.inputs) or (waits and on_strings(node)):
                late.update(node.outputs)
                self._tail.append(node)
        first = set(topological([t for node in early for t in node.outputs]))
        last = set(self._tail)
        self._head = [node for node in graph.nodes if node in first]
        self._body = [node for node in graph.nodes if node not in first and node not in last]

    def start(self, arguments: Sequence[Array]) -> list[Array]:
        """The values that the host computes first, in the order of `early`."""
        values = dict(zip(self.graph.inputs, map(accelerator.to_numpy, arguments), strict=True))
        list(_run(self._head, values))
        return [np.array(values[t], order="C") for t in self.early]

    def finish(self, arguments: Sequence[Array], early: Sequence[Array]) -> list[Array]:
        """Runs what comes after the head."""
        values = dict(zip((*self.graph.inputs, *self.early), (*arguments, *early), strict=True))
        for variable, t in self._kept.items():
            values[t] = np.array(accelerator.to_numpy(variable.buffer))
        if self._compiled is not None:
            values.update(zip(self._needed, self._compiled([values[t] for t in self._inputs]), strict=True))
        if self._tail:
            values = {t: accelerator.to_numpy(a) for t, a in values.items()}
            list(_run(self._tail, values))
        for variable, t in self._late.items():
            variable.store(np.array(values[t], order="C"))
        owned = set(self._needed)
        return [
            values[t] if t in owned else np.array(values[t] if t.scope else accelerator.to_numpy(t.buffer))
            for t in self.graph.outputs
        ]

    def __call__(self, arguments: Sequence[Array]) -> list[Array]:
        return self.finish(arguments, self.start(arguments))

    def instructions(self) -> list[Instruction]:
        head, tail = ([Instruction("host", node, node.op.name) for node in nodes] for nodes in (self._head, self._tail))
        return [*head, *(self._compiled.instructions() if self._compiled else ()), *tail]

    def profile(self, arguments: Sequence[Array], repeats: int = 20) -> list[float]:
        values = dict(zip(self.graph.inputs, arguments, strict=True))
        values |= {t: np.full_like(values[t], "") for t in self.graph.inputs if t.dtype == "string"}
        head = list(_run(self._head, values))
        inputs = [values[t] for t in self._inputs]
        body = self._compiled.profile(inputs, repeats) if self._compiled else []
        return [*head, *body, *(0.0 for _ in self._tail)]

    @property
    def activation_bytes(self) -> int:
        return self._compiled.activation_bytes if self._compiled else 0


def _read(nodes: Iterable[Node]) -> list[Tensor]:
    return [t for node in nodes for t in node.inputs]
