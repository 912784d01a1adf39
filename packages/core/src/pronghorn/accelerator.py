"""What a device must offer, and the NumPy reference accelerator that is always there.

An accelerator turns a program graph into an executable, holds buffers, and lends eager code its kernels. Plugins offer
one through the hook `pronghorn_accelerators`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar

import numpy as np

from pronghorn import config, plugins
from pronghorn.graph import Graph, Node
from pronghorn.op import Op
from pronghorn.tensor import Tensor

Array = np.ndarray[Any, Any]


class Executable:
    """A compiled graph: called with the values of its inputs, it gives the values of its outputs and updates
    variables."""

    graph: Graph
    staged: ClassVar[bool] = False
    """Whether it is `pronghorn_ops.host.Staged`, of which the host computes a part ahead."""

    def __call__(self, arguments: Sequence[Array]) -> list[Array]:
        """Runs once. `arguments` are in the order of `graph.inputs`; the arrays returned belong to the caller."""
        raise NotImplementedError

    def repeat(self, arguments: Sequence[Array], more: Iterable[Array]) -> list[Array]:
        """Runs once, then with each of `more` for the last argument, of its shape and dtype; the last run's outputs."""
        results = self(arguments)
        for value in more:
            results = self([*arguments[:-1], value])
        return results

    def instructions(self) -> list[Instruction]:
        """What is run, in order, for listings."""
        raise NotImplementedError

    def profile(self, arguments: Sequence[Array], repeats: int = 20) -> list[float]:
        """Seconds that each instruction takes, the median of `repeats` runs. Variables are updated by each run."""
        raise NotImplementedError

    @property
    def activation_bytes(self) -> int:
        """Bytes of memory that the values between instructions take."""
        raise NotImplementedError


class Instruction:
    """One line of a program listing.

    Attributes:
        kind: "kernel", "loop", "while", "branch" or "host".
        name: the op, or the fused ops.
        node: what it runs.
        layer: the path of the layer it was traced in.
        inputs, outputs: the tensors, with their shapes and dtypes.
        buffers: where the outputs live, for example "arena+4096" or a variable's path.
        bodies: the instructions of a loop or branch.
    """

    __slots__ = ("bodies", "buffers", "inputs", "kind", "layer", "name", "node", "outputs")

    def __init__(
        self, kind: str, node: Node, name: str, buffers: Sequence[str] = (), bodies: Sequence[Any] = ()
    ) -> None:
        self.kind = kind
        self.name = name
        self.node = node
        self.layer = node.layer
        self.inputs = node.inputs
        self.outputs = node.outputs
        self.buffers = tuple(buffers)
        self.bodies = tuple(bodies)

    @property
    def bytes(self) -> int:
        """Memory traffic."""
        return plugins.load("utils", "cost.traffic")(self.node)  # type: ignore[no-any-return]

    @property
    def flops(self) -> int:
        """Floating-point operations."""
        return plugins.load("utils", "cost.flops")(self.node)  # type: ignore[no-any-return]


class Accelerator:
    """The contract of a device."""

    name = "numpy"
    priority = 0
    """The best available accelerator has the highest."""

    def available(self) -> bool:
        """Whether it works on this machine; never raises."""
        return True

    def from_numpy(self, array: Array) -> Any:
        """A buffer holding a copy of a C-contiguous array."""
        return array.copy()

    def to_numpy(self, buffer: Any) -> Array:
        """The buffer's value on the host."""
        return np.asarray(buffer)

    def write(self, buffer: Any, array: Any) -> None:
        """Overwrites a buffer in place; another accelerator may have made it."""
        buffer[...] = array

    def between_programs(self) -> AbstractContextManager[Any]:
        """Inside, no other thread runs a program, so that variables can be read and written whole."""
        return nullcontext()

    @property
    def kernels(self) -> Mapping[str, Callable[..., Any]]:
        """Fast kernels by the name of the op."""
        return {}

    def run(self, op: Op, buffers: Sequence[Any], attrs: dict[str, Any]) -> tuple[Any, ...]:
        """Computes one primitive at once."""
        with np.errstate(all="ignore"):
            result = op.reference(*buffers, **attrs)
        return result if isinstance(result, tuple) else (np.asarray(result),)

    def compile(self, graph: Graph) -> Executable:
        """Makes an executable of a program graph."""
        from pronghorn.passes.simplify import simplify

        return ReferenceExecutable(simplify(graph), check=config.trace_nans())

    def describe(self) -> str:
        """Whether it works here, and what it found or misses, in one line."""
        return "available" if self.available() else "not available on this machine"

    def peak_flops(self) -> float:
        """The measured peak of float32 operations per second, for profiles."""
        raise NotImplementedError(f"accelerator {self.name!r} does not measure its peak; use set_accelerator('cpu')")

    def each_thread_count(self) -> Iterator[int]:
        """Sets the device to different numbers of threads in turn, and back: results must not depend on it."""
        yield 1

    def synchronize(self) -> None:
        """Waits until all work handed to the device is done."""


