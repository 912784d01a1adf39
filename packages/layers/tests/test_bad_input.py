"""What layers cannot use is refused in a sentence, and empty batches go through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pronghorn import initializers, layers

X = np.ones((2, 4, 3), "float32")


def of_shape(*sizes: int) -> Any:
    return np.ones(sizes, bool)


def adapted_to_others() -> Any:
    layer = layers.Normalization()
    layer.adapt(X)
    return layer(X[..., :2])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: layers.BatchNormalization()(X, training=True, mask=of_shape(2, 3)), r"mask of shape \(2, 3\)"),
        (lambda: layers.TimeDistributed(layers.Dense(2))(X, mask=of_shape(2, 3)), "the mask must begin with"),
        (lambda: layers.Bidirectional(layers.LSTM(2))(X, mask=of_shape(3, 4)), "the mask must have the shape"),
        (lambda: layers.MultiHeadAttention(1, 2)(X, X, attention_mask=of_shape(2, 3, 3)), "a mask of shape"),
        (lambda: layers.GlobalAveragePooling1D()(X, mask=of_shape(2, 3)), r"its shape must be \(2, 4\)"),
        (lambda: layers.Softmax()(X, mask=of_shape(2, 4, 2)), r"its shape must be \(2, 4, 3\)"),
        (lambda: layers.Attention()([X, X], mask=[None, of_shape(2, 3)]), r"its shape must be \(2, 4\)"),
        (lambda: layers.AdditiveAttention()([X, X], mask=[of_shape(4), None]), r"its shape must be \(2, 4\)"),
        (lambda: layers.MultiHeadAttention(1, 2)(X, X[:1]), "must have one batch size"),
        (lambda: layers.MultiHeadAttention(1, 2)(X, X, X[:, :2]), "value and key must have the same sizes"),
        (lambda: layers.RepeatVector(0), "`n`: expected a whole number of at least 1"),
        (lambda: layers.Normalization(mean=[1.0, 2.0, 3.0], variance=[1.0, 1.0, 1.0])(X[..., :2]), "broadcast"),
        (lambda: layers.Bidirectional(layers.Dense(2)), "must be a recurrent layer such as"),
        (
            lambda: layers.Embedding(3, 2, embeddings_initializer=initializers.Constant(np.ones((2, 2)))).build(None),
            r"the value has shape \(2, 2\), the weight \(3, 2\)",
        ),
        (adapted_to_others, r"moments of shape \(1, 1, 3\), which inputs of shape \(2, 4, 2\) do not fit"),
        (
            lambda: layers.Embedding(3, 2)(np.array([[5]])),
            "id 5 in row 0 is not one of 0 to 2, the ids below",
        ),
        (lambda: layers.Embedding(3, 2)(np.array([[0, -1]])), "id -1 in row 0 is not one"),
        (lambda: layers.BatchNormalization(axis=5)(X), "axis 5 does not exist"),
        (lambda: layers.LayerNormalization(axis=4)(X), "axis 4 does not exist"),
        (lambda: layers.Softmax(axis=4)(X), "axis 4 is out of range"),
        (lambda: layers.Concatenate(axis=4)([X, X]), "axis 4 is out of range"),
        (lambda: layers.Dot(5)([X, X]), "`axes`: axis 5 is out of range"),
        (lambda: layers.PReLU(shared_axes=[5])(X), "`shared_axes`: axis 5 is out of range"),
        (lambda: layers.GroupNormalization(2, axis=0)(X), "`axis` is that of the batch"),
        (lambda: layers.GroupNormalization(2)(X), "`groups` must divide the number of channels"),
        (lambda: layers.Add()([X, np.ones((2, 5, 3))]), "do not broadcast"),
        (lambda: layers.Add()([X, np.ones((3, 4, 3))]), "different batch sizes"),
        (lambda: layers.Conv1D(2, 2, strides=0), "`strides` must be an integer of at least 1"),
        (lambda: layers.Conv1D(2, 2, dilation_rate=-1), "`dilation_rate` must be an integer of at least 1"),
        (lambda: layers.MaxPooling1D(2, strides=0), "`strides` must be an integer of at least 1"),
        (lambda: layers.Cropping1D(2)(X), "`cropping`"),
        (lambda: layers.LSTM(2)(X, initial_state=[np.ones((2, 3))] * 2), "`initial_state` must have the shapes"),
        (lambda: layers.LSTM(2)(X, initial_state=[np.ones((2, 2))]), "`initial_state` must have the shapes"),
        (lambda: layers.GaussianDropout(1.0), r"`rate` must be in \[0, 1\)"),
        (lambda: layers.AlphaDropout(1.0), r"`rate` must be in \[0, 1\)"),
    ],
)
def test_it_is_refused(wrong: Callable[[], Any], message: str) -> None:
    with pytest.raises((ValueError, IndexError), match=message):
        wrong()


EMPTY: dict[str, tuple[Callable[[], Any], tuple[int, ...], tuple[int, ...]]] = {
    "Dense": (lambda: layers.Dense(2), (3,), (2,)),
    "Conv2D": (lambda: layers.Conv2D(2, 2), (6, 5, 3), (5, 4, 2)),
    "MaxPooling2D": (lambda: layers.MaxPooling2D(), (6, 5, 3), (3, 2, 3)),
    "LSTM": (lambda: layers.LSTM(2), (4, 3), (2,)),
    "TimeDistributed": (lambda: layers.TimeDistributed(layers.Dense(2)), (4, 3), (4, 2)),
    "Flatten": (lambda: layers.Flatten(), (6, 5, 3), (90,)),
    "RandomRotation": (lambda: layers.RandomRotation(0.1), (6, 5, 3), (6, 5, 3)),
    "LayerNormalization": (lambda: layers.LayerNormalization(), (4, 3), (4, 3)),
}


@pytest.mark.parametrize("name", EMPTY)
def test_an_empty_batch(name: str) -> None:
    make, sample, expected = EMPTY[name]
    assert make()(np.zeros((0, *sample), "float32")).shape == (0, *expected)


def test_an_empty_batch_leaves_moving_statistics() -> None:
    layer = layers.BatchNormalization()
    assert layer(np.zeros((0, 3), "float32"), training=True).shape == (0, 3)
    np.testing.assert_array_equal(layer.get_weights()[2:], [[0, 0, 0], [1, 1, 1]])
