"""What cuBLAS and cuDNN are asked for: stand-ins that compute with NumPy, from addresses and descriptors as they do."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pronghorn import dtypes, ops
from pronghorn.ops.attributes import Windows
from pronghorn.ops.linear import product
from pronghorn.program import Program
from pronghorn_ops.primitives import convolution as c

sys.path.insert(0, str(Path(__file__).parent))

from library_stand_ins import BlasLt, Device, Dnn  # noqa: E402

pytestmark = pytest.mark.gpu


def _simulated() -> None:
    from pronghorn_gpu.target import SIMULATED

    if not SIMULATED:
        pytest.skip("stand-ins read and write the simulator's memory; on a card the libraries themselves are tested")


def _bound(functions: Any, binding: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The functions of a stand-in, bound as the library of the device."""
    _simulated()
    bound = binding(functions, functions.device)
    monkeypatch.setattr(f"pronghorn_gpu.library.{binding.__name__.lower()}", lambda: bound)
    return functions


@pytest.fixture
def blas(monkeypatch: pytest.MonkeyPatch) -> BlasLt:
    from pronghorn_gpu.blas import Blas

    return _bound(BlasLt(), Blas, monkeypatch)  # type: ignore[no-any-return]


@pytest.fixture
def dnn(monkeypatch: pytest.MonkeyPatch) -> Dnn:
    from pronghorn_gpu.dnn import Dnn as Binding

    return _bound(Dnn(), Binding, monkeypatch)  # type: ignore[no-any-return]


def products(library: BlasLt) -> int:
    return library.calls.count("cublasLtMatmul")


TOLERANCES = {"float16": 1e-2, "bfloat16": 5e-2}


@pytest.mark.parametrize("dtype", ("float32", "float64", "float16", "bfloat16"))
@pytest.mark.parametrize("transpose_a", (False, True))
@pytest.mark.parametrize("transpose_b", (False, True))
def test_products(dtype: str, transpose_a: bool, transpose_b: bool, blas: BlasLt) -> None:
    if dtype == "bfloat16":
        pytest.importorskip("ml_dtypes")
    kind = dtypes.numpy_dtype(dtype)
    rng = np.random.default_rng(0)
    for lead_a, lead_b, m, k, n in (
        ((), (), 3, 4, 5),
        ((2,), (2,), 3, 1, 2),
        ((2, 3), (), 1, 4, 2),
        ((), (3,), 2, 3, 1),
    ):
        a = rng.normal(size=(*lead_a, *((k, m) if transpose_a else (m, k)))).astype(kind)
        b = rng.normal(size=(*lead_b, *((n, k) if transpose_b else (k, n)))).astype(kind)
        attrs = {"transpose_a": transpose_a, "transpose_b": transpose_b}
        got = Program(lambda a, b, attrs=attrs: product(a, b, **attrs))(a, b)
        want = product.reference(a, b, **attrs)
        tolerance = TOLERANCES.get(dtype, 1e-5)
        np.testing.assert_allclose(
            got.numpy().astype("float64"), want.astype("float64"), rtol=tolerance, atol=tolerance / 10
        )
    assert products(blas) == 4


EPILOGUES = {
    "bias": (lambda x, b: x + b, True),
    "bias first": (lambda x, b: b + x, True),
    "relu": (lambda x, b: ops.relu(x), True),
    "bias and relu": (lambda x, b: ops.relu(x + b), True),
    "gelu": (lambda x, b: ops.gelu(x, approximate=True), True),
    "bias and gelu": (lambda x, b: ops.gelu(x + b, approximate=True), True),
    "another gelu": (lambda x, b: ops.gelu(x, approximate=False), False),
    "subtraction": (lambda x, b: ops.relu(x - b), False),
    "added to itself": (lambda x, b: x + x, False),
    "the product too": (lambda x, b: [x, ops.relu(x)], False),
    "more behind": (lambda x, b: ops.exp(ops.relu(x + b)), False),
    "a full matrix": (lambda x, b: x + ops.outer(b[:3], b), False),
}


@pytest.mark.parametrize("name", EPILOGUES)
def test_what_follows_a_product(name: str, blas: BlasLt) -> None:
    function, absorbed = EPILOGUES[name]
    rng = np.random.default_rng(1)
    a, w, b = (rng.normal(size=s).astype("float32") for s in ((3, 4), (4, 5), (5,)))
    program = Program(lambda a, w, b: function(ops.matmul(a, w), b))
    got = program(a, w, b)
    want = function(a @ w, b)
    for x, y in zip(got if isinstance(got, list) else [got], want if isinstance(want, list) else [want], strict=True):
        np.testing.assert_allclose(x.numpy(), np.asarray(y), rtol=1e-5, atol=1e-6)
    assert products(blas) == (2 if "relu" in name and absorbed else 1)  # one more finds out about NaN
    work = [part for item in program.executable.lowered.nodes for part in item.work or ()]
    best = next(part.ways[0] for part in work if hasattr(part, "ways"))
    assert (len(best) == 1) == absorbed


