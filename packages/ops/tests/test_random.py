"""Draws from the distributions that this package adds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pronghorn import ops, random
from pronghorn.autodiff import GradientTape

COUNT = 50_000


def value(x: Any) -> np.ndarray[Any, Any]:
    return np.asarray(x)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_truncated_normal(dtype: str) -> None:
    t = value(random.truncated_normal((COUNT,), 1, 2, dtype=dtype, seed=3))
    assert abs(t - 1).max() <= 4
    np.testing.assert_allclose([t.mean(), t.std()], [1, 2 * 0.8796], atol=0.03)


def test_integers() -> None:
    x = value(random.randint((COUNT,), -3, 7, seed=1))
    assert x.dtype == "int32"
    np.testing.assert_allclose(np.bincount(x + 3), [COUNT / 10] * 10, rtol=0.06)
    assert random.randint((2,), 0, 200, dtype="uint8", seed=1).dtype == "uint8"
    wide = value(random.randint((COUNT,), -(2**31), 2**31, seed=2)).astype(np.float64)
    assert abs(wide.mean()) < 2**31 * 0.02
    with pytest.raises(ValueError, match="need minval < maxval"):
        random.randint((2,), 3, 3)


def test_classes_by_their_logits() -> None:
    x = value(random.categorical(np.log([[0.1, 0.2, 0.7], [0.6, 0.4, 1e-9]]), COUNT, seed=1))
    assert x.shape == (2, COUNT) and x.dtype == "int32"
    np.testing.assert_allclose(np.bincount(x[0]) / COUNT, [0.1, 0.2, 0.7], atol=0.01)
    np.testing.assert_allclose(np.bincount(x[1]) / COUNT, [0.6, 0.4], atol=0.01)


def test_shuffling_keeps_every_row() -> None:
    x = np.arange(40).reshape(20, 2)
    shuffled = value(random.shuffle(x, seed=1))
    assert (shuffled != x).any()
    np.testing.assert_array_equal(shuffled[np.argsort(shuffled[:, 0])], x)


def test_dropout() -> None:
    x = np.ones((100, 500), "float32")
    y = value(random.dropout(x, 0.4, seed=1))
    np.testing.assert_allclose(np.unique(y), [0, 1 / 0.6], rtol=1e-6)
    np.testing.assert_allclose((y == 0).mean(), 0.4, atol=0.01)
    columns = value(random.dropout(x, 0.4, noise_shape=(1, None), seed=1))
    np.testing.assert_array_equal(columns, np.broadcast_to(columns[:1], x.shape))
    np.testing.assert_array_equal(random.dropout(x, 0.0), x)
    assert not value(random.dropout(x, 1.0)).any()
    with pytest.raises(ValueError, match="argument `rate` must be in"):
        random.dropout(x, 1.5)
    with pytest.raises(ValueError, match="`noise_shape`"):
        random.dropout(x, 0.5, noise_shape=(1,))


def test_the_gradient_of_dropout_uses_its_mask() -> None:
    x = ops.convert_to_tensor(np.full((50,), 3.0))
    with GradientTape() as tape:
        tape.watch(x)
        y = random.dropout(x, 0.5, seed=1)
    np.testing.assert_allclose(value(tape.gradient(y, x)) * 3, y)
