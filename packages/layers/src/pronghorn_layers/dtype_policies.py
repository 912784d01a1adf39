"""Dtype policies beyond the one of all layers: one for each path, and those of quantized models."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pronghorn import config, dtype_policies
from pronghorn.policy import DTypePolicy


class DTypePolicyMap(DTypePolicy):
    """A policy for each layer, by its path; a mapping.

    A path is looked for among the keys, then they are taken for regular expressions that must match all of it.

    ```python
    policies = DTypePolicyMap("float32")
    policies["encoder/.*"] = "mixed_float16"
    keras.config.set_dtype_policy(policies)
    ```

    Args:
        default_policy: of the other layers; None for the global policy.
        policy_map: path or expression -> policy.
    """

    def __init__(self, default_policy: Any = None, policy_map: Mapping[str, Any] | None = None) -> None:
        if isinstance(default_policy, DTypePolicyMap):
            raise ValueError("DTypePolicyMap: argument `default_policy` must be a policy for all layers, got a map")
        if not isinstance(policy_map, (Mapping, type(None))):
            raise TypeError(
                f"DTypePolicyMap: argument `policy_map` must be a dict of paths and policies, got {policy_map!r}"
            )
        self._given = default_policy
        self._default: DTypePolicy | None = None if default_policy is None else dtype_policies.get(default_policy)
        self._policies: dict[str, DTypePolicy] = {
            path: dtype_policies.get(policy) for path, policy in (policy_map or {}).items()
        }

    @property
    def default_policy(self) -> DTypePolicy:
        """The policy of layers that no key stands for."""
        if self._default is not None:
            return self._default
        everywhere = config.dtype_policy()
        return DTypePolicy(config.floatx()) if isinstance(everywhere, DTypePolicyMap) else everywhere

    @property
    def name(self) -> str:  # type: ignore[override]
        """ "map_" and the name of the default."""
        return f"map_{self.default_policy.name}"

    @property
    def compute_dtype(self) -> str:  # type: ignore[override]
        """Of the default policy."""
        return self.default_policy.compute_dtype

    @property
    def variable_dtype(self) -> str:  # type: ignore[override]
        """Of the default policy."""
        return self.default_policy.variable_dtype

    def at(self, path: str) -> DTypePolicy:
        return self[path]

    def __getitem__(self, path: str) -> DTypePolicy:
        if path in self._policies:
            return self._policies[path]
        matching = [pattern for pattern in self._policies if re.fullmatch(pattern, path)]
        if len(matching) > 1:
            keys = " and ".join(map(repr, matching))
            raise ValueError(f"DTypePolicyMap: path {path!r} matches {keys}; let at most one key match it")
        return self._policies[matching[0]] if matching else self.default_policy

    def __setitem__(self, path: str, policy: Any) -> None:
        if path in self._policies:
            raise ValueError(f"DTypePolicyMap: {path!r} is there already, with {self._policies[path]}; delete it first")
        self._policies[path] = dtype_policies.get(policy)

    def __delitem__(self, path: str) -> None:
        del self._policies[path]

    def __contains__(self, path: object) -> bool:
        return path in self._policies

    def __len__(self) -> int:
        return len(self._policies)

    def __iter__(self) -> Iterator[str]:
        return iter(self._policies)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, DTypePolicyMap) and other._default == self._default and other._policies == self._policies
        )

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        policies = {path: policy.name for path, policy in self._policies.items()}
        return f"<DTypePolicyMap default_policy={self.default_policy.name}, {policies}>"

    def get_config(self) -> dict[str, Any]:
        """As the constructor's arguments."""
        default = self._given if isinstance(self._given, str) else dtype_policies.serialize(self._default)
        policies = {path: dtype_policies.serialize(policy) for path, policy in self._policies.items()}
        return {"default_policy": default, "policy_map": policies}


class QuantizedDTypePolicy(DTypePolicy):
    """What Keras's quantized models have; not supported.

    Args:
        mode: such as "int8" or "float8".
        source_name: the policy before.
        amax_history_length: for float8.
    """

    def __init__(self, mode: str, source_name: str | None = None, amax_history_length: int = 1024) -> None:
        raise NotImplementedError(
            f"{type(self).__name__}: quantized layers (mode {mode!r}) are not supported; save the model before it is "
            f"quantized"
        )
