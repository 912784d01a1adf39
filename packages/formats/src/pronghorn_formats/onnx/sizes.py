"""Sizes that are unknown in a model, followed through its program.

A program is traced for numbers. Traced for several, what differs between the traces is a function of the unknown
sizes: a number of the batch, say, that ends up in the target of a reshape.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from pronghorn.graph import Graph, Node
from pronghorn.program import Program
from pronghorn.tensor import Tensor

BASE = 1009
"""A size that is taken for an unknown one: prime, so that it is not met by chance."""
OTHER = 2003


@dataclass(frozen=True)
class Affine:
    """constant + sum of factors times unknown sizes."""

    constant: int
    factors: tuple[tuple[str, int], ...]


class Nonlinear(NamedTuple):
    """A size that is another function of the unknown ones."""

    example: int


Size = int | Affine | Nonlinear


@dataclass
class Traced:
    """A graph with, for each node, its attributes in terms of the unknown sizes; bodies are Traced in their turn."""

    graph: Graph
    attrs: dict[Node, dict[str, Any]] = field(default_factory=dict)
    shapes: dict[Tensor, tuple[Size, ...]] = field(default_factory=dict)


def traced(model: Any) -> tuple[Traced, dict[int, str]]:
    """The program of a model's inference, and the names of the unknown sizes by axis.

    The batch is one of them, and each other axis along which inputs are of unknown size.
    """
    axes = sorted({axis for t in model.inputs for axis, n in enumerate(t.shape) if n is None})
    symbols = {axis: "batch" if axis == 0 else f"size_{axis}" for axis in axes}

    def graph(changed: int | None) -> Graph:
        arguments = []
        for t in model.inputs:
            if t.dtype == "string":
                raise NotImplementedError(f"the input {t.name!r} is text, which is not exported to ONNX")
            sizes = [(OTHER if axis == changed else BASE) if n is None else n for axis, n in enumerate(t.shape)]
            arguments.append(np.broadcast_to(np.zeros((), t.dtype), sizes))
        call = Program(lambda *args: model(list(args) if len(args) > 1 else args[0], training=False))
        return call.trace(tuple(arguments), {})[0]

    graphs = [graph(changed) for changed in (None, *axes)]
    return _merged(graphs, list(symbols.values())), symbols


def _merged(graphs: Sequence[Graph], symbols: Sequence[str]) -> Traced:
    found = Traced(graphs[0])
    if len({len(graph.nodes) for graph in graphs}) > 1:
        raise NotImplementedError("the model computes different things for different sizes; give Input all of them")

    def note(tensors: Sequence[Tensor]) -> None:
        shapes = zip(*(t.shape for t in tensors), strict=True)
        found.shapes[tensors[0]] = tuple(_size([int(n) for n in sizes], symbols) for sizes in shapes)

    for tensors in zip(*(graph.placeholders for graph in graphs), strict=True):
        note(tensors)
    for nodes in zip(*(graph.nodes for graph in graphs), strict=True):
        keys = nodes[0].attrs.keys()
        found.attrs[nodes[0]] = {key: _value([n.attrs[key] for n in nodes], symbols) for key in keys}
        for group in ("inputs", "outputs"):
            for tensors in zip(*(getattr(node, group) for node in nodes), strict=True):
                note(tensors)
    return found


def _value(values: Sequence[Any], symbols: Sequence[str]) -> Any:
    """An attribute in terms of the unknown sizes."""
    first = values[0]
    if isinstance(first, Graph):
        return _merged(values, symbols)
    if type(first) is int:
        return _size(values, symbols)
    if isinstance(first, (tuple, list)) and all(len(value) == len(first) for value in values):
        return tuple(_value(items, symbols) for items in zip(*values, strict=True))
    if dataclasses.is_dataclass(first) and any(value != first for value in values):
        raise NotImplementedError("its padding depends on a size that is unknown; give Input all sizes but the batch")
    return first


def _size(numbers: Sequence[int], symbols: Sequence[str]) -> Size:
    if len(set(numbers)) == 1:
        return numbers[0]
    factors: Mapping[str, float] = {
        symbol: (number - numbers[0]) / (OTHER - BASE) for symbol, number in zip(symbols, numbers[1:], strict=True)
    }
    if any(factor != int(factor) for factor in factors.values()):
        return Nonlinear(numbers[0])
    whole = tuple((symbol, int(factor)) for symbol, factor in factors.items() if factor)
    return Affine(numbers[0] - BASE * sum(factor for _, factor in whole), whole)
