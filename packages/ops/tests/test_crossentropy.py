"""log_softmax, cross-entropies, one_hot and moments: values by their formulas, gradients, errors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from pronghorn import ops
from pronghorn.autodiff import GradientTape, check_gradients

rng = np.random.default_rng(0)
LOGITS = rng.normal(size=(2, 3, 4))
SHARES = np.exp(LOGITS) / np.exp(LOGITS).sum(-1, keepdims=True)
LABELS = np.array([[0, 3, 1], [2, 2, 0]], "int32")
ONE_HOT = np.eye(4)[LABELS]


@pytest.mark.parametrize("axis", [-1, 0, 1, (0, 2), None])
def test_log_softmax(axis: Any) -> None:
    expected = np.log(np.exp(LOGITS) / np.exp(LOGITS).sum(axis=axis, keepdims=True))
    np.testing.assert_allclose(ops.log_softmax(LOGITS, axis), expected, rtol=1e-12)
    check_gradients(lambda t: ops.log_softmax(t, axis), [LOGITS[:, :2, :2]], order=2, rtol=1e-4, atol=1e-6)
    x = np.array([[1e4, 0.0, -1e4], [-np.inf, 0.0, 0.0]], "float32")
    np.testing.assert_allclose(ops.log_softmax(x), [[0, -1e4, -2e4], [-np.inf, -math.log(2), -math.log(2)]])


@pytest.mark.parametrize("axis", [-1, 1])
def test_categorical_crossentropy(axis: int) -> None:
    target, logits, shares = (np.moveaxis(a, -1, axis) for a in (ONE_HOT, LOGITS, SHARES))
    expected = -np.log((SHARES * ONE_HOT).sum(-1))
    np.testing.assert_allclose(ops.categorical_crossentropy(target, logits, from_logits=True, axis=axis), expected)
    np.testing.assert_allclose(ops.categorical_crossentropy(target, 3 * shares, axis=axis), expected)
    np.testing.assert_allclose(ops.sparse_categorical_crossentropy(LABELS, logits, True, axis), expected)
    np.testing.assert_allclose(ops.sparse_categorical_crossentropy(LABELS[..., None], shares, axis=axis), expected)


def test_crossentropy_of_certainties_is_finite() -> None:
    certain = np.array([[1.0, 0.0]], "float32")
    wrong = ops.categorical_crossentropy(certain[:, ::-1], certain).item()
    assert wrong == pytest.approx(-math.log(1e-7), rel=1e-4)
    assert ops.categorical_crossentropy(certain, certain).item() == pytest.approx(1e-7, rel=0.5)
    far = np.array([[1e4, -1e4]], "float32")
    assert ops.categorical_crossentropy(certain[:, ::-1], far, from_logits=True).item() == 2e4


def test_labels_that_are_no_class_cost_nothing() -> None:
    logits = ops.convert_to_tensor(LOGITS[0, :2])
    with GradientTape() as tape:
        tape.watch(logits)
        losses = ops.sparse_categorical_crossentropy([-1, 9], logits, from_logits=True)
    np.testing.assert_array_equal(losses, [0, 0])
    np.testing.assert_array_equal(tape.gradient(losses, logits), np.zeros((2, 4)))


def test_crossentropy_gradients() -> None:
    logits, shares, labels, target = LOGITS[0], SHARES[0], LABELS[0], 0.7 * ONE_HOT[0] + 0.1
    settings: dict[str, Any] = {"order": 2, "rtol": 1e-4, "atol": 1e-6}
    check_gradients(lambda t, x: ops.categorical_crossentropy(t, x, from_logits=True), [target, logits], **settings)
    check_gradients(lambda t, x: ops.categorical_crossentropy(t, x), [target, shares], **settings)
    check_gradients(lambda x: ops.sparse_categorical_crossentropy(labels, x, from_logits=True), [logits], **settings)
    check_gradients(lambda x: ops.sparse_categorical_crossentropy(labels, x), [shares], **settings)
    check_gradients(lambda t, x: ops.binary_crossentropy(t, x), [target, shares], **settings)
    check_gradients(lambda t, x: ops.binary_crossentropy(t, x, from_logits=True), [target, logits], **settings)


def test_binary_crossentropy() -> None:
    expected = -(ONE_HOT * np.log(SHARES) + (1 - ONE_HOT) * np.log1p(-SHARES))
    np.testing.assert_allclose(ops.binary_crossentropy(ONE_HOT, SHARES), expected, rtol=1e-10)
    logits = np.log(SHARES / (1 - SHARES))
    np.testing.assert_allclose(ops.binary_crossentropy(ONE_HOT, logits, from_logits=True), expected, rtol=1e-10)
    assert ops.binary_crossentropy(np.ones(1), np.array([-1e3]), from_logits=True).item() == 1e3


def test_crossentropy_errors_name_the_shapes_and_the_way_out() -> None:
    with pytest.raises(ValueError, match=r"\(2, 3\) .*\(2, 3, 4\).*use sparse_categorical_crossentropy"):
        ops.categorical_crossentropy(LABELS, SHARES)
    with pytest.raises(ValueError, match=r"\(2, 3, 4\).*\(2, 3\); for one-hot labels use categorical_crossentropy"):
        ops.sparse_categorical_crossentropy(ONE_HOT, SHARES)
    with pytest.raises(ValueError, match=r"binary_crossentropy: .*\(2, 3\).*\(2, 3, 4\)"):
        ops.binary_crossentropy(LABELS, SHARES)


def test_one_hot() -> None:
    found = ops.one_hot(LABELS, 4)
    assert found.dtype == "float32"
    np.testing.assert_array_equal(found, ONE_HOT)
    np.testing.assert_array_equal(ops.one_hot(LABELS, 4, axis=0, dtype="int8"), np.moveaxis(ONE_HOT, -1, 0))
    np.testing.assert_array_equal(ops.one_hot([-1, 4, 1.0], 4, dtype="bool")[:2], np.zeros((2, 4), "bool"))


def test_moments() -> None:
    mean, variance = ops.moments(LOGITS, (0, 1))
    np.testing.assert_allclose(mean, LOGITS.mean((0, 1)))
    np.testing.assert_allclose(variance, LOGITS.var((0, 1)))
    large = np.full((4, 4), 300.0, "float16")  # its squares overflow float16
    mean, variance = ops.moments(large, 0, keepdims=True)
    assert (mean.shape, mean.dtype, float(variance[0, 0])) == ((1, 4), "float16", 0.0)
    with pytest.raises(NotImplementedError, match="synchronized"):
        ops.moments(LOGITS, 0, synchronized=True)
