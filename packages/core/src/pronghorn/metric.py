"""Metric: the base class of what is measured over batches, and Mean, on which most metrics stand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from pronghorn import initializers, interpreter, ops, plugins
from pronghorn.configurable import Configurable
from pronghorn.initializer import Zeros
from pronghorn.loss import Loss, align_weights, compute_dtype, ratio
from pronghorn.naming import auto_name, name_scope
from pronghorn.tensor import Tensor, Variable, convert_to_tensor


class Metric(Configurable):
    """A quantity accumulated over batches.

    Subclasses make their state in `__init__` with `add_variable`, change it in `update_state` with
    `Variable.assign`, and compute the value of it in `result`.

    ```python
    class Positives(Metric):
        def __init__(self, name="positives", **kwargs):
            super().__init__(name=name, **kwargs)
            self.total = self.add_variable(shape=(), initializer="zeros", name="total")

        def update_state(self, y_true, y_pred, sample_weight=None):
            self.total.assign(self.total + ops.sum(ops.cast(y_pred > 0.5, self.dtype)))

        def result(self):
            return self.total.value
    ```

    Args:
        dtype: of the state and the result; floatx by default. A dtype policy stands for its compute dtype.
        name: the key in logs; the class name in snake case by default.
    """

    _direction: Literal["up", "down"] | None = None
    """Whether more is better; callbacks with mode="auto" read it."""

    def __init__(self, dtype: Any = None, name: str | None = None) -> None:
        self.name = name or auto_name(type(self).__name__)
        self._dtype = compute_dtype(dtype)
        self._variables: list[Variable] = []
        self._metrics: list[Metric] = []

    @property
    def dtype(self) -> str:
        """The dtype of the state and the result."""
        return self._dtype

    @property
    def variables(self) -> list[Variable]:
        """The state, with that of metrics kept in attributes."""
        return [*self._variables, *(v for metric in self._metrics for v in metric.variables)]

    def add_variable(
        self,
        shape: Sequence[int],
        initializer: Any = "zeros",
        dtype: Any = None,
        aggregation: str | None = "sum",
        name: str | None = None,
    ) -> Variable:
        """A new state variable.

        Args:
            shape: its shape; () for a scalar.
            initializer: an initializer or its name.
            dtype: floatx by default.
            aggregation: as in `Variable`.
            name: its name below the metric's.
        """
        initial = Zeros() if initializer == "zeros" else initializers.get(initializer)
        scope = name_scope(self.name.replace("/", ">"))
        with scope, interpreter.using(interpreter.Eager()):  # state may be made while the first batch is traced
            variable = Variable(initial, tuple(shape), dtype, trainable=False, aggregation=aggregation, name=name)
        if not any(variable is v for v in self._variables):
            self._variables.append(variable)
        return variable

    def add_weight(
        self,
        shape: Sequence[int] = (),
        initializer: Any = "zeros",
        dtype: Any = None,
        name: str | None = None,
    ) -> Variable:
        """`add_variable`, by its older name."""
        return self.add_variable(shape, initializer, dtype=dtype, name=name)

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, (Variable, Metric)):
            if "_metrics" not in self.__dict__:
                raise RuntimeError(
                    f"{type(self).__name__}: attribute {name!r} is set before `super().__init__()`; call that first"
                )
            tracked: list[Any] = self._variables if isinstance(value, Variable) else self._metrics
            if not any(value is known for known in tracked):
                tracked.append(value)
        super().__setattr__(name, value)

    def update_state(self, *args: Any, **kwargs: Any) -> Any:
        """Takes a batch into account: usually `(y_true, y_pred, sample_weight=None)`."""
        raise NotImplementedError(f"{type(self).__name__} has no `update_state`")

    def result(self) -> Any:
        """The present value: a scalar tensor, or a dict of them."""
        raise NotImplementedError(f"{type(self).__name__} has no `result`")

    def reset_state(self) -> None:
        """Sets the state to zeros."""
        for v in self.variables:
            v.assign(np.zeros(v.shape))

    def stateless_update_state(self, metric_variables: Sequence[Any], *args: Any, **kwargs: Any) -> list[Tensor]:
        """The state after a batch, given the state before it; the metric stays as it is."""
        return self._stateless(lambda: self.update_state(*args, **kwargs), metric_variables)[1][0]  # type: ignore[no-any-return]

    def stateless_result(self, metric_variables: Sequence[Any]) -> Any:
        """The value that a state stands for."""
        return self._stateless(self.result, metric_variables)[0]

    def stateless_reset_state(self) -> list[Tensor]:
        """The state to start with."""
        return self._stateless(self.reset_state, self.variables)[1][0]  # type: ignore[no-any-return]

    def _stateless(self, function: Callable[[], Any], values: Sequence[Any]) -> Any:
        return plugins.load("utils", "keras.stateless_calls")(
            self, function, ("metric_variables", self.variables, values)
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Takes a batch into account and returns the value."""
        self.update_state(*args, **kwargs)
        return self.result()

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments; `name` and `dtype` come first."""
        captured = super().get_config()
        first = {key: getattr(self, key) for key in ("name", "dtype") if key in captured}
        return first | {key: value for key, value in captured.items() if key not in first}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"


class Mean(Metric):
    """The weighted mean of values: `total / count`.

    Args:
        name: the key in logs.
        dtype: of the state and the result.
    """

    def __init__(self, name: str = "mean", dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self.total = self.add_variable((), "zeros", self.dtype, name="total")
        self.count = self.add_variable((), "zeros", self.dtype, name="count")

    def update_state(self, values: Any, sample_weight: Any = None) -> None:
        """Adds values of shape (samples, …); axes after the first are averaged.

        Args:
            values: a tensor; a scalar counts as one sample.
            sample_weight: its axes are the leading ones of `values`.
        """
        values, weights = per_sample(values, sample_weight, self.dtype, ops.mean, self.name)
        if weights is not None:
            count = ops.sum(weights) if weights.shape else weights
        else:
            count = convert_to_tensor(values.shape[0] if values.shape else 1, dtype=self.dtype)
        self.total.assign(self.total + (ops.sum(values) if values.shape else values))
        self.count.assign(self.count + count)

    def result(self) -> Tensor:
        return ratio(self.total.value, self.count.value)


class MeanMetricWrapper(Mean):
    """The mean of what a function `(y_true, y_pred, **kwargs) -> values per sample` gives.

    A mask of the predictions enters as weights.

    Args:
        fn: the function, or a `Loss`.
        name: the key in logs; the function's name by default.
        dtype: of the state and the result.
        kwargs: passed on to `fn`.
    """

    def __init__(self, fn: Callable[..., Any], name: str | None = None, dtype: Any = None, **kwargs: Any) -> None:
        super().__init__(name=name or getattr(fn, "__name__", None) or auto_name(type(self).__name__), dtype=dtype)
        self.fn = fn
        self._kwargs = kwargs
        if isinstance(fn, Loss) or _is_own_loss(fn):
            self._direction = "down"

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:  # type: ignore[override]
        """Adds a batch of targets and predictions."""
        mask = getattr(y_pred, "_keras_mask", None)
        values = convert_to_tensor(self.fn(y_true, y_pred, **self._kwargs))
        if mask is not None:
            sample_weight = masked_weights(sample_weight, mask, values, self.dtype, self.name)
        super().update_state(values, sample_weight)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, the function as a config of its own."""
        from pronghorn.saving.registry import serialize_keras_object

        config = super().get_config()
        return config | {"fn": serialize_keras_object(self.fn)} if "fn" in config else config


