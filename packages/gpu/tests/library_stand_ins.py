"""Stand-ins for cublasLt and cuDNN: C functions that read arguments as the libraries do and compute with NumPy."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from pronghorn import dtypes
from pronghorn.ops.attributes import Windows
from pronghorn_ops.primitives import convolution

BASE = 1 << 40
"""The address of the device's memory."""


class Device:
    """The simulator's memory with addresses, and a stream."""

    stream = ctypes.c_void_p(5)

    def __init__(self) -> None:
        from pronghorn_gpu.device import device

        self.own = device()
        self.allocate, self.heap = self.own.allocate, self.own.heap
        self.copy_in, self.copy_out = self.own.copy_in, self.own.copy_out

    def enter(self) -> None:
        pass

    def address(self, offset: int) -> int:
        return BASE + offset

    def read(self, address: int, count: int, dtype: Any) -> Any:
        start = address - BASE
        return self.own.memory[start : start + count * dtype.itemsize].copy_to_host().view(dtype)

    def write(self, address: int, array: Any) -> None:
        self.own.copy_in(address - BASE, np.ascontiguousarray(array))


def plain(argument: Any) -> Any:
    """What the C function sees: a number, or for a pointer to something of ours that thing."""
    if hasattr(argument, "_obj"):
        return argument._obj
    return getattr(argument, "value", argument)


class Library:
    """Functions by name, called with ctypes' values; every descriptor is a number with attributes."""

    def __init__(self) -> None:
        self.device = Device()
        self.calls: list[str] = []
        self.alive: dict[int, dict[Any, Any]] = {}
        self.refuses: dict[str, int] = {}

    def __getattr__(self, name: str) -> Any:
        if not name.startswith(("cublas", "cudnn")):
            raise AttributeError(name)
        rule = getattr(type(self), f"_{name}", None)

        def function(*arguments: Any) -> int:
            self.calls.append(name)
            if name in self.refuses:
                return self.refuses[name]
            values = [plain(a) for a in arguments]
            if rule is not None:
                return rule(self, *values) or 0
            assert "Create" in name or "Destroy" in name, name
            if "Create" in name:
                place, *given = values
                place.value = len(self.calls)
                self.alive[place.value] = {"given": given}
            else:
                del self.alive[values[0]]
            return 0

        return function


