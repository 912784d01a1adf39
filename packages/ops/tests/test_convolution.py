"""The public functions of convolution and pooling: Keras's rules for padding, formats, groups and errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pronghorn import Input, ops

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 6, 7, 4)).astype("float32")


@pytest.mark.parametrize(
    "n, window, stride, expected", [(6, 3, 2, (0, 1)), (5, 3, 2, (1, 1)), (6, 2, 1, (0, 1)), (4, 1, 3, (0, 0))]
)
def test_same_padding_puts_the_odd_cell_at_the_end(n: int, window: int, stride: int, expected: Any) -> None:
    x = RNG.normal(size=(1, n, 1)).astype("float32")
    kernel = RNG.normal(size=(window, 1, 1)).astype("float32")
    padded = np.pad(x, ((0, 0), expected, (0, 0)))
    found, wanted = ops.conv(x, kernel, stride, "same"), ops.conv(padded, kernel, stride)
    assert found.shape == (1, -(-n // stride), 1)
    np.testing.assert_array_equal(found.numpy(), wanted.numpy())


def test_average_pooling_counts_real_cells_only() -> None:
    found = ops.average_pool(np.ones((1, 5, 5, 1), "float32"), 3, 2, "same").numpy()
    np.testing.assert_allclose(found, 1.0)
    assert ops.average_pool(np.ones((1, 4, 1), "int32"), 2).dtype == "float32"


@pytest.mark.parametrize("function, kernel", [
    (ops.conv, (3, 2, 2, 6)), (ops.depthwise_conv, (3, 2, 4, 3)), (ops.conv_transpose, (3, 2, 5, 4)),
])  # fmt: skip
def test_channels_first_is_channels_last_transposed(function: Any, kernel: Any) -> None:
    kernel = RNG.normal(size=kernel).astype("float32")
    first = function(X.transpose(0, 3, 1, 2), kernel, 2, "same", data_format="channels_first").numpy()
    np.testing.assert_array_equal(first.transpose(0, 2, 3, 1), function(X, kernel, 2, "same").numpy())


def test_depthwise_outputs_are_by_channel_then_multiplier() -> None:
    kernel = RNG.normal(size=(1, 1, 4, 3)).astype("float32")
    found = ops.depthwise_conv(X, kernel).numpy()
    np.testing.assert_allclose(found[..., 5], X[..., 1] * kernel[0, 0, 1, 2], rtol=1e-6)


def test_transposed_convolution_spreads_the_input() -> None:
    x = np.arange(1.0, 6.0, dtype="float32").reshape(1, 5, 1)
    found = ops.conv_transpose(x, np.ones((3, 1, 1), "float32"), 2, "same").numpy().ravel()
    np.testing.assert_array_equal(found, [1, 1, 3, 2, 5, 3, 7, 4, 9, 5])
    sizes = {
        options: ops.conv_transpose(x, np.ones((k, 1, 1), "float32"), s, p, o).shape[1]
        for options in [
            (3, 2, "valid", None),
            (2, 3, "valid", None),
            (3, 2, "same", 1),
            (3, 2, "valid", 3),
            (4, 2, "same", 0),
        ]
        for k, s, p, o in [options]
    }
    assert list(sizes.values()) == [11, 15, 10, 14, 8]


def test_unknown_sizes_stay_unknown() -> None:
    x = Input((None, 7, 4))
    y = ops.conv(x, np.ones((3, 3, 4, 5), "float32"))
    assert y.shape == (None, None, 5, 5)


@pytest.mark.parametrize("call, message", [
    (lambda: ops.conv(X, np.ones((3, 3, 3, 6))), "channels"),
    (lambda: ops.conv(X, np.ones((9, 3, 4, 6))), "smaller than the window"),
    (lambda: ops.conv(X, np.ones((3, 4, 6))), "rank"),
    (lambda: ops.conv(X, np.ones((3, 3, 4, 6)), padding="full"), "padding"),
    (lambda: ops.conv(X, np.ones((3, 3, 4, 6)), strides=(1, 2, 3)), "strides"),
    (lambda: ops.max_pool(X, 0), "pool_size"),
    (lambda: ops.max_pool(X[0, 0], 2), "spatial"),
    (lambda: ops.depthwise_conv(X, np.ones((3, 3, 3, 1))), "channels"),
    (lambda: ops.conv_transpose(X, np.ones((3, 3, 5, 3))), "channels"),
])  # fmt: skip
def test_bad_arguments(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
