"""cuBLAS's matrix products, through the C functions of cublasLt.

cuBLAS stores matrices by columns, so a product by rows is that of the other order: C' = B' A'. float16 and bfloat16 are
summed in float32. An algorithm is chosen once for each shape and alignment; those that sum parts of the inner dimension
in the result's place are left out, and the workspace is our own, so that results are the same from run to run.

Values are those of cublasLt.h and library_types.h, which keep them from version to version.
https://docs.nvidia.com/cuda/cublas/#using-the-cublaslt-api
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from pronghorn import dtypes
from pronghorn.passes.memory import ALIGNMENT
from pronghorn_gpu.launch import Pointer, Product, Scratch
from pronghorn_gpu.library import Descriptor, Functions, LibraryError, Run, tensor_float

_TYPES = {"float32": 0, "float64": 1, "float16": 2, "bfloat16": 14}
"""cudaDataType."""

_COMPUTE_32F, _COMPUTE_32F_FAST_TF32, _COMPUTE_64F = 68, 77, 70
_TRANSPOSE_A, _TRANSPOSE_B, _EPILOGUE, _BIAS_POINTER = 3, 4, 7, 8
_BATCH_COUNT, _BATCH_OFFSET = 5, 6
_MAX_WORKSPACE, _REDUCTION_SCHEMES, _ALIGNMENT_A = 1, 3, 5
_REDUCE_IN_WORKSPACE = 2
_EPILOGUES = {
    ("", False): 1, ("relu", False): 2, ("", True): 4, ("relu", True): 6, ("gelu_tanh", False): 32,
    ("gelu_tanh", True): 36,
}  # fmt: skip
"""cublasLtEpilogue_t, by activation and whether there is a bias."""

_WORKSPACE = 32 << 20


class Algorithm(ctypes.Structure):
    """cublasLtMatmulHeuristicResult_t."""

    _fields_ = (
        ("algorithm", ctypes.c_uint64 * 8),
        ("workspace", ctypes.c_size_t),
        ("state", ctypes.c_int),
        ("waves", ctypes.c_float),
        ("reserved", ctypes.c_int * 4),
    )


def _alignment(*numbers: int) -> int:
    """The largest power of two that divides all of them, to that of values in the arena: what lies better by chance
    must not have another algorithm, and with it other bits."""
    return min([ALIGNMENT, *(n & -n for n in numbers if n)])


class Blas:
    """cuBLAS on a device's stream."""

    def __init__(self, library: Any, target: Any) -> None:
        self._functions = Functions(library)
        self._device = target
        target.enter()
        self._handle = ctypes.c_void_p()
        self._functions("cublasLtCreate", ctypes.byref(self._handle))
        self._workspace = target.allocate(_WORKSPACE, "cuBLAS's workspace")
        self._algorithms: dict[Any, Algorithm | None] = {}
        self._known_to_keep_nan: dict[str, bool] = {}

    def asked(self, work: Product) -> Product | None:
        """The product, if it can be done for operands that lie well."""
        if work.dtype not in _TYPES:
            return None
        if work.activation == "relu" and not self._keeps_nan(work.dtype):
            return None
        pointers = [None if slot is None else ALIGNMENT for slot in (work.a, work.b, work.c, work.bias)]
        return work if _Call(self, work, pointers).algorithm is not None else None

    def _keeps_nan(self, dtype: str) -> bool:
        """Whether the library's ReLU of NaN is NaN, as ours is and its description leaves open: found by a product."""
        if dtype not in self._known_to_keep_nan:
            size = 64
            square = np.full((size, size), np.nan, dtypes.numpy_dtype(dtype))
            piece = self._device.allocate(3 * square.nbytes, "a product of cuBLAS's")
            a, b, c = (Scratch(dtype, k * square.nbytes) for k in range(3))
            for place in (a, b):
                self._device.copy_in(piece.address + place.offset, square)
            lead = (size, size, size)
            work = Product(dtype, *lead, 1, a, b, c, False, False, (0, 0, 0), lead, activation="relu")
            run = self.prepared(work, lambda slot: piece.address + int(slot.offset))
            if run is not None:
                run()
                self._device.copy_out(square, piece.address + c.offset)
            self._known_to_keep_nan[dtype] = run is not None and bool(np.isnan(square.astype(np.float64)).all())
        return self._known_to_keep_nan[dtype]

    def prepared(self, work: Product, address: Callable[[Any], int]) -> Run | None:
        """The product for these addresses of its operands."""
        pointers = [
            None if slot is None else self._device.address(address(slot))
            for slot in (work.a, work.b, work.c, work.bias)
        ]
        call = _Call(self, work, pointers)
        return call.run if call.algorithm is not None else None