class BlasLt(Library):
    """cublasLt."""

    sizes = {
        "MatmulDesc": {3: 4, 4: 4, 7: 4, 8: 8},
        "MatrixLayout": {5: 4, 6: 8},
        "MatmulPreference": {1: 8, 3: 4, 5: 4, 6: 4, 7: 4, 8: 4},
    }
    """Bytes of each attribute that may be set."""

    smallest = 1
    """Alignment without which there is no algorithm."""

    forgets_nan = False
    """Whether ReLU of NaN is 0."""

    def _set(self, kind: str, descriptor: int, attribute: int, value: Any, size: int) -> int:
        if self.sizes[kind].get(attribute) != size:
            return 7
        self.alive[descriptor][attribute] = value.value
        return 0

    def _cublasLtMatmulDescSetAttribute(self, *arguments: Any) -> int:
        return self._set("MatmulDesc", *arguments)

    def _cublasLtMatrixLayoutSetAttribute(self, *arguments: Any) -> int:
        return self._set("MatrixLayout", *arguments)

    def _cublasLtMatmulPreferenceSetAttribute(self, *arguments: Any) -> int:
        return self._set("MatmulPreference", *arguments)

    def _cublasLtMatmulAlgoGetHeuristic(self, handle: int, *rest: Any) -> int:
        _, _, _, c, d, preference, asked, best, count = rest
        wishes = self.alive[preference]
        assert wishes[3] == 2 and wishes[1] == 32 << 20 and asked == 1 and c == d
        if min(wishes[k] for k in (5, 6, 7, 8)) < self.smallest:
            return 15
        best.algorithm[0], best.workspace, best.state = 4711, 256, 0
        count.value = 1
        return 0

    def _cublasLtMatmul(self, handle: int, operation: int, alpha: Any, *rest: Any) -> None:
        pa, a, pb, b, beta, pc, c, pd, d, algorithm, workspace, size, stream = rest
        assert (pc, c) == (pd, d) and algorithm.algorithm[0] == 4711 and size == 32 << 20 and stream == 5
        assert workspace % 256 == 0
        about = self.alive[operation]
        compute, scale = (plain(x) for x in about["given"])
        kinds = {plain(self.alive[x]["given"][0]) for x in (a, b, c)}
        (kind,) = kinds
        dtype = dtypes.numpy_dtype({0: "float32", 1: "float64", 2: "float16", 14: "bfloat16"}[kind])
        assert (compute, scale) == ((70, 1) if kind == 1 else (68, 0))
        assert (
            alpha.value == 1 and beta.value == 0 and isinstance(alpha, ctypes.c_double if kind == 1 else ctypes.c_float)
        )
        wide = np.float64 if kind == 1 else np.float32

        def matrix(pointer: int, layout: int, number: int) -> Any:
            """By columns: element (r, c) is lead * c + r elements away."""
            _, rows, columns, lead = (plain(x) for x in self.alive[layout]["given"])
            assert lead >= rows
            start = pointer + number * self.alive[layout][6] * dtype.itemsize
            memory = self.device.read(start, (columns - 1) * lead + rows, dtype)
            steps = (dtype.itemsize, lead * dtype.itemsize)
            return np.lib.stride_tricks.as_strided(memory, (rows, columns), steps).astype(wide)

        for k in range(self.alive[c][5]):
            left, right = matrix(pa, a, k), matrix(pb, b, k)
            result = (left.T if about[3] else left) @ (right.T if about[4] else right)
            epilogue = about[7]
            if epilogue & 4:
                result = result + self.device.read(about[8], len(result), dtype).astype(wide)[:, None]
            if epilogue & 2:
                result = np.fmax(result, 0) if self.forgets_nan else np.maximum(result, 0)
            if epilogue & 32:
                result = result / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (result + 0.044715 * result**3)))
            rows, columns, lead = (plain(x) for x in self.alive[c]["given"][1:])
            assert result.shape == (rows, columns) and lead == rows
            self.device.write(pc + k * self.alive[c][6] * dtype.itemsize, result.T.astype(dtype))


