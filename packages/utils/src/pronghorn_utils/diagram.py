"""What a drawing of a model shows: a box for each layer, an arrow for each tensor between two."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pronghorn import tree
from pronghorn.functional import Functional, InputLayer, step_of
from pronghorn.graph import Node
from pronghorn.layer import Layer
from pronghorn.sequential import Sequential
from pronghorn.tensor import MODEL


@dataclass(frozen=True)
class Options:
    """Which lines a box has."""

    shapes: bool = False
    dtype: bool = False
    names: bool = False
    activations: bool = False
    trainable: bool = False
    expand_nested: bool = False


@dataclass(frozen=True)
class Box:
    """A layer or op."""

    key: int
    title: str
    lines: tuple[str, ...] = ()
    trainable: bool | None = None
    """Whether it trains, where that is shown."""


@dataclass
class Diagram:
    """Boxes, arrows between their keys, and the diagrams of nested models."""

    name: str
    boxes: list[Box] = field(default_factory=list)
    edges: list[tuple[int, int]] = field(default_factory=list)
    nested: list[Diagram] = field(default_factory=list)

    def all_boxes(self) -> Iterator[Box]:
        """The boxes, and those of nested models."""
        yield from self.boxes
        for inner in self.nested:
            yield from inner.all_boxes()

    def all_edges(self) -> Iterator[tuple[int, int]]:
        """The arrows, and those within nested models."""
        yield from self.edges
        for inner in self.nested:
            yield from inner.all_edges()


def diagram(model: Any, options: Options) -> Diagram:
    """The diagram of a model; a model that is not made of a graph of layers is one box."""
    drawn = Diagram(model.name)
    steps = _steps(model)
    for step in steps:
        if options.expand_nested and isinstance(step, (Functional, Sequential)):
            drawn.nested.append(diagram(step, options))
        else:
            drawn.boxes.append(_box(model, step, options))
    if isinstance(model, Sequential):
        pairs = [(_last(a, 0, options), _first(b, 0, options)) for a, b in zip(steps, steps[1:], strict=False)]
    else:
        pairs = list(_arrows(model, options)) if isinstance(model, Functional) else []
    drawn.edges = list(dict.fromkeys((id(source), id(target)) for source, target in pairs))
    return drawn


def _steps(model: Any) -> list[Any]:
    if isinstance(model, Sequential):
        return list(model.layers)
    return list(model.graph.steps) if isinstance(model, Functional) else [model]


def _arrows(model: Functional, options: Options) -> Iterator[tuple[Any, Any]]:
    own = set(model.graph.nodes)
    for step in model.graph.steps:
        for node in model.graph.calls(step):
            for i, t in enumerate(node.inputs):
                if t.scope is MODEL and t.node in own and t.node is not node:
                    yield _last(step_of(t.node), t.index, options), _first(step, i, options)


def _last(step: Any, index: int, options: Options) -> Any:
    """The layer that makes output `index` of a step: one inside of it where nested models are expanded."""
    while options.expand_nested and isinstance(step, (Functional, Sequential)):
        if isinstance(step, Sequential):
            step, index = step.layers[-1], 0
        else:
            t = step.outputs[index]
            step, index = step_of(t.node), t.index  # type: ignore[arg-type]
    return step


def _first(step: Any, index: int, options: Options) -> Any:
    """The layer that reads input `index` of a step."""
    while options.expand_nested and isinstance(step, (Functional, Sequential)):
        step = step.layers[0] if isinstance(step, Sequential) else step_of(step.inputs[index].node)  # type: ignore[arg-type]
    return step


def _box(model: Any, step: Any, options: Options) -> Box:
    is_op = isinstance(step, Node)
    kind = step.op.name.title().replace("_", "") if is_op else type(step).__name__
    name = model.graph.name(step) if is_op else step.name
    lines = []
    activation = getattr(step, "activation", None)
    if options.activations and activation is not None:
        lines.append(f"Activation: {_name(activation)}")
    node = step if is_op else (step.inbound_nodes or [None])[0]
    if options.shapes:
        if not isinstance(step, InputLayer):
            inputs = None if node is None else [t for t in node.inputs if t.scope is MODEL]
            single = inputs is not None and len(inputs) == 1
            lines.append(f"Input shape: {_described(inputs[0] if inputs and single else inputs, 'shape')}")
        lines.append(f"Output shape: {_described(None if node is None else node.structure, 'shape')}")
    if options.dtype:
        lines.append(f"Output dtype: {_described(None if node is None else node.structure, 'dtype')}")
    trains = None
    if options.trainable and isinstance(step, Layer) and step.weights:
        trains = bool(step.trainable)
        lines.append("Trainable" if trains else "Non-trainable")
    return Box(id(step), f"{name} ({kind})" if options.names else kind, tuple(lines), trains)


def _name(function: Any) -> str:
    """Of an op, layer, or function."""
    return str(getattr(function, "name", None) or getattr(function, "__name__", None) or type(function).__name__)


def _described(structure: Any, attribute: str) -> str:
    if structure is None:
        return "?"
    found = [getattr(t, attribute) for t in tree.flatten(structure)]
    return str(found[0]) if len(found) == 1 else ", ".join(map(str, found))
