"""Graphs put away: what a plan was made from, for those who ask for its listing later.

A graph is some hundred objects, and a training over many lengths keeps hundreds of plans: all of them are looked at by
each full garbage collection. As bytes a graph is none of them.
"""

from __future__ import annotations

import io
import pickle
from functools import lru_cache
from typing import Any

import numpy as np

from pronghorn.body import Body
from pronghorn.graph import Graph, Node
from pronghorn.op import Op
from pronghorn.tensor import Tensor, Variable


class StoredGraph:
    """A graph as bytes; what it shares with others (ops, bodies, variables, arrays) is kept as it is.

    That keeps the constants alive, too, which kernels read at their addresses.
    """

    def __init__(self, graph: Graph) -> None:
        buffer = io.BytesIO()
        writer = _Writer(buffer, pickle.HIGHEST_PROTOCOL)
        writer.dump(graph)
        self._bytes = buffer.getvalue()
        self._shared = tuple(item for _, item in writer.shared.values())

    def restored(self) -> Graph:
        """The graph again; its tensors are others."""
        reader = _Reader(io.BytesIO(self._bytes))
        reader.shared = self._shared
        graph: Graph = reader.load()
        return graph


class _Writer(pickle.Pickler):
    """Asked about objects of classes alone: a graph is mostly numbers and strings."""

    def __init__(self, buffer: io.BytesIO, protocol: int) -> None:
        super().__init__(buffer, protocol)
        self.shared: dict[int, tuple[int, Any]] = {}

    def reducer_override(self, item: Any) -> Any:
        kind = type(item)
        if kind is Tensor:
            return _tensor, (item.shape, item.dtype, item.buffer, item.index, item.name, item.scope)
        if kind is Node:
            return _node, (item.op, item.inputs, item.attrs, item.outputs, item.layer)
        if not isinstance(item, (np.ndarray, Variable, Op, Body)):
            return NotImplemented
        item = _one(item) if isinstance(item, Body) else item
        return _shared, (self.shared.setdefault(id(item), (len(self.shared), item))[0],)


def _tensor(shape: Any, dtype: str, buffer: Any, index: int, name: str | None, scope: Any) -> Tensor:
    return Tensor(shape, dtype, buffer, index=index, name=name, scope=scope)


def _node(op: Op, inputs: Any, attrs: dict[str, Any], outputs: Any, layer: str) -> Node:
    return Node(op, inputs, attrs, outputs, layer=layer)


def _shared(number: int) -> Any:
    raise LookupError("only `StoredGraph.restored` knows what is shared")


@lru_cache(maxsize=1024)
def _one(body: Body) -> Body:
    """The same object for equal bodies: plans of other sizes have the same ones."""
    return body


class _Reader(pickle.Unpickler):
    shared: tuple[Any, ...]

    def find_class(self, module: str, name: str) -> Any:
        return self.shared.__getitem__ if name == _shared.__name__ else super().find_class(module, name)
