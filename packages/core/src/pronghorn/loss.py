"""Loss: the base class of losses, and how values per sample become one number under masks and weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal

import numpy as np

from pronghorn import dtypes, ops, tree
from pronghorn.configurable import Configurable
from pronghorn.interpreter import LAYER
from pronghorn.naming import auto_name
from pronghorn.tensor import Tensor, Variable, convert_to_tensor

Reduction = Literal["sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none"] | None
REDUCTIONS = ("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None)


class Loss(Configurable):
    """A number that training makes smaller. Subclasses define `call(y_true, y_pred)`, one value per sample.

    ```python
    class MeanSquaredError(Loss):
        def call(self, y_true, y_pred):
            return ops.mean(ops.square(y_pred - y_true), axis=-1)
    ```

    Args:
        name: shown in listings; the class name in snake case by default.
        reduction: "sum_over_batch_size" and "mean" divide the weighted sum by the number of values, not by
            the sum of the weights; "mean_with_sample_weight" divides by the sum of the weights; "sum" does
            not divide; "none" and None give the values as they are.
        dtype: what targets, predictions and weights are cast to; floatx by default. A dtype policy stands for
            its compute dtype.
    """

    omitted_defaults: ClassVar[dict[str, Any]] = {"dtype": None}
    """Arguments that are in the config only where they differ from these values: Keras's files lack them."""

    def __init__(
        self, name: str | None = None, reduction: Reduction = "sum_over_batch_size", dtype: Any = None
    ) -> None:
        if reduction not in REDUCTIONS:
            raise ValueError(f"{type(self).__name__}: unknown reduction {reduction!r}; expected one of {REDUCTIONS}")
        self.name = name or auto_name(type(self).__name__)
        self.reduction = reduction
        self._dtype = compute_dtype(dtype)

    @property
    def dtype(self) -> str:
        """The dtype of the computation."""
        return self._dtype

    def call(self, y_true: Any, y_pred: Any) -> Tensor:
        """One value per sample (or per sample and step, …): `y_pred`'s shape without its last axis."""
        raise NotImplementedError(f"{type(self).__name__} has no `call(y_true, y_pred)`")

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Tensor:
        """The loss, a scalar unless `reduction` is "none".

        Args:
            y_true, y_pred: targets and predictions, or nested structures of them where `call` takes these.
            sample_weight: weighs the values; its axes are the leading ones of the values.
        """
        token = LAYER.set(self.name)
        try:
            mask = getattr(y_pred, "_keras_mask", None)
            y_pred = as_tensors(y_pred, self.dtype)
            y_true = as_tensors(y_true, self.dtype)
            values = convert_to_tensor(self.call(y_true, y_pred), dtype=self.dtype)
            if values._keras_mask is not None:
                own = values._keras_mask
                mask = own if mask is None else ops.logical_and(mask, own)
            return reduce_values(values, sample_weight, mask, self.reduction, self.name)
        finally:
            LAYER.reset(token)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments; `name` and `reduction` come first."""
        captured = super().get_config()
        first = {key: captured[key] for key in ("name", "reduction") if key in captured}
        omitted = self.omitted_defaults.items()
        return first | {key: value for key, value in captured.items() if (key, value) not in omitted}


class LossFunctionWrapper(Loss):
    """The loss that a function `(y_true, y_pred, **kwargs) -> values` computes.

    Args:
        fn: the function; a target of one rank less or more than the predictions, and a last axis of size 1,
            is squeezed or expanded before.
        reduction, name, dtype: as in `Loss`.
        kwargs: passed on to `fn`.
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        reduction: Reduction = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name or getattr(fn, "__name__", None), reduction, dtype)
        self.fn = fn
        self._kwargs = kwargs

    def call(self, y_true: Any, y_pred: Any) -> Tensor:
        if isinstance(y_true, Tensor) and isinstance(y_pred, Tensor):
            y_true, y_pred = squeeze_or_expand_to_same_rank(y_true, y_pred)
        return self.fn(y_true, y_pred, **self._kwargs)  # type: ignore[no-any-return]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, the function as a config of its own."""
        from pronghorn.saving.registry import serialize_keras_object

        return super().get_config() | {"fn": serialize_keras_object(self.fn)}


def compute_dtype(dtype: Any) -> str:
    """The name of a dtype, or of the compute dtype of a policy; None is floatx."""
    return dtypes.standardize(getattr(dtype, "compute_dtype", dtype))


def as_tensors(structure: Any, dtype: str) -> Any:
    """The leaves of a structure as tensors; nested lists of numbers are one tensor."""
    if any(isinstance(leaf, (Tensor, Variable, np.ndarray)) for leaf in tree.flatten(structure)):
        return tree.map_structure(lambda x: convert_to_tensor(x, dtype=dtype), structure)
    return convert_to_tensor(structure, dtype=dtype)


