"""Names of Keras's top level for symbols, functions of them, and devices."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pronghorn import config, dtypes, tree
from pronghorn.functional import Functional
from pronghorn.op import Operation
from pronghorn.tensor import MODEL, Tensor


class _Symbols(type):
    """Makes Tensors, and recognizes those that are symbols of a model graph."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Tensor:
        symbol: Any = super().__call__(*args, **kwargs)
        return symbol.tensor  # type: ignore[no-any-return]

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, Tensor) and instance.scope is MODEL


class KerasTensor(metaclass=_Symbols):
    """A symbol of a model graph: a Tensor with a shape and a dtype, but no value.

    `isinstance(x, KerasTensor)` holds for what `Input` returns and layers make of it.

    Args:
        shape: None for unknown dimensions.
        dtype: of the values.
        sparse, ragged: not supported.
        record_history: only True.
        name: shown with it.
    """

    def __init__(
        self,
        shape: Any,
        dtype: Any = "float32",
        sparse: bool = False,
        ragged: bool = False,
        record_history: bool = True,
        name: str | None = None,
    ) -> None:
        if sparse or ragged:
            raise NotImplementedError("KerasTensor: sparse and ragged tensors are not supported; use dense ones")
        if not record_history:
            raise NotImplementedError("KerasTensor: record_history=False is not supported")
        self.tensor = Tensor(tuple(shape), dtypes.standardize(dtype), scope=MODEL, name=name)


class Function(Operation):
    """The computation between symbols of a model graph, as a function of values.

    Args:
        inputs: symbols, nested as you like: what `Input` returned, or what was computed from it.
        outputs: symbols computed from them.
        name: "function", numbered, by default.
    """

    def __init__(self, inputs: Any, outputs: Any, name: str | None = None) -> None:
        super().__init__(name)
        self._model = Functional(inputs, outputs, name=self.name)

    @property
    def inputs(self) -> list[Tensor]:
        """The symbols that it begins with."""
        return tree.flatten(self._model.input)

    @property
    def outputs(self) -> list[Tensor]:
        """The symbols that it ends with."""
        return tree.flatten(self._model.output)

    @property
    def operations(self) -> list[Any]:
        """Its layers and ops, in an order in which each comes after what it reads."""
        return list(self._model.graph.steps)

    def call(self, inputs: Any) -> Any:
        """The outputs for values of the inputs, nested like these."""
        return self._model(inputs)

    def compute_output_spec(self, inputs: Any) -> Any:
        """Shapes and dtypes of the outputs for symbols."""
        return self._model.compute_output_spec(inputs)


@contextmanager
def device(device_name: str) -> Iterator[None]:
    """Inside, work is done on `device_name`, which must be the accelerator in use: "cpu", "gpu:0" …"""
    kind = str(device_name).lower().split(":")[0]
    wanted = {"numpy": "cpu"}.get(config.accelerator(), config.accelerator())
    if kind != wanted:
        raise NotImplementedError(
            f"device: {device_name!r} is not the accelerator in use, {config.accelerator()!r}; "
            "choose one for the process with pronghorn.config.set_accelerator"
        )
    yield