@pytest.mark.parametrize("forgets", (False, True))
def test_nan_outlives_relu(forgets: bool, blas: BlasLt) -> None:
    blas.forgets_nan = forgets
    a = np.array([[np.nan, 1], [-1, -2]], np.float32)
    program = Program(lambda a: ops.relu(ops.matmul(a, np.eye(2, dtype=np.float32))))
    np.testing.assert_array_equal(program(a).numpy(), [[np.nan, np.nan], [0, 0]])
    assert products(blas) == 2  # the one that found out, and ours
    (choice,) = next(item.work for item in program.executable.lowered.nodes if item.work)
    assert len(choice.ways[0]) == 1 + forgets


def test_tensor_float_is_asked_for_by_name(blas: BlasLt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRONGHORN_GPU_TF32", "1")
    asked: list[int] = []
    monkeypatch.setattr(BlasLt, "_cublasLtMatmul", lambda self, _, operation, *rest: asked.append(operation))
    monkeypatch.setattr(BlasLt, "_cublasLtMatmulDescDestroy", lambda self, operation: None, raising=False)
    Program(lambda a: product(a, a, transpose_a=False, transpose_b=True))(np.ones((2, 2), np.float32))
    assert [blas.alive[operation]["given"][0] for operation in asked] == [77]


def test_operands_that_lie_badly_are_for_the_kernel(blas: BlasLt) -> None:
    blas.smallest = 16
    x = np.arange(24, dtype=np.float32).reshape(4, 3, 2) / 8
    w = np.ones((2, 2), np.float32)

    def step(carry: Any, row: Any) -> Any:  # rows of 24 bytes
        return carry, ops.matmul(row, w)

    got = Program(lambda x: ops.scan(step, x[0], x)[1])(x)
    np.testing.assert_allclose(got.numpy(), x @ w)
    assert 0 < products(blas) < 4


def test_the_algorithm_does_not_depend_on_where_values_lie(blas: BlasLt) -> None:
    from pronghorn_gpu import library
    from pronghorn_gpu.launch import Product, Scratch

    bound = library.blas()
    places = [Scratch("float32", k) for k in range(3)]
    work = Product("float32", 3, 5, 4, 1, *places, False, False, (0, 0, 0), (4, 5, 5))
    for base in (256, 64, 192):
        assert bound.prepared(work, lambda slot, base=base: base * (1 + slot.offset)) is not None
    assert blas.calls.count("cublasLtMatmulAlgoGetHeuristic") == 1
    bound.prepared(work, lambda slot: 16 * (1 + slot.offset))
    assert blas.calls.count("cublasLtMatmulAlgoGetHeuristic") == 2


def test_without_an_algorithm_kernels_do_it(blas: BlasLt) -> None:
    blas.refuses["cublasLtMatmulAlgoGetHeuristic"] = 15
    a = np.ones((2, 3), np.float32)
    got = Program(lambda a: ops.relu(product(a, a, transpose_a=False, transpose_b=True)))(a)
    np.testing.assert_array_equal(got.numpy(), np.full((2, 2), 3))
    assert products(blas) == 0


def test_a_failure_says_how_to_do_without(blas: BlasLt) -> None:
    blas.refuses["cublasLtMatmul"] = 13
    with pytest.raises(RuntimeError, match="cublasLtMatmul failed: status 13 .*PRONGHORN_GPU_LIBRARY=none"):
        Program(lambda a: product(a, a, transpose_a=False, transpose_b=True))(np.ones((2, 3), np.float32))


def test_a_batch_with_two_strides_is_for_the_kernel(blas: BlasLt) -> None:
    a, b = np.ones((2, 3, 2, 2), np.float32), np.ones((3, 2, 2), np.float32)
    got = Program(lambda a, b: product(a, b, transpose_a=False, transpose_b=False))(a, b)
    np.testing.assert_array_equal(got.numpy(), np.full((2, 3, 2, 2), 2))
    assert products(blas) == 0


# ------------------------------------------------------------------------------------------------ convolution

CONVOLUTIONS: dict[str, tuple[tuple[int, ...], tuple[int, ...], Windows, int]] = {
    "plain": ((2, 5, 4, 4), (3, 2, 4, 4), Windows((3, 2), (1, 1), ((1, 1), (0, 0)), (1, 1)), 1),
    "other padding behind": ((2, 6, 6, 4), (3, 3, 4, 4), Windows((3, 3), (2, 2), ((0, 1), (0, 1)), (1, 1)), 1),
    "padding that no window reaches": ((2, 6, 4), (3, 4, 4), Windows((3,), (2,), ((1, 0),), (1,)), 1),
    "cells in no window": ((2, 8, 4), (3, 4, 4), Windows((3,), (3,), ((0, -2),), (1,)), 1),
    "dilated": ((2, 7, 5, 4), (3, 2, 4, 8), Windows((3, 2), (1, 2), ((2, 2), (0, 1)), (2, 1)), 1),
    "groups": ((2, 5, 4, 4), (2, 2, 2, 8), Windows((2, 2), (1, 1), ((0, 0), (0, 0)), (1, 1)), 2),
    "depthwise": ((2, 5, 4, 4), (2, 2, 1, 4), Windows((2, 2), (2, 1), ((1, 1), (0, 0)), (1, 1)), 4),
    "volume": ((1, 3, 4, 3, 4), (2, 2, 1, 4, 4), Windows((2, 2, 1), (1, 2, 1), ((1, 1), (0, 0), (0, 0)), (1,) * 3), 1),
}


def _three(name: str, dtype: str) -> Any:
    """The three ops of a convolution, their operands and attributes."""
    x_shape, kernel_shape, windows, groups = CONVOLUTIONS[name]
    rng = np.random.default_rng(2)
    kind = dtypes.numpy_dtype(dtype)
    x, kernel = (rng.normal(size=s).astype(kind) for s in (x_shape, kernel_shape))
    attrs: dict[str, Any] = {"windows": windows, "groups": groups}
    dy = rng.normal(size=(x_shape[0], *windows.count(x_shape[1:-1]), kernel_shape[-1])).astype(kind)
    yield c.convolution, (x, kernel), attrs
    yield c.convolution_input_gradient, (dy, kernel), {**attrs, "sizes": x_shape[1:-1]}
    yield c.convolution_kernel_gradient, (x, dy), attrs


@pytest.mark.parametrize("name", CONVOLUTIONS)
@pytest.mark.parametrize("dtype", ("float32", "float16"))
def test_convolutions(name: str, dtype: str, dnn: Dnn) -> None:
    dnn.math = 3 if dtype == "float32" else 1
    for op, operands, attrs in _three(name, dtype):
        got = Program(lambda a, b, op=op, attrs=attrs: op(a, b, **attrs))(*operands)
        want = op.reference(*operands, **attrs)
        tolerance = TOLERANCES.get(dtype, 1e-5)
        np.testing.assert_allclose(got.numpy(), want, rtol=tolerance, atol=tolerance)
    math = 3 if dtype == "float32" else 1
    assert dnn.ran == [(kind, 0 if dtype == "float32" else 2, math) for kind in ("output", "input", "kernel")]


def test_full_float32_unless_tensor_float_is_asked_for(dnn: Dnn, monkeypatch: pytest.MonkeyPatch) -> None:
    dnn.math = 0  # what is given for full float32 may be called the default; it is run as what it was asked for
    list(map(_run, _three("plain", "float32")))
    assert {math for *_, math in dnn.ran} == {3}
    dnn.ran.clear()
    monkeypatch.setenv("PRONGHORN_GPU_TF32", "1")
    list(map(_run, _three("plain", "float32")))
    assert {math for *_, math in dnn.ran} == {0}
    dnn.ran.clear()
    dnn.math = 1
    monkeypatch.setenv("PRONGHORN_GPU_TF32", "0")
    from pronghorn_gpu import library

    library.dnn()._known.clear()
    list(map(_run, _three("plain", "float32")))
    assert dnn.ran == []  # tensor cores alone: kernels do it


def _run(case: Any) -> None:
    op, operands, attrs = case
    got = Program(lambda a, b: op(a, b, **attrs))(*operands)
    np.testing.assert_allclose(got.numpy(), op.reference(*operands, **attrs), rtol=1e-4, atol=1e-5)


def test_what_cudnn_does_not_support_is_done_otherwise(dnn: Dnn) -> None:
    dnn.refuses["cudnnGetConvolutionForwardAlgorithm_v7"] = 3000
    dnn.refuses["cudnnGetConvolutionBackwardDataWorkspaceSize"] = 3000
    dnn.refuses["cudnnSetConvolutionGroupCount"] = 2000
    cases = _three("plain", "float32")
    with pytest.warns(RuntimeWarning, match="cuDNN does not do a convolution: cudnnSetConvolutionGroupCount failed"):
        _run(next(cases))
    del dnn.refuses["cudnnSetConvolutionGroupCount"]
    from pronghorn_gpu import library

    library.dnn()._known.clear()
    list(map(_run, _three("plain", "float32")))
    assert [kind for kind, *_ in dnn.ran] == ["kernel"]


def test_descriptors_are_destroyed(dnn: Dnn, blas: BlasLt) -> None:
    import gc

    def run() -> None:
        list(map(_run, _three("plain", "float32")))
        Program(lambda a: product(a, a, transpose_a=False, transpose_b=True))(np.ones((2, 2), np.float32))

    run()
    gc.collect()
    assert len(dnn.alive) == len(blas.alive) == 1  # the handle


def test_a_bias_follows_a_convolution(dnn: Dnn, blas: BlasLt) -> None:
    rng = np.random.default_rng(3)
    for window, calls in ((3, "cudnn"), (1, "cublas")):
        x, w, b = (rng.normal(size=s).astype("float32") for s in ((2, 4, 4, 4), (window, window, 4, 8), (8,)))
        got = Program(lambda x, w, b: ops.relu(ops.conv(x, w) + b))(x, w, b)
        windows = Windows((window,) * 2, (1, 1), ((0, 0),) * 2, (1, 1))
        want = np.maximum(c.convolution.reference(x, w, windows=windows, groups=1) + b, 0)
        np.testing.assert_allclose(got.numpy(), want, rtol=1e-5, atol=1e-5)
        assert (len(dnn.ran), products(blas)) == ((1, 0) if calls == "cudnn" else (1, 2))


@pytest.mark.parametrize("name", ("plain", "dilated", "volume"))
def test_without_cudnn_windows_are_written_out_for_cublas(name: str, blas: BlasLt) -> None:
    list(map(_run, _three(name, "float32")))
    assert products(blas) == 3


def test_windows_of_one_cell_are_products(blas: BlasLt) -> None:
    rng = np.random.default_rng(4)
    windows = Windows((1, 1), (1, 1), ((0, 0), (0, 0)), (1, 1))
    x, kernel, dy = (rng.normal(size=s).astype("float32") for s in ((2, 3, 3, 4), (1, 1, 4, 5), (2, 3, 3, 5)))
    attrs: dict[str, Any] = {"windows": windows, "groups": 1}
    for case in (
        (c.convolution, (x, kernel), attrs),
        (c.convolution_input_gradient, (dy, kernel), {**attrs, "sizes": (3, 3)}),
        (c.convolution_kernel_gradient, (x, dy), attrs),
    ):
        _run(case)
    assert products(blas) == 3


# ------------------------------------------------------------------------------------------------ finding them


def test_libraries_are_found_in_wheels_the_newest_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pronghorn_gpu import library

    for name in ("cu13/lib/libcublasLt.so.13", "cublas/lib/libcublasLt.so.12", "cudnn/lib/libcudnn.so.9"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    tried: list[str] = []

    def load(path: str) -> str:
        tried.append(path)
        if path in broken:
            raise OSError(path)
        return path

    broken = {"libcublasLt.so.13"}
    spec = type("Spec", (), {"submodule_search_locations": [str(tmp_path)]})
    monkeypatch.setattr(library.importlib.util, "find_spec", lambda name: spec)
    monkeypatch.setattr(library.ctypes, "CDLL", load)
    monkeypatch.setattr(library.os, "name", "posix")
    assert library.find_library("cublasLt", (13, 12)) == str(tmp_path / "cu13/lib/libcublasLt.so.13")
    assert library.find_library("cudnn", (9,)) == str(tmp_path / "cudnn/lib/libcudnn.so.9")
    broken.add(str(tmp_path / "cu13/lib/libcublasLt.so.13"))
    assert library.find_library("cublasLt", (13, 12)) == str(tmp_path / "cublas/lib/libcublasLt.so.12")
    assert library.find_library("nvrtc", (13,)) == "libnvrtc.so.13"  # the system's


def test_which_libraries_are_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    from pronghorn_gpu import library

    monkeypatch.setattr(library, "SIMULATED", False)
    for text, expected in (
        (None, (True, True)),
        ("none", (False, False)),
        ("cudnn", (False, True)),
        ("cublas, cudnn", (True, True)),
    ):
        if text is not None:
            monkeypatch.setenv("PRONGHORN_GPU_LIBRARY", text)
        assert (library.wanted("cublas"), library.wanted("cudnn")) == expected
    monkeypatch.setenv("PRONGHORN_GPU_LIBRARY", "cublass")
    with pytest.raises(ValueError, match="names 'cublass', but must be 'none' or one or both of 'cublas', 'cudnn'"):
        library.wanted("cublas")


def test_a_library_that_does_not_begin_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from pronghorn_gpu import library
    from pronghorn_gpu.blas import Blas

    functions = BlasLt()
    functions.refuses["cublasLtCreate"] = 1
    monkeypatch.setattr(library, "SIMULATED", False)
    monkeypatch.setattr(library, "find_library", lambda name, versions: functions)
    with pytest.warns(RuntimeWarning, match="cublas is installed but not used: cublasLtCreate failed: status 1"):
        assert library._loaded("cublas", lambda found: Blas(found, functions.device)) is None
    monkeypatch.setattr(library, "find_library", lambda name, versions: None)
    assert library._loaded("cublas", lambda found: 1 / 0) is None


# ------------------------------------------------------------------------------------------------ the real libraries


def test_the_real_cublas_takes_the_descriptors() -> None:
    """Without a card all but the handle, the choice and the product itself can be had."""
    from pronghorn_gpu.blas import _Call
    from pronghorn_gpu.launch import Pointer, Product
    from pronghorn_gpu.library import Functions, find_library

    library = find_library("cublasLt", (13, 12))
    if library is None:
        pytest.skip("cuBLAS is not installed")
    places = [Pointer(k, "float32") for k in range(4)]
    sizes = (3, 5, 4, 2, *places[:3], True, False, (12, 20, 15), (3, 5, 5), places[3], "relu")
    owner: Any = type("Owner", (), {"_functions": Functions(library), "_handle": ctypes.c_void_p(), "_algorithms": {}})
    owner._device = Device()
    call = _Call(owner, Product("float32", *sizes), [256, 512, 1024, 2048])
    assert call.algorithm is None  # there is no handle

    def read(kind: str, descriptor: Any, attribute: int, value: Any) -> Any:
        written = ctypes.c_size_t()
        size = ctypes.c_size_t(ctypes.sizeof(value))
        function = getattr(library, f"cublasLt{kind}GetAttribute")
        status = function(descriptor.handle, attribute, ctypes.byref(value), size, ctypes.byref(written))
        assert status == 0 and written.value == size.value
        return value.value

    found = [read("MatmulDesc", call._operation, k, ctypes.c_int32()) for k in (0, 1, 3, 4, 7)]
    assert found == [68, 0, 0, 1, 6]
    assert read("MatmulDesc", call._operation, 8, ctypes.c_void_p()) == 2048
    for layout, rows, columns, lead, stride in zip(
        call._matrices, (5, 3, 5), (4, 4, 3), (5, 3, 5), (20, 12, 15), strict=True
    ):
        values = [read("MatrixLayout", layout, k, ctypes.c_uint64()) for k in (2, 3, 4, 6)]
        assert values == [rows, columns, lead, stride]
        assert read("MatrixLayout", layout, 5, ctypes.c_int32()) == 2


def test_the_real_cudnn_takes_the_descriptors() -> None:
    from pronghorn_gpu.convolution_ways import Shape, ways
    from pronghorn_gpu.dnn import _Call
    from pronghorn_gpu.launch import Convolve
    from pronghorn_gpu.library import Functions, find_library

    library = find_library("cudnn", (9,))
    if library is None:
        pytest.skip("cuDNN is not installed")
    for dtype in ("float32", "float64", "float16", "bfloat16"):
        for image, kernel, windows, groups in CONVOLUTIONS.values():
            for kind in ("output", "input", "kernel"):
                found = [part for way in ways(kind, Shape(dtype, image, kernel, windows, groups)) for part in way]
                (work,) = [part for part in found if isinstance(part, Convolve)]
                call = _Call(Functions(library), work, 3)
                operands = dict(
                    zip({"output": "xwy", "input": "wyx", "kernel": "xyw"}[kind], call._operands, strict=True)
                )
                rank = max(len(image), 4)
                made = (ctypes.c_int * rank)()
                status = library.cudnnGetConvolutionNdForwardOutputDim(
                    call._convolution.handle, operands["x"].handle, operands["w"].handle, ctypes.c_int(rank), made
                )
                batch, *sizes, filters = work.result
                assert status == 0
                assert list(made) == [batch, filters, *[1] * (4 - len(image)), *sizes]
