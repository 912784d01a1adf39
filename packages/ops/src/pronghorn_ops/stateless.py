"""StatelessScope: layers, metrics and optimizers as functions of the values of their variables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self

from pronghorn import interpreter
from pronghorn.interpreter import Interpreter, Tape, Tracer
from pronghorn.random import SeedGenerator
from pronghorn.tensor import Tensor, Variable, convert_to_tensor


class StatelessScope(Interpreter):
    """Inside, variables have the values given, and assignments stay in the scope.

    ```python
    with StatelessScope(zip(model.weights, values)) as scope:
        outputs = model(inputs)
    new_values = [scope.get_current_value(v) for v in model.weights]
    ```

    Args:
        state_mapping: pairs of a Variable and its value, of the variable's shape.
        collect_losses: only False; `Layer.stateless_call(return_losses=True)` returns the losses.
        initialize_variables: only True; variables made inside have their initial values at once.

    Raises:
        ValueError: a key is no Variable, or a value has another shape.
    """

    def __init__(
        self,
        state_mapping: Iterable[tuple[Variable, Any]] | None = None,
        collect_losses: bool = False,
        initialize_variables: bool = True,
    ) -> None:
        if collect_losses or not initialize_variables:
            raise NotImplementedError(
                "StatelessScope: only collect_losses=False and initialize_variables=True are supported; "
                "stateless_call(return_losses=True) returns the losses of a call"
            )
        self._values: dict[Variable, Tensor] = {}
        for variable, value in state_mapping or ():
            if not isinstance(variable, Variable):
                raise ValueError(f"StatelessScope: the keys must be Variables, got {variable!r}")
            tensor = convert_to_tensor(value, variable.dtype)
            if tensor.shape != variable.shape:
                raise ValueError(
                    f"StatelessScope: variable {variable.path!r} has shape {variable.shape}, its value {tensor.shape}"
                )
            self._values[variable] = tensor

    def __enter__(self) -> Self:
        self._inner = interpreter.current()
        self._using = interpreter.using(self)
        self._using.__enter__()
        tracer = self._inner.tracer
        draws = {} if tracer is None else tracer.draws
        self._drawn: dict[SeedGenerator, int] = {g: draws.pop(g) for g in list(draws) if g.state in self._values}
        return self

    def __exit__(self, *error: Any) -> None:
        tracer = self._inner.tracer
        if tracer is not None:  # a trace counts draws and advances the state at its end: here it ends now
            for generator in [g for g in tracer.draws if g.state in self._values]:
                generator.advance(tracer.draws.pop(generator))
            tracer.draws.update(self._drawn)
        self._using.__exit__(*error)

    def get_current_value(self, variable: Variable) -> Tensor | None:
        """The value of a variable in the scope; None for one that was neither given nor assigned."""
        return self._values.get(variable)

    def add_update(self, update: tuple[Variable, Any]) -> None:
        """Sets a variable in the scope: (variable, value)."""
        variable, value = update
        self._values[variable] = convert_to_tensor(value, variable.dtype)

    def apply(self, op: Any, inputs: Sequence[Tensor], attrs: dict[str, Any]) -> tuple[Tensor, ...]:
        return self._inner.apply(op, inputs, attrs)

    def read(self, variable: Variable) -> Tensor:
        value = self._values.get(variable)
        return self._inner.read(variable) if value is None else value

    def assign(self, variable: Variable, value: Tensor) -> None:
        self._values[variable] = value

    @property
    def tracer(self) -> Tracer | None:
        return self._inner.tracer

    @property
    def tape(self) -> Tape | None:
        return self._inner.tape


State = tuple[str, Sequence[Variable], Sequence[Any]]
"""An argument's name, the variables whose values it holds, and these."""


def run(owner: Any, function: Callable[[], Any], *states: State) -> tuple[Any, list[list[Tensor]]]:
    """The result of a function with variables that have the values given, and their values afterwards.

    Raises:
        ValueError: `owner` is not built, or there are more or fewer values than variables.
    """
    if not getattr(owner, "built", True):
        raise ValueError(f"{owner.name}: stateless calls need variables; build {owner.name!r} first")
    for argument, variables, values in states:
        if len(values) != len(variables):
            raise ValueError(
                f"{owner.name}: argument `{argument}` must hold a value for each of the {len(variables)} variables "
                f"in their order, got {len(values)}"
            )
    pairs = [pair for _, variables, values in states for pair in zip(variables, values, strict=True)]
    with StatelessScope(pairs) as scope:
        result = function()
    return result, [[scope.read(v) for v in variables] for _, variables, _ in states]
