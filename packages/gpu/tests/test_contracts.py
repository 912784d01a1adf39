"""KernelContract on the kernels that have an op of their own: the reference's values, the same bits fused or alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pronghorn import dtypes
from pronghorn.op import Op
from pronghorn.ops import elementwise, linear, reduction
from pronghorn.ops.attributes import Windows
from pronghorn.ops.shape import join, pad_with, permute, strided_slice
from pronghorn.testing import KernelContract
from pronghorn_ops.primitives import convolution
from pronghorn_ops.primitives.softmax import softmax_gradient, softmax_rows

pytestmark = pytest.mark.gpu

MATRICES = [((m, k), (k, n)) for m, k, n in ((1, 1, 1), (7, 5, 3), (3, 9, 5), (0, 3, 2), (2, 40, 1), (3, 0, 2))]


class Contract(KernelContract):
    """Sizes that the simulator gets through."""

    ranks = (1, 3)

    def _generated(self, rng: np.random.Generator) -> Any:
        for rank in self.ranks:
            for edge in (0, 1, 7, 66):
                yield (*(int(n) for n in rng.choice((1, 2), rank - 1)), edge)


class TestExp(Contract):
    op = elementwise.exp
    low, high = -80.0, 80.0


class TestMaximum(Contract):
    op = elementwise.maximum
    operands = 2
    dtypes = ("float32", "float64", "int32", "int64", "uint8")
    rtol = 0


class TestFloorDivide(Contract):
    op = elementwise.floor_divide
    operands = 2
    dtypes = ("int32", "int64", "float32")
    rtol = 0

    def values(self, rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> Any:
        return (rng.choice((-1, 1), shape) * rng.integers(1, 9, shape)).astype(dtypes.numpy_dtype(dtype))


class TestMatmul(Contract):
    op = linear.product
    attrs = {"transpose_a": False, "transpose_b": False}
    shapes = [*MATRICES, *(((2, 3, *a), (3, *b)) for a, b in MATRICES[:2])]


class TestMatmulTransposed(Contract):
    op = linear.product
    attrs = {"transpose_a": True, "transpose_b": True}
    shapes = [(a[::-1], b[::-1]) for a, b in MATRICES]


def lie(*size: int, strides: int = 1, padding: tuple[int, int] = (0, 0)) -> Windows:
    rank = len(size)
    return Windows(size, (strides,) * rank, (padding,) * rank, (1,) * rank)


class TestConvolution(Contract):
    op = convolution.convolution
    attrs = {"windows": lie(3, 2, padding=(1, 1)), "groups": 1}
    shapes = [((n, h, w, c), (3, 2, c, f)) for n, h, w, c, f in ((0, 5, 5, 2, 3), (1, 1, 1, 1, 1), (2, 4, 3, 3, 5))]


class TestConvolutionInputGradient(Contract):
    op = convolution.convolution_input_gradient
    attrs = {"windows": lie(3, strides=2, padding=(1, 0)), "groups": 2, "sizes": (10,)}
    shapes = [((n, 5, 2 * f), (3, c, 2 * f)) for n, c, f in ((1, 1, 1), (2, 3, 2))]


class TestConvolutionKernelGradient(Contract):
    op = convolution.convolution_kernel_gradient
    attrs = {"windows": lie(2, 2, strides=2), "groups": 1}
    shapes = [((n, 6, 4, c), (n, 3, 2, f)) for n, c, f in ((0, 2, 3), (1, 1, 1), (9, 2, 3))]


class TestDilatedVolume(Contract):
    op = convolution.convolution
    attrs = {"windows": Windows((2, 1, 2), (1, 2, 1), ((1, 0), (0, 0), (1, 1)), (1, 1, 2)), "groups": 3}
    shapes = [((2, 3, 2, 3, 3), (2, 1, 2, 1, 6))]


class TestMaxPool(Contract):
    op = convolution.maximum_of_windows
    attrs = {"windows": lie(3, 2, strides=2, padding=(1, 1))}
    dtypes = ("float32", "float64", "int32", "uint8")
    shapes = [((n, 5, 4, c),) for n, c in ((0, 2), (1, 1), (2, 3))]
    rtol = 0


class TestSumPool(TestMaxPool):
    op: Op = convolution.sum_pool


class TestMaxPoolGradient(Contract):
    op = convolution.max_pool_gradient
    attrs = {"windows": lie(3, strides=2, padding=(1, 1))}
    shapes = [((2, 5, 3), (2, 3, 3), (2, 3, 3))]

    def cases(self) -> Any:
        for x, _, g in super().cases():
            yield [x, convolution.maximum_of_windows.reference(x, **self.attrs), g]


class TestMaxPoolPick(TestMaxPoolGradient):
    op: Op = convolution.max_pool_pick

    def cases(self) -> Any:
        for x, out, _ in super().cases():
            yield [x, out, x * 2]


class TestSumPoolGradient(Contract):
    op = convolution.sum_pool_gradient
    attrs = {"windows": lie(3, strides=2, padding=(1, 1)), "sizes": (5,)}
    shapes = [((2, 3, 3),)]


class TestSoftmax(Contract):
    op = softmax_rows
    shapes = [((rows, columns),) for rows in (1, 5) for columns in (1, 4, 33)]


class TestSoftmaxGradient(Contract):
    op = softmax_gradient
    operands = 2
    shapes = [((3, 7), (3, 7))]


class TestSumOfRows(Contract):
    op = reduction.reduce_sum
    attrs = {"axis": (1,), "keepdims": False}
    dtypes = ("float32", "float64", "int32", "int64")
    shapes = [((rows, columns),) for rows in (0, 1, 5) for columns in (0, 1, 5, 200)]


class TestSumOfColumns(TestSumOfRows):
    attrs = {"axis": (0,), "keepdims": True}


class TestSumOfAll(Contract):
    op = reduction.reduce_sum
    attrs = {"axis": (0, 1, 2), "keepdims": False}
    shapes = [((a, b, c),) for a in (0, 1, 5) for b in (1, 7) for c in (1, 9)]


class TestMaxOfTheMiddle(Contract):
    op: Op = reduction.reduce_max
    attrs = {"axis": (1,), "keepdims": False}
    shapes = [((a, b, c),) for a in (1, 5) for b in (1, 7) for c in (1, 9)]
    rtol = 0


class TestMinOfTheOutside(TestMaxOfTheMiddle):
    op: Op = reduction.reduce_min
    attrs = {"axis": (0, 2), "keepdims": False}


class TestTranspose(Contract):
    op = permute
    attrs = {"axes": (2, 0, 1)}
    dtypes = ("float32", "float64", "uint8", "int64", "bool")
    shapes = [((a, b, c),) for a in (0, 1, 5) for b in (1, 4) for c in (1, 5)]
    rtol = 0


class TestSlice(Contract):
    op = strided_slice
    attrs = {"start": (3, 1), "size": (2, 3), "step": (-2, 1)}
    dtypes = ("float32", "int8", "int16")
    shapes = [((4, 5),)]
    rtol = 0


class TestPad(Contract):
    op = pad_with
    attrs = {"low": (1, 0), "high": (0, 2), "interior": (1, 0), "value": -1.0}
    dtypes = ("float32", "int32", "float16")
    shapes = [((3, 2),), ((0, 2),)]
    rtol = 0


class TestConcatenate(Contract):
    op = join
    attrs = {"axis": 1}
    dtypes = ("float32", "bool")
    shapes = [((2, 3, 2), (2, 1, 2), (2, 0, 2))]
    rtol = 0
