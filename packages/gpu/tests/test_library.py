"""What cuBLAS is asked for: a stand-in that computes with NumPy, from addresses and by columns as cuBLAS does."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest

from pronghorn.program import Program

pytestmark = pytest.mark.gpu


class Blas:
    """Interprets the arguments of cublasGemmStridedBatchedEx."""

    def __init__(self) -> None:
        from pronghorn_gpu.library import Blas

        self.real = Blas.__new__(Blas)
        self.real._device = self  # type: ignore[assignment]
        self.real._handle = ctypes.c_void_p()
        self.real._one, self.real._zero = {"float64": ctypes.c_double(1.0)}, {"float64": ctypes.c_double(0.0)}
        self.calls = 0

    def address(self, offset: int) -> int:
        return offset + (1 << 40)

    def supports(self, dtype: str) -> bool:
        return self.real.supports(dtype)

    def product(self, work: Any, a: int, b: int, c: int) -> None:
        from pronghorn_gpu.device import device

        self.calls += 1
        given = self.real.arguments(work, a, b, c)
        plain = [x.value if hasattr(x, "value") else x for x in given]
        _, op_a, op_b, m, n, k, alpha = plain[:7]
        (pa, ta, lda, sa), (pb, tb, ldb, sb) = plain[7:11], plain[11:15]
        (pc, tc, ldc, sc), batch, compute, algorithm = plain[16:20], *plain[20:23]
        dtype = {0: np.float32, 1: np.float64, 2: np.float16}[ta]
        assert ta == tb == tc and compute == (70 if ta == 1 else 68) and algorithm == -1
        assert alpha._obj.value == 1 and plain[15]._obj.value == 0
        size = np.dtype(dtype).itemsize

        def matrix(pointer: int, rows: int, columns: int, lead: int, stride: int, i: int) -> Any:
            """By columns: element (r, c) is lead * c + r elements away."""
            assert lead >= rows
            start = pointer - (1 << 40) + i * stride * size
            memory = device().memory[start : start + ((columns - 1) * lead + rows) * size].copy_to_host().view(dtype)
            return np.lib.stride_tricks.as_strided(memory, (rows, columns), (size, lead * size))

        for i in range(batch):
            left = matrix(pa, *((k, m) if op_a else (m, k)), lda, sa, i)
            right = matrix(pb, *((n, k) if op_b else (k, n)), ldb, sb, i)
            wide = np.float64 if ta == 1 else np.float32
            result = (left.T if op_a else left).astype(wide) @ (right.T if op_b else right).astype(wide)
            assert ldc == m
            start = pc - (1 << 40) + i * sc * size
            device().copy_in(start, np.ascontiguousarray(result.T, dtype))


@pytest.mark.parametrize("dtype", ("float32", "float64", "float16"))
@pytest.mark.parametrize("transpose_a", (False, True))
@pytest.mark.parametrize("transpose_b", (False, True))
def test_products(dtype: str, transpose_a: bool, transpose_b: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    from pronghorn.ops.linear import product

    blas = Blas()
    monkeypatch.setattr("pronghorn_gpu.library.library", lambda: blas)
    rng = np.random.default_rng(0)
    for lead_a, lead_b, m, k, n in (
        ((), (), 3, 4, 5),
        ((2,), (2,), 3, 1, 2),
        ((2, 3), (), 1, 4, 2),
        ((), (3,), 2, 3, 1),
    ):
        a = rng.normal(size=(*lead_a, *((k, m) if transpose_a else (m, k)))).astype(dtype)
        b = rng.normal(size=(*lead_b, *((n, k) if transpose_b else (k, n)))).astype(dtype)
        attrs = {"transpose_a": transpose_a, "transpose_b": transpose_b}
        got = Program(lambda a, b, attrs=attrs: product(a, b, **attrs))(a, b)
        want = product.reference(a, b, **attrs)
        np.testing.assert_allclose(got.numpy(), want, rtol=1e-2 if dtype == "float16" else 1e-5)
    assert blas.calls == 4


def test_convolutions_write_their_windows_out(monkeypatch: pytest.MonkeyPatch) -> None:
    from pronghorn.ops import convolution as c

    blas = Blas()
    monkeypatch.setattr("pronghorn_gpu.library.library", lambda: blas)
    rng = np.random.default_rng(0)
    windows = c.Windows((3, 2), (2, 1), ((1, 1), (0, 1)), (1, 2))
    x, kernel = rng.normal(size=(2, 5, 4, 3)).astype("float32"), rng.normal(size=(3, 2, 3, 4)).astype("float32")
    attrs: dict[str, Any] = {"windows": windows, "groups": 1}
    dy = c.convolution.reference(x, kernel, **attrs)
    for op, operands, more in (
        (c.convolution, (x, kernel), {}),
        (c.convolution_input_gradient, (dy, kernel), {"sizes": (5, 4)}),
        (c.convolution_kernel_gradient, (x, dy), {}),
    ):
        got = Program(lambda a, b, op=op, more=more: op(a, b, **attrs, **more))(*operands)
        np.testing.assert_allclose(got.numpy(), op.reference(*operands, **attrs, **more), rtol=1e-4, atol=1e-4)
    assert blas.calls == 3


def test_a_batch_with_two_strides_is_for_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    from pronghorn.ops.linear import product

    blas = Blas()
    monkeypatch.setattr("pronghorn_gpu.library.library", lambda: blas)
    a, b = np.ones((2, 3, 2, 2), np.float32), np.ones((3, 2, 2), np.float32)
    got = Program(lambda a, b: product(a, b, transpose_a=False, transpose_b=False))(a, b)
    np.testing.assert_array_equal(got.numpy(), np.full((2, 3, 2, 2), 2))
    assert blas.calls == 0


def test_a_bias_follows_the_product(monkeypatch: pytest.MonkeyPatch) -> None:
    from pronghorn import ops

    blas = Blas()
    monkeypatch.setattr("pronghorn_gpu.library.library", lambda: blas)
    a, b, c = np.eye(3, dtype=np.float32), np.ones((3, 4), np.float32), np.arange(4, dtype=np.float32)
    got = Program(lambda a, b, c: ops.relu(ops.matmul(a, b) - c))(a, b, c)
    np.testing.assert_array_equal(got.numpy(), np.maximum(b - c, 0))
    assert blas.calls == 1
