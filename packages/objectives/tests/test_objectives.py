"""Losses and metrics: what goes wrong is said, gradients are right, names and programs work."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pronghorn import losses, metrics, ops, plugins
from pronghorn.autodiff import check_gradients
from pronghorn.loss import Loss, LossFunctionWrapper
from pronghorn.metric import Mean
from pronghorn.program import jit
from pronghorn.tensor import convert_to_tensor

CASES = json.loads(Path(__file__).with_name("keras_values.json").read_text())["losses"]


def _label(case: dict[str, Any]) -> str:
    return case["name"] + "".join(f"-{key}={value}" for key, value in case["options"].items())


@pytest.mark.parametrize("case", CASES, ids=_label)
def test_gradients(case: dict[str, Any]) -> None:
    loss = getattr(losses, case["name"])(**case["options"], dtype="float64")
    y_true = np.array(case["y_true"])
    check_gradients(lambda y_pred: loss(y_true, y_pred), [np.array(case["y_pred"])], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["mean_squared_error", "huber", "poisson", "hinge", "binary_crossentropy"])
def test_targets_and_predictions_of_different_shapes(name: str) -> None:
    function = getattr(losses, name)
    with pytest.raises(ValueError, match=rf"^{name}: the targets have shape \(10, 1\) and the predictions \(10, 8\)"):
        function(np.zeros((10, 1)), np.zeros((10, 8)))


@pytest.mark.parametrize(
    ("name", "targets", "message"),
    [
        ("categorical_crossentropy", (10,), "for class indices use the sparse loss"),
        ("categorical_crossentropy", (10, 1), "for class indices use the sparse loss"),
        ("sparse_categorical_crossentropy", (10, 7), "for one-hot labels use categorical_crossentropy"),
        ("categorical_hinge", (10,), "make class indices one-hot"),
        ("ctc", (10,), r"expected labels of shape \(samples, labels\) and logits"),
        ("categorical_generalized_cross_entropy", (10, 7), "for one-hot targets take ops.argmax"),
    ],
)
def test_labels_of_the_wrong_kind(name: str, targets: Any, message: str) -> None:
    options = {"q": 0.5} if "generalized" in name else {}
    with pytest.raises(ValueError, match=message):
        getattr(losses, name)(np.zeros(targets, "int32"), np.full((10, 7), 0.1), **options)


@pytest.mark.parametrize(
    ("name", "targets", "message"),
    [
        ("CategoricalAccuracy", (10,), "for class indices use sparse_categorical_accuracy"),
        ("SparseCategoricalAccuracy", (10, 7), "for one-hot targets use categorical_accuracy"),
        ("TopKCategoricalAccuracy", (10,), "for class indices use sparse_top_k_categorical_accuracy"),
        ("MeanSquaredError", (10, 1), "which must be equal"),
        ("Precision", (10, 1), "precision.*which must be equal"),
        ("RootMeanSquaredError", (5, 7), "which must be equal"),
    ],
)
def test_metrics_of_different_shapes(name: str, targets: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        getattr(metrics, name)().update_state(np.zeros(targets, "int32"), np.full((10, 7), 0.1))


def test_bad_arguments() -> None:
    for make, message in (
        (lambda: metrics.Precision(thresholds=2.0), "Precision: thresholds must be numbers from 0 to 1"),
        (lambda: metrics.AUC(curve="lift"), "AUC: curve must be one of"),
        (lambda: metrics.AUC(num_labels=3), "num_labels is for multi_label=True only"),
        (lambda: metrics.BinaryAccuracy(threshold=-1), "threshold must be from 0 to 1"),
        (lambda: metrics.PrecisionAtRecall(1.5), "the value asked for must be from 0 to 1"),
        (lambda: losses.CategoricalGeneralizedCrossEntropy(q=1.0), "q must be between 0 and 1"),
    ):
        with pytest.raises(ValueError, match=message):
            make()
    with pytest.raises(ValueError, match=r"precision.*class_id needs predictions of shape \(samples, classes\)"):
        metrics.Precision(class_id=1, name="precision").update_state([0, 1], [0.1, 0.9])


def test_one_class_is_a_warning() -> None:
    with pytest.warns(SyntaxWarning, match="one class only"):
        losses.categorical_crossentropy(np.ones((3, 1)), np.ones((3, 1)))


def test_names() -> None:
    assert losses.get("mse") is losses.mean_squared_error
    assert losses.get("MAE") is losses.mean_absolute_error
    assert isinstance(losses.get("Huber"), losses.Huber)
    assert isinstance(losses.get("bce")(np.ones((2, 1)), np.full((2, 1), 0.5)).numpy(), np.ndarray)
    assert isinstance(metrics.get("mse"), metrics.MeanSquaredError)
    assert isinstance(metrics.get("sparse_categorical_accuracy"), metrics.SparseCategoricalAccuracy)
    assert metrics.Mean is Mean and losses.Loss is Loss
    with pytest.raises(ValueError, match="did you mean"):
        losses.get("mean_sqared_error")


@pytest.mark.parametrize("kind", ["losses", "metrics"])
def test_every_reference_can_be_loaded(kind: str) -> None:
    for name, reference in plugins.references(kind).items():
        if reference.dist == "pronghorn-objectives":
            assert plugins.load(kind, name).__name__ == name


def test_ignored_labels_do_not_count() -> None:
    scores = np.full((4, 3), 1 / 3, "float32")
    scores[1] = [0.8, 0.1, 0.1]
    labels = np.array([0, 0, 255, 255])
    loss = losses.SparseCategoricalCrossentropy(ignore_class=255)
    expected = -(np.log(1 / 3) + np.log(0.8)) / 2
    assert float(loss(labels, scores)) == pytest.approx(expected, rel=1e-6)


def test_masked_predictions_in_metrics() -> None:
    y_pred = convert_to_tensor(np.array([[[1.0], [5.0]], [[2.0], [9.0]]], "float32"))
    y_pred._keras_mask = convert_to_tensor(np.array([[True, False], [True, True]]))
    y_true = np.zeros((2, 2, 1), "float32")
    assert float(metrics.MeanAbsoluteError()(y_true, y_pred)) == pytest.approx((0.5 * 1 + 5.5) / 1.5)
    assert float(metrics.RootMeanSquaredError()(y_true, y_pred)) > 0


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("AUC", {}),
        ("AUC", {"multi_label": True}),
        ("Precision", {}),
        ("BinaryAccuracy", {}),
        ("RootMeanSquaredError", {}),
        ("F1Score", {}),
        ("R2Score", {"num_regressors": 1}),
        ("BinaryIoU", {}),
    ],
)
def test_metrics_in_a_program(name: str, options: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    shape = (16, 2)
    batches = [(rng.integers(0, 2, shape).astype("float32"), rng.random(shape).astype("float32")) for _ in range(3)]
    eager, traced = (getattr(metrics, name)(**options) for _ in range(2))
    step = jit(lambda y_true, y_pred: traced(y_true, y_pred))
    for y_true, y_pred in batches:
        np.testing.assert_allclose(step(y_true, y_pred).numpy(), eager(y_true, y_pred).numpy(), rtol=1e-5)


def test_curves_of_several_labels_are_made_at_the_first_batch() -> None:
    metric = metrics.AUC(multi_label=True)
    assert metric.variables == []
    metric.update_state([[0, 1], [1, 0]], [[0.1, 0.9], [0.8, 0.3]])
    assert metric.variables[0].shape == (200, 2)
    assert float(metric.result()) == pytest.approx(1)
    with pytest.raises(ValueError, match=r"multi_label needs predictions of shape \(samples, labels\)"):
        metrics.AUC(multi_label=True).update_state([0, 1], [0.1, 0.9])


def test_losses_are_functions_of_traced_tensors() -> None:
    function = jit(lambda t, p: ops.sum(losses.huber(t, p, delta=0.5)))
    assert float(function(np.zeros((2, 2), "float32"), np.ones((2, 2), "float32"))) == 0.75


@pytest.mark.parametrize("label", [3, -1, 3.0])
def test_labels_that_are_no_class(label: Any) -> None:
    labels, scores = np.array([0, 1, label, 2]), np.full((4, 3), 1 / 3, "float32")
    message = rf"label {label:g} in row 2 is not one of 0 to 2, since the predictions have 3 classes"
    wrapped = LossFunctionWrapper(losses.sparse_categorical_crossentropy)
    for loss in (losses.sparse_categorical_crossentropy, losses.SparseCategoricalCrossentropy(), wrapped):
        for call in (loss, jit(loss), jit(lambda labels, scores, loss=loss: loss(labels * 1, scores))):
            with pytest.raises(ValueError, match=message):
                call(labels, scores)
    ignoring = losses.SparseCategoricalCrossentropy(ignore_class=int(label))
    for call in (ignoring, jit(ignoring)):
        assert float(call(labels, scores)) == pytest.approx(np.log(3), rel=1e-6)
