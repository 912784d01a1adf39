"""Dtype policies: which dtype a layer computes in and which its variables have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pronghorn import config, dtypes
from pronghorn.configurable import Configurable


class DTypePolicy(Configurable):
    """A dtype's name ("float32": both), or "mixed_float16" / "mixed_bfloat16": computes in 16 bits, variables
    are float32.
    """

    def __init__(self, name: str) -> None:
        if not isinstance(name, str):
            raise TypeError(f"DTypePolicy: argument `name` must be a string such as 'float32', got {name!r}")
        if name.startswith("int8_from") or name.startswith("float8_from"):
            raise NotImplementedError(
                f"DTypePolicy: quantized policies such as {name!r} are not supported; use a float policy"
            )
        mixed = name.startswith("mixed_")
        if mixed and name not in ("mixed_float16", "mixed_bfloat16"):
            raise ValueError(f"DTypePolicy: unknown policy {name!r}; expected mixed_float16, mixed_bfloat16 or a dtype")
        self.name = name
        self.compute_dtype = dtypes.standardize(name.removeprefix("mixed_"))
        self.variable_dtype = "float32" if mixed else self.compute_dtype

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DTypePolicy) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f'<DTypePolicy "{self.name}">'


FloatDTypePolicy = DTypePolicy

_global: DTypePolicy | None = None


def dtype_policy() -> DTypePolicy:
    """The policy that layers have by default: floatx, unless set."""
    return _global or DTypePolicy(config.floatx())


def set_dtype_policy(policy: Any) -> None:
    """Sets the policy that layers made from now on have by default: a name, a config or a DTypePolicy."""
    global _global
    _global = get(policy)


def get(identifier: Any) -> DTypePolicy:
    """The policy that a name, dtype, config or policy stands for; None stands for the global one."""
    if identifier is None:
        return dtype_policy()
    if isinstance(identifier, DTypePolicy):
        return identifier
    if isinstance(identifier, Mapping):
        return DTypePolicy(**identifier.get("config", {}))
    return DTypePolicy(identifier if isinstance(identifier, str) else dtypes.standardize(identifier))
