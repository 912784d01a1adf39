"""The loss and the metrics of a model with one output. Those of several, and "accuracy", are pronghorn-objectives'."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pronghorn import plugins, tree
from pronghorn.loss import Loss, LossFunctionWrapper
from pronghorn.metric import MeanMetricWrapper, Metric
from pronghorn.naming import to_snake_case
from pronghorn.tensor import Tensor

LOSSES = "compile.losses_of_several_outputs"
METRICS = "compile.metrics_by_name_or_output"
"""What pronghorn-objectives offers: `CompileLoss` and `CompileMetrics`."""


def compiled(name: str) -> Any:
    """`CompileLoss` or `CompileMetrics` of pronghorn-objectives, or what core has in its place."""
    installed = plugins.references("utils").get(name)
    return installed.load() if installed else {LOSSES: OneLoss, METRICS: OneMetrics}[name]


def as_loss(identifier: Any) -> Loss:
    """The Loss for a name, function, config or Loss."""
    from pronghorn import losses

    loss = losses.get(identifier)
    if isinstance(loss, Loss):
        return loss
    return LossFunctionWrapper(loss, name=identifier if isinstance(identifier, str) else _name(loss))


def as_metric(identifier: Any) -> Metric:
    """The Metric for a name, function, config or Metric."""
    from pronghorn import metrics

    found = metrics.get(identifier)
    return found if isinstance(found, Metric) else MeanMetricWrapper(found, name=_name(found))


def _name(function: Any) -> str:
    """Of a function or callable object, in snake case."""
    return getattr(function, "name", None) or to_snake_case(getattr(function, "__name__", type(function).__name__))


def require_targets(y_true: Any, what: str) -> None:
    """Raises ValueError where there are no targets."""
    if y_true is None:
        raise ValueError(f"the model was compiled with {what}, but there are no targets: pass y, or (x, y) batches")


def _only(name: str, given: Any) -> Any:
    """What is given for the only output; for several an error that says what to install."""
    flat = tree.flatten(given)
    return flat[0] if len(flat) == 1 else plugins.load("utils", name)


class OneLoss:
    """The loss of the only output; `pronghorn_objectives.compiled.CompileLoss` takes the same arguments."""

    def __init__(self, loss: Any, loss_weights: Any = None, output_names: Sequence[str] | None = None) -> None:
        self.losses = [as_loss(_only(LOSSES, loss))]
        self.weight = None if loss_weights is None else float(_only(LOSSES, loss_weights))
        self.metrics: list[Metric] = []
        self.built = True

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Tensor:
        require_targets(y_true, "a loss")
        target, prediction = (_only(LOSSES, y) for y in (y_true, y_pred))
        value = self.losses[0](target, prediction, sample_weight)
        return value if self.weight is None else value * self.weight


class OneMetrics(Metric):
    """The metrics of the only output; `pronghorn_objectives.compiled.CompileMetrics` takes the same arguments."""

    def __init__(self, metrics: Any, weighted_metrics: Any = None, output_names: Sequence[str] | None = None) -> None:
        super().__init__(name="compile_metrics")
        given = [*tree.flatten(metrics or []), *tree.flatten(weighted_metrics or [])]
        if any(isinstance(metric, str) for metric in given):
            plugins.load("utils", METRICS)
        self.metrics = [as_metric(metric) for metric in given]
        self.unweighted = len(tree.flatten(metrics or []))
        self.built = True

    @property
    def variables(self) -> list[Any]:
        return [variable for metric in self.metrics for variable in metric.variables]

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        require_targets(y_true, "metrics")
        target, prediction = (_only(METRICS, y) for y in (y_true, y_pred))
        for k, metric in enumerate(self.metrics):
            metric.update_state(target, prediction, *(() if k < self.unweighted else (sample_weight,)))

    def result(self) -> dict[str, Any]:
        return {metric.name: metric.result() for metric in self.metrics}
