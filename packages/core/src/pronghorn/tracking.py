"""What a layer owns: variables, layers, metrics and seed generators, in attributes and in lists and dicts
among them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self, TypeVar

import numpy as np

from pronghorn import interpreter, naming, tree
from pronghorn.metric import Metric
from pronghorn.random import SeedGenerator
from pronghorn.tensor import Tensor, Variable

T = TypeVar("T")


class Tracker:
    """Objects owned, in the order in which they came, each with the number of places that hold it."""

    def __init__(self) -> None:
        self.owned: dict[Any, int] = {}
        self.statistics: set[Variable] = set()
        """Variables that came as not trainable; making their owner trainable leaves them alone."""

    def track(self, value: Any) -> Any:
        """Notes what `value` holds. Returns it, lists and dicts as containers that report their changes."""
        if type(value) is list:
            return TrackedList([self.track(item) for item in value], self)
        if type(value) is dict:
            return TrackedDict({key: self.track(item) for key, item in value.items()}, self)
        if type(value) is tuple:
            return tuple(self.track(item) for item in value)
        if isinstance(value, (TrackedList, TrackedDict)):
            for item in tree.flatten(value):
                self.track(item)
        if is_trackable(value):
            self.owned[value] = self.owned.get(value, 0) + 1
            if isinstance(value, Variable) and self.owned[value] == 1 and not value.trainable:
                self.statistics.add(value)
        return value

    def untrack(self, value: Any) -> None:
        """Takes back one `track`."""
        for item in tree.flatten(value):
            if is_trackable(item) and item in self.owned:
                self.owned[item] -= 1
                if not self.owned[item]:
                    del self.owned[item]
                    self.statistics.discard(item)

    def kind(self, cls: type[T]) -> list[T]:
        """The owned objects of a class."""
        return [item for item in self.owned if isinstance(item, cls)]


def is_trackable(value: Any) -> bool:
    """Whether an object that has `value` in an attribute owns it."""
    return isinstance(value, (Variable, Metric, SeedGenerator, Owner))


class TrackedList(list[Any]):
    """A list in an owner's attribute: what is put into it is owned."""

    def __init__(self, values: Iterable[Any] = (), tracker: Tracker | None = None) -> None:
        super().__init__(values)
        self._owner = tracker


class TrackedDict(dict[Any, Any]):
    """A dict in an owner's attribute: what is put into it is owned."""

    plain = dict
    """What structures made after it are."""

    def __init__(self, values: Any = (), tracker: Tracker | None = None) -> None:
        super().__init__(values)
        self._owner = tracker


def _reporting(method: Callable[..., Any]) -> Callable[..., Any]:
    """`method` of a container, which then tells the tracker what came and what went."""

    @functools.wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        tracker = self.__dict__.get("_owner")
        before = set(map(id, tree.flatten(self)))
        kept = tree.flatten(self)
        result = method(self, *args, **kwargs)
        if tracker is not None:
            after = tree.flatten(self)
            for item in after:
                if id(item) not in before:
                    tracker.track(item)
            remaining = set(map(id, after))
            tracker.untrack([item for item in kept if id(item) not in remaining])
        return result

    return call


for _name in ("append", "extend", "insert", "pop", "remove", "clear", "__setitem__", "__delitem__", "__iadd__"):
    setattr(TrackedList, _name, _reporting(getattr(list, _name)))
for _name in ("update", "setdefault", "pop", "popitem", "clear", "__setitem__", "__delitem__", "__ior__"):
    setattr(TrackedDict, _name, _reporting(getattr(dict, _name)))


