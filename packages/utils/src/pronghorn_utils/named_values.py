"""Config: named values that can be frozen."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, MutableMapping
from typing import Any


class Config(MutableMapping[str, Any]):
    """A dict whose values are attributes too, which can be frozen against changes, and be written as JSON.

    Iterating gives the names in alphabetical order.

    ```python
    config = Config(learning_rate=0.1)
    config.momentum = 0.9
    config["seed"] = 123
    config.freeze()
    ```

    Args:
        kwargs: the first values.
    """

    def __init__(self, **kwargs: Any) -> None:
        object.__setattr__(self, "_values", kwargs)
        object.__setattr__(self, "_frozen", False)

    @property
    def frozen(self) -> bool:
        """Whether changes are errors."""
        return self._frozen  # type: ignore[no-any-return]

    def freeze(self) -> None:
        """Makes changes errors from now on."""
        object.__setattr__(self, "_frozen", True)

    def unfreeze(self) -> None:
        """Allows changes again."""
        object.__setattr__(self, "_frozen", False)

    def _changeable(self, name: str) -> dict[str, Any]:
        if self._frozen:
            raise ValueError(f"Config: {name!r} cannot be changed, since the config is frozen; call unfreeze() first")
        return self._values  # type: ignore[no-any-return]

    def as_dict(self) -> dict[str, Any]:
        """The values as a dict of its own."""
        return dict(self._values)

    def to_json(self) -> str:
        """The values as JSON."""
        return json.dumps(self._values)

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._changeable(key)[key] = value

    def __delitem__(self, key: str) -> None:
        del self._changeable(key)[key]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._values))

    def __len__(self) -> int:
        return len(self._values)

    def __getattr__(self, name: str) -> Any:
        values = object.__getattribute__(self, "__dict__").get("_values", {})
        if name in values:
            return values[name]
        near = difflib.get_close_matches(name, values, n=1, cutoff=0.7)
        raise AttributeError(f"Config has no {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))

    def __setattr__(self, name: str, value: Any) -> None:
        if hasattr(type(self), name):
            raise AttributeError(f"Config: {name!r} is a method; use config[{name!r}] for a value of this name")
        self[name] = value

    def __repr__(self) -> str:
        return f"<Config {self._values}>"
