"""Primitives of convolution and pooling against plain loops, and their gradients to second order."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from pronghorn import ops
from pronghorn.accelerator import interpret
from pronghorn.autodiff import check_gradients
from pronghorn.ops.attributes import Windows
from pronghorn.passes.fuse import fuse
from pronghorn.passes.simplify import simplify
from pronghorn.program import Program
from pronghorn.tensor import Tensor
from pronghorn_ops.primitives import convolution as c
from pronghorn_ops.primitives.convolution import convolution

CASES = {
    "line": (Windows((3,), (2,), ((1, 1),), (1,)), (9,), 1),
    "plane": (Windows((3, 2), (1, 2), ((1, 0), (0, 1)), (1, 1)), (5, 6), 2),
    "dilated": (Windows((2, 3), (1, 1), ((0, 0), (2, 2)), (3, 2)), (6, 5), 1),
    "volume": (Windows((2, 1, 2), (1, 2, 1), ((0, 0), (0, 0), (1, 0)), (1, 1, 1)), (3, 3, 4), 1),
    "cut off": (Windows((2,), (2,), ((0, -1),), (1,)), (6,), 1),
    "each channel": (Windows((2, 2), (1, 1), ((0, 1), (0, 1)), (1, 1)), (3, 3), 4),
}
cases = pytest.mark.parametrize("name", CASES)


def cells_of(windows: Windows, sizes: tuple[int, ...]) -> Any:
    """(output index, place in the window, input index) of every cell that is no padding."""
    for out in itertools.product(*map(range, windows.count(sizes))):
        for place in itertools.product(*map(range, windows.size)):
            strides, padding, dilation = windows.strides, windows.padding, windows.dilation
            cell = tuple(
                o * s + k * d - low for o, s, k, d, (low, _) in zip(out, strides, place, dilation, padding, strict=True)
            )
            if all(0 <= i < n for i, n in zip(cell, sizes, strict=True)):
                yield out, place, cell


def operands(name: str) -> tuple[Any, ...]:
    windows, sizes, groups = CASES[name]
    rng = np.random.default_rng(1)
    x = rng.normal(size=(2, *sizes, 4))
    kernel = rng.normal(size=(*windows.size, 4 // groups, 4))
    dy = rng.normal(size=(2, *windows.count(sizes), 4))
    return x, kernel, dy, {"windows": windows, "groups": groups}


@cases
def test_convolution_and_its_gradients_are_the_sums_they_say(name: str) -> None:
    x, kernel, dy, attrs = operands(name)
    groups, sizes = attrs["groups"], x.shape[1:-1]
    y, dx, dk = np.zeros_like(dy), np.zeros_like(x), np.zeros_like(kernel)
    for out, place, cell in cells_of(attrs["windows"], sizes):
        for n, group in itertools.product(range(2), range(groups)):
            i = slice(group * 4 // groups, (group + 1) * 4 // groups)
            y[(n, *out, i)] += x[(n, *cell, i)] @ kernel[(*place, slice(None), i)]
            dx[(n, *cell, i)] += kernel[(*place, slice(None), i)] @ dy[(n, *out, i)]
            dk[(*place, slice(None), i)] += np.outer(x[(n, *cell, i)], dy[(n, *out, i)])
    np.testing.assert_allclose(c.convolution(x, kernel, **attrs).numpy(), y, rtol=1e-12, atol=1e-12)
    found = c.convolution_input_gradient(dy, kernel, sizes=sizes, **attrs).numpy()
    np.testing.assert_allclose(found, dx, rtol=1e-12, atol=1e-12)
    found = c.convolution_kernel_gradient(x, dy, **attrs).numpy()
    np.testing.assert_allclose(found, dk, rtol=1e-12, atol=1e-12)


@cases
def test_gradients_of_convolution(name: str) -> None:
    x, kernel, dy, attrs = operands(name)
    sizes = x.shape[1:-1]
    check_gradients(lambda x, k: c.convolution(x, k, **attrs), [x, kernel], order=2)
    check_gradients(lambda g, k: c.convolution_input_gradient(g, k, sizes=sizes, **attrs), [dy, kernel])
    check_gradients(lambda x, g: c.convolution_kernel_gradient(x, g, **attrs), [x, dy])


@cases
def test_pooling(name: str) -> None:
    windows, sizes, _ = CASES[name]
    x = operands(name)[0]
    sums, maxima = (np.full((2, *windows.count(sizes), 4), start) for start in (0.0, -np.inf))
    for out, _, cell in cells_of(windows, sizes):
        here, there = (slice(None), *out), (slice(None), *cell)
        sums[here] += x[there]
        maxima[here] = np.maximum(maxima[here], x[there])
    np.testing.assert_allclose(c.sum_pool(x, windows=windows).numpy(), sums, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(c.maximum_of_windows(x, windows=windows).numpy(), maxima)
    check_gradients(lambda x: c.sum_pool(x, windows=windows), [x], order=2)
    check_gradients(lambda x: c.maximum_of_windows(x, windows=windows), [x], order=2)


def test_the_first_of_equal_maxima_takes_the_gradient() -> None:
    windows = Windows((3,), (3,), ((0, 0),), (1,))
    x = np.array([[[1.0], [1.0], [0.0], [0.0], [np.nan], [2.0]]])
    out = c.maximum_of_windows(x, windows=windows)
    np.testing.assert_array_equal(out.numpy().ravel(), [1.0, np.nan])
    dx = c.max_pool_gradient(x, out, np.array([[[5.0], [7.0]]]), windows=windows)
    np.testing.assert_array_equal(dx.numpy().ravel(), [5, 0, 0, 0, 7, 0])


def test_half_precision_sums_in_single_precision() -> None:
    windows = Windows((1,), (1,), ((0, 0),), (1,))
    x, kernel = np.ones((1, 1, 4096), "float16"), np.ones((1, 4096, 1), "float16")
    assert c.convolution(x, kernel, windows=windows, groups=1).numpy().item() == 4096


def test_bias_and_activation_are_a_convolutions_epilogue() -> None:
    def function(x: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
        return ops.tanh(convolution(x, kernel, windows=windows, groups=1) + bias) * 2.0

    rng = np.random.default_rng(0)
    windows = Windows(size=(3, 2), strides=(1, 1), padding=((0, 0), (0, 0)), dilation=(1, 1))
    arrays = rng.standard_normal((2, 5, 6, 3)), rng.standard_normal((3, 2, 3, 4)), rng.standard_normal(4)
    graph = simplify(Program(function).trace(arrays, {})[0])
    fused = fuse(graph)
    assert [node.op.name for node in fused.nodes] == ["fused_convolution"]
    before, after = (interpret(each, dict(zip(each.inputs, arrays, strict=True)))[0] for each in (graph, fused))
    np.testing.assert_array_equal(before[0], after[0])