class _Call:
    """One product: descriptors, the algorithm (None where there is none) and the arguments."""

    def __init__(self, owner: Blas, work: Product, pointers: list[int | None]) -> None:
        self._owner = owner
        self._functions = owner._functions
        a, b, c, bias = pointers
        kind = _TYPES[work.dtype]
        wide = work.dtype == "float64"
        narrow = _COMPUTE_32F_FAST_TF32 if work.dtype == "float32" and tensor_float() else _COMPUTE_32F
        self._operation = Descriptor(
            self._functions, "cublasLtMatmulDesc{}", ctypes.c_int(_COMPUTE_64F if wide else narrow), ctypes.c_int(wide)
        )
        self._set(self._operation, "MatmulDesc", _TRANSPOSE_A, ctypes.c_int32(work.transpose_b))
        self._set(self._operation, "MatmulDesc", _TRANSPOSE_B, ctypes.c_int32(work.transpose_a))
        epilogue = _EPILOGUES[work.activation, bias is not None]
        self._set(self._operation, "MatmulDesc", _EPILOGUE, ctypes.c_uint32(epilogue))
        if bias is not None:
            self._set(self._operation, "MatmulDesc", _BIAS_POINTER, ctypes.c_void_p(bias))
        sizes = [(work.rows, work.inner), (work.inner, work.columns), (work.rows, work.columns)]
        flags = (work.transpose_a, work.transpose_b, False)
        layouts = [
            self._layout(work, kind, size[::-1] if flag else size, lead, stride)
            for size, flag, lead, stride in zip(sizes, flags, work.leading, work.strides, strict=True)
        ]
        self._matrices = [layouts[1], layouts[0], layouts[2]]
        number = ctypes.c_double if wide else ctypes.c_float
        self._one, self._zero = number(1), number(0)
        self._pointers = [ctypes.c_void_p(pointer) for pointer in (b, a, c)]
        size = dtypes.itemsize(work.dtype)
        along = [stride * size if work.batch > 1 else 0 for stride in work.strides]
        alignments = [
            _alignment(pointer or 0, step)
            for pointer, step in zip((b, a, c), (along[1], along[0], along[2]), strict=True)
        ]
        blank = Pointer(0, work.dtype)
        shape = replace(work, a=blank, b=blank, c=blank, bias=None if bias is None else blank)
        key = (shape, *alignments, _alignment(bias or 0), narrow)
        if key not in owner._algorithms:
            owner._algorithms[key] = self._found(alignments)
        self.algorithm = owner._algorithms[key]

    def _set(self, descriptor: Descriptor, kind: str, attribute: int, value: Any) -> None:
        self._functions(
            f"cublasLt{kind}SetAttribute",
            descriptor.handle, ctypes.c_int(attribute), ctypes.byref(value), ctypes.c_size_t(ctypes.sizeof(value)),
        )  # fmt: skip

    def _layout(self, work: Product, kind: int, stored: tuple[int, int], lead: int, stride: int) -> Descriptor:
        """Of a matrix as it is stored, by rows: by columns it is the transposed one."""
        rows, columns = (ctypes.c_uint64(n) for n in stored[::-1])
        layout = Descriptor(
            self._functions, "cublasLtMatrixLayout{}", ctypes.c_int(kind), rows, columns, ctypes.c_int64(lead)
        )
        self._set(layout, "MatrixLayout", _BATCH_COUNT, ctypes.c_int32(work.batch))
        self._set(layout, "MatrixLayout", _BATCH_OFFSET, ctypes.c_int64(stride))
        return layout

    def _found(self, alignments: list[int]) -> Algorithm | None:
        preference = Descriptor(self._functions, "cublasLtMatmulPreference{}")
        self._set(preference, "MatmulPreference", _MAX_WORKSPACE, ctypes.c_uint64(_WORKSPACE))
        self._set(preference, "MatmulPreference", _REDUCTION_SCHEMES, ctypes.c_uint32(_REDUCE_IN_WORKSPACE))
        for k, alignment in enumerate((*alignments, alignments[-1])):  # the last two: C and D, the same memory
            self._set(preference, "MatmulPreference", _ALIGNMENT_A + k, ctypes.c_uint32(alignment))
        best, count = Algorithm(), ctypes.c_int(0)
        a, b, c = (layout.handle for layout in self._matrices)
        try:
            self._functions(
                "cublasLtMatmulAlgoGetHeuristic",
                self._owner._handle, self._operation.handle, a, b, c, c, preference.handle,
                ctypes.c_int(1), ctypes.byref(best), ctypes.byref(count),
            )  # fmt: skip
        except LibraryError:  # so it says that it has none
            return None
        return best if count.value and not best.state else None

    def run(self) -> None:
        """Hands the product to the stream."""
        assert self.algorithm is not None
        device = self._owner._device
        (a, b, c), (x, y, z) = self._pointers, (layout.handle for layout in self._matrices)
        workspace = ctypes.c_void_p(device.address(self._owner._workspace.address))
        self._functions(
            "cublasLtMatmul",
            self._owner._handle, self._operation.handle, ctypes.byref(self._one), a, x, b, y,
            ctypes.byref(self._zero), c, z, c, z, ctypes.byref(self.algorithm), workspace,
            ctypes.c_size_t(_WORKSPACE), device.stream,
        )  # fmt: skip
