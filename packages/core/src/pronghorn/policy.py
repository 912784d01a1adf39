"""Dtype policies: which dtype a layer computes in and which its variables have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pronghorn import config, dtypes
from pronghorn.arguments import get_mask, set_mask
from pronghorn.configurable import Configurable
from pronghorn.identifiers import lookup
from pronghorn.tensor import Tensor, Variable, convert_to_tensor


class DTypePolicy(Configurable):
    """A dtype's name ("float32": both), or "mixed_float16" / "mixed_bfloat16": computes in 16 bits, variables
    are float32. None is the global policy.
    """

    quantization_mode: str | None = None
    """None: nothing is quantized."""

    name: str

    def __init__(self, name: str | None = None) -> None:
        name = dtype_policy().name if name is None else name
        if not isinstance(name, str):
            raise TypeError(f"DTypePolicy: argument `name` must be a string such as 'float32', got {name!r}")
        if "_from_" in name:
            raise NotImplementedError(
                f"DTypePolicy: quantized policies ({name!r}) are not supported; use a float policy"
            )
        mixed = name.startswith("mixed_")
        if mixed and name not in ("mixed_float16", "mixed_bfloat16"):
            raise ValueError(f"DTypePolicy: unknown policy {name!r}; expected mixed_float16, mixed_bfloat16 or a dtype")
        self.name = name
        self.compute_dtype = dtypes.standardize(name.removeprefix("mixed_"))
        self.variable_dtype = "float32" if mixed else self.compute_dtype

    def at(self, path: str) -> DTypePolicy:
        """The policy of the layer with this path: the same for all, unless a subclass tells them apart."""
        return self

    def convert_input(self, x: Any, autocast: bool, dtype: Any) -> Any:
        """`x`, an array as a tensor, and with `autocast` floats as `dtype`; its mask stays."""
        from pronghorn import ops

        if not isinstance(x, Tensor):
            if not isinstance(x, Variable) and not hasattr(x, "__array__"):
                return x
            x = convert_to_tensor(x)
        wanted = dtypes.standardize(dtype)
        if autocast and x.dtype != wanted and x.dtype in dtypes.FLOATS and wanted in dtypes.FLOATS:
            mask, x = get_mask(x), ops.cast(x, wanted)
            set_mask(x, mask)
        return x

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DTypePolicy) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f'<DTypePolicy "{self.name}">'


FloatDTypePolicy = DTypePolicy
_, serialize, deserialize = lookup("dtype_policies")

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
        return deserialize(identifier)  # type: ignore[no-any-return]
    return DTypePolicy(identifier if isinstance(identifier, str) else dtypes.standardize(identifier))