class ReferenceExecutable(Executable):
    """Runs a graph node by node with the NumPy reference kernels, freeing values as they die."""

    def __init__(self, graph: Graph, check: bool = False) -> None:
        self.graph = graph
        self.check = check
        self._peak = 0

    def __call__(self, arguments: Sequence[Array]) -> list[Array]:
        values: dict[Tensor, Array] = dict(zip(self.graph.inputs, arguments, strict=True))
        for variable, placeholder in self.graph.reads.items():
            values[placeholder] = to_numpy(variable.buffer)
        results, self._peak = interpret(self.graph, values, self.check)
        outputs = [np.array(a) for a in results[: len(self.graph.outputs)]]
        written = [np.array(a) for a in results[len(self.graph.outputs) :]]
        for variable, array in zip(self.graph.writes, written, strict=True):
            variable.store(array)
        return outputs

    def instructions(self) -> list[Instruction]:
        return reference_instructions(self.graph)

    def profile(self, arguments: Sequence[Array], repeats: int = 20) -> list[float]:
        raise NotImplementedError("profile: the NumPy accelerator has no instruction timer; use set_accelerator('cpu')")

    @property
    def activation_bytes(self) -> int:
        return self._peak


def reference_instructions(graph: Graph) -> list[Instruction]:
    """A graph's nodes as instructions."""
    kinds = {"scan": "loop", "while_loop": "while", "cond": "branch"}
    return [
        Instruction(kinds.get(n.op.name, "kernel"), n, n.op.name, (), [*map(reference_instructions, n.bodies())])
        for n in graph.nodes
    ]


def interpret(graph: Graph, values: dict[Tensor, Array], check: bool = False) -> tuple[list[Array], int]:
    """The values of a graph's results given those of its placeholders, and the peak of bytes alive between nodes.

    Raises:
        FloatingPointError: `check` is on and a result is NaN or infinite where no input is.
    """
    last: dict[Tensor, int] = {t: k for k, node in enumerate(graph.nodes) for t in node.inputs}
    keep = set(graph.results)
    alive = peak = 0
    for k, node in enumerate(graph.nodes):
        arrays = [values[t] if t.scope is not None else to_numpy(t.buffer) for t in node.inputs]
        with np.errstate(all="ignore"):
            result = node.op.reference(*arrays, **node.attrs)
        results = result if isinstance(result, tuple) else (np.asarray(result),)
        if check:
            _check_finite(node, arrays, results)
        values.update(zip(node.outputs, results, strict=True))
        alive += sum(r.nbytes for r in results)
        peak = max(peak, alive)
        for t in {*node.inputs, *node.outputs}:
            if last.get(t, k) == k and t not in keep and t.node is not None:
                alive -= values.pop(t).nbytes
    return [values[t] if t.scope is not None else to_numpy(t.buffer) for t in graph.results], peak


def _check_finite(node: Node, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
    def bad(a: Array) -> bool:
        return a.dtype.kind in "fc" and not np.isfinite(a).all()

    if any(bad(a) for a in outputs) and not any(bad(a) for a in inputs):
        layer = f"layer {node.layer!r}" if node.layer else "code outside of any layer"
        shapes = ", ".join(str(t.shape) for t in node.inputs)
        raise FloatingPointError(
            f"operation {node.op.name!r} in {layer} made a NaN or infinity of finite inputs of shapes {shapes}; "
            f"look at the values that reach it, lower the learning rate, or clip the gradients"
        )


# ------------------------------------------------------------------------------------------------ the one in use

_reference = Accelerator()
_current: Accelerator | None = None


def current() -> Accelerator:
    """The accelerator in use: the one selected, or named by PRONGHORN_ACCELERATOR, or the best available."""
    global _current
    if _current is None:
        name = os.environ.get("PRONGHORN_ACCELERATOR")
        _current = find(name) if name else max(installed().values(), key=lambda a: a.priority)
    return _current


def installed() -> dict[str, Accelerator]:
    """Accelerators that work on this machine, by name; asks only light questions of plugins."""
    found: dict[str, Accelerator] = {"numpy": _reference}
    for name in plugins.references("accelerators"):
        accelerator = plugins.load("accelerators", name)()
        if accelerator.available():
            found[name] = accelerator
    return found


def find(name: str) -> Accelerator:
    """The accelerator called `name`.

    Raises:
        ValueError: it is not installed or does not work on this machine.
    """
    accelerators = installed()
    if name not in accelerators:
        raise ValueError(
            f"accelerator {name!r} is not available; there are {sorted(accelerators)}. "
            f"`python -m pronghorn info` says what is missing (the CPU accelerator is in the package pronghorn-cpu)"
        )
    return accelerators[name]


def select(name: str) -> None:
    """Selects the accelerator for programs compiled from now on."""
    global _current
    _current = find(name)


def to_numpy(buffer: Any) -> Array:
    """A buffer's value on the host."""
    return buffer if isinstance(buffer, np.ndarray) else current().to_numpy(buffer)


def from_numpy(array: Array) -> Any:
    """A buffer of the accelerator in use."""
    return current().from_numpy(array)


def write(buffer: Any, array: Any) -> None:
    """Overwrites a buffer in place with an array of its shape and dtype."""
    if isinstance(buffer, np.ndarray):
        np.copyto(buffer, to_numpy(array), casting="no")
    else:
        current().write(buffer, to_numpy(array))
