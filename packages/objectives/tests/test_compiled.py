"""Losses and metrics by output: lists, dicts, weights, names in the logs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pronghorn import ops
from pronghorn.loss import Loss
from pronghorn.metric import Mean
from pronghorn.tensor import Tensor, constant
from pronghorn_objectives.compiled import CompileLoss, CompileMetrics, Outputs, by_shape


class SquaredError(Loss):
    def call(self, y_true: Any, y_pred: Any) -> Any:
        if y_true.shape != y_pred.shape:
            raise ValueError(f"shapes {y_true.shape} and {y_pred.shape} differ")
        return ops.mean(ops.square(y_true - y_pred), axis=-1)


def absolute_error(y_true: Any, y_pred: Any) -> Any:
    return ops.mean(ops.abs(y_true - y_pred), axis=-1)


def column(*values: float) -> Tensor:
    return constant(np.array(values)[:, None], "float32")


ONES, TWOS, ZEROS = column(1, 1), column(2, 2), column(0, 0)


def number(value: Any) -> float:
    return float(value.numpy())


@pytest.mark.parametrize(
    ("target", "output", "expected"),
    [
        ((8, 1), (8, 1), "BinaryAccuracy"),
        ((8,), (8, 1), "BinaryAccuracy"),
        ((8,), (8, 3), "SparseCategoricalAccuracy"),
        ((8, 1), (8, 3), "SparseCategoricalAccuracy"),
        ((8, 3), (8, 3), "CategoricalAccuracy"),
        ((8, 5), (8, 5, 3), "SparseCategoricalAccuracy"),
        ((8, 5, 3), (8, 5, 3), "CategoricalAccuracy"),
    ],
)
def test_accuracy_and_crossentropy_choose_by_shape(target: Any, output: Any, expected: str) -> None:
    y_true, y_pred = Tensor(target, "float32"), Tensor(output, "float32")
    families = ["accuracy", "crossentropy"]
    assert by_shape("acc", families, y_true, y_pred) == expected
    assert by_shape("CE", families, y_true, y_pred) == expected.replace("Accuracy", "Crossentropy")
    assert by_shape("accuracy", ["crossentropy"], y_true, y_pred) is None
    assert by_shape(absolute_error, families, y_true, y_pred) is None


@pytest.mark.parametrize(
    ("loss", "weights"),
    [
        ([SquaredError(), absolute_error], [1, 0.5]),
        ({"b": absolute_error, "a": SquaredError()}, {"b": 0.5}),
        ({"b": absolute_error, "a": SquaredError()}, {"b": 0.5, "a": 1.0}),
    ],
)
@pytest.mark.parametrize("y_true", [[ONES, ONES], {"b": ONES, "a": ONES}])
def test_a_loss_for_each_output(loss: Any, weights: Any, y_true: Any) -> None:
    compiled = CompileLoss(loss, weights, ["a", "b"])
    total = compiled(y_true, [TWOS, column(4, 4)])
    assert total is not None
    assert number(total) == 1 + 0.5 * 3
    assert [(m.name, number(m.result())) for m in compiled.metrics] == [("a_loss", 1), ("b_loss", 3)]


def test_one_loss_for_all_outputs_and_none_for_some() -> None:
    everywhere = CompileLoss(SquaredError("squared_error"))
    assert number(everywhere([ONES, ONES], [TWOS, ZEROS])) == 2
    assert [m.name for m in everywhere.metrics] == ["squared_error_loss", "squared_error_1_loss"]
    for loss in ([None, SquaredError()], {"b": SquaredError()}):
        partly = CompileLoss(loss, output_names=["a", "b"])
        for y_true in ([ONES], ONES, {"b": ONES}, [None, ONES]):
            assert number(partly(y_true, [ZEROS, TWOS])) == 1
        assert partly.metrics == []


def test_outputs_in_dicts() -> None:
    outputs = {"z": TWOS, "a": ZEROS}
    compiled = CompileLoss({"a": SquaredError(), "z": absolute_error}, {"z": 10}, ["x", "y"])
    assert number(compiled({"a": ONES, "z": ONES}, outputs)) == 1 + 10
    assert [m.name for m in compiled.metrics] == ["a_loss", "z_loss"]
    named = CompileLoss([SquaredError(), absolute_error], output_names=["z", "a"])
    named([ONES, ONES], outputs)
    assert [m.name for m in named.metrics] == ["z_loss", "a_loss"]


def test_several_losses_of_one_output_add_up() -> None:
    assert number(CompileLoss([SquaredError(), absolute_error], [1, 2])(ONES, column(3, 3))) == 4 + 2 * 2
    assert number(CompileLoss({"out": SquaredError()}, output_names=["out"])(ONES, TWOS)) == 1


def test_sample_weights_for_all_outputs_or_each() -> None:
    compiled = CompileLoss(SquaredError(), output_names=["a", "b"])
    weights = constant([1.0, 0.0], "float32")
    assert number(compiled([ONES, ONES], [TWOS, TWOS], weights)) == 1
    assert number(compiled([ONES, ONES], [TWOS, TWOS], {"b": weights})) == 1.5


@pytest.mark.parametrize(
    ("loss", "weights", "y_true", "message"),
    [
        (
            [SquaredError()] * 3,
            None,
            [ONES, ONES],
            r"loss has 3 items, but the model has 2 outputs \(age, sex\)",
        ),
        ({"agee": SquaredError()}, None, [ONES, ONES], "loss has the key 'agee', .*; did you mean 'age'?"),
        (SquaredError(), None, [ONES], r"y has 1 item, but the model has 2 outputs \(age, sex\)"),
        (
            SquaredError(),
            None,
            {"age": ONES},
            "output 'sex' has a loss, but y has no target for it; pass one",
        ),
        (SquaredError(), ["a lot", 1], [ONES, ONES], "loss_weights: expected numbers, got 'a lot'"),
        (SquaredError(), None, [ONES, column(1)], r"output 'sex': shapes \(1, 1\) and \(2, 1\) differ"),
        (SquaredError(), None, None, "compiled with a loss, but there are no targets"),
    ],
)
def test_mistakes_name_the_output(loss: Any, weights: Any, y_true: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CompileLoss(loss, weights, ["age", "sex"])(y_true, [TWOS, TWOS])


def test_a_missing_target_is_named_in_later_batches_too() -> None:
    compiled = CompileLoss(SquaredError(), output_names=["a", "b"])
    compiled([ONES, ONES], [TWOS, TWOS])
    with pytest.raises(ValueError, match="output 'b' has a loss, but y has no target for it"):
        compiled({"a": ONES}, [TWOS, TWOS])


# ---------------------------------------------------------------------------------------------- metrics


class Largest(Mean):
    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:  # type: ignore[override]
        super().update_state(ops.max(y_pred), sample_weight)


def test_losses_of_a_dict_are_in_its_order() -> None:
    """As in Keras, where `evaluate` lists them so."""
    outputs = {"b": np.ones((2, 1), "float32"), "a": np.ones((2, 1), "float32")}
    for loss, order in (({"b": "mse", "a": "mse"}, ["b", "a"]), ("mse", ["a", "b"])):
        compiled = CompileLoss(loss)
        compiled.build(outputs, outputs)
        assert [term.name for term in compiled.terms] == order


def results(compiled: CompileMetrics) -> dict[str, float]:
    return {key: number(value) for key, value in compiled.result().items()}


def test_metrics_of_one_output() -> None:
    weights = constant([1.0, 0.0], "float32")
    compiled = CompileMetrics([absolute_error, Largest("top"), Largest("top")], [absolute_error])
    for _ in range(2):
        compiled.update_state(ONES, column(2, 4), weights)
    expected = {"absolute_error": 2, "top": 4, "top_1": 4, "weighted_absolute_error": 1}
    assert results(compiled) == expected
    assert [m.name for m in compiled.metrics] == ["absolute_error", "top", "top", "absolute_error"]
    assert len(compiled.variables) == 8
    compiled.reset_state()
    assert results(compiled) == dict.fromkeys(expected, 0)


@pytest.mark.parametrize("metrics", [[absolute_error, [Largest("top")]], {"b": Largest("top"), "a": [absolute_error]}])
def test_metrics_of_several_outputs(metrics: Any) -> None:
    compiled = CompileMetrics(metrics, output_names=["a", "b"])
    compiled.update_state([ONES, ONES], [TWOS, column(5, 6)])
    assert results(compiled) == {"a_absolute_error": 1, "b_top": 6}


def test_outputs_without_names_have_no_prefix() -> None:
    compiled = CompileMetrics([absolute_error, absolute_error])
    compiled.update_state([ONES, ONES], [TWOS, column(3, 3)])
    assert results(compiled) == {"absolute_error": 1, "absolute_error_1": 2}


def test_metrics_that_fit_no_output() -> None:
    with pytest.raises(
        ValueError, match=r"metrics has 3 items, but the model has 2 outputs \(a, b\); pass one for each"
    ):
        CompileMetrics([absolute_error] * 3, output_names=["a", "b"]).update_state([ONES, ONES], [TWOS, TWOS])
    with pytest.raises(ValueError, match="compiled with metrics, but there are no targets"):
        CompileMetrics([absolute_error]).update_state(None, TWOS)


def test_deeply_nested_outputs_are_taken_in_order() -> None:
    outputs = Outputs({"x": [TWOS, ONES], "a": ZEROS}, ["one", "two", "three"])
    assert outputs.flatten({"x": [1, 2], "a": 0}, "loss") == [0, 1, 2]
    assert outputs.weights(None) == [None] * 3
