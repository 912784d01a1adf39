"""KernelContract on our own kernels: the reference's values, and the same bits fused or alone, on any number of
threads."""

from __future__ import annotations

from typing import Any

import numpy as np

from pronghorn import dtypes
from pronghorn.op import Op
from pronghorn.ops import elementwise, linear, reduction
from pronghorn.ops.attributes import Windows
from pronghorn.ops.shape import permute
from pronghorn.testing import KernelContract
from pronghorn_ops.primitives import convolution
from pronghorn_ops.primitives.softmax import softmax_rows

MATRICES = [
    ((m, k), (k, n))
    for m, k, n in ((1, 1, 1), (7, 5, 3), (16, 64, 16), (33, 130, 10), (1, 200, 65), (0, 3, 2), (130, 1, 70))
]


class TestExp(KernelContract):
    op = elementwise.exp
    low, high = -90.0, 90.0
    rtol = 5e-7


class TestTanh(KernelContract):
    op = elementwise.tanh
    rtol = 5e-7


class TestMaximum(KernelContract):
    op = elementwise.maximum
    operands = 2
    dtypes = ("float32", "float64", "int32", "int64", "uint8")
    rtol = 0


class TestFloorDivide(KernelContract):
    op = elementwise.floor_divide
    operands = 2
    dtypes = ("int32", "int64", "float32")
    rtol = 0

    def values(self, rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> Any:
        signs = rng.choice((-1, 1), shape)
        return (signs * rng.integers(1, 9, shape)).astype(dtypes.numpy_dtype(dtype))


class TestMatmul(KernelContract):
    op = linear.product
    attrs = {"transpose_a": False, "transpose_b": False}
    shapes = [*MATRICES, *(((2, 3, *a), (3, *b)) for a, b in MATRICES[:4])]


class TestMatmulTransposed(KernelContract):
    op = linear.product
    attrs = {"transpose_a": True, "transpose_b": True}
    shapes = [(a[::-1], b[::-1]) for a, b in MATRICES]


def lie(*size: int, strides: int = 1, padding: tuple[int, int] = (0, 0)) -> Windows:
    rank = len(size)
    return Windows(size, (strides,) * rank, (padding,) * rank, (1,) * rank)


class TestConvolution(KernelContract):
    op = convolution.convolution
    attrs = {"windows": lie(3, 2, padding=(1, 1)), "groups": 1}
    shapes = [
        ((n, h, w, c), (3, 2, c, f))
        for n, h, w, c, f in ((0, 5, 5, 2, 3), (1, 1, 1, 1, 1), (2, 9, 7, 3, 70), (1, 8, 8, 16, 32), (17, 4, 5, 2, 10))
    ]


class TestConvolutionInputGradient(KernelContract):
    op = convolution.convolution_input_gradient
    attrs = {"windows": lie(3, strides=2, padding=(1, 0)), "groups": 2, "sizes": (10,)}
    shapes = [((n, 5, 2 * f), (3, c, 2 * f)) for n, c, f in ((1, 1, 1), (3, 7, 5), (2, 16, 33))]


class TestConvolutionKernelGradient(KernelContract):
    op = convolution.convolution_kernel_gradient
    attrs = {"windows": lie(2, 2, strides=2), "groups": 1}
    shapes = [((n, 6, 8, c), (n, 3, 4, f)) for n, c, f in ((0, 2, 3), (1, 1, 1), (40, 3, 5), (3, 16, 70))]


class TestMaxPool(KernelContract):
    op = convolution.maximum_of_windows
    attrs = {"windows": lie(3, 2, strides=2, padding=(1, 1))}
    dtypes = ("float32", "float64", "int32", "uint8")
    shapes = [((n, 5, 6, c),) for n, c in ((0, 2), (1, 1), (3, 70), (2, 16))]
    rtol = 0


class TestSumPool(TestMaxPool):
    op: Op = convolution.sum_pool


class TestSoftmax(KernelContract):
    op = softmax_rows
    shapes = [((rows, columns),) for rows in (1, 7, 130) for columns in (1, 10, 16, 33, 1000)]


class TestSumOfRows(KernelContract):
    op = reduction.reduce_sum
    attrs = {"axis": (1,), "keepdims": False}
    dtypes = ("float32", "float64", "int32", "int64")
    shapes = [((rows, columns),) for rows in (0, 1, 7, 130) for columns in (0, 1, 15, 16, 17, 5000)]


class TestSumOfColumns(TestSumOfRows):
    attrs = {"axis": (0,), "keepdims": True}


class TestSumOfAll(KernelContract):
    op = reduction.reduce_sum
    attrs = {"axis": (0, 1, 2), "keepdims": False}
    shapes = [((a, b, c),) for a in (0, 1, 5) for b in (1, 40) for c in (1, 17, 1000)]


class TestMaxOfTheMiddle(KernelContract):
    op: Op = reduction.reduce_max
    attrs = {"axis": (1,), "keepdims": False}
    shapes = [((a, b, c),) for a in (1, 5) for b in (1, 40) for c in (1, 17, 100)]
    rtol = 0


class TestTranspose(KernelContract):
    op = permute
    attrs = {"axes": (2, 0, 1)}
    dtypes = ("float32", "float64", "uint8", "int64", "bool")
    shapes = [((a, b, c),) for a in (0, 1, 5) for b in (1, 40) for c in (1, 17, 100)]
    rtol = 0
