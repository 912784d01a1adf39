"""MultiOptimizer and OptimizerMap: different rules for different variables."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any, Self

from pronghorn.optimizer import Optimizer
from pronghorn.saving.registry import deserialize_keras_object, serialize_keras_object
from pronghorn.tensor import Variable
from pronghorn_optimizers.loss_scale import LossScaleOptimizer


class OptimizerMap(MutableMapping[str, Optimizer]):
    """Paths of variables -> optimizers; a key is a path or a regular expression that matches whole paths.

    Args:
        default_optimizer: of variables that no key matches.
        optimizer_map: the keys known from the start.
    """

    def __init__(self, default_optimizer: Optimizer, optimizer_map: Mapping[str, Optimizer] | None = None) -> None:
        self.default_optimizer = _simple(default_optimizer)
        self._optimizers: dict[str, Optimizer] = {}
        for key, optimizer in (optimizer_map or {}).items():
            self[key] = optimizer

    def __getitem__(self, key: str) -> Optimizer:
        if key in self._optimizers:
            return self._optimizers[key]
        found = [pattern for pattern in self._optimizers if re.fullmatch(pattern, key)]
        if len(found) > 1:
            raise ValueError(f"OptimizerMap: variable {key!r} matches the keys {found}; make all but one narrower")
        return self._optimizers[found[0]] if found else self.default_optimizer

    def __setitem__(self, key: str, optimizer: Optimizer) -> None:
        if not isinstance(key, str):
            raise ValueError(f"OptimizerMap: a key must be a string, got {key!r}")
        if key in self._optimizers:
            raise ValueError(f"OptimizerMap: the key {key!r} is taken, by {self._optimizers[key].name!r}")
        self._optimizers[key] = _simple(optimizer)

    def __delitem__(self, key: str) -> None:
        del self._optimizers[key]

    def __len__(self) -> int:
        return len(self._optimizers)

    def __iter__(self) -> Iterator[str]:
        return iter(self._optimizers)

    def __call__(self, variable: Variable) -> Optimizer:
        """The optimizer of a variable."""
        return self[variable.path]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "default_optimizer": serialize_keras_object(self.default_optimizer),
            "optimizer_map": serialize_keras_object(self._optimizers),
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Self:
        """The map that a config describes."""
        return cls(
            *(
                deserialize_keras_object(config[key], custom_objects=custom_objects)
                for key in ("default_optimizer", "optimizer_map")
            )
        )


class MultiOptimizer(Optimizer):
    """Leaves each variable to an optimizer of its own.

    It has no learning rate; `optimizers` are those that have.

    Args:
        optimizer_map: an OptimizerMap, or a function of a variable that returns its optimizer, always the same object
            for the variables that shall share one.
        loss_scale_factor: of all the optimizers.
        name: of the optimizer.
    """

    def __init__(
        self,
        optimizer_map: Callable[[Variable], Optimizer],
        loss_scale_factor: float | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(0.0, loss_scale_factor=loss_scale_factor, name=name)
        if not callable(optimizer_map):
            raise ValueError(
                f"MultiOptimizer: optimizer_map must be an OptimizerMap or a function, got {optimizer_map!r}"
            )
        self.optimizer_map = optimizer_map
        self.optimizers: list[Optimizer] = []
        self._places: dict[Variable, int] = {}
        if isinstance(optimizer_map, OptimizerMap):
            for optimizer in (*optimizer_map.values(), optimizer_map.default_optimizer):
                self._place(optimizer)

    def _place(self, optimizer: Any) -> int:
        """The number of an optimizer, which becomes one of ours."""
        known = [i for i, other in enumerate(self.optimizers) if other is optimizer]
        if not known:
            _simple(optimizer).loss_scale_factor = self.loss_scale_factor
            self.optimizers.append(optimizer)
        return known[0] if known else len(self.optimizers) - 1

    def build(self, variables: Sequence[Variable]) -> None:
        if self.built:
            return
        self._places = {v: self._place(self.optimizer_map(v)) for v in variables}
        for optimizer, own in self._shares(variables):
            optimizer.build(own)
        super().build(variables)

    def _shares(self, variables: Iterable[Variable]) -> list[tuple[Optimizer, list[Variable]]]:
        """The optimizers that have some of the variables, with these."""
        shares: list[list[Variable]] = [[] for _ in self.optimizers]
        for v in variables:
            shares[self._places[v]].append(v)
        return [(o, own) for o, own in zip(self.optimizers, shares, strict=True) if own]

    @property
    def variables(self) -> list[Variable]:
        """The own state, then that of the optimizers."""
        return [*self._variables, *(v for optimizer in self.optimizers for v in optimizer.variables)]

    @property
    def learning_rate(self) -> Any:
        """There is none."""
        raise AttributeError("MultiOptimizer has no learning rate; each of its `optimizers` has one")

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        raise AttributeError("MultiOptimizer has no learning rate; set that of each of its `optimizers`")

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Variable] | None = None) -> None:
        """One step of each optimizer."""
        grads = list(grads)
        gradient = dict(zip(self._targets(grads, trainable_variables), grads, strict=True))
        self.note_settings()
        for optimizer, own in self._shares(gradient):
            if any(gradient[v] is not None for v in own):
                optimizer.apply([gradient[v] for v in own], own)
        self._iterations.assign(self._iterations + 1)

    def finalize_variable_values(self, var_list: Sequence[Variable]) -> None:
        """Replaces variables by the moving averages of the optimizers that keep some."""
        for optimizer, own in self._shares(var_list):
            optimizer.finalize_variable_values(own)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "name": self.name,
            "optimizer_map": serialize_keras_object(self.optimizer_map),
            "loss_scale_factor": self.loss_scale_factor,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Self:
        """The optimizer that a config describes, without state."""
        made = deserialize_keras_object(config["optimizer_map"], custom_objects=custom_objects)
        return cls(**{**config, "optimizer_map": made})


def _simple(optimizer: Any) -> Any:
    if not isinstance(optimizer, Optimizer) or isinstance(optimizer, (LossScaleOptimizer, MultiOptimizer)):
        raise ValueError(
            f"OptimizerMap and MultiOptimizer take optimizers that are no MultiOptimizer or LossScaleOptimizer, got "
            f"{optimizer!r}"
        )
    return optimizer