class Dnn(Library):
    """cuDNN: every algorithm is that of the reference."""

    math = 3
    """The kind of arithmetic that recommendations have."""

    def __init__(self) -> None:
        super().__init__()
        self.ran: list[tuple[str, int, int]] = []

    class _Text:
        restype: Any = None

        def __call__(self, status: Any) -> bytes:
            return b"CUDNN_STATUS"

    cudnnGetErrorString = _Text()

    def _cudnnSetStream(self, handle: int, stream: int) -> None:
        assert stream == 5

    def _cudnnSetTensorNdDescriptor(self, d: int, kind: int, count: int, dims: Any, strides: Any) -> None:
        assert count >= 4 and len(dims) == len(strides) == count
        self.alive[d].update(kind=kind, dims=list(dims), strides=list(strides))

    def _cudnnSetFilterNdDescriptor(self, d: int, kind: int, form: int, count: int, dims: Any) -> None:
        assert form == 1 and count >= 4 and len(dims) == count
        self.alive[d].update(kind=kind, dims=list(dims), strides=None)

    def _cudnnSetConvolutionNdDescriptor(
        self, d: int, count: int, pad: Any, stride: Any, dilation: Any, mode: int, compute: int
    ) -> None:
        assert mode == 1 and len(pad) == len(stride) == len(dilation) == count
        self.alive[d].update(pad=list(pad), stride=list(stride), dilation=list(dilation), compute=compute)

    def _cudnnSetConvolutionGroupCount(self, d: int, groups: int) -> None:
        self.alive[d]["groups"] = groups

    def _cudnnSetConvolutionMathType(self, d: int, kind: int) -> None:
        self.alive[d]["math"] = kind

    def _recommend(
        self, handle: int, a: int, b: int, convolution: int, c: int, asked: int, count: Any, found: Any
    ) -> None:
        assert {"dims", "kind"} <= set(self.alive[a]) & set(self.alive[b]) & set(self.alive[c])
        choices = [(7, 3000, 1), (3, 0, 0), (1, 0, 1)]  # one is not supported, one not the same from run to run
        for item, (algorithm, status, deterministic) in zip(found, choices, strict=False):
            item.algorithm, item.status, item.determinism, item.memory = algorithm, status, deterministic, 999
            item.math = self.math
        count.value = len(choices)

    _cudnnGetConvolutionForwardAlgorithm_v7 = _recommend
    _cudnnGetConvolutionBackwardDataAlgorithm_v7 = _recommend
    _cudnnGetConvolutionBackwardFilterAlgorithm_v7 = _recommend

    def _need(self, handle: int, a: int, b: int, convolution: int, c: int, algorithm: int, size: Any) -> None:
        assert algorithm == 1
        size.value = 1000

    _cudnnGetConvolutionForwardWorkspaceSize = _need
    _cudnnGetConvolutionBackwardDataWorkspaceSize = _need
    _cudnnGetConvolutionBackwardFilterWorkspaceSize = _need

    def _image(self, pointer: int, d: int, dtype: Any) -> Any:
        batch, channels, *sizes = self.alive[d]["dims"]
        array = np.empty((batch, *sizes, channels), dtype)
        assert [s // dtype.itemsize for s in np.moveaxis(array, -1, 1).strides] == self.alive[d]["strides"]
        return self.device.read(pointer, array.size, dtype).reshape(array.shape)

    def _kernel(self, pointer: int, d: int, dtype: Any) -> Any:
        filters, channels, *window = self.alive[d]["dims"]
        flat = self.device.read(pointer, filters * channels * int(np.prod(window)), dtype)
        return np.moveaxis(flat.reshape(filters, *window, channels), 0, -1)

    def _run(self, kind: str, alpha: Any, x: int, px: int, y: int, py: int, d: int, *rest: Any) -> None:
        algorithm, workspace, size, beta, z, pz = rest
        about = self.alive[d]
        (number,) = {self.alive[k]["kind"] for k in (x, y, z)}
        dtype = dtypes.numpy_dtype({0: "float32", 1: "float64", 2: "float16", 9: "bfloat16"}[number])
        assert alpha.value == 1 and beta.value == 0 and about["compute"] == (1 if number == 1 else 0)
        assert algorithm == 1 and size == 1000 and not {px % 16, py % 16, pz % 16, workspace % 256} - {0}
        places = (px, py, pz, workspace)
        assert min(abs(workspace - p) for p in places[:3]) > 0
        self.ran.append((kind, number, about["math"]))
        self.device.write(workspace, np.full(size, 255, np.uint8))  # it may write all of it
        spatial = len(about["pad"])
        first, second, made = (self.alive[k]["dims"][2:] for k in (x, y, z))
        window = {"output": second, "input": first, "kernel": made}[kind]
        pads = tuple((p, p) for p in about["pad"])
        windows = Windows(tuple(window), tuple(about["stride"]), pads, tuple(about["dilation"]))
        assert len(window) == spatial
        attrs: dict[str, Any] = {"windows": windows, "groups": about["groups"]}
        if kind == "output":
            result = convolution.convolution.reference(self._image(px, x, dtype), self._kernel(py, y, dtype), **attrs)
        elif kind == "input":
            operands = self._image(py, y, dtype), self._kernel(px, x, dtype)
            result = convolution.convolution_input_gradient.reference(*operands, sizes=tuple(made), **attrs)
        else:
            operands = self._image(px, x, dtype), self._image(py, y, dtype)
            result = np.moveaxis(convolution.convolution_kernel_gradient.reference(*operands, **attrs), -1, 0)
        filters_or_batch, channels, *sizes = self.alive[z]["dims"]
        assert result.shape == (filters_or_batch, *sizes, channels)
        self.device.write(pz, result.astype(dtype))

    def _cudnnConvolutionForward(self, handle: int, *rest: Any) -> None:
        self._run("output", *rest)

    def _cudnnConvolutionBackwardData(self, handle: int, *rest: Any) -> None:
        self._run("input", *rest)

    def _cudnnConvolutionBackwardFilter(self, handle: int, *rest: Any) -> None:
        self._run("kernel", *rest)
