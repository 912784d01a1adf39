"""Optimizer: the base class of update rules, with all they share, and LearningRateSchedule."""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from typing import Any, Self

import numpy as np

from pronghorn import initializers, interpreter, naming, ops, plugins
from pronghorn.autodiff import warn_unused
from pronghorn.configurable import Configurable
from pronghorn.initializer import Zeros
from pronghorn.interpreter import LAYER
from pronghorn.naming import auto_name, name_scope
from pronghorn.tensor import Tensor, Variable

_CLIPS = ("clipnorm", "clipvalue", "global_clipnorm")
_COUNTS = ("ema_overwrite_frequency", "gradient_accumulation_steps")
"""Options that pronghorn-optimizers carries out, as it does `use_ema`."""


class LearningRateSchedule(Configurable):
    """A learning rate that depends on the step: subclasses define `__call__(step)`, written in ops."""

    def __call__(self, step: Any) -> Tensor:
        """The learning rate of a step, counted from 0."""
        raise NotImplementedError(f"{type(self).__name__} has no `__call__(step)`")


class Optimizer(Configurable):
    """Changes variables by their gradients. Subclasses make their slots in `build` and define `update_step`.

    ```python
    class Momentum(Optimizer):
        def build(self, variables):
            super().build(variables)
            self.momentums = self.add_optimizer_variables(variables, "momentum")

        def update_step(self, gradient, variable, learning_rate):
            m = self.momentums[self._get_variable_index(variable)]
            m.assign(0.9 * m - learning_rate * gradient)
            variable.assign(variable + m)
    ```

    A rule that is an elementwise expression of the variable, its slots, its gradient and scalars, the same
    for every variable, runs as one launch over all variables. Scalars that need more than a product are
    computed once per step by `once`.

    Args:
        learning_rate: a number, a `LearningRateSchedule`, or a function without arguments.
        weight_decay: w -= learning_rate * weight_decay * w before the update (decoupled, https://arxiv.org/abs/1711.05101).
        clipnorm: largest L2 norm of each gradient.
        clipvalue: largest absolute value of each element of the gradients.
        global_clipnorm: largest L2 norm of all gradients together.
        use_ema: keeps an exponential moving average of the variables, which replaces them at the end of
            `fit`.
        ema_momentum: the average's share of its old value.
        ema_overwrite_frequency: replaces the variables by the average every so many steps as well.
        loss_scale_factor: the loss is multiplied by it and the gradients divided, against underflow in
            float16.
        gradient_accumulation_steps: updates once in so many steps, by the mean of their gradients.
        name: of the optimizer; its class name in snake case by default.
    """

    mutations = 0
    """How often a setting was changed: programs that traced the optimizer before are then traced again."""

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule | Callable[[], Any],
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if kwargs:
            raise ValueError(f"{type(self).__name__}: unknown arguments {sorted(kwargs)}{_legacy(kwargs)}")
        self._variables: list[Variable] = []
        self.name = name or auto_name(type(self).__name__)
        self.weight_decay = weight_decay
        self.clipnorm = clipnorm
        self.clipvalue = clipvalue
        self.global_clipnorm = global_clipnorm
        self.use_ema = use_ema
        self.ema_momentum = ema_momentum
        self.ema_overwrite_frequency = ema_overwrite_frequency
        self.loss_scale_factor = loss_scale_factor
        self.gradient_accumulation_steps = gradient_accumulation_steps
        if use_ema or ema_momentum != 0.99 or any(getattr(self, name) is not None for name in (*_CLIPS, *_COUNTS)):
            plugins.load("utils", "Optimizer.clipping_and_averages")(self)
        self.built = False
        self._index: dict[Variable, int] = {}
        self._trainable_variables: list[Variable] = []
        self._undecayed: tuple[frozenset[Variable], re.Pattern[str] | None] = (frozenset(), None)
        self._memo: dict[Any, Any] | None = None
        self._iterations = self.add_variable((), dtype="int64", name="iteration")
        self._learning_rate: Any = learning_rate
        if not callable(learning_rate):
            number = _number(type(self).__name__, learning_rate)
            self._learning_rate = self.add_variable((), lambda shape, dtype: np.array(number), name="learning_rate")

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        _show_options(cls.__dict__.get("__init__"))

    # ---------------------------------------------------------------------------------------- state

    @property
    def iterations(self) -> Any:
        """How many updates were made: a Variable, or a tensor while gradients are accumulated over steps."""
        if self.gradient_accumulation_steps:
            return ops.floor_divide(self._iterations, self.gradient_accumulation_steps)
        return self._iterations

    @property
    def variables(self) -> list[Variable]:
        """The state in Keras's order: iteration, learning rate (unless a schedule), then the slots."""
        return list(self._variables)

    @property
    def learning_rate(self) -> Any:
        """The present learning rate: a Variable, or the value of the schedule or function."""
        if isinstance(self._learning_rate, LearningRateSchedule):
            return self._learning_rate(self._iterations)
        return self._learning_rate if isinstance(self._learning_rate, Variable) else self._learning_rate()

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        if isinstance(self._learning_rate, Variable):
            if not callable(value) or isinstance(value, Variable):
                self._learning_rate.assign(value)
                return
            self._variables = [v for v in self._variables if v is not self._learning_rate]
        elif not callable(value):
            raise TypeError(
                f"{self.name}: the learning rate is the schedule {self._learning_rate!r} and cannot be set to "
                f"{value!r}; create the optimizer with a number as `learning_rate` to set it later"
            )
        self._learning_rate = value
        naming.mutated(self)

    def __setattr__(self, name: str, value: Any) -> None:
        if "_variables" not in self.__dict__ and name != "_variables":
            raise RuntimeError(f"{type(self).__name__}: call `super().__init__()` before setting attribute {name!r}")
        if isinstance(value, Variable):
            self._track(value)
        elif not name.startswith("_") and name in self.__dict__:
            naming.mutated(self, name)
        super().__setattr__(name, value)

    def _track(self, variable: Variable) -> None:
        if not any(variable is v for v in self._variables):
            self._variables.append(variable)

    def add_variable(
        self,
        shape: Sequence[int],
        initializer: Any = "zeros",
        dtype: Any = None,
        aggregation: str | None = "none",
        layout: Any = None,
        name: str | None = None,
    ) -> Variable:
        """A new state variable.

        Args:
            shape: its shape.
            initializer: an initializer or its name.
            dtype: floatx by default.
            aggregation: as in `Variable`.
            layout: only None; layouts of distributed tensors are not supported.
            name: its name below the optimizer's.
        """
        if layout is not None:
            raise NotImplementedError(f"{self.name}: add_variable takes no `layout`; tensors are not distributed")
        initial = Zeros() if initializer == "zeros" else initializers.get(initializer)
        with name_scope(self.name):
            variable = Variable(initial, tuple(shape), dtype, trainable=False, aggregation=aggregation, name=name)
        self._track(variable)
        return variable

    def add_variable_from_reference(
        self, reference_variable: Variable, name: str | None = None, initializer: Any = "zeros"
    ) -> Variable:
        """A new slot: a state variable with the shape and dtype of a model's variable."""
        path = reference_variable.path.replace("/", "_")
        shape, dtype = reference_variable.shape, reference_variable.dtype
        return self.add_variable(shape, initializer, dtype, name=f"{path}_{name or 'var'}")

    def add_optimizer_variables(
        self, trainable_variables: Sequence[Variable], name: str | Sequence[str], initializer: Any = "zeros"
    ) -> Any:
        """A slot for each variable, or with several names several slots for each, made variable by variable.

        Args:
            trainable_variables: the model's variables.
            name: of the slot, or names of several.
            initializer: for all, or a list with one for each name.

        Returns:
            A list of slots; with several names a tuple of lists.
        """
        names = [name] if isinstance(name, str) else list(name)
        inits = initializer if isinstance(initializer, (list, tuple)) else [initializer] * len(names)
        if len(inits) != len(names):
            raise ValueError(f"{self.name}: {len(inits)} initializers for {len(names)} names {names}")
        rows = [
            [self.add_variable_from_reference(v, n, init) for n, init in zip(names, inits, strict=True)]
            for v in trainable_variables
        ]
        columns = tuple([row[k] for row in rows] for k in range(len(names)))
        return columns[0] if isinstance(name, str) else columns

    def build(self, variables: Sequence[Variable]) -> None:
        """Makes the state for `variables`; subclasses add their slots after calling this."""
        if any(v.overwrite_with_gradient for v in variables):
            raise NotImplementedError(
                f"{self.name}: variables that are overwritten with their gradient are not supported"
            )
        self._trainable_variables = list(variables)
        self._index = {v: i for i, v in enumerate(variables)}
        if self.use_ema:
            self._averages = self.add_optimizer_variables(variables, "average")
        if self.gradient_accumulation_steps:
            self._accumulators = self.add_optimizer_variables(variables, "gradient_accumulator")
        self.built = True

    def _get_variable_index(self, variable: Variable) -> int:
        """The position of a variable among those that the optimizer was built with."""
        if variable not in self._index:
            raise ValueError(
                f"{self.name}: unknown variable {variable.path!r}; an optimizer updates only the variables it was "
                "built with, create a new one for other variables"
            )
        return self._index[variable]

    def exclude_from_weight_decay(
        self, var_list: Iterable[Variable] | None = None, var_names: Iterable[str] | None = None
    ) -> None:
        """Spares variables weight decay: those listed, and those with one of `var_names` in their name.

        Raises:
            ValueError: the optimizer is built already.
        """
        if self.built:
            raise ValueError(f"{self.name}: exclude_from_weight_decay must be called before the optimizer is built")
        names = sorted(set(var_names or ()))
        self._undecayed = (frozenset(var_list or ()), re.compile("|".join(names)) if names else None)

    # ---------------------------------------------------------------------------------------- the step

    def update_step(self, gradient: Tensor, variable: Variable, learning_rate: Tensor) -> None:
        """Updates one variable and its slots; `gradient` and `learning_rate` have its dtype."""
        raise NotImplementedError(f"{type(self).__name__} has no `update_step(gradient, variable, learning_rate)`")

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, Variable]]) -> Variable:
        """Updates each variable by its gradient; None leaves one as it is. Returns the number of steps."""
        pairs = list(grads_and_vars)
        self.apply([g for g, _ in pairs], [v for _, v in pairs])
        return self._iterations

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Variable] | None = None) -> None:
        """One step: scaling back, clipping, weight decay, update, moving average, constraints.

        Args:
            grads: one gradient per variable, None where there is none.
            trainable_variables: the variables, by default those the optimizer was built with. The first call
                builds the state.

        Raises:
            ValueError: no gradient at all, another number of gradients than variables, or an unknown
                variable.
        """
        grads = list(grads)
        if not grads:
            return
        variables = self._targets(grads, trainable_variables)
        if all(g is None for g in grads):
            raise ValueError(f"{self.name}: there is no gradient for any variable; the loss depends on none of them")
        warn_unused(variables, grads)
        present = [(g, v) for g, v in zip(grads, variables, strict=True) if g is not None]
        grads = [ops.cast(g, v.dtype) for g, v in present]
        variables = [v for _, v in present]
        self.note_settings()
        token = LAYER.set(self.name)
        try:
            if self.loss_scale_factor is not None:
                grads = [g * (1 / self.loss_scale_factor) for g in grads]
            if self.gradient_accumulation_steps:
                plugins.load("utils", "Optimizer.gradient_accumulation_steps")(self, grads, variables)
            else:
                self._update(grads, variables)
            if self.use_ema:
                plugins.load("utils", "Optimizer.use_ema")(self)
            for v in variables:
                if v.constraint is not None:
                    v.assign(v.constraint(v.value))
            self._iterations.assign(self._iterations + 1)
        finally:
            LAYER.reset(token)

    def stateless_apply(
        self, optimizer_variables: Sequence[Any], grads: Sequence[Any], trainable_variables: Sequence[Any]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """The values of the trainable variables and of the state after a step, given those before it.

        Raises:
            ValueError: the optimizer is not built, or there are more or fewer values than variables.
        """
        states = (
            ("trainable_variables", self._trainable_variables, trainable_variables),
            ("optimizer_variables", self.variables, optimizer_variables),
        )
        after = plugins.load("utils", "keras.stateless_calls")(self, lambda: self.apply(grads), *states)[1]
        return after[0], after[1]

    def note_settings(self) -> None:
        """Lets a trace in progress know that it depends on the settings, which may be changed later."""
        tracer = interpreter.current().tracer
        if tracer is not None:
            tracer.touched[self] = self.mutations

    def _targets(self, grads: Sequence[Any], variables: Sequence[Variable] | None) -> list[Variable]:
        if variables is None:
            if not self.built:
                raise ValueError(
                    f"{self.name}: apply(grads) without variables needs a built optimizer; call build first"
                )
            variables = self._trainable_variables
        if len(grads) != len(variables):
            raise ValueError(f"{self.name}: got {len(grads)} gradients for {len(variables)} variables")
        if not self.built:
            with interpreter.using(interpreter.Eager()):  # also where the first step is being traced
                self.build(list(variables))
        for v in variables:
            self._get_variable_index(v)
        return list(variables)

    def _update(self, grads: Sequence[Tensor], variables: Sequence[Variable]) -> None:
        """Clipping, weight decay and the rule itself."""
        self._memo = {}
        try:
            learning_rate = self.learning_rate
            if any(getattr(self, name) is not None for name in _CLIPS):
                grads = plugins.load("utils", "Optimizer.clipping")(self, grads)
            for gradient, v in zip(grads, variables, strict=True):
                rate = self.once(ops.cast, learning_rate, v.dtype)
                if decay := self._decay_of(v):
                    v.assign(v - v * self.once(ops.multiply, rate, decay))
                self.update_step(gradient, v, rate)
        finally:
            self._memo = None

    def once(self, function: Callable[..., Any], *args: Any) -> Any:
        """`function(*args)`, computed once per step however many variables ask for it."""
        if self._memo is None:
            return function(*args)
        key = (function, *args)
        if key not in self._memo:
            self._memo[key] = function(*args)
        return self._memo[key]

    def _decay_of(self, variable: Variable) -> float | None:
        """The weight decay of a variable."""
        return self.weight_decay if self._decays(variable) else None

    def _decays(self, variable: Variable) -> bool:
        listed, pattern = self._undecayed
        return variable not in listed and not (pattern and pattern.search(variable.name))

    def moving_average_pairs(self) -> list[tuple[Variable, Variable]]:
        """The variables with their moving averages, for `use_ema`."""
        return list(zip(self._trainable_variables, self._averages, strict=True))

    def finalize_variable_values(self, var_list: Sequence[Variable]) -> None:
        """Replaces variables by their moving averages where `use_ema` is set; `fit` calls it at its end."""
        if self.use_ema:
            for v in var_list:
                v.assign(self._averages[self._get_variable_index(v)])

    def scale_loss(self, loss: Any) -> Any:
        """The loss times `loss_scale_factor`."""
        return loss if self.loss_scale_factor is None else loss * self.loss_scale_factor

    def assign(self, variable: Variable, value: Any) -> None:
        """Sets a variable of the model or the optimizer."""
        variable.assign(value)

    def assign_add(self, variable: Variable, value: Any) -> None:
        """Adds to a variable of the model or the optimizer."""
        variable.assign_add(value)

    def assign_sub(self, variable: Variable, value: Any) -> None:
        """Subtracts from a variable of the model or the optimizer."""
        variable.assign_sub(value)

    # ---------------------------------------------------------------------------------------- files

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Sets `variables`, in their order.

        Raises:
            ValueError: the optimizer is not built, or the number or a shape differs.
        """
        if not self.built:
            raise ValueError(f"{self.name}: set_weights needs a built optimizer; call build(trainable_variables) first")
        if len(weights) != len(self.variables):
            raise ValueError(f"{self.name}: set_weights got {len(weights)} values for {len(self.variables)} variables")
        for variable, value in zip(self.variables, weights, strict=True):
            variable.assign(value)

    def save_own_variables(self, store: MutableMapping[str, Any]) -> None:
        """Writes the state as "0", "1", …"""
        for i, variable in enumerate(self.variables):
            store[str(i)] = variable.numpy()

    def load_own_variables(self, store: Mapping[str, Any]) -> None:
        """Reads what `save_own_variables` wrote; warns and does nothing where the number differs."""
        if len(store.keys()) != len(self.variables):
            warnings.warn(
                f"the state of optimizer {self.name!r} is not loaded: the file has {len(store.keys())} variables and "
                f"the optimizer {len(self.variables)}{'' if self.built else ', since it is not built yet'}",
                stacklevel=2,
            )
            return
        for i, variable in enumerate(self.variables):
            variable.assign(np.asarray(store[str(i)]))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments: those of every optimizer in Keras's order, then its own."""
        from pronghorn.saving.registry import serialize_keras_object

        own, rate = self._argument_config("learning_rate"), self._learning_rate
        shared: dict[str, Any] = {
            "name": self.name,
            "learning_rate": float(rate) if isinstance(rate, Variable) else serialize_keras_object(rate),
            **{key: getattr(self, key) for key in _CONFIG},
        }
        return shared | {key: value for key, value in own.items() if key not in shared}

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Self:
        """The optimizer that a config describes, without state."""
        from pronghorn.saving.registry import deserialize_keras_object

        rate = config.get("learning_rate")
        if isinstance(rate, Mapping):
            schedule = deserialize_keras_object(rate, custom_objects=custom_objects)
            config = {**config, "learning_rate": schedule}
        return cls(**config)


_CONFIG = (
    "weight_decay",
    "clipnorm",
    "global_clipnorm",
    "clipvalue",
    "use_ema",
    "ema_momentum",
    "ema_overwrite_frequency",
    "loss_scale_factor",
    "gradient_accumulation_steps",
)


def _legacy(arguments: Mapping[str, Any]) -> str:
    """What to write in place of arguments that Keras 2 had."""
    now = {"lr": "learning_rate", "decay": "a schedule such as InverseTimeDecay as learning_rate"}
    hints = [f"instead of {key} use {now[key]}" for key in arguments if key in now]
    return "; " + ", ".join(hints) if hints else ""


def _number(name: str, learning_rate: Any) -> float:
    try:
        if isinstance(learning_rate, (str, bool)):
            raise TypeError
        return float(learning_rate)
    except TypeError:
        raise ValueError(
            f"{name}: argument `learning_rate` must be a number, a LearningRateSchedule or a function without "
            f"arguments, got {learning_rate!r}"
        ) from None


def _show_options(constructor: Any) -> None:
    """Lets `inspect.signature` and help name the arguments behind a constructor's `**options: Unpack[…]`."""
    if constructor is None or "OptimizerOptions" not in str(constructor.__annotations__.get("options")):
        return
    signature = inspect.signature(constructor)
    own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    shared = list(inspect.signature(Optimizer.__init__).parameters.values())[2:]
    names = {p.name for p in own}
    constructor.__signature__ = signature.replace(parameters=[*own, *(p for p in shared if p.name not in names)])
