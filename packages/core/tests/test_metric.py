"""Metric: state, Mean, weights and masks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pronghorn import ops
from pronghorn.metric import Mean, MeanMetricWrapper, Metric
from pronghorn.program import jit
from pronghorn.tensor import Tensor, convert_to_tensor


class Positives(Metric):
    """Counts what is above a threshold."""

    def __init__(self, threshold: float = 0.0, **options: Any) -> None:
        super().__init__(**options)
        self.threshold = threshold
        self.total = self.add_variable((), "zeros", name="total")

    def update_state(self, values: Any) -> None:
        self.total.assign(self.total + ops.sum(ops.cast(convert_to_tensor(values) > self.threshold, self.dtype)))

    def result(self) -> Tensor:
        return self.total.value


def test_state_is_accumulated_and_reset() -> None:
    metric = Positives()
    assert float(metric([1.0, -1.0, 2.0])) == 2
    assert float(metric([3.0])) == 3
    metric.reset_state()
    assert float(metric.result()) == 0
    assert [v.path for v in metric.variables] == ["positives/total"] or metric.name != "positives"


def test_metrics_in_attributes_bring_their_state() -> None:
    class Pair(Metric):
        def __init__(self) -> None:
            super().__init__(name="pair")
            self.low = Mean(name="low")
            self.high = Positives(name="high")

    pair = Pair()
    assert [v.path for v in pair.variables] == ["low/total", "low/count", "high/total"]
    pair.high.update_state([1.0])
    pair.reset_state()
    assert float(pair.high.result()) == 0


def test_super_must_be_called_first() -> None:
    class Forgetful(Metric):
        def __init__(self) -> None:
            self.inner = Mean()

    with pytest.raises(RuntimeError, match=r"attribute 'inner' is set before `super\(\).__init__\(\)`"):
        Forgetful()


def test_config() -> None:
    metric = Positives(0.5, name="many", dtype="float32")
    assert metric.get_config() == {"name": "many", "dtype": "float32", "threshold": 0.5}
    assert Positives.from_config(metric.get_config()).threshold == 0.5


@pytest.mark.parametrize(
    ("values", "weights", "expected"),
    [
        (5.0, None, 5.0),
        ([1, 3, 5, 7], None, 4.0),
        ([1, 3, 5, 7], [1, 1, 0, 0], 2.0),
        ([[1, 3], [5, 7]], None, 4.0),
        ([[1, 3], [5, 7]], [1, 0], 2.0),
        ([[1, 3], [5, 7]], [[1], [0]], 2.0),
        ([[1, 3], [5, 7]], [[1, 0], [1, 1]], (0.5 * 1 + 6) / 1.5),
        ([[[1, 3]], [[5, 7]]], [1, 3], (2 + 18) / 4),
        (3.0, 4, 3.0),
        ([1.0, 2.0], [0, 0], 0.0),
    ],
)
def test_mean(values: Any, weights: Any, expected: float) -> None:
    metric = Mean()
    metric.update_state(values, weights)
    assert float(metric.result()) == pytest.approx(expected)


def test_mean_of_batches_of_different_sizes() -> None:
    metric = Mean()
    step = jit(lambda x: metric.update_state(x) or ())
    for batch in (np.ones(8, "float32"), np.full(2, 6, "float32")):
        step(batch)
    assert float(metric.result()) == 2


def test_weights_of_a_wrong_shape_are_an_error() -> None:
    with pytest.raises(ValueError, match=r"mean: sample_weight has shape \(3,\)"):
        Mean(name="mean").update_state([1.0, 2.0], [1.0, 1.0, 1.0])


def test_functions_become_means() -> None:
    def error(y_true: Any, y_pred: Any, power: int = 1) -> Tensor:
        return ops.mean(ops.power(ops.absolute(y_true - y_pred), power), axis=-1)

    metric = MeanMetricWrapper(error, power=2)
    assert metric.name == "error"
    y_true, y_pred = np.zeros((2, 2), "float32"), convert_to_tensor(np.array([[1, 1], [3, 3]], "float32"))
    assert float(metric(y_true, y_pred)) == 5
    metric.reset_state()
    assert float(metric(y_true, y_pred, sample_weight=[3.0, 1.0])) == 3
    metric.reset_state()
    y_pred._keras_mask = convert_to_tensor(np.array([True, False]))
    assert float(metric(y_true, y_pred)) == 1
