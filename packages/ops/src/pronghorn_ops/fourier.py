"""Fourier transforms, of pairs of real tensors (real part, imaginary part), and of frames of signals."""

# mypy: disable-error-code="has-type,no-any-return"
# (rules name ops that are defined further down; what a primitive returns is only known at run time)

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pronghorn import dtypes, ops
from pronghorn.op import composed, primitive, promote
from pronghorn.ops.shape import slice_axis
from pronghorn.tensor import Tensor, constant, convert_to_tensor

Array = np.ndarray[Any, Any]


def _gradient(g: Any, out: Any, a: Any, b: Any, axes: int, inverse: bool) -> Any:
    # The matrix of the transform is symmetric: its adjoint is the transform back, times the number of elements.
    count = math.prod(a.shape[-axes:])
    filled = [ops.zeros_like(a) if part is None else part for part in g]
    scale = 1 / count if inverse else count
    return tuple(part * scale for part in fourier(*filled, axes=axes, inverse=not inverse))


@primitive(lambda a, b, axes, inverse: (a, b), _gradient)
def fourier(a: Array, b: Array, axes: int, inverse: bool) -> tuple[Array, Array]:
    """The transform of a + bi over the last `axes` axes, or the one back, as its real and imaginary part."""
    transform = np.fft.ifftn if inverse else np.fft.fftn
    z = transform(a + 1j * b.astype(np.float64), axes=tuple(range(-axes, 0)))
    return z.real.astype(a.dtype), z.imag.astype(a.dtype)


def _pair(op: str, x: Any, axes: int = 1) -> tuple[Tensor, Tensor]:
    if not isinstance(x, (tuple, list)) or len(x) != 2:
        raise ValueError(
            f"{op}: `x` must be a tuple of two tensors, the real and the imaginary part, got {type(x).__name__}"
        )
    a, b = promote([convert_to_tensor(part) for part in x], "float")
    if a.shape != b.shape or len(a.shape) < axes:
        raise ValueError(f"{op}: both parts must have one shape of at least {axes} axes, got {a.shape} and {b.shape}")
    return a, b


@composed
def fft(x: Any) -> Any:
    """The discrete Fourier transform over the last axis of (real, imaginary), as (real, imaginary)."""
    return fourier(*_pair("fft", x), axes=1, inverse=False)


@composed
def fft2(x: Any) -> Any:
    """The discrete Fourier transform over the last two axes of (real, imaginary), as (real, imaginary)."""
    return fourier(*_pair("fft2", x, 2), axes=2, inverse=False)


@composed
def ifft2(x: Any) -> Any:
    """The inverse of `fft2`."""
    return fourier(*_pair("ifft2", x, 2), axes=2, inverse=True)


def _of_length(x: Any, length: int) -> Any:
    """The last axis cut, or filled with zeros at its end."""
    n = x.shape[-1]
    if n > length:
        return slice_axis(x, -1, 0, length)
    return x if n == length else ops.pad(x, [(0, 0)] * (len(x.shape) - 1) + [(0, length - n)])