def squeeze_or_expand_to_same_rank(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Gives two tensors whose ranks differ by one the same rank, where the longer one's last axis has size 1.

    (n,) and (n, 1) become (n, 1) both; (n, t, 1) and (n, t) become (n, t). Others are returned as they are.
    """
    if x.ndim == y.ndim + 1 and x.shape[-1] == 1:
        return (x, ops.expand_dims(y, -1)) if y.ndim == 1 else (ops.squeeze(x, -1), y)
    if y.ndim == x.ndim + 1 and y.shape[-1] == 1:
        return (ops.expand_dims(x, -1), y) if x.ndim == 1 else (x, ops.squeeze(y, -1))
    return x, y


def same_shape(y_true: Any, y_pred: Any, name: str, mend: str = "") -> tuple[Tensor, Tensor]:
    """Targets in the predictions' dtype, and predictions, both of one shape.

    Args:
        name: of the loss or metric, for the error.
        mend: what to change, where it is not the output layer's units or the targets' shape.

    Raises:
        ValueError: the shapes differ by more than a last axis of size 1.
    """
    y_pred = convert_to_tensor(y_pred)
    y_true, y_pred = squeeze_or_expand_to_same_rank(convert_to_tensor(y_true, dtype=y_pred.dtype), y_pred)
    if y_true.ndim == y_pred.ndim and all(_fits(n, m) for n, m in zip(y_true.shape, y_pred.shape, strict=True)):
        return y_true, y_pred
    if not mend:
        mend = f"reshape the targets to the predictions' shape {y_pred.shape}"
        if y_true.ndim == y_pred.ndim and y_true.shape[:-1] == y_pred.shape[:-1]:
            units, columns = y_true.shape[-1], y_pred.shape[-1]
            mend = f"give the output layer {units} unit(s), or the targets {columns} column(s)"
    raise ValueError(
        f"{name}: the targets have shape {y_true.shape} and the predictions {y_pred.shape}, which must be equal; {mend}"
    )


def ratio(total: Tensor, count: Tensor) -> Tensor:
    """`total / count`, 0 where the count is 0; so is the gradient."""
    empty = ops.equal(count, 0)
    return ops.where(empty, 0, total / ops.where(empty, 1, count))  # type: ignore[no-any-return]


def _fits(n: int | None, m: int | None) -> bool:
    return n == m or n is None or m is None


def align_weights(weights: Tensor, values: Tensor, what: str) -> Tensor:
    """`weights` with the rank of `values`: its axes are their leading ones, the others get size 1. A single value has
    any weights.

    Raises:
        ValueError: a size is neither 1 nor that of the values.
    """
    if weights.ndim == values.ndim + 1 and weights.shape[-1] == 1:
        weights = ops.squeeze(weights, -1)
    sizes = zip(weights.shape, values.shape, strict=False)
    if weights.ndim > values.ndim > 0 or not all(n == 1 or _fits(n, m) for n, m in sizes):
        raise ValueError(
            f"{what} has shape {weights.shape}, which does not fit the values of shape {values.shape} that it weighs; "
            f"give one weight per sample, shape {values.shape[:1]}, or one per value, shape {values.shape}"
        )
    missing = values.ndim - weights.ndim
    return ops.reshape(weights, (*weights.shape, *(1,) * missing)) if missing > 0 and weights.ndim else weights


def reduce_values(
    values: Tensor,
    sample_weight: Any = None,
    mask: Any = None,
    reduction: Reduction = "sum_over_batch_size",
    name: str = "loss",
) -> Tensor:
    """The reduction of `values`, weighted, over the entries that the mask leaves.

    Under a mask "sum_over_batch_size" divides by the number of entries left, not of all.
    """
    weights = None
    if mask is not None:
        mask = convert_to_tensor(mask, dtype=values.dtype)
        weights = align_weights(mask, values, f"{name}: the mask of the predictions")
        if reduction in ("sum_over_batch_size", "mean"):
            weights = weights * ratio(convert_to_tensor(mask.size, dtype=values.dtype), ops.sum(mask))
    if sample_weight is not None:
        given = convert_to_tensor(sample_weight, dtype=values.dtype)
        given = align_weights(given, values, f"{name}: sample_weight")
        weights = given if weights is None else weights * given
    if weights is not None:
        values = values * weights
    if reduction in (None, "none") or not values.shape:
        return values
    if reduction == "sum" or values.size == 0:
        return ops.sum(values)
    if reduction == "mean_with_sample_weight" and weights is not None:
        return ratio(ops.sum(values), ops.sum(weights))
    return ops.mean(values)
