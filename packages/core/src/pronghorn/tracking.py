"""What a layer owns: variables, layers, metrics and seed generators, in attributes and in lists and dicts among them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from pronghorn import tree
from pronghorn.metric import Metric
from pronghorn.random import SeedGenerator
from pronghorn.tensor import Variable

T = TypeVar("T")


class Tracker:
    """Objects owned, in the order in which they came, each with the number of places that hold it."""

    def __init__(self) -> None:
        self.owned: dict[Any, int] = {}
        self.statistics: set[Variable] = set()
        """Variables that came as not trainable; making the layer trainable leaves them alone."""

    def track(self, value: Any) -> Any:
        """Notes what `value` holds. Returns it, lists and dicts as containers that report their changes."""
        if type(value) is list:
            return TrackedList([self.track(item) for item in value], self)
        if type(value) is dict:
            return TrackedDict({key: self.track(item) for key, item in value.items()}, self)
        if type(value) is tuple:
            return tuple(self.track(item) for item in value)
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
    """Whether a layer that has `value` in an attribute owns it."""
    return isinstance(value, (Variable, Metric, SeedGenerator)) or hasattr(value, "_tracker")


class TrackedList(list[Any]):
    """A list in a layer's attribute: what is put into it, the layer owns."""

    def __init__(self, values: Any = (), tracker: Tracker | None = None) -> None:
        super().__init__(values)
        self._owner = tracker


class TrackedDict(dict[Any, Any]):
    """A dict in a layer's attribute: what is put into it, the layer owns."""

    def __init__(self, values: Any = (), tracker: Tracker | None = None) -> None:
        super().__init__(values)
        self._owner = tracker


def _reporting(method: Callable[..., Any]) -> Callable[..., Any]:
    """`method` of a container, which then tells the tracker what came and what went."""

    @functools.wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        tracker = getattr(self, "_owner", None)
        if tracker is None:
            return method(self, *args, **kwargs)
        before = [item for item in tree.flatten(self) if is_trackable(item)]
        result = method(self, *args, **kwargs)
        after = [item for item in tree.flatten(self) if is_trackable(item)]
        for item in after:
            if not any(item is other for other in before):
                tracker.track(item)
        for item in before:
            if not any(item is other for other in after):
                tracker.untrack(item)
        return result

    return call


for _name in ("append", "extend", "insert", "pop", "remove", "clear", "__setitem__", "__delitem__", "__iadd__"):
    setattr(TrackedList, _name, _reporting(getattr(list, _name)))
for _name in ("update", "setdefault", "pop", "popitem", "clear", "__setitem__", "__delitem__", "__ior__"):
    setattr(TrackedDict, _name, _reporting(getattr(dict, _name)))
