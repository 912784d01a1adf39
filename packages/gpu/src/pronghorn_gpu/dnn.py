"""cuDNN's convolutions, through the C functions that describe tensors by descriptors.

Of the algorithms that cuDNN recommends for a shape the first is taken that is deterministic, computes in the precision
asked for and needs no large workspace (1 GiB at most); where there is none, the convolution is done otherwise. float16
and bfloat16 are summed in float32 on tensor cores.

Values are those of cuDNN 9's cudnn_graph.h and cudnn_ops.h.
https://docs.nvidia.com/deeplearning/cudnn/backend/latest/api/cudnn-cnn-library.html
"""

from __future__ import annotations

import ctypes
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from pronghorn_gpu.launch import Convolve, Pointer, Scratch
from pronghorn_gpu.library import Descriptor, Functions, LibraryError, Run, tensor_float

_TYPES = {"float32": 0, "float64": 1, "float16": 2, "bfloat16": 9}
"""cudnnDataType_t."""

_CHANNELS_LAST = 1
_CROSS_CORRELATION = 1
_DEFAULT_MATH, _TENSOR_MATH, _FMA_MATH = 0, 1, 3
_DETERMINISTIC = 1
_NOT_SUPPORTED = range(3000, 4000)

_NAMES = {"output": "Forward", "input": "BackwardData", "kernel": "BackwardFilter"}
"""The functions' names, by what is computed."""

_ALGORITHMS = 8
"""Recommendations that are asked for."""

LARGEST_WORKSPACE = 1 << 30
"""Bytes; on small cards less, an eighth of Pronghorn's memory."""

ALIGNMENT = 16
"""Bytes, of every operand."""

_WORKSPACE_ALIGNMENT = 256


class Recommendation(ctypes.Structure):
    """cudnnConvolutionFwdAlgoPerf_t, and those of the gradients, which are alike."""

    _fields_ = (
        ("algorithm", ctypes.c_int),
        ("status", ctypes.c_int),
        ("time", ctypes.c_float),
        ("memory", ctypes.c_size_t),
        ("determinism", ctypes.c_int),
        ("math", ctypes.c_int),
        ("reserved", ctypes.c_int * 3),
    )


def _math(dtype: str) -> int:
    if dtype == "float32":
        return _DEFAULT_MATH if tensor_float() else _FMA_MATH
    return _DEFAULT_MATH if dtype == "float64" else _TENSOR_MATH


