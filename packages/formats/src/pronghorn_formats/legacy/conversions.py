"""Arrays of a layer as earlier versions and other backends kept them, in the layout of today.

The facts are those of Keras 2's `preprocess_weights_for_loading`: per-gate weights of Keras 1's recurrent layers, its
axes of convolution kernels, the kernels that Theano flips, and the layouts of cuDNN.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]
Arrays = list[Array]


class Origin(NamedTuple):
    """Who wrote a file: the first number of Keras's version, and the backend."""

    generation: int
    backend: str | None


def converted(layer: Any, arrays: Arrays, origin: Origin) -> Arrays:
    """The arrays of a layer that has no layers of its own, as its variables want them."""
    name = type(layer).__name__
    if origin.generation == 1 and name in _KERAS_1:
        arrays = _KERAS_1[name](layer, list(arrays))
    if name in ("LSTM", "GRU") and len(arrays) == 3:
        arrays = _from_cudnn(arrays, 4 if name == "LSTM" else 3)
    if origin.backend == "theano" and origin.generation < 3 and name in _CONVOLUTIONS and arrays:
        kernels = 2 if name.startswith("ConvLSTM") else 1
        arrays = [_flipped(array) for array in arrays[:kernels]] + list(arrays[kernels:])
    return list(arrays)


def stored_count(layer: Any, wanted: int, origin: Origin) -> int:
    """How many arrays a file has for a layer with `wanted` variables."""
    if origin.generation == 1 and wanted == 3:
        return {"LSTM": 12, "ConvLSTM2D": 12, "GRU": 9}.get(type(layer).__name__, wanted)
    return wanted


_CONVOLUTIONS = frozenset("Conv1D Conv2D Conv3D Conv2DTranspose Conv3DTranspose ConvLSTM2D SeparableConv2D".split())


def _flipped(kernel: Array) -> Array:
    """Theano convolves where the others correlate."""
    return kernel[(slice(None, None, -1),) * (kernel.ndim - 2)]


# ------------------------------------------------------------------------------------------------ cuDNN


def _from_cudnn(arrays: Arrays, gates: int) -> Arrays:
    """The kernels and the bias of a layer that cuDNN ran, where they are such; else what was given."""
    kernel, recurrent, bias = arrays
    if bias.shape != (2 * kernel.shape[1],) or kernel.shape[1] != gates * recurrent.shape[0]:
        return arrays
    kernel = np.hstack([part.T.reshape(part.shape, order="F") for part in np.hsplit(kernel, gates)])
    recurrent = np.hstack([part.T for part in np.hsplit(recurrent, gates)])
    bias = bias.reshape(2, -1)  # that of the inputs, and that of the state
    return [kernel, recurrent, bias.sum(0) if gates == 4 else bias]


# ------------------------------------------------------------------------------------------------ Keras 1


def _gates(*order: int) -> Callable[[Any, Arrays], Arrays]:
    """Kernel, recurrent kernel and bias of each gate, put together in another order of the gates."""

    def join(layer: Any, arrays: Arrays) -> Arrays:
        if len(arrays) != 3 * len(order):
            return arrays
        return [np.concatenate([arrays[3 * gate + part] for gate in order], -1) for part in range(3)]

    return join


def _conv_1d(layer: Any, arrays: Arrays) -> Arrays:
    kernel = arrays[0]
    if kernel.ndim == 4:
        if kernel.shape[:2] != (layer.kernel_size[0], 1):  # (filters, channels, length, 1) before 1.2
            kernel = kernel.transpose(2, 3, 1, 0)
        kernel = kernel[:, 0]
    return [kernel, *arrays[1:]]


def _conv(layer: Any, arrays: Arrays) -> Arrays:
    if layer.data_format == "channels_first":  # (filters, channels, …)
        return [np.moveaxis(arrays[0], (1, 0), (-2, -1)), *arrays[1:]]
    return arrays


def _conv_transpose(layer: Any, arrays: Arrays) -> Arrays:
    if layer.data_format == "channels_first":
        return [np.moveaxis(arrays[0], (0, 1), (-2, -1)), *arrays[1:]]
    return [np.swapaxes(arrays[0], -1, -2), *arrays[1:]]


def _conv_lstm(layer: Any, arrays: Arrays) -> Arrays:
    kernel, recurrent, *bias = _gates(0, 2, 1, 3)(layer, arrays)
    if layer.data_format == "channels_first":
        kernel, recurrent = (np.moveaxis(array, (1, 0), (-2, -1)) for array in (kernel, recurrent))
    return [kernel, recurrent, *bias]


_KERAS_1: dict[str, Callable[[Any, Arrays], Arrays]] = {
    "Conv1D": _conv_1d,
    "Conv2D": _conv,
    "Conv2DTranspose": _conv_transpose,
    "Conv3D": _conv,
    "ConvLSTM2D": _conv_lstm,
    "GRU": _gates(0, 1, 2),
    "LSTM": _gates(0, 2, 1, 3),  # input, cell, forget, output: the middle two change places
}
