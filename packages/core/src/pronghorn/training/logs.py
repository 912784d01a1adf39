"""Logs: what a step reports, left on the device until somebody reads it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

from pronghorn.tensor import Tensor, Variable


class Logs(MutableMapping[str, Any]):
    """A mapping of a step's results, by sorted name, as Python floats.

    The first look at a key or value reads all of them from the device; one nobody looks at costs nothing.

    Args:
        results: what a `train_step` or `test_step` returned: names to scalars, which may be nested by metric.
    """

    __slots__ = ("_floats", "_results")

    def __init__(self, results: Any = None) -> None:
        self._results = results
        self._floats: dict[str, Any] | None = None

    @property
    def floats(self) -> dict[str, Any]:
        """The values read; a plain dict that belongs to this object."""
        if self._floats is None:
            self._floats = read(self._results)
            self._results = None
        return self._floats

    def __getitem__(self, name: str) -> Any:
        return self.floats[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self.floats[name] = value

    def __delitem__(self, name: str) -> None:
        del self.floats[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.floats)

    def __len__(self) -> int:
        return len(self.floats)

    def __repr__(self) -> str:
        return repr(self.floats)

    def copy(self) -> dict[str, Any]:
        """The logs as a plain dict."""
        return dict(self.floats)


def read(results: Any) -> dict[str, Any]:
    """Logs as Python floats with sorted keys; what is no scalar becomes a NumPy array.

    Raises:
        TypeError: `results` is no mapping.
    """
    if results is None:
        return {}
    if not isinstance(results, Mapping):
        raise TypeError(
            f"train_step and test_step must return a dict of logs such as {{'loss': loss}}, got "
            f"{type(results).__name__}"
        )
    flat: dict[str, Any] = {}
    for name, value in results.items():
        flat.update(read(value) if isinstance(value, Mapping) else {name: as_float(value)})
    return {name: flat[name] for name in sorted(flat)}


def as_float(value: Any) -> Any:
    """A scalar as a Python float; anything else as it is, tensors as arrays."""
    if isinstance(value, (Tensor, Variable)):
        value = value.numpy()
    try:
        return float(value)
    except (TypeError, ValueError):
        return value
