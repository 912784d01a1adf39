"""Loss: reductions, weights, masks and shapes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pronghorn import ops
from pronghorn.autodiff import GradientTape
from pronghorn.loss import Loss, LossFunctionWrapper, same_shape
from pronghorn.program import jit
from pronghorn.tensor import Tensor, Variable, convert_to_tensor

X = np.arange(6, dtype="float32").reshape(3, 2)
Y = X + np.array([[1, 3], [2, 2], [0, 4]], "float32")
PER_SAMPLE = np.array([2.0, 2.0, 2.0], "float32")


class Distance(Loss):
    """mean(|y_true - y_pred|) over the last axis."""

    def __init__(self, scale: float = 1.0, reduction: Any = "sum_over_batch_size", **options: Any) -> None:
        super().__init__(reduction=reduction, **options)
        self.scale = scale

    def call(self, y_true: Any, y_pred: Any) -> Tensor:
        y_true, y_pred = same_shape(y_true, y_pred, self.name)
        return self.scale * ops.mean(ops.absolute(y_true - y_pred), axis=-1)


def masked(array: np.ndarray[Any, Any], mask: Any) -> Tensor:
    tensor = convert_to_tensor(array)
    tensor._keras_mask = convert_to_tensor(np.array(mask))
    return tensor


@pytest.mark.parametrize(
    ("reduction", "expected"),
    [
        ("sum_over_batch_size", 2.5),  # over the number of values, not over the sum of weights
        ("mean", 2.5),
        ("sum", 7.5),
        ("mean_with_sample_weight", 7.5 / 3.5),
        ("none", [2.0, 0.0, 5.5]),
        (None, [2.0, 0.0, 5.5]),
    ],
)
def test_reductions_with_weights(reduction: Any, expected: Any) -> None:
    y_pred = np.array([[2, 2], [7, 7], [2, 2.4]], "float32")
    weights = [1.0, 0.0, 2.5]
    loss = Distance(reduction=reduction)(np.zeros((3, 2)), y_pred, weights)
    np.testing.assert_allclose(loss.numpy(), expected, rtol=1e-6)


def test_weights_of_each_rank() -> None:
    y_pred = np.ones((2, 3, 4), "float32")
    y_true = np.zeros_like(y_pred)
    loss = Distance(reduction="none")
    for weights in (np.array([1.0, 3.0]), np.array([[1.0], [3.0]]), np.array([[[1.0]], [[3.0]]])):
        values = loss(y_true, y_pred, weights).numpy()
        np.testing.assert_array_equal(values, [[1, 1, 1], [3, 3, 3]])
    np.testing.assert_array_equal(loss(y_true, y_pred, 2.0).numpy(), np.full((2, 3), 2))
    square = loss(np.zeros((2, 2, 1)), np.ones((2, 2, 1)), [1.0, 3.0]).numpy()
    np.testing.assert_array_equal(square, [[1, 1], [3, 3]])  # samples come first, also where sizes are equal


def test_weights_of_a_wrong_shape_are_an_error() -> None:
    with pytest.raises(ValueError, match=r"distance.*sample_weight has shape \(4,\).*\(3,\)"):
        Distance(name="distance")(X, Y, np.ones(4))


def test_a_masked_batch_equals_a_trimmed_one() -> None:
    y_true = np.zeros((2, 3, 1), "float32")
    y_pred = np.arange(6, dtype="float32").reshape(2, 3, 1)
    kept = np.array([[True, True, False], [True, False, False]])
    trimmed = np.array([0.0, 1.0, 3.0])
    assert float(Distance()(y_true, masked(y_pred, kept))) == pytest.approx(trimmed.mean())
    assert float(Distance(reduction="sum")(y_true, masked(y_pred, kept))) == pytest.approx(trimmed.sum())
    weighted = Distance()(y_true, masked(y_pred, kept), np.array([1.0, 2.0]))
    assert float(weighted) == pytest.approx((trimmed * [1, 1, 2]).sum() / 3)
    nothing = Distance()(y_true, masked(y_pred, np.zeros((2, 3), bool)))
    assert float(nothing) == 0


def test_what_is_one_number_already_has_nothing_to_mask() -> None:
    class Total(Distance):
        def call(self, y_true: Any, y_pred: Any) -> Any:
            return ops.sum(super().call(y_true, y_pred))

    y_true, y_pred = np.zeros((2, 3), "float32"), np.ones((2, 3), "float32")
    total = float(Total()(y_true, y_pred))
    assert float(Total()(y_true, masked(y_pred, [True, False]))) == pytest.approx(total)
    assert float(Total()(y_true, y_pred, np.array([1.0, 2.0]))) == pytest.approx(1.5 * total)


def test_a_mask_on_the_values_counts_too() -> None:
    class Half(Distance):
        def call(self, y_true: Any, y_pred: Any) -> Tensor:
            return masked(super().call(y_true, y_pred).numpy(), [True, False, False])

    assert float(Half()(np.zeros((3, 1)), np.array([[5.0], [1.0], [1.0]]))) == 5


def test_shapes_must_be_equal() -> None:
    with pytest.raises(ValueError, match=r"distance: the targets have shape \(10, 1\) and the predictions \(10, 768\)"):
        Distance(name="distance")(np.zeros((10, 1)), np.zeros((10, 768)))
    with pytest.raises(ValueError, match="must be equal; reshape the targets"):
        Distance()(np.zeros((10, 2, 3)), np.zeros((10, 6)))


@pytest.mark.parametrize("shapes", [((5,), (5, 1)), ((5, 1), (5,)), ((5, 2, 1), (5, 2)), ((5, 2), (5, 2, 1))])
def test_a_last_axis_of_size_1_may_be_missing(shapes: Any) -> None:
    a, b = (convert_to_tensor(np.ones(shape, "float32")) for shape in shapes)
    x, y = same_shape(a, b, "loss")
    assert x.shape == y.shape
    assert LossFunctionWrapper(lambda t, p: ops.mean(ops.square(t - p), axis=-1))(a, b).shape == ()


def test_targets_are_computed_in_the_dtype_of_the_loss() -> None:
    assert Distance(dtype="float64")(X.astype("int64"), Y).dtype == "float64"
    assert Distance()(X.astype("uint8"), Y.astype("float64")).dtype == "float32"
    assert float(Distance()([[0, 1]], [[1.0, 1.0]])) == 0.5


def test_an_empty_batch_is_zero() -> None:
    assert float(Distance()(np.zeros((0, 2)), np.zeros((0, 2)))) == 0


def test_nested_targets_and_predictions() -> None:
    class Both(Loss):
        def call(self, y_true: Any, y_pred: Any) -> Tensor:
            return ops.mean(ops.absolute(y_true["a"] - y_pred["a"]) + y_pred["b"], axis=-1)

    value = Both()({"a": X}, {"a": Y, "b": np.ones_like(Y)})
    assert float(value) == pytest.approx(np.mean(np.abs(X - Y)) + 1)


def test_the_config_has_all_arguments() -> None:
    loss = Distance(scale=2.0, name="far")
    assert loss.get_config() == {"name": "far", "reduction": "sum_over_batch_size", "scale": 2.0}
    again = Distance.from_config(Distance(2.0, "sum", dtype="float64").get_config())
    assert (again.scale, again.reduction, again.dtype) == (2.0, "sum", "float64")


def test_an_unknown_reduction_is_an_error() -> None:
    with pytest.raises(ValueError, match="Distance: unknown reduction 'average'"):
        Distance(reduction="average")


def test_gradients_and_programs() -> None:
    weights = np.array([1.0, 0.0, 3.0], "float32")
    w = Variable(np.zeros(2, "float32"), name="w")

    def gradient() -> Any:
        with GradientTape() as tape:
            value = Distance()(X + 1, X + w, weights)
        return value, tape.gradient(value, w)

    eager, traced = gradient(), jit(gradient)()
    for a, b in zip(eager, traced, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-6)
    np.testing.assert_allclose(eager[1].numpy(), [-2 / 3, -2 / 3], rtol=1e-6)