@composed
def rfft(x: Any, fft_length: int | None = None) -> Any:
    """The first fft_length // 2 + 1 numbers of the transform of a real last axis, as (real, imaginary).

    Args:
        fft_length: to which the axis is cut, or filled with zeros; its size by default.
    """
    x = convert_to_tensor(x)
    if not x.shape:
        raise ValueError("rfft: `x` must have at least one axis, got a scalar")
    x = ops.cast(x, dtypes.floating(x.dtype))
    n: Any = x.shape[-1] if fft_length is None else fft_length
    x = _of_length(x, n)
    parts: Any = fourier(x, ops.zeros_like(x), axes=1, inverse=False)
    return tuple(slice_axis(part, -1, 0, n // 2 + 1) for part in parts)


@composed
def irfft(x: Any, fft_length: int | None = None) -> Any:
    """The inverse of `rfft`: the real signal of (real, imaginary).

    Args:
        fft_length: of the result, 2 * (size - 1) by default.
    """
    a, b = _pair("irfft", x)
    n: int = 2 * (a.shape[-1] - 1) if fft_length is None else fft_length  # type: ignore[operator]
    half = n // 2 + 1
    a, b = _of_length(a, half), _of_length(b, half)
    mirrored = [ops.flip(slice_axis(part, -1, 1, n - half + 1), -1) for part in (a, b)]
    whole_a = ops.concatenate([a, mirrored[0]], -1)
    whole_b = ops.concatenate([b, ops.negative(mirrored[1])], -1)
    result: Any = fourier(whole_a, whole_b, axes=1, inverse=True)
    return result[0]


# ------------------------------------------------------------------------------ frames


@composed
def extract_sequences(x: Any, sequence_length: int, sequence_stride: int) -> Any:
    """Frames (…, count, sequence_length) of the last axis, `sequence_stride` apart; what is left over is left out."""
    x = convert_to_tensor(x)
    n: Any = x.shape[-1] if x.shape else 0
    if sequence_length < 1 or sequence_stride < 1 or sequence_length > n:
        raise ValueError(
            f"extract_sequences: frames of {sequence_length}, {sequence_stride} apart, cannot be cut from an axis of "
            f"size {n}"
        )
    return ops.take(x, constant(_frames(n, sequence_length, sequence_stride), "int32"), axis=-1)


def _frames(size: int, length: int, stride: int) -> Array:
    """The places of each frame's elements."""
    count = (size - length) // stride + 1
    return np.arange(count)[:, None] * stride + np.arange(length)


def _window(op: str, window: Any, length: int, fft_length: int, dtype: str) -> Any:
    """A window by its name, or itself, in the middle of `fft_length`."""
    if fft_length < length:
        raise ValueError(f"{op}: `fft_length` {fft_length} must be at least `sequence_length` {length}")
    if isinstance(window, str):
        if window not in ("hann", "hamming"):
            raise ValueError(f"{op}: unknown window {window!r}; expected 'hann', 'hamming', a tensor or None")
        share = {"hann": 0.5, "hamming": 0.54}[window]
        values = convert_to_tensor(share - (1 - share) * np.cos(2 * np.pi * np.arange(length) / length), dtype)
    else:
        values = convert_to_tensor(np.ones(fft_length), dtype) if window is None else convert_to_tensor(window, dtype)
        if window is None:
            return values
    if values.shape != (length,):
        raise ValueError(f"{op}: the window must have the shape ({length},), got {values.shape}")
    before = (fft_length - length) // 2
    return ops.pad(values, [(before, fft_length - length - before)])


@composed
def stft(
    x: Any, sequence_length: int, sequence_stride: int, fft_length: int, window: Any = "hann", center: bool = True
) -> Any:
    """The transforms of frames of the last axis, (…, frames, fft_length // 2 + 1), as (real, imaginary).

    Args:
        sequence_length: of a frame. sequence_stride: from a frame to the next.
        fft_length: of each transform, at least `sequence_length`.
        window: "hann", "hamming", a tensor (sequence_length,), or None.
        center: mirrors the signal at its ends, so that frame k is centred at k * sequence_stride.
    """
    x = convert_to_tensor(x)
    x = ops.cast(x, dtypes.floating(x.dtype))
    weights = _window("stft", window, sequence_length, fft_length, x.dtype)
    if center:
        half = fft_length // 2
        x = ops.pad(x, [(0, 0)] * (len(x.shape) - 1) + [(half, half)], mode="reflect")
    return rfft(extract_sequences(x, fft_length, sequence_stride) * weights)


@composed
def istft(
    x: Any,
    sequence_length: int,
    sequence_stride: int,
    fft_length: int,
    length: int | None = None,
    window: Any = "hann",
    center: bool = True,
) -> Any:
    """The signal of (real, imaginary) transforms of frames, the inverse of `stft` with the same arguments.

    Args:
        length: at which the result is cut; without it, half a frame is left out at the end too, where `center` is set.
    """
    frames: Any = irfft(x, fft_length)
    weights = _window("istft", window, sequence_length, fft_length, frames.dtype)
    *batch, count, _ = frames.shape
    size = (count - 1) * sequence_stride + fft_length
    places = constant(_frames(size, fft_length, sequence_stride).reshape(-1), "int32")
    pieces = ops.moveaxis(ops.reshape(frames * weights, (*batch, -1)), -1, 0)
    total = ops.moveaxis(ops.scatter_rows(pieces, places, rows=size), 0, -1)
    overlap = ops.scatter_rows(ops.tile(ops.square(weights), count), places, rows=size)
    covered = overlap > 1e-10
    signal: Any = total / ops.where(covered, overlap, 1)
    start = fft_length // 2 if center else 0
    end = size - start if length is None else min(start + length, size)
    return slice_axis(signal, -1, start, end)