class Dnn:
    """cuDNN on a device's stream. `companions` are libraries that must stay open for it."""

    def __init__(self, library: Any, target: Any, companions: Sequence[Any] = ()) -> None:
        text = library.cudnnGetErrorString
        text.restype = ctypes.c_char_p
        self._functions = Functions(library, lambda status: f"{text(ctypes.c_int(status)).decode()} ({status})")
        self._companions = companions
        self._device = target
        target.enter()
        self._handle = ctypes.c_void_p()
        self._functions("cudnnCreate", ctypes.byref(self._handle))
        self._functions("cudnnSetStream", self._handle, target.stream)
        self._known: dict[Any, tuple[tuple[int, int], int] | None] = {}

    def asked(self, work: Convolve) -> Convolve | None:
        """The convolution with its algorithm and workspace, None where cuDNN has none."""
        if work.dtype not in _TYPES or any(x.offset % ALIGNMENT for x in (work.a, work.b, work.c)):
            return None
        blank = Pointer(0, work.dtype)
        key = (replace(work, a=blank, b=blank, c=blank, space=Scratch(work.dtype)), tensor_float())
        if key not in self._known:
            self._known[key] = self._recommended(work)
        found = self._known[key]
        if found is None:
            return None
        algorithm, nbytes = found
        room = nbytes + _WORKSPACE_ALIGNMENT  # the arena's alignment is less
        return replace(work, algorithm=algorithm, workspace=work.space.offset + room)

    def _recommended(self, work: Convolve) -> tuple[tuple[int, int], int] | None:
        """Algorithm and kind of arithmetic, and the bytes of workspace."""
        wanted = _math(work.dtype)
        try:
            found = _Call(self._functions, work, wanted).recommendations(self._handle)
        except LibraryError as error:
            if error.status not in _NOT_SUPPORTED:
                warnings.warn(f"cuDNN does not do a convolution: {error}", RuntimeWarning, stacklevel=2)
            return None
        for item in found:
            if item.status or item.determinism != _DETERMINISTIC:
                continue
            # what is given for full float32 may be called the default, which would allow TF32
            kind = wanted if wanted == _FMA_MATH and item.math == _DEFAULT_MATH else item.math
            if wanted == _FMA_MATH and kind != wanted:
                continue
            try:
                size = _Call(self._functions, work, kind).workspace(self._handle, item.algorithm)
            except LibraryError:
                continue
            if size <= min(LARGEST_WORKSPACE, self._device.heap.capacity // 8):
                return (item.algorithm, kind), size
        return None

    def prepared(self, work: Convolve, address: Callable[[Any], int]) -> Run | None:
        """The convolution for these addresses of its operands."""
        places = [self._device.address(address(slot)) for slot in (work.a, work.b, work.c, work.space)]
        if any(place % ALIGNMENT for place in places):
            return None
        algorithm, kind = work.algorithm
        call = _Call(self._functions, work, kind)
        size = work.workspace - work.space.offset - _WORKSPACE_ALIGNMENT
        places[3] = -(-places[3] // _WORKSPACE_ALIGNMENT) * _WORKSPACE_ALIGNMENT
        return lambda: call.run(self._handle, algorithm, places, size)


class _Call:
    """One convolution: its descriptors and arguments."""

    def __init__(self, functions: Functions, work: Convolve, math_type: int) -> None:
        self._functions = functions
        self._name = _NAMES[work.kind]
        kind = ctypes.c_int(_TYPES[work.dtype])
        spatial = len(work.strides)
        missing = max(2 - spatial, 0)  # cuDNN has at least two dimensions

        def ints(values: Sequence[int]) -> Any:
            return (ctypes.c_int * len(values))(*values)

        def image(shape: Sequence[int]) -> Descriptor:
            """Sizes batch first, then channels, and strides by which channels lie innermost."""
            sizes = [*[1] * missing, *shape[1:-1]]
            steps = [shape[-1] * math.prod(sizes[k + 1 :]) for k in range(len(sizes))]
            descriptor = Descriptor(functions, "cudnn{}TensorDescriptor")
            dims = [shape[0], shape[-1], *sizes]
            strides = [shape[-1] * math.prod(sizes), 1, *steps]
            functions(
                "cudnnSetTensorNdDescriptor",
                descriptor.handle, kind, ctypes.c_int(len(dims)), ints(dims), ints(strides),
            )  # fmt: skip
            return descriptor

        filters, *window, channels = work.kernel
        dims = [filters, channels, *[1] * missing, *window]
        kernel = Descriptor(functions, "cudnn{}FilterDescriptor")
        functions(
            "cudnnSetFilterNdDescriptor",
            kernel.handle, kind, ctypes.c_int(_CHANNELS_LAST), ctypes.c_int(len(dims)), ints(dims),
        )  # fmt: skip
        self._convolution = Descriptor(functions, "cudnn{}ConvolutionDescriptor")
        handle = self._convolution.handle
        compute = _TYPES["float64" if work.dtype == "float64" else "float32"]
        functions(
            "cudnnSetConvolutionNdDescriptor",
            handle, ctypes.c_int(spatial + missing), ints([*[0] * missing, *work.padding]),
            ints([*[1] * missing, *work.strides]), ints([*[1] * missing, *work.dilation]),
            ctypes.c_int(_CROSS_CORRELATION), ctypes.c_int(compute),
        )  # fmt: skip
        functions("cudnnSetConvolutionGroupCount", handle, ctypes.c_int(work.groups))
        functions("cudnnSetConvolutionMathType", handle, ctypes.c_int(math_type))
        x, y = image(work.image), image(work.result)
        # as the functions want them: two operands, then what is computed
        self._operands = {"output": (x, kernel, y), "input": (kernel, y, x), "kernel": (x, y, kernel)}[work.kind]
        self._order = (1, 0, 2) if work.kind == "input" else (0, 1, 2)
        number = ctypes.c_double if work.dtype == "float64" else ctypes.c_float
        self._one, self._zero = number(1), number(0)

    def recommendations(self, handle: Any) -> list[Recommendation]:
        """Algorithms, the one that cuDNN takes for the fastest first."""
        found, count = (Recommendation * _ALGORITHMS)(), ctypes.c_int(0)
        a, b, c = (operand.handle for operand in self._operands)
        self._functions(
            f"cudnnGetConvolution{self._name}Algorithm_v7",
            handle, a, b, self._convolution.handle, c, ctypes.c_int(_ALGORITHMS), ctypes.byref(count), found,
        )  # fmt: skip
        return list(found)[: count.value]

    def workspace(self, handle: Any, algorithm: int) -> int:
        """Bytes that an algorithm needs."""
        size = ctypes.c_size_t(0)
        a, b, c = (operand.handle for operand in self._operands)
        self._functions(
            f"cudnnGetConvolution{self._name}WorkspaceSize",
            handle, a, b, self._convolution.handle, c, ctypes.c_int(algorithm), ctypes.byref(size),
        )  # fmt: skip
        return size.value

    def run(self, handle: Any, algorithm: int, places: Sequence[int], size: int) -> None:
        """Hands it to the stream; `places` are the addresses of a, b, c and of a workspace of `size` bytes."""
        (x, y, z), (a, b, c) = self._operands, (ctypes.c_void_p(places[k]) for k in self._order)
        self._functions(
            f"cudnnConvolution{self._name}",
            handle, ctypes.byref(self._one), x.handle, a, y.handle, b, self._convolution.handle,
            ctypes.c_int(algorithm), ctypes.c_void_p(places[3]), ctypes.c_size_t(size), ctypes.byref(self._zero),
            z.handle, c,
        )  # fmt: skip