def _is_own_loss(function: Callable[..., Any]) -> bool:
    """Whether a plugin offers the function as a loss."""
    offered = plugins.references("losses").get(getattr(function, "__name__", ""))
    return offered is not None and offered.target == f"{function.__module__}:{function.__name__}"


def masked_weights(sample_weight: Any, mask: Tensor, values: Tensor, dtype: str, name: str) -> Tensor:
    """Sample weights that are 0 where the mask leaves a value out."""
    kept = align_weights(convert_to_tensor(mask, dtype=dtype), values, f"{name}: the mask of the predictions")
    if sample_weight is None:
        return kept
    return kept * align_weights(convert_to_tensor(sample_weight, dtype=dtype), values, f"{name}: sample_weight")


def per_sample(
    values: Any, sample_weight: Any, dtype: str, reduce: Callable[..., Any], name: str
) -> tuple[Tensor, Tensor | None]:
    """Weighted values and weights of shape (samples,): later axes are reduced; scalars stay scalars."""
    mask = getattr(values, "_keras_mask", None)
    values = convert_to_tensor(values, dtype=dtype)
    weights = None
    if sample_weight is not None:
        weights = convert_to_tensor(sample_weight, dtype=dtype)
        if mask is not None:  # of entries that a loss ignores; without weights they count, as in Keras
            weights = masked_weights(weights, mask, values, dtype, name)
        rank = min(weights.ndim, values.ndim)
        weights = align_weights(weights, values, f"{name}: sample_weight")
        if values.ndim > rank:
            values = reduce(values, axis=tuple(range(rank, values.ndim)))
        weights = ops.broadcast_to(ops.reshape(weights, weights.shape[:rank]), values.shape)
        values = values * weights
        if rank > 1:
            weights = reduce(weights, axis=tuple(range(1, rank)))
    if values.ndim > 1:
        values = reduce(values, axis=tuple(range(1, values.ndim)))
    return values, weights
