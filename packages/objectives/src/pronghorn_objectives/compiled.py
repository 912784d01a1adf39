"""Losses and metrics as `compile` got them: names resolved by shape, lists and dicts by output."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any, NamedTuple

from pronghorn import plugins, tree
from pronghorn.interpreter import Eager, using
from pronghorn.loss import Loss
from pronghorn.metric import Mean, Metric
from pronghorn.tensor import Tensor
from pronghorn.training.compiled import as_loss, as_metric, require_targets

BY_SHAPE = {
    "accuracy": ("BinaryAccuracy", "SparseCategoricalAccuracy", "CategoricalAccuracy"),
    "crossentropy": ("BinaryCrossentropy", "SparseCategoricalCrossentropy", "CategoricalCrossentropy"),
}
"""What these names mean for one output unit, for class numbers as targets, and for one-hot targets."""

Batch = tuple[Any, Any, Any]
"""The target, the prediction and the weights of an output."""

_SHORT = {"acc": "accuracy", "ce": "crossentropy"}


def by_shape(identifier: Any, families: Sequence[str], y_true: Any, y_pred: Any) -> str | None:
    """The class that "accuracy" or "crossentropy" stands for, given a batch; None for anything else."""
    name = identifier.lower() if isinstance(identifier, str) else ""
    family = _SHORT.get(name, name)
    if family not in families:
        return None
    binary, sparse, categorical = BY_SHAPE[family]
    last, target = y_pred.shape[-1:], y_true.shape[-1:]
    if last == (1,):
        return binary
    return sparse if len(y_true.shape) < len(y_pred.shape) or target == (1,) else categorical


class Outputs:
    """The outputs of a model in a row, and whatever is given per output brought into the same order.

    Args:
        y_pred: a tensor, or a list, tuple or dict of tensors, which may be nested.
        names: of the outputs, where the model has them.
    """

    def __init__(self, y_pred: Any, names: Sequence[str] | None = None) -> None:
        self.count = len(tree.flatten(y_pred))
        self.nested = tree.is_nested(y_pred) and len(y_pred) != self.count
        self.names: list[str] | None = list(names) if names is not None and len(names) == self.count else None
        if isinstance(y_pred, Mapping) and not self.nested and set(self.names or ()) != set(y_pred):
            self.names = sorted(y_pred)

    def __str__(self) -> str:
        names = f" ({', '.join(self.names)})" if self.names else ""
        return f"{self.count} output{'s' if self.count != 1 else ''}{names}"

    def label(self, index: int) -> str | None:
        """The name of an output of several."""
        return self.names[index] if self.names and self.count > 1 else None

    def flatten(self, value: Any, what: str) -> list[Any]:
        """One item per output: of a list in their order, of a dict by name, with None for those it lacks.

        Raises:
            ValueError: `value` fits the outputs neither in number nor by name.
        """
        if isinstance(value, Mapping) and not self.nested and self.names is not None:
            for key in value:
                if key not in self.names:
                    close = get_close_matches(str(key), self.names, n=1)
                    hint = f"; did you mean {close[0]!r}?" if close else ""
                    raise ValueError(f"{what} has the key {key!r}, but the model has {self}{hint}")
            return [value.get(name) for name in self.names]
        if isinstance(value, (list, tuple)) and not self.nested and len(value) == self.count:
            return list(value)
        flat = tree.flatten(value)
        if len(flat) != self.count:
            raise ValueError(
                f"{what} has {len(flat)} item{'s' if len(flat) != 1 else ''}, but the model has {self}; "
                f"pass one for each, as a list in their order or a dict by name"
            )
        return flat

    def per_output(self, given: Any, what: str) -> list[list[Any]]:
        """Losses, weights or metrics as one list per output; a single one serves all outputs."""
        if not tree.is_nested(given):
            return [[] if given is None else [given]] * self.count
        if self.count == 1 and not isinstance(given, Mapping):
            return [[item for item in tree.flatten(given) if item is not None]]
        return [[] if item is None else tree.flatten(item) for item in self.flatten(given, what)]

    def targets(self, y_true: Any, used: Sequence[int], what: str) -> list[Any]:
        """One target per output; as many as there are `used` outputs are theirs, in this order.

        Raises:
            ValueError: a used output has none.
        """
        require_targets(y_true, what)
        given = list(y_true) if isinstance(y_true, (list, tuple)) else [y_true]
        if len(given) == len(used) != self.count and not isinstance(y_true, Mapping) and not self.nested:
            found = dict(zip(used, given, strict=True))
            return [found.get(i) for i in range(self.count)]
        targets = self.flatten(y_true, "y")
        for i in used:
            if targets[i] is None:
                raise ValueError(f"output {self.label(i) or i!r} has {what}, but y has no target for it; pass one")
        return targets

    def weights(self, sample_weight: Any) -> list[Any]:
        """One weight tensor, or None, per output; a single tensor serves all."""
        if not tree.is_nested(sample_weight):
            return [sample_weight] * self.count
        return self.flatten(sample_weight, "sample_weight")

    def batch(self, y_true: Any, y_pred: Any, sample_weight: Any, used: Sequence[int], what: str) -> list[Batch]:
        """The target, the prediction and the weights of each output."""
        parts = self.targets(y_true, used, what), self.flatten(y_pred, "y_pred"), self.weights(sample_weight)
        return list(zip(*parts, strict=True))

    @contextmanager
    def named(self, index: int) -> Iterator[None]:
        """Inside, errors name the output, where there are several."""
        try:
            yield
        except ValueError as error:
            if (label := self.label(index)) is None:
                raise
            raise ValueError(f"output {label!r}: {error}") from error


# ------------------------------------------------------------------------------------------------ losses


class Term(NamedTuple):
    """A loss of one output, and its share of the total."""

    output: int
    loss: Loss
    weight: float | None
    name: str


def make_loss(identifier: Any, y_true: Any, y_pred: Any) -> Loss:
    """The Loss for a name, function, config or Loss; "crossentropy" and "ce" choose by shape."""
    chosen = by_shape(identifier, ["crossentropy"], y_true, y_pred)
    if chosen:
        loss: Loss = plugins.load("losses", chosen)(name=identifier)
        return loss
    return as_loss(identifier)


class CompileLoss:
    """The weighted sum of the losses of a model's outputs.

    Args:
        loss: one for all outputs, a list in the order of the outputs, or a dict by output name; None leaves
            an output out.
        loss_weights: likewise, numbers.
        output_names: of the model, if it has them.
    """

    def __init__(self, loss: Any, loss_weights: Any = None, output_names: Sequence[str] | None = None) -> None:
        self._loss = loss
        self._loss_weights = loss_weights
        self._output_names = output_names
        self.built = False
        self.terms: list[Term] = []
        self.metrics: list[Mean] = []

    @property
    def losses(self) -> list[Loss]:
        """The loss of each term."""
        return [term.loss for term in self.terms]

    @property
    def variables(self) -> list[Any]:
        """The state of the losses per output."""
        return [variable for metric in self.metrics for variable in metric.variables]

    def build(self, y_true: Any, y_pred: Any) -> None:
        """Resolves the losses for targets and predictions of these shapes.

        Raises:
            ValueError: they do not fit the outputs.
        """
        self.outputs = Outputs(y_pred, self._output_names)
        per_output = self.outputs.per_output(self._loss, "loss")
        weights = self.outputs.per_output(self._loss_weights, "loss_weights")
        self._used = [i for i, losses in enumerate(per_output) if losses]
        targets = self.outputs.targets(y_true, self._used, "a loss")
        predictions = self.outputs.flatten(y_pred, "y_pred")
        self.terms, names = [], Counter[str]()
        order = list(self._loss) if isinstance(self._loss, Mapping) and isinstance(y_pred, Mapping) else []
        for i in sorted(self._used, key=lambda i: order.index(self.outputs.label(i)) if order else i):
            if weights[i] and len(weights[i]) != len(per_output[i]):
                raise ValueError(
                    f"loss_weights has {len(weights[i])} numbers for {len(per_output[i])} losses; pass one for each"
                )
            for k, identifier in enumerate(per_output[i]):
                loss = make_loss(identifier, targets[i], predictions[i])
                name = self.outputs.label(i) or loss.name
                names[name] += 1
                name = name if names[name] == 1 else f"{name}_{names[name] - 1}"
                self.terms.append(Term(i, loss, _number(weights[i][k]) if weights[i] else None, name))
        self.metrics = [Mean(name=f"{term.name}_loss") for term in self.terms] if len(self.terms) > 1 else []
        self.built = True

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Tensor | None:
        """The total loss; None where no output has one. `metrics` record each loss, unweighted."""
        if not self.built:
            with using(Eager()):
                self.build(y_true, y_pred)
        batch = self.outputs.batch(y_true, y_pred, sample_weight, self._used, "a loss")
        total: Tensor | None = None
        for k, term in enumerate(self.terms):
            target, prediction, weights = batch[term.output]
            with self.outputs.named(term.output):
                value = term.loss(target, prediction, weights)
            if self.metrics:
                self.metrics[k].update_state(value, sample_weight=prediction.shape[0])
            if term.weight is not None:
                value = value * term.weight
            total = value if total is None else total + value
        return total


def _number(weight: Any) -> float:
    try:
        return float(weight)
    except (TypeError, ValueError):
        raise ValueError(f"loss_weights: expected numbers, got {weight!r}") from None


# ------------------------------------------------------------------------------------------------ metrics


def make_metric(identifier: Any, y_true: Any, y_pred: Any) -> Metric:
    """The Metric for a name, function, config or Metric; "accuracy" and "crossentropy" choose by shape."""
    chosen = by_shape(identifier, list(BY_SHAPE), y_true, y_pred)
    metric: Metric = plugins.load("metrics", chosen)() if chosen else as_metric(identifier)
    if isinstance(identifier, str):
        metric.name = identifier
    return metric


class Measure(NamedTuple):
    """A metric of one output, and its key in the logs."""

    output: int
    metric: Metric
    key: str
    weighted: bool


class CompileMetrics(Metric):
    """The metrics of a model's outputs as one.

    Args:
        metrics: of a single output a list; of several a list with an entry (a metric, a list of them, None)
            for each, or a dict by output name.
        weighted_metrics: likewise, for metrics that sample weights enter.
        output_names: of the model, if it has them.
    """

    def __init__(self, metrics: Any, weighted_metrics: Any = None, output_names: Sequence[str] | None = None) -> None:
        super().__init__(name="compile_metrics")
        self._given = (("metrics", metrics, False), ("weighted_metrics", weighted_metrics, True))
        self._output_names = output_names
        self._measures: list[Measure] = []
        self.built = False

    @property
    def metrics(self) -> list[Metric]:
        """The metrics, once a batch has been seen."""
        return [measure.metric for measure in self._measures]

    @property
    def variables(self) -> list[Any]:
        return [variable for metric in self.metrics for variable in metric.variables]

    def build(self, y_true: Any, y_pred: Any) -> None:
        """Resolves the metrics for targets and predictions of these shapes.

        Raises:
            ValueError: they do not fit the outputs.
        """
        self.outputs = Outputs(y_pred, self._output_names)
        predictions = self.outputs.flatten(y_pred, "y_pred")
        found: list[tuple[int, Any, bool]] = []
        for what, given, weighted in self._given:
            for i, identifiers in enumerate(self.outputs.per_output(given, what)):
                found += [(i, identifier, weighted) for identifier in identifiers]
        self._used = sorted({i for i, _, _ in found})
        targets = self.outputs.targets(y_true, self._used, "metrics")
        measures: list[Measure] = []
        counts = Counter[str]()
        for i, identifier, weighted in found:
            metric = make_metric(identifier, targets[i], predictions[i])
            label = self.outputs.label(i)
            prefix = f"{label}_" if label else ""
            key = f"{prefix}{metric.name}"
            if weighted and counts[key]:
                key = f"{prefix}weighted_{metric.name}"
            counts[key] += 1
            measures.append(Measure(i, metric, key if counts[key] == 1 else f"{key}_{counts[key] - 1}", weighted))
        self._measures = measures
        self.built = True

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Takes a batch into account."""
        if not self.built:
            with using(Eager()):
                self.build(y_true, y_pred)
        if not self._measures:
            return
        batch = self.outputs.batch(y_true, y_pred, sample_weight, self._used, "metrics")
        for measure in self._measures:
            target, prediction, weights = batch[measure.output]
            weighted = measure.weighted and weights is not None
            with self.outputs.named(measure.output):
                measure.metric.update_state(target, prediction, *([weights] if weighted else []))

    def result(self) -> dict[str, Any]:
        """The values by their key in the logs."""
        return {measure.key: measure.metric.result() for measure in self._measures}

    def reset_state(self) -> None:
        for metric in self.metrics:
            metric.reset_state()