class Owner:
    """The part of a layer that is its state: what it owns, and views of it.

    Setting a public attribute is noted, so that programs that were traced with the old value are traced anew.
    """

    _tracker: Tracker
    _trainable = True
    name: str
    built: bool
    mutations = 0

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        instance = super().__new__(cls, *args, **kwargs)
        object.__setattr__(instance, "_tracker", Tracker())
        return instance

    def __setattr__(self, name: str, value: Any) -> None:
        old = self.__dict__.get(name)
        if old is not value:
            if not isinstance(value, _PLAIN):
                value = self._tracker.track(value)
            if not isinstance(old, _PLAIN):
                self._tracker.untrack(old)
        super().__setattr__(name, value)
        noted = name in self.__dict__ and not name.startswith("_")  # a property notes its changes itself
        if noted and _differ(old, value):
            if interpreter.current().tracer is None:
                naming.mutated(self, name)
            else:  # the trace goes on with the new value; if the next one differs for it, the error names it
                naming.recent_changes.append((self, name))

    def __delattr__(self, name: str) -> None:
        self._tracker.untrack(self.__dict__.get(name))
        super().__delattr__(name)

    @property
    def _layers(self) -> list[Any]:
        return self._tracker.kind(Owner)

    def _flatten_layers(self, include_self: bool = True, recursive: bool = True) -> list[Any]:
        """The layers in it, each before its own."""
        found: dict[Any, None] = {self: None} if include_self else {}
        queue = list(self._layers)
        while queue:
            layer = queue.pop(0)
            if layer not in found:
                found[layer] = None
                queue = list(layer._layers) + queue if recursive else queue
        return list(found)

    def _own_variables(self) -> list[Variable]:
        """Its own without the sublayers', trainable ones first: the order in which files have them."""
        own = self._tracker.kind(Variable)
        statistics = self._tracker.statistics
        return [v for v in own if v not in statistics] + [v for v in own if v in statistics]

    @property
    def trainable(self) -> bool:
        """Whether training changes the variables. Setting it sets it for all sublayers."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        if self._trainable != bool(value):
            self._trainable = bool(value)
            naming.mutated(self)
        for variable in self._tracker.kind(Variable):
            if variable not in self._tracker.statistics:
                variable.trainable = bool(value)
        for layer in self._layers:
            layer.trainable = bool(value)

    @property
    def variables(self) -> list[Variable]:
        """All state but that of metrics: weights and seeds, here and in sublayers."""
        seeds = [generator.state for generator in self._tracker.kind(SeedGenerator)]
        return _unique([*self._own_variables(), *seeds, *(v for layer in self._layers for v in layer.variables)])

    @property
    def weights(self) -> list[Variable]:
        """The weights, here and in sublayers."""
        return _unique([*self._own_variables(), *(v for layer in self._layers for v in layer.weights)])

    @property
    def trainable_variables(self) -> list[Variable]:
        """The variables that training changes."""
        return [v for v in self.variables if v.trainable] if self.trainable else []

    @property
    def non_trainable_variables(self) -> list[Variable]:
        """The variables that training leaves alone."""
        return [v for v in self.variables if not v.trainable] if self.trainable else self.variables

    @property
    def trainable_weights(self) -> list[Variable]:
        """The weights that training changes."""
        return [v for v in self.weights if v.trainable] if self.trainable else []

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """The weights that training leaves alone."""
        return [v for v in self.weights if not v.trainable] if self.trainable else self.weights

    @property
    def metrics(self) -> list[Metric]:
        """The metrics, here and in sublayers."""
        return [*self._tracker.kind(Metric), *(m for layer in self._layers for m in layer.metrics)]

    @property
    def metrics_variables(self) -> list[Variable]:
        """The variables of the metrics."""
        return [v for metric in self.metrics for v in metric.variables]

    def count_params(self) -> int:
        """The number of scalars in the weights."""
        if not self.built:
            raise ValueError(f"layer {self.name!r} has no weights to count yet; call it on data, or build(input_shape)")
        return sum(v.size for v in self.weights)

    def get_weights(self) -> list[np.ndarray[Any, Any]]:
        """The values of `weights`."""
        return [v.numpy() for v in self.weights]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Sets the values of `weights`.

        Raises:
            ValueError: another number of arrays, or another shape.
        """
        own = self.weights
        if len(own) != len(weights):
            hint = "" if self.built else "; it is not built yet, call it on data first"
            raise ValueError(f"layer {self.name!r}: set_weights expects {len(own)} arrays, got {len(weights)}{hint}")
        for variable, value in zip(own, weights, strict=True):
            if np.shape(value) != variable.shape:
                raise ValueError(
                    f"layer {self.name!r}: set_weights got shape {np.shape(value)} for {variable.path!r}, "
                    f"expected {variable.shape}"
                )
        for variable, value in zip(own, weights, strict=True):
            variable.assign(value)

    def _variables_in_files(self) -> list[Variable]:
        """Those of its own that files have; a layer that reads in its own way says here what it expects."""
        return self._own_variables()

    def save_own_variables(self, store: Any) -> None:
        """Puts its own variables, without the sublayers', into a mapping of names to arrays."""
        for i, variable in enumerate(self._variables_in_files()):
            store[str(i)] = variable.numpy()

    def load_own_variables(self, store: Any) -> None:
        """Sets its own variables from a mapping that `save_own_variables` filled."""
        own = self._variables_in_files()
        if len(store.keys()) != len(own):
            hint = (
                ""
                if self.built
                else "; it was never built: build all sublayers in build(), or write build_from_config()"
            )
            raise ValueError(f"layer {self.name!r} has {len(own)} variables, the file has {len(store.keys())}{hint}")
        for i, variable in enumerate(own):
            variable.assign(store[str(i)])


_PLAIN = (str, int, float, Tensor, type(None))


def _differ(old: Any, new: Any) -> bool:
    plain = (str, int, float, tuple, type(None))
    return old is not new and not (isinstance(old, plain) and type(old) is type(new) and old == new)


def _unique(variables: list[Variable]) -> list[Variable]:
    return list({id(v): v for v in variables}.values())
