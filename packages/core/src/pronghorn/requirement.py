"""Requirements: what a layer or a loss asks of the values of a tensor, which a compiled program cannot look at.

Values at hand are looked at at once. Of a traced tensor the program remembers the requirement: where the tensor is an
argument of the program, its values are looked at before each run (those of a data set in memory once); else what was
computed is looked at after the run. What control flow computes in its bodies is not looked at, nor are buffers of a
device that the host cannot read without waiting for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from pronghorn import interpreter
from pronghorn.tensor import Tensor

Requirement = Callable[[np.ndarray[Any, Any]], None]
"""Raises where it does not like the values. Two that ask for the same should be equal."""

_KEEP_VALUES = frozenset({"batch_rows", "broadcast_to", "cast", "reshape", "stop_gradient", "transpose"})


def require(values: Tensor, requirement: Requirement) -> None:
    """Asks something of the values of a tensor; of one at hand not while shapes are inferred, where sizes stand in for
    others.
    """
    tracer = interpreter.current().tracer
    if values.scope is None and (tracer is None or tracer.effects):
        requirement(values.numpy())
    elif isinstance(values.scope, interpreter.Tracer):
        values.scope.requirements.append((values, requirement))


@dataclass(frozen=True)
class Within:
    """That values, cut to integers, are from 0 to `stop` - 1.

    Attributes:
        what: a value is, with whom it came to: "layer 'embedding' (Embedding): id".
        why: what says where the values end, and what to change.
        besides: another value that is allowed.

    Raises:
        ValueError: one is not; it names the first and its row.
    """

    stop: int
    what: str
    why: str
    besides: int | None = None

    def __call__(self, values: np.ndarray[Any, Any]) -> None:
        if not values.size or values.dtype.kind not in "fiu" or (values.min() > -1 and values.max() < self.stop):
            return
        wrong = ~((values > -1) & (values < self.stop))
        if self.besides is not None:
            wrong &= values != self.besides
        if wrong.any():
            place = tuple(np.argwhere(wrong)[0].tolist())
            row = f" in row {place[0]}" if place else ""
            raise ValueError(f"{self.what} {values[place]:.15g}{row} is not one of 0 to {self.stop - 1}, {self.why}")


def origins(requirements: Iterable[tuple[Tensor, Requirement]]) -> Iterator[tuple[Tensor, Requirement]]:
    """Requirements, each once, of the tensors from which the values of theirs come unchanged."""
    seen = set()
    for t, requirement in requirements:
        while t.node is not None and t.node.op.name in _KEEP_VALUES:
            t = t.node.inputs[0]
        if t.scope is not None and (t, requirement) not in seen:
            seen.add((t, requirement))
            yield t, requirement
